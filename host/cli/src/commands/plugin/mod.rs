//! `osbuild-wasm plugin`: stages that others ship, from the project to the installed file.
mod conformance;
mod keys;
mod manage;
mod project;

pub(crate) use manage::directory;

use crate::command_error::Exit;
use crate::commands::carry_out;
use clap::Subcommand;
use osbuild_wasm_plugin::PluginError;
use std::path::Path;

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

impl PluginCommand {
    pub(crate) fn carry_out(self) -> Exit {
        match self {
            Self::New(arguments) => carry_out(arguments),
            Self::Build(arguments) => carry_out(arguments),
            Self::Pack(arguments) => carry_out(arguments),
            Self::Test(arguments) => carry_out(arguments),
            Self::Install(arguments) => carry_out(arguments),
            Self::List(arguments) => carry_out(arguments),
            Self::Remove(arguments) => carry_out(arguments),
            Self::Verify(arguments) => carry_out(arguments),
            Self::Keygen(arguments) => carry_out(arguments),
            Self::Sign(arguments) => carry_out(arguments),
            Self::Push(arguments) => carry_out(arguments),
        }
    }
}

/// A file of the command line cannot be read or written.
fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PluginError {
    let path = path.to_owned();
    move |cause| PluginError::Io { path, cause }
}
