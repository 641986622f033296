//! The subcommands, one file or directory each, and the other command lines that this program takes.
mod audit;
mod blueprint;
mod bootc_image_builder;
mod build;
mod compile;
mod completions;
mod depsolve;
mod describe;
mod doctor;
mod guest;
mod image_builder;
mod inspect;
pub(crate) mod list;
mod lock;
mod man;
mod manifest;
mod osbuild;
pub(crate) mod packages;
mod plan;
pub(crate) mod plugin;
mod privileges;
mod report;
mod resolve;
pub(crate) mod run;
mod search;
mod stage;
mod unshare;
mod validate;

pub(crate) use compile::serve as serve_compiler;
pub(crate) use guest::serve as serve_guest;

use crate::Cli;
use crate::command_error::{CommandError, Exit, Result};
use crate::style::Style;
use clap::{CommandFactory, Subcommand as ClapSubcommand};
use osbuild_wasm_report::Diagnostic;
use std::ffi::{OsStr, OsString};

/// Our own name.
const NAME: &str = "osbuild-wasm";

/// A command with its options.
pub(crate) trait Command {
    /// How it shows what is wrong.
    fn style(&self) -> Style {
        Style::Own
    }

    /// Does what the options say.
    fn run(self) -> Result;
}

/// The command line of another program, whose name this one is started under or has as its first word. It takes the words with the name.
pub(crate) fn stand_in(name: &OsStr) -> Option<fn(Vec<OsString>) -> Exit> {
    match name.to_str()? {
        osbuild::NAME => Some(osbuild::main),
        bootc_image_builder::NAME => Some(bootc_image_builder::main),
        image_builder::NAME => Some(image_builder::main),
        _ => None,
    }
}

/// The names whose command lines have completions and manual pages: ours, and those that we stand in for but osbuild's, whose own has none.
pub(crate) const DOCUMENTED: [&str; 3] = [NAME, image_builder::NAME, bootc_image_builder::NAME];

/// The description of the command line of a name.
pub(crate) fn command_line(name: &str) -> Result<clap::Command> {
    match name {
        NAME => Ok(Cli::command()),
        image_builder::NAME => Ok(image_builder::command()),
        bootc_image_builder::NAME => Ok(bootc_image_builder::command()),
        _ => Err(CommandError::invalid(Diagnostic::new(format!(
            "there is no command line of {name:?}: there are {}",
            DOCUMENTED.join(", ")
        )))),
    }
}

/// Runs a command and shows its error.
pub(crate) fn carry_out(command: impl Command) -> Exit {
    let style = command.style();
    command.run().unwrap_or_else(|error| error.show(style))
}

#[derive(Debug, ClapSubcommand)]
pub(crate) enum Subcommand {
    Build(Box<build::BuildImageArguments>),
    Manifest(Box<manifest::ManifestArguments>),
    List(list::ListArguments),
    Describe(describe::DescribeArguments),
    Run(Box<run::RunArguments>),
    #[command(subcommand)]
    Blueprint(blueprint::BlueprintCommand),
    Inspect(inspect::InspectArguments),
    Validate(validate::ValidateArguments),
    Plan(plan::PlanArguments),
    Audit(audit::AuditArguments),
    Lock(lock::LockArguments),
    #[command(subcommand)]
    Stage(stage::StageCommand),
    Depsolve(depsolve::DepsolveArguments),
    Search(search::SearchArguments),
    Resolve(resolve::ResolveArguments),
    Report(report::ReportArguments),
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    Doctor(doctor::DoctorArguments),
    Unshare(unshare::UnshareArguments),
    Compile(compile::CompileArguments),
    Completions(completions::CompletionsArguments),
    Man(man::ManArguments),
}

impl Subcommand {
    pub(crate) fn carry_out(self) -> Exit {
        match self {
            Self::Build(arguments) => carry_out(*arguments),
            Self::Manifest(arguments) => carry_out(*arguments),
            Self::List(arguments) => carry_out(arguments),
            Self::Describe(arguments) => carry_out(arguments),
            Self::Run(arguments) => carry_out(arguments.command()),
            Self::Blueprint(command) => command.carry_out(),
            Self::Inspect(arguments) => carry_out(arguments),
            Self::Validate(arguments) => carry_out(arguments),
            Self::Plan(arguments) => carry_out(arguments),
            Self::Audit(arguments) => carry_out(arguments),
            Self::Lock(arguments) => carry_out(arguments),
            Self::Stage(command) => command.carry_out(),
            Self::Depsolve(arguments) => carry_out(arguments),
            Self::Search(arguments) => carry_out(arguments),
            Self::Resolve(arguments) => carry_out(arguments),
            Self::Report(arguments) => carry_out(arguments),
            Self::Plugin(command) => command.carry_out(),
            Self::Doctor(arguments) => carry_out(arguments),
            Self::Unshare(arguments) => carry_out(arguments),
            Self::Compile(arguments) => carry_out(arguments),
            Self::Completions(arguments) => carry_out(arguments),
            Self::Man(arguments) => carry_out(arguments),
        }
    }
}
