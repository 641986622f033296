//! `osbuild-wasm-worker`: takes jobs from a composer, builds with `osbuild-wasm`, and sends back what came of it.
//!
//! It can be killed at any time. What it does for a job is in a directory of its own and in a cache that can be deleted; the composer
//! gives the job to another worker when this one falls silent.
#![forbid(unsafe_code)]
mod api;
mod build;
mod work;

use api::{Address, Composer, Identity};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use work::Worker;

/// Build the images that a composer asks for
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Composer: `https://HOST:PORT`, or `unix:PATH` of its socket for workers on this machine
    #[arg(long, value_name = "URL")]
    server: Address,
    /// Path below which the composer has its worker API
    #[arg(long, value_name = "PATH", default_value = "/api/worker/v1")]
    base_path: String,
    /// Certificate of this worker (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Certificates of authorities that the composer's certificate may be of; the system's when it is not given
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Directory for objects and sources; it may be deleted while no worker runs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/cache/osbuild-wasm-worker"
    )]
    cache: PathBuf,
    /// The program that builds; `osbuild-wasm` beside this program when it is not given
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Policy that every build has to keep
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
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

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let identity = match (&arguments.cert, &arguments.key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        _ => None,
    };
    let composer = Composer::new(
        &arguments.server,
        &arguments.base_path,
        identity,
        arguments.ca.as_deref(),
    )?;
    let program = arguments
        .program
        .unwrap_or_else(|| osbuild_wasm_files::companion_program("osbuild-wasm"));
    let builder = build::Builder::new(program, arguments.cache, arguments.policy)?;
    // One thread: programs that die with the thread that started them die with this process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(Worker::new(composer, builder).run())?)
}

/// Tells the log, which is standard error, what happens.
#[expect(
    clippy::print_stderr,
    reason = "the log of a service is its standard error"
)]
fn say(line: &str) {
    eprintln!("{line}");
}
