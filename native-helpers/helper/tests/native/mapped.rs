//! Devices of the device mapper, and disk images: what can be tried on a kernel that may have neither.

use std::path::Path;

use osbuild_wasm_protocol::{ActivateVolume, Bytes, ErrorCode, Interface, MountImage, OpenCrypt};

use crate::support::{Bench, MOUNTS, attach, can_attach, can_run};

#[test]
fn a_kernel_without_device_mapper_is_told_in_one_sentence() {
    if !can_run(&[]) || Path::new("/dev/mapper/control").exists() {
        return;
    }
    let bench = Bench::new();
    let (crypt, lvm) = (bench.client(Interface::Crypt), bench.client(Interface::Lvm));
    let open = OpenCrypt {
        device: "/dev/loop0".into(),
        passphrase: Bytes(b"secret".to_vec()),
    };
    let activate = ActivateVolume {
        device: "/dev/loop0".into(),
        partition: None,
        volume: "root".into(),
    };
    let failures = [
        bench.begin(&crypt).call(open, &[]).map(drop).unwrap_err(),
        bench.begin(&lvm).call(activate, &[]).map(drop).unwrap_err(),
    ];
    for failure in failures {
        assert_eq!(failure.code, ErrorCode::Unsupported);
        assert!(
            failure
                .to_string()
                .starts_with("this kernel has no device mapper: "),
            "{failure}"
        );
    }
}

#[test]
fn only_granted_devices_are_mounted_as_images() {
    if !can_attach(&[]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 4);
    let (loopback, ddi) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Ddi),
    );
    let devices = bench.begin(&loopback);
    let session = bench.begin(&ddi);
    let image = |device: &str, target: &str| MountImage {
        target: target.into(),
        ..crate::ddi::image(device)
    };
    let target = format!("{MOUNTS}/image");
    let code = |image| session.call(image, &[]).unwrap_err().code;
    assert_eq!(code(image("/dev/null", &target)), ErrorCode::Denied);
    let device = devices.attach(attach(&path)).unwrap().device;
    assert_eq!(code(image(&device, "/etc")), ErrorCode::Denied);
    // An empty file is no disk image; a machine may also lack the program.
    let failure = session.call(image(&device, &target), &[]).unwrap_err();
    let expected = failure.code == ErrorCode::MissingTool
        || failure.detail.starts_with("cannot mount the disk image: ");
    assert!(expected, "{failure}");
}
