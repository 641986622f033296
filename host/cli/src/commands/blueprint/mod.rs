//! `osbuild-wasm blueprint`.
mod check;
mod convert;
mod explain;
mod manual;
mod new;
mod schema;

use super::carry_out;
use crate::command_error::Exit;
use clap::Subcommand;

/// Begin, check, explain and convert blueprints
///
/// A blueprint says what an image shall be: packages, users, services, file systems. docs/blueprints.md has all its fields.
#[derive(Debug, Subcommand)]
pub(crate) enum BlueprintCommand {
    Check(check::CheckArguments),
    Convert(convert::ConvertArguments),
    Explain(Box<explain::ExplainArguments>),
    New(new::NewArguments),
    Schema(schema::SchemaArguments),
    Manual(manual::ManualArguments),
}

impl BlueprintCommand {
    pub(crate) fn carry_out(self) -> Exit {
        match self {
            Self::Check(arguments) => carry_out(arguments),
            Self::Convert(arguments) => carry_out(arguments),
            Self::Explain(arguments) => carry_out(*arguments),
            Self::New(arguments) => carry_out(arguments),
            Self::Schema(arguments) => carry_out(arguments),
            Self::Manual(arguments) => carry_out(arguments),
        }
    }
}
