//! Which component is which module.
use crate::failure::ComponentError;
use crate::module::{Module, Origin};
use osbuild_wasm_files::resolve::{open_unshared_directory, read_unshared_file};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Kinds of modules that are components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A stage.
    Stage,
    /// An assembler.
    Assembler,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Stage, Self::Assembler];

    /// The word in module documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Assembler => "assembler",
        }
    }

    /// The folder of a library directory.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Stage => "stages",
            Self::Assembler => "assemblers",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A component embedded in the program.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Stage or assembler.
    pub kind: Kind,
    /// Module name.
    pub name: &'static str,
    /// The component, compressed with zstd.
    pub compressed: &'static [u8],
}

impl Builtin {
    /// The component itself.
    pub fn unpack(&self) -> Result<Vec<u8>, ComponentError> {
        unpack(self.name, self.compressed)
    }
}

/// All components that a run can use.
#[derive(Debug, Default)]
pub struct Registry {
    entries: BTreeMap<(Kind, String), Entry>,
}

#[derive(Debug)]
enum Entry {
    Builtin(&'static [u8], OnceLock<Arc<Module>>),
    Plugin(Arc<Module>),
}

impl Entry {
    fn origin(&self) -> Origin {
        match self {
            Self::Builtin(..) => Origin::Builtin,
            Self::Plugin(module) => module.origin.clone(),
        }
    }
}

impl Registry {
    /// A registry of the embedded components.
    pub fn new(builtins: &[Builtin]) -> Self {
        let entry = |builtin: &Builtin| {
            (
                (builtin.kind, builtin.name.to_owned()),
                Entry::Builtin(builtin.compressed, OnceLock::new()),
            )
        };
        Self {
            entries: builtins.iter().map(entry).collect(),
        }
    }

    /// Adds every `*.wasm` in `directory` itself and in its folders `stages` and `assemblers`; what a file is, its section says.
    /// A plugin never takes the place of another module. Errors: a directory that is not there or that others own or can write, a file
    /// that is no component.
    pub fn add_directory(&mut self, directory: &Path) -> Result<usize, ComponentError> {
        check_directory(directory)?;
        let folders = [
            directory.to_owned(),
            directory.join("stages"),
            directory.join("assemblers"),
        ];
        let mut added = 0;
        for folder in folders {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            check_directory(&folder)?;
            let mut paths: Vec<_> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            paths.sort();
            for path in paths.iter().filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "wasm")
            }) {
                self.add_file(path)?;
                added += 1;
            }
        }
        Ok(added)
    }

    /// Adds one component from a file that no other user can write.
    pub fn add_file(&mut self, path: &Path) -> Result<Arc<Module>, ComponentError> {
        let bytes = read_unshared_file(path).map_err(unreadable(path))?;
        let module = Arc::new(Module::read(
            &path.display().to_string(),
            bytes,
            Origin::File(path.to_owned()),
        )?);
        self.add(module.clone(), false)?;
        Ok(module)
    }

    /// Adds a component that was read from a file; with `shadow` it takes the place of a built-in module of its name.
    pub fn add(&mut self, module: Arc<Module>, shadow: bool) -> Result<(), ComponentError> {
        let kind = if module.metadata.kind == "assembler" {
            Kind::Assembler
        } else {
            Kind::Stage
        };
        let key = (kind, module.metadata.name.clone());
        let present = self.entries.get(&key).map(Entry::origin);
        if let (None, Origin::File(path)) = (&present, &module.origin)
            && module.metadata.has_reserved_name()
        {
            let (path, name) = (path.clone(), key.1);
            return Err(ComponentError::Reserved { path, name });
        }
        if let (Some(present), Origin::File(path)) = (present, &module.origin) {
            let (path, name) = (path.clone(), key.1.clone());
            match present {
                Origin::Builtin if !shadow => return Err(ComponentError::Shadows { path, name }),
                // The same directory may be named twice.
                Origin::File(other) if other != path => {
                    return Err(ComponentError::Twice { path, other, name });
                }
                _ => {}
            }
        }
        self.entries.insert(key, Entry::Plugin(module));
        Ok(())
    }

    /// The component of a module; none when there is no such.
    pub fn get(&self, kind: Kind, name: &str) -> Option<Result<Arc<Module>, ComponentError>> {
        Some(match self.entries.get(&(kind, name.to_owned()))? {
            Entry::Plugin(module) => Ok(module.clone()),
            Entry::Builtin(compressed, module) => match module.get() {
                Some(module) => Ok(module.clone()),
                None => unpack(name, compressed)
                    .and_then(|bytes| Module::read(name, bytes, Origin::Builtin))
                    .map(|unpacked| module.get_or_init(|| Arc::new(unpacked)).clone()),
            },
        })
    }

    /// Names of all components, sorted.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.entries
            .keys()
            .filter(move |(other, _)| *other == kind)
            .map(|(_, name)| name.as_str())
    }

    /// The plugins, which bring their own option schemas.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Plugin(module) => Some(module),
            Entry::Builtin(..) => None,
        })
    }
}

/// What is in a directory that others can change is not ours to run.
fn check_directory(path: &Path) -> Result<(), ComponentError> {
    open_unshared_directory(path)
        .map(drop)
        .map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> ComponentError {
    let path = path.to_owned();
    move |cause| match cause.kind() {
        // The system's own refusal says neither why nor of what.
        std::io::ErrorKind::PermissionDenied if cause.raw_os_error().is_none() => {
            ComponentError::Untrusted { path, cause }
        }
        // What was said has the path already.
        kind @ std::io::ErrorKind::NotADirectory => ComponentError::Unreadable {
            path,
            cause: kind.into(),
        },
        _ => ComponentError::Unreadable { path, cause },
    }
}

fn unpack(name: &str, compressed: &[u8]) -> Result<Vec<u8>, ComponentError> {
    zstd::decode_all(compressed).map_err(|error| ComponentError::NotAComponent {
        name: name.into(),
        cause: error.to_string(),
    })
}
