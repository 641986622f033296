//! `osbuild-wasm blueprint manual`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::print::say;
use clap::Args;
use osbuild_wasm_blueprint::schema;
use osbuild_wasm_report::manual::fields;

const HEAD: &str = "\
## Reference

Every key of a blueprint, made from the schema by `osbuild-wasm blueprint manual`. `[]` stands for each item of a list.
";

/// Print the reference of all keys of a blueprint, in Markdown
#[derive(Debug, Args)]
pub(crate) struct ManualArguments {}

impl Command for ManualArguments {
    fn run(self) -> Result {
        say(&format!("{HEAD}{}", fields(schema(), "customizations")));
        Ok(Exit::Done)
    }
}
