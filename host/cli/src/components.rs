//! Which components this invocation has: the embedded ones, and plugins.
use osbuild_wasm_component::{Builtin, Cache, ComponentError, Engine, Kind, Registry};
use osbuild_wasm_manifest::catalogue::Catalogue;
use std::path::PathBuf;

/// Every component that was built with this program.
pub(crate) const BUILTINS: &[Builtin] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// Directories with plugins beside --libdir, separated by colons.
const PATH_VARIABLE: &str = "OSBUILD_WASM_PATH";

/// The registry with plugins of `libdir` and of the environment.
pub(crate) fn registry(libdir: Option<&PathBuf>) -> Result<Registry, ComponentError> {
    let mut registry = Registry::new(BUILTINS);
    let path = std::env::var_os(PATH_VARIABLE).unwrap_or_default();
    for directory in libdir
        .cloned()
        .into_iter()
        .chain(std::env::split_paths(&path))
    {
        if !directory.as_os_str().is_empty() {
            registry.add_directory(&directory)?;
        }
    }
    Ok(registry)
}

/// The schemas of all modules, those of plugins included.
pub(crate) fn catalogue(registry: &Registry) -> Catalogue {
    let mut catalogue = Catalogue::builtin();
    for plugin in registry.plugins() {
        if let Ok(document) = serde_json::to_value(&plugin.metadata) {
            // A malformed schema makes the module unknown to validation, which then says so.
            _ = catalogue.add(document.into());
        }
    }
    catalogue
}

/// The engine, with compiled code kept in this user's cache where that is possible.
pub(crate) fn engine() -> Result<Engine, ComponentError> {
    Engine::new(Cache::open(&Cache::default_directory()).ok())
}

/// The kind of that name.
pub(crate) fn kind(name: &str) -> Kind {
    if name == "assembler" {
        Kind::Assembler
    } else {
        Kind::Stage
    }
}
