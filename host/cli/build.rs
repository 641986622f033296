//! Embeds every component that was built for stages and assemblers, each with its module document and compressed.
#![allow(clippy::disallowed_methods, reason = "it makes files of the build")]
use osbuild_wasm_capability::{VERSION, embed};
use serde_json::Value;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Level of zstd: this runs at every change of a component, so not the slowest.
const COMPRESSION: i32 = 9;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed=OSBUILD_WASM_COMPONENTS");
    let components = std::env::var_os("OSBUILD_WASM_COMPONENTS")
        .map_or_else(|| root.join("target/components"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", components.display());
    let mut list = String::from("&[\n");
    for (folder, kind) in [("stages", "Stage"), ("assemblers", "Assembler")] {
        let from = components.join(folder);
        println!("cargo::rerun-if-changed={}", from.display());
        println!(
            "cargo::rerun-if-changed={}",
            root.join("schemas").join(folder).display()
        );
        let entries = fs::read_dir(&from)
            .map_err(|error| format!("{}: {error}: run `make components` first", from.display()))?;
        let mut paths: Vec<_> = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_, std::io::Error>>()?;
        paths.sort();
        complete(&root.join("stages-wasm").join(folder), &from)?;
        for path in paths.iter().filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        }) {
            println!("cargo::rerun-if-changed={}", path.display());
            let (name, packed) = pack(path, &root.join("schemas").join(folder))?;
            let target = out.join(format!("{folder}-{name}.zst"));
            fs::write(&target, packed)?;
            writeln!(
                list,
                "    Builtin {{ kind: Kind::{kind}, name: {name:?}, compressed: include_bytes!({:?}) }},",
                target.display().to_string()
            )?;
        }
    }
    list.push(']');
    fs::write(out.join("components.rs"), list)?;
    Ok(())
}

/// Fails when a source has no component: a program that lacks one would say so only to whoever needs it.
fn complete(sources: &Path, components: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(sources.join("src/bin"))? {
        let name = entry?.path().with_extension("wasm");
        let component = components.join(name.file_name().unwrap_or_default());
        if !component.exists() {
            let missing = component.display();
            return Err(format!("{missing} is missing: run `make components` again").into());
        }
    }
    Ok(())
}

/// The module's name, and the component with its document, compressed.
fn pack(component: &Path, schemas: &Path) -> Result<(String, Vec<u8>), Box<dyn Error>> {
    let stem = component
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let path = schemas.join(format!("{stem}.json"));
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read(&path).map_err(|error| {
        format!(
            "{}: {error}: every component needs its document",
            path.display()
        )
    })?;
    let mut document: Value = serde_json::from_slice(&text)?;
    let name = document["name"]
        .as_str()
        .ok_or_else(|| format!("{}: no name", path.display()))?
        .to_owned();
    document["contract"] = VERSION.to_string().into();
    let packed = embed(&fs::read(component)?, document.to_string().as_bytes());
    Ok((name, zstd::encode_all(&packed[..], COMPRESSION)?))
}
