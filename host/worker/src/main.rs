//! `osbuild-wasm-worker`: takes jobs from a composer, builds with `osbuild-wasm`, and sends back what came of it.
//!
//! It can be killed at any time. What it does for a job is in a directory of its own and in a cache that can be deleted; the composer
//! gives the job to another worker when this one falls silent. What a killed worker left the next one on the machine removes.
#![forbid(unsafe_code)]
mod api;
mod build;
mod cgroup;
mod image;
mod left;
mod program;
mod work;

use api::{Address, Composer, Identity};
use build::Builder;
use cgroup::{Cgroups, Limits};
use clap::Parser;
use program::Bounds;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use work::{Habits, Worker};

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
    /// Directory for objects, sources and metadata; it may be deleted at any time
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/cache/osbuild-wasm-worker"
    )]
    cache: PathBuf,
    /// The program that builds; `osbuild-wasm` beside this program when it is not given
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Policy that every build and every lookup has to keep
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Architecture whose images are built
    #[arg(long, value_name = "ARCH", default_value = std::env::consts::ARCH)]
    arch: String,
    /// Seconds that a job may take
    #[arg(long, value_name = "SECONDS", default_value_t = 12 * 60 * 60, value_parser = clap::value_parser!(u64).range(1..))]
    time_limit: u64,
    /// Memory that a job may take, in bytes; needs a control group
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    memory_limit: Option<u64>,
    /// Processes and threads that a job may have; needs a control group
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    process_limit: Option<u64>,
    /// Control group (version 2) below which each job has one; the worker's own when it is not given and systemd has delegated that
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Seconds after which the composer hears again of a job, and the worker that it was canceled; far fewer than the composer waits
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    heartbeat: u64,
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
    let limits = Limits {
        memory: arguments.memory_limit,
        processes: arguments.process_limit,
    };
    let bounds = Bounds {
        cgroups: Cgroups::open(arguments.cgroup.as_deref(), limits)?,
        time: Duration::from_secs(arguments.time_limit),
    };
    let builder = Builder::new(program, arguments.cache, arguments.policy, bounds)?;
    let habits = Habits {
        arch: arguments.arch,
        beat: Duration::from_secs(arguments.heartbeat),
    };
    // One thread: programs that die with the thread that started them die with this process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(Worker::new(composer, builder, habits).run())?)
}

/// Tells the log, which is standard error, what happens.
#[expect(
    clippy::print_stderr,
    reason = "the log of a service is its standard error"
)]
fn say(line: &str) {
    eprintln!("{line}");
}
