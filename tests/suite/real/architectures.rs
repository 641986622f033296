//! Trees for other architectures, and build roots of another architecture, whose programs an emulator runs.
use super::{archive, build, debian, files, inline, script, tree};
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const UUID: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3562";

/// A directory with its parents, as an element of `paths` of the stage.
fn directory(path: &str) -> Value {
    json!({ "path": path, "parents": true })
}

/// Builds `tree` by these stages in a build root, if that matters; returns what its files say.
fn built(
    scratch: &Scratch,
    sources: &Value,
    root: Option<Value>,
    stages: Value,
) -> impl Fn(&str) -> String {
    let mut pipelines = vec![json!({ "name": "tree", "stages": stages })];
    if let Some(root) = root {
        pipelines[0]["build"] = json!("name:build");
        pipelines.insert(0, json!({ "name": "build", "stages": root }));
    }
    let document = json!({ "version": "2", "sources": sources, "pipelines": pipelines });
    build(scratch, &document, &["tree"]).run().expect(0);
    let out = scratch.path("out/tree");
    move |name| fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_tree_for_s390x_has_what_zipl_reads() {
    let scratch = Scratch::new();
    let entry = "title Demo\nversion 6.1\nlinux /build/tree/boot/vmlinuz-6.1\ninitrd /build/tree/boot/initramfs-6.1.img\noptions root=/dev/dasda1\n";
    let (sources, references) = inline(&[scratch.write("entry", entry)]);
    let copied = json!([{ "from": format!("input://entry/{}", references[0]), "to": "tree:///boot/loader/entries/6.1.conf" }]);
    let stages = json!([
        manifest::stage("org.osbuild.mkdir", json!({ "paths": [directory("/boot/loader/entries"), directory("/etc")] })),
        { "type": "org.osbuild.copy", "options": { "paths": copied }, "inputs": { "entry": files(&references) } },
        manifest::stage("org.osbuild.zipl", json!({ "timeout": 5 })),
        manifest::stage("org.osbuild.kernel-cmdline", json!({ "root_fs_uuid": UUID, "kernel_opts": "console=ttysclp0", "kernel_cmdline_size": 896 })),
        manifest::stage("org.osbuild.kernel-cmdline.bls-append", json!({ "kernel_opts": ["rd.dasd=0.0.0100", "console=ttysclp0"] })),
        manifest::stage("org.osbuild.fix-bls", json!({})),
    ]);
    let read = built(&scratch, &sources, None, stages);
    let zipl = "[defaultboot]\ndefaultauto\nprompt=1\ntimeout=5\ntarget=/boot\n";
    assert_eq!(read("etc/zipl.conf"), zipl);
    assert_eq!(
        read("etc/kernel/cmdline"),
        format!("root=UUID={UUID} console=ttysclp0")
    );
    let expected = "title Demo\nversion 6.1\nlinux /boot/vmlinuz-6.1\ninitrd /boot/initramfs-6.1.img\noptions root=/dev/dasda1 rd.dasd=0.0.0100 console=ttysclp0\n";
    assert_eq!(read("boot/loader/entries/6.1.conf"), expected);
}

#[test]
fn a_tree_for_aarch64_has_the_boot_loaders_of_its_build_root() {
    let scratch = Scratch::new();
    let names = [
        "BOOT/BOOTAA64.EFI",
        "demo/shimaa64.efi",
        "demo/mmaa64.efi",
        "demo/grubaa64.efi",
        "demo/gcdaa64.efi",
    ];
    let (sources, references) = inline(&names.map(|name| scratch.write(name, name)));
    let copies = names.iter().zip(&references).map(|(name, reference)| {
        json!({ "from": format!("input://files/{reference}"), "to": format!("tree:///boot/efi/EFI/{name}") })
    });
    let font = json!({ "from": format!("input://files/{}", references[0]), "to": "tree:///usr/share/grub/unicode.pf2" });
    let copies: Vec<_> = copies.chain([font]).collect();
    let directories = [
        "/boot/efi/EFI/BOOT",
        "/boot/efi/EFI/demo",
        "/usr/share/grub",
    ]
    .map(directory);
    let root = json!([
        manifest::stage("org.osbuild.mkdir", json!({ "paths": directories })),
        { "type": "org.osbuild.copy", "options": { "paths": copies }, "inputs": { "files": files(&references) } },
    ]);
    let iso = json!({
        "isolabel": "Demo", "vendor": "demo", "architectures": ["AA64"],
        "product": { "name": "Demo", "version": "1" },
        "kernel": { "dir": "/images/pxeboot", "opts": ["console=ttyAMA0"] },
    });
    let stages = json!([
        manifest::stage(
            "org.osbuild.mkdir",
            json!({ "paths": [directory("/boot/efi/EFI")] })
        ),
        manifest::stage(
            "org.osbuild.grub2",
            json!({
                "root_fs_uuid": UUID, "kernel_opts": "console=ttyAMA0",
                "uefi": { "vendor": "demo", "install": true, "unified": true },
            })
        ),
        manifest::stage("org.osbuild.grub2.iso", iso),
    ]);
    let read = built(&scratch, &sources, Some(root), stages);
    for (copy, original) in [
        ("boot/efi/EFI/BOOT/BOOTAA64.EFI", "BOOT/BOOTAA64.EFI"),
        ("boot/efi/EFI/demo/grubaa64.efi", "demo/grubaa64.efi"),
        ("EFI/BOOT/BOOTAA64.EFI", "demo/shimaa64.efi"),
        ("EFI/BOOT/mmaa64.efi", "demo/mmaa64.efi"),
        ("EFI/BOOT/grubaa64.efi", "demo/gcdaa64.efi"),
    ] {
        assert_eq!(read(copy), original, "{copy}");
    }
    let redirect = "\nsearch --no-floppy --set prefix --file /boot/grub2/grub.cfg\nset prefix=($prefix)/boot/grub2\nconfigfile $prefix/grub.cfg\n";
    assert_eq!(read("boot/efi/EFI/demo/grub.cfg"), redirect);
    assert!(
        read("boot/grub2/grubenv")
            .contains(&format!("\nkernelopts=root=UUID={UUID} console=ttyAMA0\n"))
    );
    assert!(read("EFI/BOOT/grub.cfg").contains("/images/pxeboot/vmlinuz"));
}

#[test]
fn a_tree_for_ppc64le_has_the_modules_of_grub_for_its_firmware() {
    if !machine::offers(&["apt-get", "dpkg-deb"]) {
        return;
    }
    let scratch = Scratch::new();
    let root = debian(&scratch, "ppc64el", &["grub-ieee1275-bin"]);
    script(
        &scratch,
        r#"mkdir -p "$1/usr/share/grub"; cp /usr/share/grub/unicode.pf2 "$1/usr/share/grub""#,
        &[&root],
    );
    let (sources, unpack) = archive(&scratch, &root);
    let stages = json!([manifest::stage(
        "org.osbuild.grub2",
        json!({
            "root_fs_uuid": UUID, "kernel_opts": "console=hvc0", "legacy": "powerpc-ieee1275",
        })
    )]);
    let read = built(&scratch, &sources, Some(json!([unpack])), stages);
    let same = r#"cd "$1/usr/lib/grub/powerpc-ieee1275"
        ls | grep -E '\.(mod|lst)$' | grep -vx fdt.lst | while read -r name; do cmp "$name" "$2/boot/grub2/powerpc-ieee1275/$name"; done
        ls "$2/boot/grub2/powerpc-ieee1275" | wc -l
        readelf -h "$2/boot/grub2/powerpc-ieee1275/normal.mod" | grep -c 'Machine: *PowerPC'"#;
    let said = script(&scratch, same, &[&root, &scratch.path("out/tree")]).stdout;
    let (count, elf) = said.trim().split_once('\n').unwrap();
    assert!(count.parse::<u32>().unwrap() > 200 && elf == "1", "{said}");
    assert!(
        read("boot/grub2/grub.cfg")
            .contains(&format!("search --no-floppy --set=root --fs-uuid {UUID}\n"))
    );
}

/// Registers the emulator for programs of aarch64 (their header is that of elf.h) with the kernel, runs the rest, and takes it back.
/// With the flag F the kernel keeps the emulator open: no sandbox has to show it.
const EMULATED: &str = r#"mkdir -p formats && mount -t binfmt_misc none formats || exit 99
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf %s ":osbuild-wasm-$$:M::$magic:$mask:/usr/bin/qemu-aarch64-static:F" >formats/register || exit 99
    "$@"
    status=$?
    echo -1 >"formats/osbuild-wasm-$$"
    exit $status"#;

/// A system for aarch64 that makes squashfs images and has a script; a pipeline that uses it, and one that is it.
fn foreign(scratch: &Scratch) -> Value {
    let packages = [
        "libc6",
        "libgcc-s1",
        "dash",
        "squashfs-tools",
        "liblz4-1",
        "liblzma5",
        "liblzo2-2",
        "libzstd1",
        "zlib1g",
    ];
    let root = debian(scratch, "arm64", &packages);
    let add = r#"rm -r "$1/usr/share"
        printf '#!/bin/sh\necho "$1" >/etc/done\n' >"$1/usr/bin/update-ca-trust"; chmod 755 "$1/usr/bin/update-ca-trust""#;
    script(scratch, add, &[&root]);
    let (sources, unpack) = archive(scratch, &root);
    let pack = json!({
        "type": "org.osbuild.squashfs",
        "options": { "filename": "image", "source": "input://tree/usr/bin" },
        "inputs": { "tree": tree("build") },
    });
    let trust = json!({ "type": "org.osbuild.pki.update-ca-trust" });
    json!({ "version": "2", "sources": sources, "pipelines": [
        { "name": "build", "stages": [unpack] },
        { "name": "image", "build": "name:build", "stages": [pack] },
        { "name": "inside", "stages": [unpack, trust] },
    ] })
}

#[test]
fn programs_of_a_build_root_for_aarch64_run_in_their_sandbox_where_the_kernel_has_an_emulator() {
    if !machine::offers(&[
        "apt-get",
        "dpkg-deb",
        "qemu-aarch64-static",
        "unshare",
        "unsquashfs",
    ]) {
        return;
    }
    let scratch = Scratch::new();
    let document = foreign(&scratch);
    let run = |pipeline: &str| build(&scratch, &document, &[pipeline]).run();
    if !Path::new("/proc/sys/fs/binfmt_misc/register").exists() {
        let without = run("image").expect(1);
        without
            .says("mksquashfs: cannot start this program: Exec format error")
            .says("qemu-user-static");
    }
    through_shell_in_namespace(EMULATED, "run --export image --export inside")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.path("manifest.json"))
        .directory(scratch.root())
        .limit(Duration::from_secs(180))
        .run()
        .expect(0);
    assert_eq!(scratch.read("out/inside/etc/done"), "extract\n");
    let listed = script(&scratch, "unsquashfs -l out/image/image", &[]);
    listed.says("squashfs-root/mksquashfs");
    machine::assert_nothing_left(scratch.root());
}
