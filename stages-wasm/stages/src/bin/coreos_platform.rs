//! Set the platform of a CoreOS image: its id, console settings and kernel arguments.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Result, Tree, bail};
use osbuild_stage_common::bls;
use serde::Deserialize;
use std::process::ExitCode;

/// What the operating system knows of platforms.
const KNOWN: &str = "usr/share/coreos-assembler/platforms.json";

#[derive(Deserialize)]
struct Options {
    platform: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Platform {
    grub_commands: Vec<String>,
    kernel_arguments: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let root = Tree::new(&arguments.paths.mounts);
        let Some(name) = &arguments.options.platform else {
            bail!("options: `platform` is missing");
        };
        let platform = platform(&root, name)?;
        if root.is_dir("boot/grub2")? {
            root.write("boot/grub2/console.cfg", console(&platform.grub_commands))?;
        }
        let mut kernel_arguments = vec![format!("ignition.platform.id={name}")];
        kernel_arguments.extend(platform.kernel_arguments);
        bls::append(&root, "boot", &kernel_arguments)
    })
}

/// What the operating system says of a platform. Its file stays in /boot for tools that change the platform later.
fn platform(root: &Tree, name: &str) -> Result<Platform> {
    if !root.exists(KNOWN)? {
        return Ok(Platform::default());
    }
    let text = root.read(KNOWN)?;
    let (mode, copy) = (root.stat(KNOWN)?.mode, "boot/coreos/platforms.json");
    root.create_dir_all("boot/coreos")?;
    root.write(copy, &text)?;
    root.set_mode(copy, mode)?;
    let mut platforms: IndexMap<String, Platform> =
        serde_json::from_slice(&text).with_context(|| format!("/{KNOWN} is damaged"))?;
    Ok(platforms.shift_remove(name).unwrap_or_default())
}

/// The markers tell tools of CoreOS which part they may replace.
fn console(commands: &[String]) -> String {
    format!(
        "# Console settings of the platform.\n# CONSOLE-SETTINGS-START\n{}\n# CONSOLE-SETTINGS-END\n",
        commands.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_settings_stand_between_markers() {
        assert!(
            console(&["a".into(), "b".into()]).ends_with("START\na\nb\n# CONSOLE-SETTINGS-END\n")
        );
        assert!(console(&[]).ends_with("START\n\n# CONSOLE-SETTINGS-END\n"));
    }
}
