//! Embeds what `plugin new` copies: the templates, and for Rust the SDK as it is, made to stand alone.
#![allow(clippy::disallowed_methods, reason = "it makes files of the build")]
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Packages that a Rust project gets a copy of: an author needs nothing of this repository.
const VENDORED: [(&str, &str); 3] = [
    ("names", "osbuild-stage-names"),
    ("sdk", "osbuild-stage"),
    ("sdk-test", "osbuild-stage-test"),
];

fn main() -> Result<()> {
    let root = fs::canonicalize(PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../.."))?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut files = Vec::new();
    collect(&root.join("stages-wasm/template"), "", &mut files)?;
    collect(&root.join("wit"), "rust/wit/", &mut files)?;
    collect(&root.join("wit"), "js/wit/deps/osbuild-stage/", &mut files)?;
    let workspace: Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    for (room, package) in VENDORED {
        let directory = root.join("stages-wasm").join(room);
        collect(
            &directory.join("src"),
            &format!("rust/vendor/{package}/src/"),
            &mut files,
        )?;
        let manifest: Table = fs::read_to_string(directory.join("Cargo.toml"))?.parse()?;
        let path = out.join(format!("{package}.toml"));
        fs::write(
            &path,
            standalone(manifest, &workspace["workspace"]).to_string(),
        )?;
        files.push((format!("rust/vendor/{package}/Cargo.toml"), path));
    }
    files.sort();
    let mut list = String::from("&[\n");
    for (name, path) in files.iter().filter(|(name, _)| {
        !name.ends_with("wit/README.md") && !name.ends_with("osbuild-stage/README.md")
    }) {
        writeln!(
            list,
            "    ({name:?}, include_bytes!({:?})),",
            path.display().to_string()
        )?;
    }
    list.push(']');
    fs::write(out.join("templates.rs"), list)?;
    for watched in ["stages-wasm/template", "wit", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    for (room, _) in VENDORED {
        let room = root.join("stages-wasm").join(room);
        println!("cargo::rerun-if-changed={}", room.display());
    }
    Ok(())
}

/// All files below `directory` by their name behind `prefix`.
fn collect(directory: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in
        fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?
    {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

/// The manifest with all that it inherits from the workspace written out. The lints stay here: they are about our own code.
fn standalone(mut manifest: Table, workspace: &Value) -> Table {
    manifest.remove("lints");
    for section in ["package", "dependencies"] {
        let inherited = workspace.get(section);
        if let Some(Value::Table(members)) = manifest.get_mut(section) {
            for (name, value) in members.iter_mut() {
                if let Some(inherited) = inherited.and_then(|inherited| inherited.get(name)) {
                    inherit(value, inherited);
                }
                // What is of this workspace lies beside it.
                if let Some(path) = value.get_mut("path") {
                    *path = Value::String(format!("../{name}"));
                }
            }
        }
    }
    manifest
}

/// Replaces `workspace = true` by what the workspace says; features add up.
fn inherit(value: &mut Value, inherited: &Value) {
    if value.get("workspace").is_none() {
        return;
    }
    let own = value.get("features").and_then(Value::as_array).cloned();
    *value = inherited.clone();
    let Some(own) = own else { return };
    if let Value::String(version) = value {
        let version = std::mem::take(version);
        *value = Value::Table(Table::from_iter([(
            "version".to_owned(),
            Value::String(version),
        )]));
    }
    if let Value::Table(table) = value {
        let features = table.entry("features").or_insert(Value::Array(Vec::new()));
        if let Value::Array(features) = features {
            features.extend(own);
        }
    }
}
