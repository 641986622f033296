//! `osbuild-wasm blueprint new`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::print::say;
use clap::Args;

const EXAMPLE: &str = include_str!("example.toml");

/// Print a blueprint with comments to begin with
///
/// It is a small one that can be used as it is; what is commented out shows the most used customizations.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  osbuild-wasm blueprint new > my.toml")]
pub(crate) struct NewArguments {}

impl Command for NewArguments {
    fn run(self) -> Result {
        say(EXAMPLE);
        Ok(Exit::Done)
    }
}
