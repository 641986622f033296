//! A shell in a stage's sandbox, for the person who runs the build (`--break`).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use osbuild_wasm_protocol::{Bytes, Failure, Outcome, Shell};

use crate::access::TREE;
use crate::failure::denied;
use crate::session::Session;
use crate::tool::{Errors, Sink, Tool, Work};

/// Runs the shell in the tree's directory until it ends; its terminal, if it has one, is no other program's.
pub fn run(
    session: &mut Session,
    shell: &Shell,
    streams: [OwnedFd; 3],
) -> Result<Outcome, Failure> {
    if !session.access.grant.programs.contains(&shell.program) {
        return Err(denied(&shell.program, "nobody asked for a shell"));
    }
    let [input, output, errors] = streams;
    let work = Work::new(session)?;
    work.write("arguments.json", shell.arguments.as_bytes())?;
    let tool = Tool {
        input: Some(input),
        output: Sink::File(File::from(output)),
        errors: Errors::File(File::from(errors)),
        directory: PathBuf::from(TREE),
        terminal: shell.terminal,
        shown: vec![work.shown()?],
        ..Tool::new(&shell.program, [] as [&str; 0])
    };
    let finished = session.run(tool)?;
    Ok(Outcome {
        status: finished.status,
        output: Bytes::default(),
    })
}
