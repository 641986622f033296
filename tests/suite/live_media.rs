//! Live media of CoreOS, made of a small system: `coreos-installer`, which Debian does not have, is a script that looks at what the real
//! one looks at.
use base64::prelude::{BASE64_STANDARD, Engine};
use osbuild_wasm_tests::{Program, Scratch, machine, program::through_shell_in_namespace};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TOOLS: [&str; 15] = [
    "busybox",
    "chroot",
    "cpio",
    "genisoimage",
    "isohybrid",
    "isoinfo",
    "mkfs.ext4",
    "mkfs.erofs",
    "mkfs.vfat",
    "mksquashfs",
    "sfdisk",
    "tar",
    "unshare",
    "unsquashfs",
    "mcopy",
];

/// Numbers, first sectors and sizes of the partitions, of 512 bytes.
const PARTITIONS: [(&str, u64, u64); 4] = [
    ("BIOS-BOOT", 2048, 2048),
    ("EFI-SYSTEM", 4096, 20480),
    ("boot", 24576, 65536),
    ("root", 90112, 131_072),
];

const INSTALLER: &str = r#"#!/usr/bin/sh
set -e
b=/usr/bin/busybox
mode=$2 first=$3 second=$4
shift 3
case $mode in
osmet)
    while [ $# -gt 0 ]; do
        case $1 in
        --description) description=$2 ;;
        --checksum) sum=$2 ;;
        --output) output=$2 ;;
        esac
        shift 2
    done
    echo "$sum  $first" | $b sha256sum -c
    $b mkdir "$TMPDIR/boot"
    $b mount -t ext4 -o ro "${first}p3" "$TMPDIR/boot"
    { echo "$description"; $b cat "$TMPDIR/boot/label"; $b blockdev --getss "$first"; } >"$output"
    $b umount "$TMPDIR/boot"
    $b rmdir "$TMPDIR/boot"
    ;;
minimal-iso)
    [ "$($b stat -c %s "$first")" -ge "$($b stat -c %s "$second")" ]
    $b rm "$second"
    ;;
*) exit 1 ;;
esac
"#;

const MENU: &str = "menu\n\tlinux /images/pxeboot/vmlinuz @@KERNEL-ARGS@@ ignition.firstboot\n################################ COREOS_KARG_EMBED_AREA\n";

/// Writes the files of the deployed tree.
fn write_deployed(scratch: &Scratch, image: &str) {
    let live = "usr/share/coreos-assembler/live";
    let efi = "usr/lib/bootupd/updates/EFI";
    let files = [
        (
            "etc/os-release",
            "ID=test\nVARIANT_ID=small\nPRETTY_NAME=\"Small CoreOS\"\nOSTREE_VERSION=1.2.3\n",
        ),
        ("usr/share/coreos-assembler/image.json", image),
        (
            "usr/share/coreos-installer/example-config.yaml",
            "# Sample\nstream: name\nappend-karg: [arg, arg]\n",
        ),
        ("usr/lib/modules/6/vmlinuz", "kernel"),
        ("usr/lib/modules/6/initramfs.img", "initramfs"),
        ("usr/bin/coreos-installer", INSTALLER),
        ("run/keep", ""),
        ("dev/keep", ""),
        ("proc/keep", ""),
        ("sys/keep", ""),
    ];
    let menus = [
        "EFI/fedora/grub.cfg",
        "isolinux/isolinux.cfg",
        "zipl.prm",
        "README-devel.md",
    ];
    let menus = menus.map(|name| (format!("{live}/{name}"), MENU));
    let loaders = [
        "BOOT/BOOTX64.EFI",
        "BOOT/fbx64.efi",
        "vendor/BOOTX64.CSV",
        "vendor/shimx64.efi",
        "vendor/grubx64.efi",
    ];
    let loaders = loaders.map(|name| (format!("{efi}/{name}"), "loader"));
    for (name, content) in files {
        scratch.write(&format!("deployed/{name}"), content);
    }
    for (name, content) in menus.iter().chain(&loaders) {
        scratch.write(&format!("deployed/{name}"), content);
    }
    std::fs::copy("/usr/bin/busybox", scratch.path("deployed/usr/bin/busybox")).expect("busybox");
    scratch.link("busybox", "deployed/usr/bin/sh");
    let installer = scratch.path("deployed/usr/bin/coreos-installer");
    std::fs::set_permissions(
        installer,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("a mode");
}

/// Writes the files of the system on the disk.
fn write_installed(scratch: &Scratch) {
    let entry = "title x\noptions mitigations=auto $ignition_firstboot ostree=/ostree/boot.1 console=ttyS0 root=UUID=x\n";
    for (name, content) in [
        ("boot/label", "the boot partition\n"),
        ("boot/loader.1/entries/test.conf", entry),
        ("boot/ostree/test-1/vmlinuz-6", "kernel"),
        ("boot/ostree/test-1/.vmlinuz-6.hmac", "sum"),
        ("boot/efi/EFI/here", "x"),
        (
            "ostree/repo/config",
            "[core]\nmode=bare\n[sysroot]\nreadonly=true\n",
        ),
        (
            ".aleph-version.json",
            r#"{"container-image": {"image-labels": {"com.coreos.osname": "named"}}}"#,
        ),
    ] {
        scratch.write(&format!("installed/{name}"), content);
    }
    scratch.link("loader.1", "installed/boot/loader");
}

/// A pipeline with the content of a directory, and the source of its archive.
fn pipeline(scratch: &Scratch, name: &str) -> (Value, String, Value) {
    let archive = scratch.path(&format!("{name}.tar"));
    let made = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(scratch.path(name))
        .arg(".")
        .status();
    assert!(made.expect("tar").success());
    let content = std::fs::read(archive).expect("the archive");
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
    let stage = json!({
        "type": "org.osbuild.untar",
        "inputs": { "file": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } },
    });
    let item = json!({ "encoding": "base64", "data": BASE64_STANDARD.encode(&content) });
    (json!({ "name": name, "stages": [stage] }), digest, item)
}

/// Stages that make a disk image of the installed system with sectors of this size.
fn disk(sector: u64) -> Value {
    let unit = sector / 512;
    let device = |part: Option<usize>| {
        let mut options = json!({ "filename": "disk.img", "sector-size": sector });
        if let Some((_, start, size)) = part.map(|part| PARTITIONS[part]) {
            options["start"] = (start / unit).into();
            options["size"] = (size / unit).into();
        }
        json!({ "type": "org.osbuild.loopback", "options": options })
    };
    let partitions = PARTITIONS.map(
        |(name, start, size)| json!({ "name": name, "start": start / unit, "size": size / unit }),
    );
    let mount = |name: &str, kind: &str, target: &str| json!({ "name": name, "type": kind, "source": name, "target": target });
    json!([
        { "type": "org.osbuild.truncate", "options": { "filename": "disk.img", "size": "112M" } },
        { "type": "org.osbuild.sfdisk", "options": { "label": "gpt", "uuid": "d209c89e-ea5e-4fbd-b161-b461cce297e0", "partitions": partitions }, "devices": { "device": device(None) } },
        { "type": "org.osbuild.mkfs.fat", "options": { "volid": "7b7795e7" }, "devices": { "device": device(Some(1)) } },
        { "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3561", "label": "boot" }, "devices": { "device": device(Some(2)) } },
        { "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "label": "root" }, "devices": { "device": device(Some(3)) } },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
            "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:installed"] } },
            "devices": { "efi": device(Some(1)), "boot": device(Some(2)), "root": device(Some(3)) },
            "mounts": [mount("root", "org.osbuild.ext4", "/"), mount("boot", "org.osbuild.ext4", "/boot"), mount("efi", "org.osbuild.fat", "/boot/efi")],
        },
    ])
}

fn document(scratch: &Scratch) -> Value {
    let (deployed, deployed_digest, deployed_item) = pipeline(scratch, "deployed");
    let (installed, installed_digest, installed_item) = pipeline(scratch, "installed");
    let file = |name: &str| json!({ "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": { format!("name:{name}"): { "file": "disk.img" } } });
    let live = json!({
        "type": "org.osbuild.coreos.live-artifacts.mono",
        "options": { "filenames": { "live-iso": "live.iso", "live-kernel": "kernel", "live-initramfs": "initramfs.img", "live-rootfs": "rootfs.img" } },
        "inputs": {
            "deployed-tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:deployed"] },
            "metal": file("metal"),
            "metal4k": file("metal4k"),
        },
    });
    json!({
        "version": "2",
        "pipelines": [
            deployed,
            installed,
            { "name": "metal", "stages": disk(512) },
            { "name": "metal4k", "stages": disk(4096) },
            { "name": "live", "stages": [live] },
        ],
        "sources": { "org.osbuild.inline": { "items": { deployed_digest: deployed_item, installed_digest: installed_item } } },
    })
}

/// Builds the medium of a system whose image.json is this one. Files of syslinux are where other distributions have them.
fn build(scratch: &Scratch, image: &str) {
    write_deployed(scratch, image);
    write_installed(scratch);
    let share = scratch.directory("share/syslinux");
    for name in [
        "isolinux.bin",
        "ldlinux.c32",
        "libcom32.c32",
        "libutil.c32",
        "vesamenu.c32",
    ] {
        let place = match name {
            "isolinux.bin" => "/usr/lib/ISOLINUX",
            _ => "/usr/lib/syslinux/modules/bios",
        };
        std::fs::copy(Path::new(place).join(name), share.join(name)).expect("isolinux");
    }
    let file = scratch.json("manifest.json", &document(scratch));
    let overlay =
        r#"mount -t overlay -o "lowerdir=$SHARE:/usr/share" overlay /usr/share && exec "$@""#;
    through_shell_in_namespace(
        overlay,
        "run --export live --checkpoint metal --checkpoint metal4k",
    )
    .env("SHARE", scratch.path("share"))
    .option("--store", scratch.path("store"))
    .option("--output-directory", scratch.path("out"))
    .arg(&file)
    .limit(Duration::from_secs(180))
    .run()
    .expect(0);
    machine::assert_nothing_left(scratch.root());
}

/// What a script of sh prints in the output directory.
fn told(scratch: &Scratch, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(scratch.path("out/live"))
        .output()
        .expect("sh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_live_medium_of_coreos_has_what_its_initramfs_and_its_installer_look_for() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    build(&scratch, "{}");
    // The archive of the root file system: squashfs first, the installed system in it, ready to run from a medium.
    insta::assert_snapshot!(told(&scratch, "cpio -t --quiet <rootfs.img"), @"
    root.squashfs
    etc
    etc/coreos-live-rootfs
    metal.osmet
    metal4k.osmet
    ");
    insta::assert_snapshot!(told(&scratch, "cpio -i --quiet --to-stdout 'metal*' <rootfs.img"), @"
    Small CoreOS
    the boot partition
    512
    Small CoreOS
    the boot partition
    4096
    ");
    told(
        &scratch,
        "cpio -i --quiet root.squashfs <rootfs.img && unsquashfs -q -n -d root root.squashfs >/dev/null",
    );
    assert_eq!(
        scratch.read("out/live/root/ostree/repo/config"),
        "[core]\nmode=bare\n[sysroot]\n"
    );
    for name in [
        "boot/vmlinuz-6",
        "boot/.vmlinuz-6.hmac",
        "boot/efi/EFI/here",
        "boot/loader/entries/test.conf",
    ] {
        assert!(
            scratch.path(&format!("out/live/root/{name}")).exists(),
            "{name}"
        );
    }
    // Behind the initramfs of the system, what it has to know of that archive.
    assert_eq!(scratch.read("out/live/kernel"), "kernel");
    told(
        &scratch,
        "tail -c +10 initramfs.img | gzip -dcq >added || [ $? = 2 ]",
    );
    let wanted = told(
        &scratch,
        "cpio -i --quiet --to-stdout etc/coreos-live-want-rootfs <added",
    );
    let mut expected = vec!["stream-hash sha256 2097152".to_owned()];
    let archive = std::fs::read(scratch.path("out/live/rootfs.img")).expect("the archive");
    expected.extend(
        archive
            .chunks(2 << 20)
            .map(|block| hex::encode(Sha256::digest(block))),
    );
    assert_eq!(wanted.trim_end(), expected.join("\n"));
    assert_eq!(
        std::fs::metadata(scratch.path("out/live/initramfs.img"))
            .expect("it")
            .len()
            % 4,
        0
    );
    assert_eq!(archive.len() % 4, 0);
    is_bootable(&scratch);
}

/// The medium has both boot loaders, and says where kernel arguments and configuration can be added.
fn is_bootable(scratch: &Scratch) {
    let read = |name: &str| told(scratch, &format!("isoinfo -R -i live.iso -x /{name}"));
    let menu = read("EFI/vendor/grub.cfg");
    let arguments = "mitigations=auto root=UUID=x coreos.liveiso=named-1.2.3 ignition.firstboot";
    assert!(
        menu.contains(&format!("vmlinuz {arguments}\n####")),
        "{menu}"
    );
    let areas: Value = serde_json::from_str(&read("coreos/kargs.json")).expect("JSON");
    let (offset, size) = (
        menu.find("mitigations").expect("arguments"),
        arguments.len() + 1 + 31,
    );
    let area = |path: &str| json!({ "end": "\n", "offset": offset, "pad": "#", "path": path });
    assert_eq!(
        areas,
        json!({ "default": arguments, "files": [area("EFI/vendor/grub.cfg"), area("isolinux/isolinux.cfg")], "size": size })
    );
    assert_eq!(
        read("coreos/igninfo.json"),
        "{\n  \"file\": \"images/ignition.img\"\n}\n"
    );
    assert!(read("coreos/features.json").contains("\"append-karg\": true"));
    let list = told(scratch, "isoinfo -R -f -i live.iso");
    for name in [
        "/images/ignition.img",
        "/images/pxeboot/rootfs.img",
        "/isolinux/boot.cat",
        "/coreos/miniso.dat",
    ] {
        assert!(list.lines().any(|line| line == name), "{name}: {list}");
    }
    assert!(
        !list.contains("README-devel") && !list.contains("zipl.prm"),
        "{list}"
    );
    // The image that the firmware starts leads to the menu on the medium.
    told(
        scratch,
        "isoinfo -R -i live.iso -x /images/efiboot.img >esp && mcopy -i esp ::EFI/BOOT/grub.cfg stub && mcopy -i esp ::EFI/BOOT/BOOTX64.EFI loader",
    );
    let stub = scratch.read("out/live/stub");
    assert!(
        stub.contains("--label \"named-1.2.3\"") && stub.contains("($root)/EFI/vendor"),
        "{stub}"
    );
    let catalog = told(scratch, "isoinfo -d -i live.iso");
    assert!(
        catalog.contains("Eltorito") && catalog.contains("Volume id: named-1.2.3"),
        "{catalog}"
    );
    // As a disk, too.
    let table = told(scratch, "sfdisk -d live.iso");
    assert!(
        table.contains("label: gpt") || table.contains("type=ef"),
        "{table}"
    );
}

#[test]
fn the_root_of_a_live_medium_is_erofs_where_its_image_says_so() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    build(
        &scratch,
        r#"{"live-rootfs-fstype": "erofs", "live-rootfs-fsoptions": "--quiet -E all-fragments,fragdedupe=inode"}"#,
    );
    let first = told(&scratch, "cpio -t --quiet <rootfs.img | head -n 1");
    assert_eq!(first, "root.erofs\n");
    let archive = std::fs::read(scratch.path("out/live/rootfs.img")).expect("the archive");
    assert_eq!(archive[1148..1152], 0xe0f5_e1e2_u32.to_le_bytes());
}

#[test]
fn a_plan_says_that_a_live_medium_takes_block_devices() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    write_deployed(&scratch, "{}");
    write_installed(&scratch);
    let file = scratch.json("manifest.json", &document(&scratch));
    let plan = |devices: &str| {
        Program::new("plan --format json")
            .arg(devices)
            .arg(&file)
            .run()
    };
    plan("--devices=loop").expect(0);
    let refused = plan("--devices=none").expect(1);
    refused.says("it needs block devices for coreos-installer");
}
