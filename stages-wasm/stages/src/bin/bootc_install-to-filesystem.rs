//! Run bootc install to-filesystem on the mounted root.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::container;
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Options {
    root_ssh_authorized_keys: Vec<String>,
    kernel_args: Vec<String>,
    target_imgref: Option<String>,
    stateroot: Option<String>,
    root_mount_spec: Option<String>,
    boot_mount_spec: Option<String>,
    bootupd_skip_boot_uuid: bool,
    bootloader: Option<String>,
    composefs: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let image = container::only_image(arguments.input("images")?)?;
        let work = Temporary::new(tree)?;
        let mut command = Command::new("bootc")
            .args(["install", "to-filesystem", "--source-imgref"])
            .arg(image.source()?)
            .args(["--skip-fetch-check", "--generic-image"]);
        if !options.root_ssh_authorized_keys.is_empty() {
            let keys = work.path("keys");
            tree.write(&keys, options.root_ssh_authorized_keys.join("\n") + "\n")?;
            command = command.args(["--root-ssh-authorized-keys".into(), tree.path(&keys)]);
        }
        let command = command
            .args(options.flags())
            .arg(&arguments.paths.mounts)
            .env("BOOTC_SKIP_SELINUX_HOST_CHECK", "true");
        image.show(command).run()
    })
}

impl Options {
    fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for argument in &self.kernel_args {
            flags.extend(["--karg".into(), argument.clone()]);
        }
        let mut option = |flag: &str, value: &Option<String>| match value.as_deref() {
            Some("") if flag.ends_with("-spec") => flags.push(format!("{flag}=")),
            None | Some("") => {}
            Some(value) => flags.extend([flag.into(), value.into()]),
        };
        option("--target-imgref", &self.target_imgref);
        option("--stateroot", &self.stateroot);
        option("--root-mount-spec", &self.root_mount_spec);
        option("--boot-mount-spec", &self.boot_mount_spec);
        if self.bootupd_skip_boot_uuid {
            flags.push("--bootupd-skip-boot-uuid".into());
        }
        if let Some(loader) = &self.bootloader {
            flags.extend(["--bootloader".into(), loader.clone()]);
        }
        if self.composefs {
            flags.push("--composefs-backend".into());
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_mount_spec_is_one_argument() {
        let options: Options = serde_json::from_str(
            r#"{"kernel-args": ["a", "b=c"], "stateroot": "s", "root-mount-spec": "", "boot-mount-spec": "UUID=1",
                "bootupd-skip-boot-uuid": true, "bootloader": "systemd", "composefs": true}"#,
        )
        .unwrap();
        assert_eq!(
            options.flags().join(" "),
            "--karg a --karg b=c --stateroot s --root-mount-spec= --boot-mount-spec UUID=1 \
             --bootupd-skip-boot-uuid --bootloader systemd --composefs-backend"
        );
    }
}
