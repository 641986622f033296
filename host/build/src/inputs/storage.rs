//! `org.osbuild.containers-storage`: the container storage of the machine itself.
use super::{Mapped, checked_key, wrong};
use crate::failure::{BuildError, Result};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Input, Manifest, Stage};
use serde_json::{Map, Value as Json, json};
use std::path::{Path, PathBuf};

/// Module name.
const MODULE: &str = "org.osbuild.containers-storage";

/// Where the machine says how it keeps images, see containers-storage.conf(5).
const SETTINGS: [&str; 2] = [
    "/etc/containers/storage.conf",
    "/usr/share/containers/storage.conf",
];

/// Where images are unless the settings say otherwise.
const GRAPHROOT: &str = "/var/lib/containers/storage";

/// The settings of the machine's container storage.
struct Storage {
    /// Table `storage` of the file.
    table: Json,
    /// The directory with everything.
    graphroot: PathBuf,
}

/// The images, in the machine's storage.
pub(super) fn map(input: &Input, directory: PathBuf) -> Result<Mapped> {
    let Storage { table, graphroot } = storage(input)?;
    let place = directory.join("storage");
    std::fs::create_dir_all(&place).map_err(BuildError::io(&place))?;
    let mut archives = Map::new();
    for reference in &input.references {
        let name = reference.options.get("name").and_then(Value::as_str);
        let image = json!({ "format": "containers-storage", "name": name, "storage": table });
        archives.insert(checked_key(input, reference)?.to_owned(), image);
    }
    Ok(Mapped {
        directories: vec![(String::new(), directory), ("/storage".into(), graphroot)],
        path: "",
        data: Some(json!({ "archives": archives })),
    })
}

/// Whether a stage reads it.
pub(crate) fn is_read_by(stage: &Stage) -> bool {
    stage.inputs.iter().any(|input| input.module == MODULE)
}

/// Directories outside of the store that stages of a manifest read: the container storage, where it is an input.
pub(crate) fn scopes(manifest: &Manifest) -> Vec<PathBuf> {
    let stages = manifest
        .pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.stages);
    let input = stages
        .flat_map(|stage| &stage.inputs)
        .find(|input| input.module == MODULE);
    // What is wrong with it is told when the stage's turn comes.
    let graphroot = input.and_then(|input| storage(input).ok());
    graphroot
        .map(|storage| storage.graphroot)
        .into_iter()
        .collect()
}

fn storage(input: &Input) -> Result<Storage> {
    let file = SETTINGS.iter().map(Path::new).find(|path| path.is_file());
    let Some(file) = file else {
        let files = SETTINGS.join(" nor ");
        let reason = format!("this machine has no container storage: there is neither {files}");
        return Err(wrong(input, reason));
    };
    let text = read_text(file, LARGEST_DOCUMENT).map_err(BuildError::io(file))?;
    parse(&text).map_err(|reason| wrong(input, format!("{}: {reason}", file.display())))
}

fn parse(text: &str) -> std::result::Result<Storage, String> {
    let settings: Json = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let table = settings.get("storage").cloned();
    let table = table.unwrap_or_else(|| json!({}));
    let graphroot = table["graphroot"].as_str().unwrap_or(GRAPHROOT);
    let graphroot = std::fs::canonicalize(graphroot)
        .map_err(|error| format!("the storage {graphroot}: {error}"))?;
    Ok(Storage { table, graphroot })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_passed_on_as_it_is() {
        let top = tempfile::tempdir().unwrap();
        let graphroot = std::fs::canonicalize(top.path()).unwrap();
        let text = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\n[storage.options]\npull = true\n",
            graphroot.display().to_string()
        );
        let storage = parse(&text).unwrap();
        assert_eq!(storage.graphroot, graphroot);
        let expected = json!({
            "driver": "overlay", "graphroot": graphroot, "options": {"pull": true},
        });
        assert_eq!(storage.table, expected);
    }

    #[test]
    fn a_storage_that_is_not_there_is_an_error() {
        assert!(parse("[storage]\ngraphroot = \"/nonexistent\"\n").is_err());
        assert!(parse("[storage\n").is_err());
    }
}
