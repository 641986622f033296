//! `osbuild-wasm plugin`: stages that others ship, from the project to the installed file.
mod conformance;
mod keys;
mod manage;
mod project;

pub(crate) use manage::directory;

use crate::exit::{Exit, fail, say, table_text};
use clap::Subcommand;
use osbuild_wasm_plugin::PluginError;
use osbuild_wasm_report::Diagnostic;

const EXAMPLES: &str = "\
Examples:
  # A project, its plugin, its tests
  osbuild-wasm plugin new --lang rust com.example.motd
  osbuild-wasm plugin build com.example.motd
  osbuild-wasm plugin test com.example.motd/dist/com.example.motd.wasm --cases com.example.motd/cases

  # Install what others made; a manifest may then name it
  osbuild-wasm plugin install com.example.motd.wasm
  osbuild-wasm plugin install https://example.com/motd.wasm#sha256:DIGEST
  osbuild-wasm plugin install --require-signature oci://registry.example.com/motd@sha256:DIGEST

Environment:
  OSBUILD_WASM_PLUGINS  directory of installed plugins; default: osbuild-wasm/plugins in XDG_DATA_HOME (~/.local/share)
  OSBUILD_WASM_KEYS     directory of trusted public keys (*.pub); default: osbuild-wasm/keys in XDG_CONFIG_HOME (~/.config)";

/// Write, test, sign, publish and install stages that are not built in
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PluginCommand {
    New(project::NewArguments),
    Build(project::BuildArguments),
    Pack(project::PackArguments),
    Test(conformance::TestArguments),
    Install(manage::InstallArguments),
    List(manage::ListArguments),
    Remove(manage::RemoveArguments),
    Verify(manage::VerifyArguments),
    Keygen(keys::KeygenArguments),
    Sign(keys::SignArguments),
    Push(keys::PushArguments),
}

pub(crate) fn plugin(command: &PluginCommand) -> Exit {
    let ended = match command {
        PluginCommand::New(arguments) => project::new(arguments),
        PluginCommand::Build(arguments) => project::build(arguments),
        PluginCommand::Pack(arguments) => project::pack(arguments),
        PluginCommand::Test(arguments) => return conformance::test(arguments),
        PluginCommand::Install(arguments) => manage::install(arguments),
        PluginCommand::List(arguments) => manage::list(arguments),
        PluginCommand::Remove(arguments) => manage::remove(arguments),
        PluginCommand::Verify(arguments) => manage::verify(arguments),
        PluginCommand::Keygen(arguments) => keys::keygen(arguments),
        PluginCommand::Sign(arguments) => keys::sign(arguments),
        PluginCommand::Push(arguments) => keys::push(arguments),
    };
    ended.unwrap_or_else(|error| failed(&error))
}

/// Shows an error; what the user asked for wrongly has an exit code of its own.
fn failed(error: &PluginError) -> Exit {
    let exit = if error.is_usage() {
        Exit::Invalid
    } else {
        Exit::Failed
    };
    fail(exit, false, &Diagnostic::from_error(error))
}

/// A table as the other lists have it.
fn print_table(rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.add_rows(rows);
    say(&table_text(&table));
}
