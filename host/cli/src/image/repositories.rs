//! Repositories of distributions: those of definitions, and those of files in the form that composer's packages lay down.
use crate::command_error::{CommandError, Result};
use osbuild_wasm_distro::{Arch, Distro, Repository as Defined};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_generator::content::Repository;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::{Repository as Source, metadata_expire};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A repository of a definition, for the generator.
pub(crate) fn of_definition(defined: Defined) -> Repository {
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

/// A repository of a definition, for the resolver. Where packages are looked for without an image type, those for some types are none.
pub(crate) fn for_resolver(defined: Defined) -> Result<Option<Source>> {
    if !defined.image_type_tags.is_empty() || !defined.package_sets.is_empty() {
        return Ok(None);
    }
    let expire = Some(defined.metadata_expire).filter(|text| !text.is_empty());
    let expire = expire.map(|text| metadata_expire(&text)).transpose();
    let expire = expire.map_err(|problem| {
        CommandError::invalid(Diagnostic::new(format!(
            "the repository {}: {problem}",
            defined.name
        )))
    })?;
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let mut repository = Source {
        id: defined.name.clone(),
        name: defined.name,
        baseurl: defined.baseurls,
        metalink: text(defined.metalink),
        mirrorlist: text(defined.mirrorlist),
        gpgcheck: defined.check_gpg,
        repo_gpgcheck: defined.check_repo_gpg,
        gpgkey: defined.gpgkeys,
        metadata_expire: expire,
        rhsm: defined.rhsm,
        ..Source::default()
    };
    repository.split_logins()?;
    Ok(Some(repository))
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
pub(super) fn file_of(directory: &Path, distro: &Distro) -> PathBuf {
    directory.join(format!("{}.json", distro.name))
}

/// The repositories of `DIR/DISTRO.json` for an architecture: an object of architectures with arrays of repositories.
pub(super) fn read(directory: &Path, distro: &Distro, arch: Arch) -> Result<Vec<Repository>> {
    let path = file_of(directory, distro);
    let wrong = |cause: String, hint: &str| {
        let diagnostic = Diagnostic::new(format!("cannot use the repositories {}", path.display()));
        CommandError::invalid(diagnostic.cause(cause).hint(hint))
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
