//! Commands that the documentation shows, run as a reader would type them.
use crate::program::Ended;
use crate::{Program, paths};
use std::path::Path;

/// The lines of the first example after a heading of a page, by its path in the repository.
pub fn example(page: &str, heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(paths::workspace().join(page)).expect("the page");
    let (_, after) = text.split_once(heading).expect("a heading");
    let lines = after.lines().skip_while(|line| !line.starts_with("    "));
    let lines = lines.take_while(|line| line.starts_with("    "));
    lines.map(|line| line[4..].to_owned()).collect()
}

/// Runs the commands of an example with the program that is tested.
pub fn run_example(commands: &str, directory: &Path) -> Ended {
    let script = format!("set -e; osbuild-wasm() {{ \"$0\" \"$@\"; }}\n{commands}");
    let program = Program::of("bash", "-c").arg(script).arg(paths::program());
    program.directory(directory).run().expect(0)
}
