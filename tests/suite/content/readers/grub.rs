//! GRUB's environment and its configuration, and isolinux's, which GRUB reads too.
use super::{WRITER, Writer, check, printed, python};
use osbuild_wasm_tests::Program;
use serde_json::json;
use std::path::Path;

/// A variable of an environment block.
fn environment(tree: &Path, start: &str) -> Option<String> {
    let block = tree.join("boot/grub2/grubenv");
    let text = printed("grub-editenv", &[block.to_str().unwrap(), "list"])?;
    let mut lines = text.split_inclusive('\n');
    let line = lines.find_map(|line| line.strip_prefix(start))?;
    line.strip_suffix('\n').map(str::to_owned)
}

/// A word of the first line that begins with `command`, if GRUB can read the file.
fn word(file: &Path, command: &str, at: usize) -> Option<String> {
    printed("grub-script-check", &[file.to_str().unwrap()])?;
    let script = format!(
        "import shlex
lines = [line for line in open(path, encoding='utf-8') if line.strip().startswith({command:?})]
value = shlex.split(lines[0], comments=True)[{at}]"
    );
    python(&script, file)
}

fn menu(value: &str, option: &str) -> serde_json::Value {
    let mut options = json!({ "rootfs": { "label": "root" }, "bios": { "platform": "x" }, "config": {},
        "entries": [{ "id": "i", "kernel": "5", "product": { "name": "N", "version": "1" } }] });
    *options.pointer_mut(option).unwrap() = json!(value);
    // Without a platform nothing is copied from this machine.
    options["uefi"] = json!({ "vendor": "v" });
    options.as_object_mut().unwrap().shift_remove("bios");
    options
}

#[test]
fn grub_editenv_reads_the_variables_of_an_environment_block() {
    const WRITERS: Writer = Writer {
        programs: &["grub-editenv"],
        ..WRITER
    };
    check(&[
        Writer {
            stage: "org.osbuild.grub2",
            option: "kernel_opts",
            options: |value| json!({ "root_fs_uuid": "u", "write_defaults": false, "kernel_opts": value }),
            read: |tree| environment(tree, "kernelopts=root=UUID=u "),
            ..WRITERS
        },
        Writer {
            stage: "org.osbuild.grub2",
            option: "saved_entry",
            options: |value| json!({ "root_fs_uuid": "u", "write_defaults": false, "saved_entry": value }),
            read: |tree| environment(tree, "saved_entry="),
            meant: str::is_empty,
            ..WRITERS
        },
    ]);
}

#[test]
fn grub_editenv_changes_an_environment_block_that_a_stage_wrote() {
    if !osbuild_wasm_tests::machine::offers(&["grub-editenv"]) {
        return;
    }
    let scratch = osbuild_wasm_tests::Scratch::new();
    scratch.directory("tree");
    let options = json!({ "root_fs_uuid": "u", "write_defaults": false, "kernel_opts": "ü \\x", "saved_entry": "a" });
    super::stage(&scratch, "org.osbuild.grub2", &options).expect(0);
    let block = scratch.path("tree/boot/grub2/grubenv");
    let name = block.to_str().unwrap();
    assert_eq!(std::fs::metadata(&block).unwrap().len(), 1024);
    printed(
        "grub-editenv",
        &[name, "set", "saved_entry=b", "boot_success=1"],
    )
    .unwrap();
    printed("grub-editenv", &[name, "unset", "saved_entry"]).unwrap();
    let read = printed("grub-editenv", &[name, "list"]).unwrap();
    assert_eq!(read, "kernelopts=root=UUID=u ü \\x\nboot_success=1\n");
}

#[test]
fn grub_reads_the_words_of_its_configuration() {
    const FILE: &str = "boot/efi/EFI/v/grub.cfg";
    const WRITERS: Writer = Writer {
        stage: "org.osbuild.grub2.legacy",
        before: &[("boot/efi/EFI/v/x", "")],
        programs: &["grub-script-check", "python3"],
        ..WRITER
    };
    check(&[
        Writer {
            option: "entries",
            options: |value| menu(value, "/entries/0/product/name"),
            read: |tree| {
                let title = word(&tree.join(FILE), "menuentry", 1)?;
                title.strip_suffix(" (5) 1").map(str::to_owned)
            },
            ..WRITERS
        },
        Writer {
            option: "entries",
            options: |value| menu(value, "/entries/0/id"),
            read: |tree| {
                let id = word(&tree.join(FILE), "menuentry", 12)?;
                id.strip_prefix("gnulinux-5-advanced-").map(str::to_owned)
            },
            ..WRITERS
        },
        Writer {
            option: "entries",
            options: |value| menu(value, "/entries/0/kernel"),
            read: |tree| {
                let path = word(&tree.join(FILE), "linux", 1)?;
                path.strip_prefix("/boot/vmlinuz-").map(str::to_owned)
            },
            ..WRITERS
        },
        Writer {
            option: "rootfs",
            options: |value| menu(value, "/rootfs/label"),
            read: |tree| word(&tree.join(FILE), "search", 4),
            meant: str::is_empty,
            ..WRITERS
        },
        Writer {
            stage: "org.osbuild.ignition",
            option: "network",
            before: &[("boot/x", "")],
            options: |value| json!({ "network": [value] }),
            read: |tree| {
                let set = word(&tree.join("boot/ignition.firstboot"), "set", 1)?;
                set.strip_prefix("ignition_network_kcmdline=")
                    .map(str::to_owned)
            },
            ..WRITERS
        },
    ]);
}

/// What GRUB makes of the entry `linux` of a menu of isolinux: its title and the arguments of its kernel.
fn entry(tree: &Path) -> Option<[String; 2]> {
    let file = tree.join("isolinux/isolinux.cfg");
    let menu = printed("grub-syslinux2cfg", &["--isolinux", file.to_str()?])?;
    let entry = menu
        .split("menuentry ")
        .find(|entry| entry.contains("--id 'linux'"))?;
    let (title, rest) = entry.split_once(" --hotkey ")?;
    let line = rest
        .split('\n')
        .find_map(|line| line.trim_start().strip_prefix("linux$linux_suffix "))?;
    let (_, arguments) = line.split_once(" initrd=initrd.img ")?;
    let title = title
        .strip_prefix('\'')?
        .strip_suffix('\'')?
        .replace("'\\''", "'");
    let of_title = title
        .strip_prefix("Install ")?
        .strip_suffix(" 1")?
        .to_owned();
    let arguments = arguments
        .strip_prefix("first ")?
        .strip_suffix(" quiet")?
        .to_owned();
    Some([of_title, arguments])
}

#[test]
fn the_menu_of_isolinux_has_the_product_and_the_arguments_that_were_given() {
    if !osbuild_wasm_tests::machine::offers(&["grub-syslinux2cfg"]) {
        return;
    }
    let scratch = osbuild_wasm_tests::Scratch::new();
    let modules = [
        "ldlinux.c32",
        "libcom32.c32",
        "libutil.c32",
        "vesamenu.c32",
        "isolinux.bin",
    ];
    for module in modules {
        scratch.write(&format!("data/usr/share/syslinux/{module}"), module);
    }
    scratch.write("data/usr/share/anaconda/boot/syslinux-splash.png", "");
    let mut read = 0;
    for value in super::values() {
        for name in ["vmlinuz", "initrd.img"] {
            scratch.write(&format!("tree/images/{name}"), name);
        }
        let arguments = json!({
            "inputs": { "data": { "path": scratch.path("data") } },
            "options": {
                "product": { "name": value, "version": "1" },
                "kernel": { "dir": "/images", "opts": ["first", value] },
            },
        });
        let ended = Program::new("stage run org.osbuild.isolinux")
            .option("--tree", scratch.path("tree"))
            .option("--args", scratch.json("a.json", &arguments))
            .run();
        if ended.code() == 0 {
            read += 1;
            let found = entry(&scratch.path("tree"));
            assert_eq!(found, Some([value.clone(), value.clone()]), "{value:?}");
        } else {
            ended.expect(1).says("product");
        }
        std::fs::remove_dir_all(scratch.path("tree")).unwrap();
    }
    assert!(read >= 20, "{read} values are read");
}
