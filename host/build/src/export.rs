//! What leaves the store: the trees of the exported pipelines, and what is told about them.
use crate::attributes::{self, Attributes};
use crate::failure::{BuildError, Result};
use crate::inventory;
use crate::run::{Export, Request, RunContext};
use osbuild_wasm_events::{Event, ExportDigest, FileDigest};
use osbuild_wasm_files::dirs::proc_path;
use osbuild_wasm_files::resolve::ExportDirectory;
use osbuild_wasm_files::{CopyOptions, copy_tree, digest_tree, holds_privileges};
use osbuild_wasm_manifest::model::{Manifest, contents};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Ids of the exports, and what is built to tell about them.
pub(crate) fn targets(request: &Request<'_>) -> Vec<String> {
    let mut all = ids(request.plan.manifest(), request.exports);
    if request.reports.packages {
        let names: Vec<_> = all.iter().map(String::as_str).collect();
        let manifest = request.plan.manifest();
        let contents = contents(manifest, &names).into_iter();
        all = contents
            .filter_map(|index| manifest.pipelines.get(index)?.id.clone())
            .collect();
    }
    all
}

fn ids(manifest: &Manifest, exports: &[Export]) -> Vec<String> {
    exports
        .iter()
        .filter_map(|export| manifest.pipeline(&export.name)?.id.clone())
        .collect()
}

/// Finds out before anything is built whether the exports could go where they shall.
pub(crate) fn check(exports: &[Export]) -> Result<()> {
    exports.iter().try_for_each(|Export { name, path }| {
        let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        ExportDirectory::check(parent, file).map_err(|error| {
            let place = format!("cannot export {name} to {}", path.display());
            BuildError::manifest(place, error.to_string())
        })
    })
}

/// Exports everything that was asked for.
pub(crate) fn export_all(context: &RunContext<'_>, request: &Request<'_>) -> Result<()> {
    let manifest = context.manifest();
    if request.reports.packages {
        inventory::tell(context, request.exports)?;
    }
    let siblings = request.exports.iter();
    let siblings = siblings
        .filter_map(|export| Some(export.path.file_name()?.to_owned()))
        .collect();
    for (index, Export { name, path }) in request.exports.iter().enumerate() {
        let pipeline = manifest.pipeline(name);
        let Some(id) = pipeline.and_then(|pipeline| pipeline.id.as_deref()) else {
            return Err(BuildError::manifest(
                format!("export {name}"),
                "the pipeline has no stages, so there is nothing to export",
            ));
        };
        let last_use = !ids(manifest, &request.exports[index + 1..])
            .iter()
            .any(|other| other == id);
        if request.reports.digests {
            digest(context, name, id)?;
        }
        let lost = export(context, (id, path), &siblings, (last_use, request.owners));
        let lost = lost.map_err(|error| {
            let place = format!("cannot export {name} to {}", path.display());
            BuildError::manifest(place, error.to_string())
        })?;
        if let Some(lost) = lost {
            context.tell(&Event::HostLog {
                pipeline: name.clone(),
                origin: "export".into(),
                text: format!("{lost}\n"),
            });
        }
        context.tell(&Event::Exported {
            name: name.clone(),
            path: path.clone(),
        });
    }
    Ok(())
}

/// More files of an export are not told one by one: it is an image, an archive or a commit, or it is a whole system.
const FILES_OF_EXPORT: usize = 64;

fn digest(context: &RunContext<'_>, export: &str, id: &str) -> Result<()> {
    let tree = context.trees.path(id).ok_or_else(|| {
        BuildError::manifest(format!("export {export}"), "the pipeline is not built")
    })?;
    let digest = digest_tree(&tree, FILES_OF_EXPORT)?;
    let file = |file: osbuild_wasm_files::FileDigest| FileDigest {
        path: file.path.to_string_lossy().into_owned(),
        size: file.size,
        sha256: file.sha256,
    };
    context.tell(&Event::Digested(ExportDigest {
        export: export.to_owned(),
        tree: digest.listing,
        files: digest.files.into_iter().map(file).collect(),
    }));
    Ok(())
}

/// Moves a tree out that is not needed any more and whose owners are kept; copies it otherwise, and returns what got lost on the way.
fn export(
    context: &RunContext<'_>,
    (id, path): (&str, &Path),
    siblings: &BTreeSet<OsString>,
    (last_use, owners): (bool, bool),
) -> Result<Option<String>> {
    let tree = context.trees.path(id).ok_or_else(|| {
        BuildError::manifest(format!("export {}", path.display()), "is not built")
    })?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(BuildError::manifest(
            format!("export {}", path.display()),
            "it needs a name in a directory",
        ));
    };
    let directory = ExportDirectory::make(parent).map_err(BuildError::io(parent))?;
    if holds_privileges(&tree)? {
        directory.close(siblings).map_err(BuildError::io(parent))?;
    }
    let movable = last_use && owners && context.trees.is_floating(id);
    let is_there = directory.has(name).map_err(BuildError::io(path))?;
    if movable && !is_there && move_out(context, &tree, &directory, name) {
        // Its metadata is still wanted, its path no more.
        return Ok(None);
    }
    let export = directory.export(name).map_err(BuildError::io(path))?;
    let options = CopyOptions {
        without_owners: !owners,
        ..CopyOptions::default()
    };
    let report = copy_tree(&tree, &proc_path(&export), options)?;
    // What is out of the store is out of the helper's reach.
    let trusted = attributes::told(&Attributes::new(context).trusted(&tree)?);
    let lost = report.losses();
    let lost = lost.map(|lost| format!("{lost}; where it was exported to does not take them"));
    let lost: Vec<_> = lost.into_iter().chain(trusted).collect();
    Ok((!lost.is_empty()).then(|| lost.join("; ")))
}

fn move_out(
    context: &RunContext<'_>,
    tree: &Path,
    directory: &ExportDirectory,
    name: &OsStr,
) -> bool {
    let inside = tree.strip_prefix(context.store.path());
    let (Some(outside), Ok(inside)) = (&context.isolation.outside, inside) else {
        return false;
    };
    rustix::fs::renameat(outside, inside, directory.descriptor(), name).is_ok()
}
