//! `osbuild-wasm-composer`: a service that makes images of blueprints, for the clients of osbuild-composer.
#![forbid(unsafe_code)]
mod arguments;

use arguments::Arguments;
use clap::Parser;
use osbuild_wasm_composer::log::say;
use osbuild_wasm_composer::server;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!(
                "error: {}",
                osbuild_wasm_files::with_causes(&*error)
            ));
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let command = arguments.command.take();
    let config = arguments.config();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match command {
        None => runtime.block_on(server::serve(&config)),
        Some(command) => match command {},
    }
}
