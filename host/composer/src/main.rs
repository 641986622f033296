//! `osbuild-wasm-composer`: a service that makes images of blueprints, for the clients of osbuild-composer.
#![forbid(unsafe_code)]
mod arguments;

use arguments::{Arguments, Command, OfComposes, OfJobs};
use clap::{CommandFactory, Parser};
use osbuild_wasm_composer::config::{Config, ConfigError};
use osbuild_wasm_composer::{administration, server, telemetry};
use serde_json::Value;
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
    if let Some(Command::Man { directory }) = &arguments.command {
        return Ok(clap_mangen::generate_to(Arguments::command(), directory)?);
    }
    let config = arguments.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let Some(command) = arguments.command else {
        telemetry::log::start(config.log_format, config.log_level)?;
        let served = runtime.block_on(server::serve(&config));
        // What a thread still waits for is nobody's any longer.
        runtime.shutdown_background();
        return served;
    };
    let said = match runtime.block_on(carry_out(&command, &config))? {
        (text, None) => text,
        (_, Some(document)) => format!("{document:#}\n"),
    };
    Ok(std::io::stdout().write_all(said.as_bytes())?)
}

/// What a subcommand says: its text, and the document if that is asked for.
async fn carry_out(
    command: &Command,
    config: &Config,
) -> Result<(String, Option<Value>), Box<dyn Error>> {
    let ((text, document), form) = match command {
        Command::CheckConfig { .. } | Command::Man { .. } => return Ok((config.shown(), None)),
        Command::Status { form } => (administration::status(config).await?, form),
        Command::Jobs { what, form } => {
            let said = match what {
                None | Some(OfJobs::List) => administration::jobs(config).await,
                Some(OfJobs::Show { id }) => administration::job(config, *id).await,
                Some(OfJobs::Cancel { id }) => administration::cancel(config, *id).await,
            };
            (said?, form)
        }
        Command::Composes { what, form } => {
            let said = match what {
                None | Some(OfComposes::List) => administration::composes(config).await,
                Some(OfComposes::Show { id }) => administration::compose(config, *id).await,
                Some(OfComposes::Delete { id }) => administration::delete(config, *id).await,
            };
            (said?, form)
        }
        Command::Gc { dry_run, form } => (administration::gc(config, *dry_run).await?, form),
        Command::Migrate { dry_run, form } => {
            (administration::migrate(config, *dry_run).await?, form)
        }
    };
    Ok((text, form.json.then_some(document)))
}
