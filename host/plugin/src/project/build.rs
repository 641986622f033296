//! `plugin build`: the language's own tool, then packing.
use super::{Language, tools};
use crate::error::{PluginError, Result};
use crate::file::write;
use crate::pack::pack;
use osbuild_wasm_component::Module;
use std::path::{Path, PathBuf};

/// What came out of a build.
#[derive(Debug)]
pub struct Built {
    /// The plugin.
    pub module: Module,
    /// Its file.
    pub path: PathBuf,
}

/// Builds the project and puts the plugin into `dist/NAME.wasm`, or where `output` says. The tool's messages go to standard error.
pub fn build(project: &Path, output: Option<&Path>) -> Result<Built> {
    let made = match Language::of(project)? {
        Language::Rust => tools::cargo(project)?,
        Language::C => tools::make(project)?,
        Language::Python => tools::componentize_py(project)?,
        Language::JavaScript => tools::npm(project)?,
    };
    let binary = std::fs::read(&made).map_err(PluginError::io(&made))?;
    let module = pack(
        &made.display().to_string(),
        &binary,
        &project.join("module.json"),
    )?;
    let path = output.map_or_else(
        || {
            let file = format!("{}.wasm", module.metadata.name);
            project.join("dist").join(file)
        },
        Path::to_owned,
    );
    write(&path, &module.bytes)?;
    Ok(Built { module, path })
}
