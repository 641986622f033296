//! Files that shells source.
use super::{WRITER, Writer, check, printed};
use serde_json::json;
use std::path::Path;

/// What a variable is once a shell has sourced the file.
fn variable(file: &Path, name: &str) -> Option<String> {
    let script = format!(". \"$0\" >/dev/null && printf '%s.' \"${name}\"");
    let text = printed("/bin/sh", &["-e", "-c", &script, file.to_str().unwrap()])?;
    text.strip_suffix('.').map(str::to_owned)
}

/// The only word of a list in a variable.
fn only_word(file: &Path, name: &str) -> Option<String> {
    let script =
        format!(". \"$0\" && set -f && set -- ${name} && [ $# = 1 ] && printf '%s.' \"$1\"");
    let text = printed("/bin/bash", &["-e", "-c", &script, file.to_str().unwrap()])?;
    text.strip_suffix('.').map(str::to_owned)
}

#[test]
fn a_shell_reads_the_values_of_files_that_it_sources() {
    check(&[
        Writer {
            stage: "org.osbuild.shell.init",
            option: "value",
            before: &[("etc/profile.d/x", "")],
            options: |value| json!({ "files": { "a.sh": { "env": [{ "key": "VALUE", "value": value }] } } }),
            read: |tree| variable(&tree.join("etc/profile.d/a.sh"), "VALUE"),
            // The shell's variables are what the option is for.
            meant: |value| value.contains("$HOME") || value.contains("${X}"),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.sysconfig",
            option: "default_kernel",
            options: |value| json!({ "kernel": { "default_kernel": value } }),
            read: |tree| variable(&tree.join("etc/sysconfig/kernel"), "DEFAULTKERNEL"),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.sysconfig",
            option: "device",
            options: |value| json!({ "network-scripts": { "ifcfg": { "eth0": { "device": value } } } }),
            read: |tree| {
                variable(
                    &tree.join("etc/sysconfig/network-scripts/ifcfg-eth0"),
                    "DEVICE",
                )
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.sysconfig",
            option: "preferred",
            options: |value| json!({ "desktop": { "preferred": value } }),
            read: |tree| variable(&tree.join("etc/sysconfig/desktop"), "PREFERRED"),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.livesys",
            option: "livesys_session",
            before: &[("etc/sysconfig/x", "")],
            options: |value| json!({ "livesys_session": value }),
            read: |tree| variable(&tree.join("etc/sysconfig/livesys"), "livesys_session"),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.keymap",
            option: "font",
            options: |value| json!({ "keymap": "de", "font": value }),
            read: |tree| variable(&tree.join("etc/vconsole.conf"), "FONT"),
            // No font: none is written.
            meant: str::is_empty,
            ..WRITER
        },
    ]);
}

#[test]
fn dracut_and_greenboot_read_the_values_of_their_files() {
    check(&[
        Writer {
            stage: "org.osbuild.dracut.conf",
            option: "compress",
            options: |value| json!({ "filename": "a.conf", "config": { "compress": value } }),
            read: |tree| {
                variable(
                    &tree.join("usr/lib/dracut/dracut.conf.d/a.conf"),
                    "compress",
                )
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.dracut.conf",
            option: "install_items",
            options: |value| json!({ "filename": "a.conf", "config": { "install_items": [value] } }),
            read: |tree| {
                only_word(
                    &tree.join("usr/lib/dracut/dracut.conf.d/a.conf"),
                    "install_items",
                )
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.greenboot",
            option: "monitor_services",
            before: &[("etc/greenboot/greenboot.conf", "# x\n")],
            options: |value| json!({ "config": { "monitor_services": [value] } }),
            read: |tree| {
                only_word(
                    &tree.join("etc/greenboot/greenboot.conf"),
                    "GREENBOOT_MONITOR_SERVICES",
                )
            },
            ..WRITER
        },
    ]);
}

#[test]
fn the_scripts_of_grub_read_its_defaults() {
    check(&[
        Writer {
            stage: "org.osbuild.grub2",
            option: "distributor",
            options: |value| json!({ "root_fs_uuid": "u", "config": { "distributor": value } }),
            read: |tree| variable(&tree.join("etc/default/grub"), "GRUB_DISTRIBUTOR"),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.grub2",
            option: "config.default",
            options: |value| json!({ "root_fs_uuid": "u", "config": { "default": value } }),
            read: |tree| variable(&tree.join("etc/default/grub"), "GRUB_DEFAULT"),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.grub2",
            option: "kernel_opts",
            options: |value| json!({ "root_fs_uuid": "u", "kernel_opts": value }),
            read: |tree| variable(&tree.join("etc/default/grub"), "GRUB_CMDLINE_LINUX"),
            // Variables of GRUB are arguments for the kernel of ignition.
            meant: |value| value.contains("$HOME") || value.contains("${X}"),
            ..WRITER
        },
    ]);
}
