//! `osbuild-wasm-solver`: osbuild-depsolve-dnf's protocol over libsolv, the solver that dnf itself stands on.
//!
//! It reads a request from standard input and answers it on standard output. It has no network: metadata of repositories has to be on this
//! machine (`file` URLs), where `osbuild-wasm` puts it. What repositories tell is read by a second process that can reach nothing but the
//! files that it was given.
#![forbid(unsafe_code)]

mod broker;
mod confined;
mod failure;
mod glob;
mod goal;
mod groups;
mod load;
mod metadata;
mod modules;
mod problems;
mod protocol;
mod root;
mod sack;
mod seccomp;
mod subject;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => broker::run(),
        Some(work::CONFINED) => confined::run(),
        Some(_) => {
            use std::io::Write;
            // Nobody else is to be told when standard error is closed.
            _ = writeln!(
                std::io::stderr(),
                "osbuild-wasm-solver takes a request on standard input and no arguments"
            );
            ExitCode::from(2)
        }
    }
}
