//! `osbuild-wasm-composer`: a service that makes images of blueprints, for the clients of osbuild-composer.
#![forbid(unsafe_code)]
mod arguments;

use arguments::{Arguments, Command};
use clap::Parser;
use osbuild_wasm_composer::config::ConfigError;
use osbuild_wasm_composer::{server, telemetry};
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

/// What was asked for cannot be: the command line or the settings are wrong.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = match error.is::<ConfigError>() {
                true => MISUSE.into(),
                false => ExitCode::FAILURE,
            };
            let error = osbuild_wasm_files::with_causes(&*error);
            match telemetry::log::is_started() {
                true => tracing::error!("{error}"),
                // Nobody is left to be told that standard error is closed.
                false => drop(writeln!(std::io::stderr(), "error: {error}")),
            }
            code
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let config = arguments.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match arguments.command {
        None => {
            telemetry::log::start(config.log_format, config.log_level)?;
            runtime.block_on(server::serve(&config))
        }
        Some(Command::CheckConfig { .. }) => {
            Ok(std::io::stdout().write_all(config.shown().as_bytes())?)
        }
    }
}
