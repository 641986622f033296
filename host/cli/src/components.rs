//! Which components this invocation has: the embedded ones, and plugins.
use osbuild_wasm_component::{Builtin, Cache, ComponentError, Engine, Installed, Kind, Registry};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file};
use osbuild_wasm_manifest::catalogue::{Catalogue, ModuleKind};
use osbuild_wasm_manifest::json;
use osbuild_wasm_plugin::PluginError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every component that was built with this program.
pub(crate) static BUILTINS: &[Builtin] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// Directories with plugins beside --libdir, separated by colons.
const PATH_VARIABLE: &str = "OSBUILD_WASM_PATH";

/// The registry with installed plugins, those of `libdir` and those of the environment.
pub(crate) fn registry(libdir: Option<&PathBuf>) -> Result<Registry, PluginError> {
    let mut registry = Registry::new(BUILTINS);
    if let Some(installed) = crate::commands::plugin::directory(None) {
        installed.load(&mut registry)?;
    }
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

/// The schemas of all modules: the built-in ones, those of plugins, and of modules that osbuild has in `libdir` beside these.
pub(crate) fn catalogue(registry: &Registry, libdir: Option<&Path>) -> Catalogue {
    let mut catalogue = Catalogue::builtin();
    if let Some(libdir) = libdir {
        add_osbuild_modules(&mut catalogue, libdir);
    }
    for plugin in registry.plugins() {
        if let Ok(document) = serde_json::to_value(&plugin.metadata) {
            // A malformed schema makes the module unknown to validation, which then says so.
            _ = catalogue.add(document.into());
        }
    }
    catalogue
}

/// Folders of osbuild's library directory.
const FOLDERS: [(&str, ModuleKind); 6] = [
    ("stages", ModuleKind::Stage),
    ("assemblers", ModuleKind::Assembler),
    ("sources", ModuleKind::Source),
    ("inputs", ModuleKind::Input),
    ("devices", ModuleKind::Device),
    ("mounts", ModuleKind::Mount),
];

/// Adds the modules that have a `NAME.meta.json` and are not ours: a manifest with them can at least be checked and inspected.
fn add_osbuild_modules(catalogue: &mut Catalogue, libdir: &Path) {
    for (folder, kind) in FOLDERS {
        let Ok(entries) = std::fs::read_dir(libdir.join(folder)) else {
            continue;
        };
        let known: BTreeSet<String> = catalogue.names(kind).map(str::to_owned).collect();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let file = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let name = file
                .as_deref()
                .and_then(|name| name.strip_suffix(".meta.json"));
            if let Some(name) = name.filter(|name| !known.contains(*name))
                && let Err(error) = add_meta(catalogue, kind, name, &path)
            {
                // As for osbuild, the module is then unknown.
                errln!("warning: {}: {error}", path.display());
            }
        }
    }
}

fn add_meta(
    catalogue: &mut Catalogue,
    kind: ModuleKind,
    name: &str,
    path: &Path,
) -> anyhow::Result<()> {
    let document = json::parse(&read_file(path, LARGEST_DOCUMENT)?)?;
    catalogue.add_meta(kind, name, document)?;
    Ok(())
}

/// The engine, with compiled code of the installation, and more kept in this user's cache where that is possible. `installed` must be
/// opened before the process is isolated: owners cannot be told apart in a user namespace.
pub(crate) fn engine(installed: Option<Installed>) -> Result<Engine, ComponentError> {
    Engine::new(installed, Cache::open(&Cache::default_directory()).ok())
}

/// The kind of that name.
pub(crate) fn kind(name: &str) -> Kind {
    if name == "assembler" {
        Kind::Assembler
    } else {
        Kind::Stage
    }
}
