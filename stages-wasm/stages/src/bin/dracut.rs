//! Generate initramfs images with the tree's dracut.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Result};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    kernel: Vec<String>,
    #[serde(default)]
    initoverlayfs: bool,
    #[serde(flatten)]
    dracut: Dracut,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Dracut {
    compress: Option<String>,
    modules: Vec<String>,
    add_modules: Vec<String>,
    omit_modules: Vec<String>,
    drivers: Vec<String>,
    add_drivers: Vec<String>,
    omit_drivers: Vec<String>,
    force_drivers: Vec<String>,
    filesystems: Vec<String>,
    include: Vec<IndexMap<String, String>>,
    install: Vec<String>,
    remove: Vec<String>,
    early_microcode: bool,
    reproducible: Option<bool>,
    extra: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let program = if options.initoverlayfs {
            "initoverlayfs-install"
        } else {
            "dracut"
        };
        // dracut talks to the system log, which there is not here.
        let silence = tree.exists("usr/bin/logger")?;
        options.kernel.iter().try_for_each(|kernel| {
            let mut command =
                chroot::command(tree, program)?.args(["--no-hostonly", "--kver", kernel]);
            if silence {
                command = command.bind("/usr/bin/true", "/usr/bin/logger", true);
            }
            command.args(options.dracut.arguments()).run()
        })
    })
}

impl Dracut {
    fn arguments(&self) -> Vec<String> {
        let no = |wanted: bool| if wanted { "" } else { "no-" };
        let mut arguments: Vec<String> = ["--force", "-v", "--show-modules"].map(Into::into).into();
        arguments.push(format!("--{}early-microcode", no(self.early_microcode)));
        arguments.push(format!(
            "--{}reproducible",
            no(self.reproducible.unwrap_or(true))
        ));
        arguments.extend(
            self.compress
                .iter()
                .filter(|value| !value.is_empty())
                .map(|value| format!("--compress={value}")),
        );
        for (flag, names) in self.lists() {
            if !names.is_empty() {
                arguments.extend([flag.into(), names.join(" ")]);
            }
        }
        for (source, target) in self.include.iter().flatten() {
            arguments.extend(["--include".into(), source.clone(), target.clone()]);
        }
        for (flag, paths) in [("--remove", &self.remove), ("--install", &self.install)] {
            arguments.extend(paths.iter().flat_map(|path| [flag.into(), path.clone()]));
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    /// Options that take one argument with all names.
    fn lists(&self) -> [(&'static str, &[String]); 8] {
        [
            ("--modules", &self.modules),
            ("--add", &self.add_modules),
            ("--omit", &self.omit_modules),
            ("--drivers", &self.drivers),
            ("--add-drivers", &self.add_drivers),
            ("--omit-drivers", &self.omit_drivers),
            ("--force-drivers", &self.force_drivers),
            ("--filesystems", &self.filesystems),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_in_the_order_of_osbuild() {
        let dracut: Dracut = serde_json::from_str(
            r#"{"compress": "xz", "add_modules": ["a", "b"], "include": [{"/x": "/y"}], "install": ["i"], "remove": ["r"],
                "early_microcode": true, "reproducible": false, "extra": ["--e"]}"#,
        )
        .unwrap();
        assert_eq!(
            dracut.arguments().join("|"),
            "--force|-v|--show-modules|--early-microcode|--no-reproducible|--compress=xz|--add|a b|--include|/x|/y\
             |--remove|r|--install|i|--e"
        );
    }
}
