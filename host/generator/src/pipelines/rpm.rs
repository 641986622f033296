//! The stage that installs a transaction of packages.
use crate::GeneratorError;
use crate::content::{Depsolved, Package, Repository};
use crate::manifest::Stage;
use serde_json::{Map, Value, json};

/// What the rpm stages of a pipeline have in common.
#[derive(Clone, Debug, Default)]
pub struct RpmOptions {
    /// Leave documentation out.
    pub exclude_docs: bool,
    /// Languages to keep; empty: all.
    pub install_langs: Vec<String>,
    /// Root of the boot file system for `kernel-install`.
    pub boot_root: Option<String>,
    /// Another `rpmkeys` of the build root.
    pub rpmkeys_path: Option<String>,
    /// Pass over keys that the build root's rpm refuses.
    pub ignore_key_import_failures: bool,
    /// The tree becomes an OSTree commit.
    pub ostree: bool,
    /// Keys to import from the tree, by the transaction that brings them.
    pub keys_from_tree: Vec<String>,
}

/// The stages that install solved transactions, in order; empty transactions have none.
///
/// # Errors
/// A key to import from the tree is in no package.
pub fn rpm_stages(
    pipeline: &str,
    solved: &Depsolved,
    options: &RpmOptions,
) -> Result<Vec<Stage>, GeneratorError> {
    let mut missing: Vec<&String> = options.keys_from_tree.iter().collect();
    let mut stages = Vec::new();
    for packages in solved
        .transactions
        .iter()
        .filter(|packages| !packages.is_empty())
    {
        let mut written = written_options(packages, &solved.repositories, options);
        let brought = |key: &&String| packages.iter().any(|package| package.files.contains(key));
        let keys: Vec<&String> = missing.iter().copied().filter(|key| brought(key)).collect();
        missing.retain(|key| !keys.contains(key));
        if !keys.is_empty() {
            written.insert("gpgkeys.fromtree".into(), json!(keys));
        }
        stages.push(Stage::new("rpm", written.into()).input("packages", packages_input(packages)));
    }
    match missing.first() {
        Some(key) => Err(GeneratorError::Unresolved {
            pipeline: pipeline.into(),
            missing: format!("the key {key}"),
        }),
        None => Ok(stages),
    }
}

fn written_options(
    packages: &[Package],
    repositories: &[Repository],
    options: &RpmOptions,
) -> Map<String, Value> {
    let mut written = Map::new();
    let keys = keys(packages, repositories);
    if !keys.is_empty() {
        written.insert("gpgkeys".into(), json!(keys));
    }
    if options.ostree {
        written.insert("disable_dracut".into(), true.into());
    }
    if options.exclude_docs {
        written.insert("exclude".into(), json!({"docs": true}));
    }
    if options.ostree {
        written.insert("ostree_booted".into(), true.into());
        written.insert("dbpath".into(), "/usr/share/rpm".into());
    }
    if !options.install_langs.is_empty() {
        written.insert("install_langs".into(), json!(options.install_langs));
    }
    if let Some(root) = &options.boot_root {
        written.insert("kernel_install_env".into(), json!({"boot_root": root}));
    }
    let mut rpmkeys = Map::new();
    if let Some(path) = &options.rpmkeys_path {
        rpmkeys.insert("bin_path".into(), json!(path));
    }
    if options.ignore_key_import_failures {
        rpmkeys.insert("ignore_import_failures".into(), true.into());
    }
    if !rpmkeys.is_empty() {
        written.insert("rpmkeys".into(), rpmkeys.into());
    }
    written
}

/// Keys of the repositories whose packages must be signed, sorted, each once.
fn keys<'a>(packages: &[Package], repositories: &'a [Repository]) -> Vec<&'a String> {
    let checked = |repository: &&Repository| {
        packages
            .iter()
            .any(|package| package.check_gpg && package.repository == repository.id)
    };
    let mut keys: Vec<&String> = repositories
        .iter()
        .filter(checked)
        .flat_map(|found| &found.gpgkeys)
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

fn packages_input(packages: &[Package]) -> Value {
    let references: Vec<Value> = packages
        .iter()
        .map(|package| match package.check_gpg {
            true => {
                json!({"id": package.checksum, "options": {"metadata": {"rpm.check_gpg": true}}})
            }
            false => json!({"id": package.checksum}),
        })
        .collect();
    json!({"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": references})
}
