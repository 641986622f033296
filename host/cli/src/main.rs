//! `osbuild-wasm`: builds operating-system images from osbuild manifests, every stage a WebAssembly component in a sandbox.
#![forbid(unsafe_code)]
#[macro_use]
mod exit;

mod audit;
mod compile;
mod components;
mod doctor;
mod document;
mod format;
mod generate;
mod guest;
mod inspect;
mod job;
mod legacy;
mod lock;
mod monitor;
mod order;
mod osbuild;
mod output;
mod plan;
mod plugin;
mod policy;
mod privileges;
mod report;
mod run;
mod stage;
mod statements;
mod unshare;
mod validate;

use clap::{Parser, Subcommand};
use exit::Exit;
use osbuild_wasm_build::GUEST;
use osbuild_wasm_component::Compiler;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  # What is this machine fit for?
  osbuild-wasm doctor

  # Is the manifest good? Then build its pipeline `image` into ./out/image
  osbuild-wasm validate manifest.json
  osbuild-wasm run --export image --output-directory out manifest.json

  # Who would do what to which files, and does the policy allow it?
  osbuild-wasm plan --policy policy.toml manifest.json

  # What may this stage do?
  osbuild-wasm stage show org.osbuild.mkfs.ext4

Linked as `osbuild`, the program takes osbuild's command line.

Environment:
  OSBUILD_WASM_PATH     directories with plugins, separated by colons
  OSBUILD_WASM_PLUGINS  directory of installed plugins (see `osbuild-wasm plugin --help`)
  OSBUILD_WASM_KERNEL   root directory with the kernel of virtual machines (see `osbuild-wasm run --help`)
  NO_COLOR              no colours when set";

/// Builds operating-system images from osbuild manifests; every stage is a WebAssembly component that can touch nothing it was not
/// granted.
#[derive(Debug, Parser)]
#[command(
    name = "osbuild-wasm",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArguments>),
    Inspect(inspect::InspectArguments),
    Validate(validate::ValidateArguments),
    Plan(plan::PlanArguments),
    Audit(audit::AuditArguments),
    Lock(lock::LockArguments),
    #[command(subcommand)]
    Stage(stage::StageCommand),
    Report(report::ReportArguments),
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    Doctor(doctor::DoctorArguments),
    Unshare(unshare::UnshareArguments),
    Compile(compile::CompileArguments),
    Completions(generate::CompletionsArguments),
    Man(generate::ManArguments),
}

fn main() -> ExitCode {
    // Whatever is wrong with us is one line, not a backtrace.
    std::panic::set_hook(Box::new(|panic| {
        errln!("error: internal error, please report it: {panic}");
    }));
    let exit = std::panic::catch_unwind(carry_out);
    ExitCode::from(exit.unwrap_or(Exit::Failed) as u8)
}

/// Under the name of osbuild, or asked to act as it by the first word, its command line; the compiler and the inner side of a virtual
/// machine, which this program starts; else ours.
fn carry_out() -> Exit {
    let mut words = std::env::args_os();
    if words.next().as_ref().is_some_and(osbuild::is_name) {
        return osbuild::main(std::env::args_os());
    }
    match words.next() {
        Some(word) if word == osbuild::NAME => osbuild::main(std::env::args_os().skip(1)),
        Some(word) if word == Compiler::WORD => compile::serve(words),
        Some(word) if word == GUEST => guest::serve(),
        _ => of_command(Cli::parse().command),
    }
}

fn of_command(command: Command) -> Exit {
    match command {
        Command::Run(arguments) => run::run(*arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Validate(arguments) => validate::validate(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Audit(arguments) => audit::audit(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Stage(command) => stage::stage(&command),
        Command::Report(arguments) => report::report(&arguments),
        Command::Plugin(command) => plugin::plugin(&command),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Unshare(arguments) => unshare::unshare(&arguments),
        Command::Compile(arguments) => compile::compile(&arguments),
        Command::Completions(arguments) => generate::completions(&arguments),
        Command::Man(arguments) => generate::man(&arguments),
    }
}
