//! GRUB's images and disk images.

use std::fs;
use std::os::fd::AsFd;

use osbuild_wasm_protocol::{
    BootImage, Conversion, CoreImage, Create, ErrorCode, ImageFormat, Interface,
};
use rustix::fs::OFlags;

use crate::support::{Bench, TREE, can_run, handle};

#[test]
fn core_and_boot_image_come_from_the_build_root() {
    if !can_run(&["grub-mkimage"])
        || !std::path::Path::new("/usr/lib/grub/i386-pc/boot.img").exists()
    {
        return;
    }
    let bench = Bench::granting(&["grub-mkimage"]);
    let client = bench.client(Interface::Grub);
    let session = bench.begin(&client);
    let core = CoreImage {
        program: "grub2-mkimage".into(),
        platform: "i386-pc".into(),
        format: "i386-pc".into(),
        prefix: "(,gpt2)/boot/grub2".into(),
        modules: vec!["part_gpt".into(), "ext2".into(), "biosdisk".into()],
    };
    let image = session.call(core.clone(), &[]).unwrap();
    assert!(image.0.len() > 20_000, "{}", bench.log());
    assert!(
        bench.log().contains("part_gpt"),
        "the tool's output is in the log"
    );
    assert_eq!(
        session
            .call(
                BootImage {
                    platform: "i386-pc".into()
                },
                &[]
            )
            .unwrap()
            .0
            .len(),
        512
    );
    assert_eq!(
        session
            .call(
                BootImage {
                    platform: "../x".into()
                },
                &[]
            )
            .unwrap_err()
            .code,
        ErrorCode::Invalid
    );
    let other = CoreImage {
        program: "sh".into(),
        ..core
    };
    assert_eq!(
        session.call(other, &[]).unwrap_err().code,
        ErrorCode::Denied
    );
}

#[test]
fn images_are_made_converted_and_described() {
    if !can_run(&["qemu-img"]) {
        return;
    }
    let bench = Bench::granting(&["qemu-img"]);
    let client = bench.client(Interface::QemuImg);
    let session = bench.begin(&client);
    fs::create_dir(bench.tree().join("sub")).unwrap();
    std::os::unix::fs::symlink("/sub", bench.tree().join("link")).unwrap();
    let source = bench.disk("disk.img", 8);
    let conversion = Conversion {
        source,
        to: format!("{TREE}/link/disk.qcow2"),
        format: ImageFormat::Qcow2,
        compress: true,
        options: vec!["compat=1.1".into()],
        coroutines: Some(2),
    };
    session.convert(conversion.clone()).unwrap();
    assert!(bench.tree().join("sub/disk.qcow2").exists());
    let info = session.info(format!("{TREE}/link/disk.qcow2")).unwrap();
    assert_eq!(
        (info.format.as_str(), info.virtual_size),
        ("qcow2", 8 << 20)
    );
    let flat = Conversion {
        to: format!("{TREE}/flat.vmdk"),
        format: ImageFormat::Vmdk,
        compress: false,
        options: vec!["subformat=monolithicFlat".into()],
        ..conversion.clone()
    };
    session.convert(flat).unwrap();
    let content = bench.tree().join("flat-flat.vmdk").metadata().unwrap();
    assert_eq!(
        content.len(),
        8 << 20,
        "formats of several files have them side by side"
    );
    let vpc = Conversion {
        format: ImageFormat::Vpc,
        ..conversion.clone()
    };
    assert_eq!(session.convert(vpc).unwrap_err().code, ErrorCode::Invalid);
    let source = session.open(&conversion.source, OFlags::PATH);
    let outside = fs::File::create_new(bench.top().join("outside")).unwrap();
    let directory = handle(bench.top());
    let files = [source.as_fd(), outside.as_fd(), directory.as_fd()];
    let refused = (*session).call(conversion, &files).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Denied);
    assert_eq!(outside.metadata().unwrap().len(), 0);
    let create = Create {
        path: format!("{TREE}/new.vmdk"),
        format: ImageFormat::Vmdk,
        size: 1 << 20,
        options: Vec::new(),
    };
    session.create(create).unwrap();
    assert_eq!(
        session.info(format!("{TREE}/new.vmdk")).unwrap().format,
        "vmdk"
    );
}

#[test]
fn an_image_does_not_lead_to_other_files() {
    if !can_run(&["qemu-img"]) {
        return;
    }
    let bench = Bench::granting(&["qemu-img"]);
    let client = bench.client(Interface::QemuImg);
    let session = bench.begin(&client);
    bench.disk("secret", 1);
    // An image of VMware may be a text that says where its parts are.
    let parts = |part: &str| {
        format!(
            "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"{part}\" 0\n"
        )
    };
    for part in ["secret", "/run/osbuild/tree/secret", "/etc/hostname"] {
        fs::write(bench.tree().join("evil.vmdk"), parts(part)).unwrap();
        let failure = session.info(format!("{TREE}/evil.vmdk")).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Io, "{part}: {}", bench.log());
    }
}
