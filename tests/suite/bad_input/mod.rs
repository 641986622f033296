//! What is wrong gets one clear error, the right exit code, and with `--json` a document; what was built before is kept.
mod builds;
mod documents;
mod endless;
mod limits;
mod surroundings;
mod unbuildable;

use osbuild_wasm_tests::{Ended, Program, Scratch};

/// `run` of a document in the scratch directory, with the options that every build has.
fn run(scratch: &Scratch, document: &[u8], options: &str) -> Ended {
    let document = scratch.write("manifest.json", document);
    with_directories(scratch, Program::new(&format!("run {options}")))
        .arg(document)
        .run()
}

fn with_directories(scratch: &Scratch, program: Program) -> Program {
    program
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .directory(scratch.root())
}
