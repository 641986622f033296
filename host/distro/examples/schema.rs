//! Prints the schema of definitions, for `schemas/definitions.schema.json`.
#![forbid(unsafe_code)]

use std::io::Write;

fn main() -> std::io::Result<()> {
    let schema = osbuild_wasm_distro::definitions_schema();
    writeln!(std::io::stdout(), "{schema:#}")
}
