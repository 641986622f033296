//! Embeds the module documents of `schemas/`: writes a table of kind, module name and text.
#![allow(clippy::disallowed_methods, reason = "it makes files of the build")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

/// Folder of `schemas/`, variant of `ModuleKind`.
const KINDS: [(&str, &str); 6] = [
    ("stages", "Stage"),
    ("assemblers", "Assembler"),
    ("sources", "Source"),
    ("inputs", "Input"),
    ("devices", "Device"),
    ("mounts", "Mount"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schemas = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../../schemas")
        .canonicalize()?;
    let mut table = String::from("&[\n");
    for (folder, kind) in KINDS {
        let folder = schemas.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        for file in json_files(&folder)? {
            let name =
                module_name(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            writeln!(
                table,
                "    (ModuleKind::{kind}, {name:?}, include_str!({file:?})),"
            )?;
        }
    }
    table += "]";
    fs::write(Path::new(&env::var("OUT_DIR")?).join("modules.rs"), table)?;
    Ok(())
}

fn json_files(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let paths: io::Result<Vec<_>> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect();
    let mut files: Vec<_> = paths?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect();
    files.sort();
    Ok(files)
}

fn module_name(file: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let document: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
    let name = document.get("name").and_then(serde_json::Value::as_str);
    Ok(name.ok_or("the member `name` is missing")?.to_owned())
}
