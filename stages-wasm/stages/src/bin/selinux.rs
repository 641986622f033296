//! Label the tree, or a mount, with SELinux contexts.
#![forbid(unsafe_code)]
use osbuild_stage::location::{self, Scheme};
use osbuild_stage::{Arguments, Context, ErrorCode, IndexMap, Result, Tree, path};
use osbuild_stage_common::selinux::{self, LABEL};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    target: Option<String>,
    file_contexts: Option<String>,
    #[serde(default)]
    exclude_paths: Vec<String>,
    #[serde(default)]
    labels: IndexMap<String, String>,
    #[serde(default)]
    force_autorelabel: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let (root, target) = target(&arguments)?;
        if let Some(contexts) = &options.file_contexts {
            let specification = match contexts.contains("://") {
                true => arguments.locate(contexts)?,
                false => path::normal(&arguments.tree.path(contexts)),
            };
            let excluded = options.exclude_paths.iter();
            let excluded = excluded
                .map(|excluded| path::normal(&path::join(&path::join(&root, &target), excluded)));
            selinux::set_files(&specification, &root, &target, excluded)?;
        }
        for (place, label) in &options.labels {
            set_label(&arguments.locate(place)?, label).context(format!("label of {place}"))?;
        }
        if options.force_autorelabel {
            Tree::new(root).write(".autorelabel", "-F")?;
        }
        Ok(())
    })
}

/// The root of the file system, and the absolute path in it of what is labelled.
fn target(arguments: &Arguments<Options>) -> Result<(String, String)> {
    let text = arguments.options.target.as_deref().unwrap_or("tree:///");
    let location = location::parse(text)?;
    let root = match location.scheme {
        Scheme::Tree => arguments.tree.root(),
        Scheme::Mount if location.name.is_empty() => &arguments.paths.mounts,
        Scheme::Mount => arguments.mount(&location.name)?,
        Scheme::Input => &arguments.input(&location.name)?.path,
    };
    Ok((path::normal(root), location.path))
}

/// A file system without labels is fine when it shows this one anyway.
fn set_label(path: &str, label: &str) -> Result<()> {
    let files = Tree::contract();
    match files.set_xattr_of_target(path, LABEL, label.as_bytes()) {
        Err(error) if error.code() == Some(ErrorCode::Unsupported) => {
            let present = files.xattr_of_target(path, LABEL)?.unwrap_or_default();
            match present.strip_suffix(b"\0").unwrap_or(&present) == label.as_bytes() {
                true => Ok(()),
                false => Err(error),
            }
        }
        result => result,
    }
}
