//! Create the ignition first-boot marker.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Tree, path};
use osbuild_stage_common::quoting::single_quoted;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    network: Vec<String>,
    #[serde(default = "usual_target")]
    target: String,
}

fn usual_target() -> String {
    "tree:///boot".into()
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let directory = arguments.locate(&options.target)?;
        for word in &options.network {
            single_quoted("network", word)?;
        }
        Tree::contract().write(
            &path::join(&directory, "ignition.firstboot"),
            text(&options.network),
        )
    })
}

/// The boot loader sources this file.
fn text(network: &[String]) -> String {
    match network {
        [] => String::new(),
        words => format!("set ignition_network_kcmdline='{}'", words.join(" ")),
    }
}
