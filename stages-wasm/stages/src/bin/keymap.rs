//! Set console keymap, console font and X11 layouts.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::quoting::shell_word;
use osbuild_stage_common::systemd::{env_line, is_safe_name};
use serde::Deserialize;
use std::process::ExitCode;

const X11_DIRECTORY: &str = "etc/X11/xorg.conf.d";

#[derive(Deserialize)]
struct Options {
    keymap: String,
    font: Option<String>,
    #[serde(rename = "x11-keymap")]
    x11_keymap: Option<X11Keymap>,
}

#[derive(Deserialize)]
struct X11Keymap {
    layouts: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        if !is_safe_name(&options.keymap) {
            bail!("`{}` is no valid name of a keymap", options.keymap);
        }
        let mut text = env_line("KEYMAP", &options.keymap);
        if let Some(font) = options.font.as_ref().filter(|font| !font.is_empty()) {
            shell_word("font", font)?;
            text += &format!("FONT={font}\n");
        }
        tree.create_dir_all("etc")?;
        tree.remove_if_exists("etc/vconsole.conf")?;
        tree.write("etc/vconsole.conf", text)?;
        if let Some(x11) = &options.x11_keymap {
            if let Some(layout) = x11
                .layouts
                .iter()
                .find(|layout| layout.contains(['"', ',']))
            {
                bail!("options.x11-keymap.layouts: {layout:?} is no name of a layout");
            }
            tree.create_dir_all(X11_DIRECTORY)?;
            tree.write(
                &format!("{X11_DIRECTORY}/00-keyboard.conf"),
                x11_text(&x11.layouts),
            )?;
        }
        Ok(())
    })
}

fn x11_text(layouts: &[String]) -> String {
    format!(
        "# Written by osbuild-wasm; change it with localectl(1).
Section \"InputClass\"
        Identifier \"system-keyboard\"
        MatchIsKeyboard \"on\"
        Option \"XkbLayout\" \"{}\"
EndSection
",
        layouts.join(",")
    )
}
