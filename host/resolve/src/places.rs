//! Definitions of distributions and their repositories in directories of this machine.
use osbuild_wasm_distro::{Arch, DefinitionError, Definitions, Distro, Repository as Defined};
use osbuild_wasm_files::dirs::proc_path;
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_generator::content::Repository;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What is wrong with a directory of definitions or of repositories.
#[derive(Debug)]
pub enum PlaceError {
    /// A file of definitions cannot be read.
    Definitions {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A definition cannot be used.
    Definition {
        /// The directory that it is in, if it is not one of the program's own.
        directory: Option<PathBuf>,
        /// What is wrong with it.
        error: DefinitionError,
    },
    /// A file of repositories cannot be used.
    Repositories {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
        /// What to do.
        hint: &'static str,
    },
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definitions { path, cause } => {
                write!(f, "cannot read definitions {}: {cause}", path.display())
            }
            Self::Definition {
                directory: Some(directory),
                error,
            } => write!(f, "definitions {}: {error}", directory.display()),
            Self::Definition { error, .. } => error.fmt(f),
            Self::Repositories { path, cause, .. } => {
                write!(f, "cannot use the repositories {}: {cause}", path.display())
            }
        }
    }
}

impl std::error::Error for PlaceError {}

/// The definitions of the program, and those of directories before them, the first before the others.
///
/// # Errors
/// A file cannot be read, or what it defines cannot be used.
pub fn definitions_of(directories: &[PathBuf]) -> Result<Definitions, PlaceError> {
    let mut definitions = Definitions::embedded();
    for directory in directories.iter().rev() {
        let files = texts(directory)?;
        let files = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        definitions
            .extend(files)
            .map_err(|error| PlaceError::Definition {
                directory: Some(directory.clone()),
                error,
            })?;
    }
    Ok(definitions)
}

/// The repositories of a distribution for all its image types: those of a directory if one is given, else those of its definition.
///
/// # Errors
/// They cannot be read or used.
pub fn repositories_in(
    directory: Option<&Path>,
    definitions: &Definitions,
    distro: &Distro,
    arch: Arch,
) -> Result<Vec<Repository>, PlaceError> {
    if let Some(directory) = directory {
        return read(directory, distro, arch);
    }
    let defined =
        definitions
            .repositories(distro, arch)
            .map_err(|error| PlaceError::Definition {
                directory: None,
                error,
            })?;
    Ok(defined.into_iter().map(of_definition).collect())
}

/// The files of a directory of definitions by their path in it: `FAMILY/*.yaml` and `keys/*.asc`.
fn texts(directory: &Path) -> Result<Vec<(String, String)>, PlaceError> {
    let cannot = |path: &Path, cause: String| PlaceError::Definitions {
        path: path.to_owned(),
        cause,
    };
    let entries = |path: &Path| -> Result<Vec<PathBuf>, PlaceError> {
        let listed = std::fs::read_dir(path).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<std::io::Result<Vec<_>>>()
        });
        let mut listed = listed.map_err(|error| cannot(path, error.to_string()))?;
        listed.sort();
        Ok(listed)
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(directory, flags, Mode::empty());
    let top = top.map_err(|error| cannot(directory, error.to_string()))?;
    let mut texts = Vec::new();
    for family in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&family)? {
            if !file
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "asc")
            {
                continue;
            }
            let name = file.strip_prefix(directory).unwrap_or(&file);
            let text = text_inside(&top, name).map_err(|error| cannot(&file, error.to_string()))?;
            texts.push((name.display().to_string(), text));
        }
    }
    Ok(texts)
}

/// The text of a file of a directory. Definitions come from others, with their links: what these lead to elsewhere would become part of
/// messages, and of images.
fn text_inside(directory: &OwnedFd, name: &Path) -> io::Result<String> {
    let (flags, resolve) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::BENEATH);
    match openat2(directory, name, flags, Mode::empty(), resolve) {
        Ok(found) => read_text(&proc_path(&found), LARGEST_DOCUMENT),
        Err(Errno::XDEV) => Err(io::Error::other(
            "a link leads out of the directory, where nothing is read",
        )),
        Err(error) => Err(error.into()),
    }
}

/// A repository of a definition, for the generator.
fn of_definition(defined: Defined) -> Repository {
    Repository {
        name: defined.name,
        baseurls: defined.baseurls,
        metalink: defined.metalink,
        mirrorlist: defined.mirrorlist,
        gpgkeys: defined.gpgkeys,
        check_gpg: defined.check_gpg,
        check_repo_gpg: defined.check_repo_gpg,
        metadata_expire: defined.metadata_expire,
        rhsm: defined.rhsm,
        image_type_tags: defined.image_type_tags,
        package_sets: defined.package_sets,
        ..Repository::default()
    }
}

/// One repository of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Listed {
    id: String,
    name: String,
    baseurl: String,
    baseurls: Vec<String>,
    metalink: String,
    mirrorlist: String,
    gpgkey: String,
    gpgkeys: Vec<String>,
    check_gpg: Option<bool>,
    check_repo_gpg: Option<bool>,
    ignore_ssl: Option<bool>,
    rhsm: bool,
    priority: Option<i64>,
    metadata_expire: String,
    module_hotfixes: Option<bool>,
    image_type_tags: Vec<String>,
    package_sets: Vec<String>,
}

/// Where a directory has the repositories of a distribution.
pub fn file_of(directory: &Path, distro: &Distro) -> PathBuf {
    directory.join(format!("{}.json", distro.name))
}

/// The repositories of `DIR/DISTRO.json` for an architecture: an object of architectures with arrays of repositories.
fn read(directory: &Path, distro: &Distro, arch: Arch) -> Result<Vec<Repository>, PlaceError> {
    let path = file_of(directory, distro);
    let wrong = |cause: String, hint| PlaceError::Repositories {
        path: path.clone(),
        cause,
        hint,
    };
    let text = read_text(&path, LARGEST_DOCUMENT)
        .map_err(|error| wrong(error.to_string(), "the directory holds a file DISTRO.json"))?;
    let mut by_arch: HashMap<String, Vec<Listed>> =
        serde_json::from_str(&text).map_err(|error| {
            wrong(
                error.to_string(),
                "it is an object of architectures with arrays of repositories",
            )
        })?;
    let listed = by_arch
        .remove(arch.name())
        .ok_or_else(|| wrong(format!("it has none for {arch}"), "add them"))?;
    Ok(listed.into_iter().map(Repository::from).collect())
}

impl From<Listed> for Repository {
    fn from(listed: Listed) -> Self {
        let joined = |one: String, many: Vec<String>| -> Vec<String> {
            Some(one)
                .filter(|one| !one.is_empty())
                .into_iter()
                .chain(many)
                .collect()
        };
        Self {
            id: listed.id,
            name: listed.name,
            baseurls: joined(listed.baseurl, listed.baseurls),
            metalink: listed.metalink,
            mirrorlist: listed.mirrorlist,
            gpgkeys: joined(listed.gpgkey, listed.gpgkeys),
            check_gpg: listed.check_gpg,
            check_repo_gpg: listed.check_repo_gpg,
            ignore_ssl: listed.ignore_ssl,
            priority: listed.priority,
            metadata_expire: listed.metadata_expire,
            module_hotfixes: listed.module_hotfixes,
            rhsm: listed.rhsm,
            image_type_tags: listed.image_type_tags,
            package_sets: listed.package_sets,
            ..Self::default()
        }
    }
}
