//! Inputs of a stage, all read-only. Each is one directory, or several: granted ones need no bind mount to lie in one another.
mod containers;
mod files;
pub(crate) mod ostree;
pub(crate) mod storage;

use crate::failure::{BuildError, Result};
use crate::leases::Helpers;
use crate::sandbox::{INPUTS, Sandbox};
use crate::trees::Trees;
use osbuild_wasm_capability::Access;
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_files::{CopyOptions, copy_object};
use osbuild_wasm_manifest::model::{Input, Origin, Reference, Source};
use osbuild_wasm_protocol::Interface;
use osbuild_wasm_store::{Store, refuse_losses};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, linkat, openat2};
use rustix::io::Errno;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Where inputs come from.
#[derive(Clone, Copy)]
pub(crate) struct Origins<'a> {
    pub(crate) store: &'a Store,
    pub(crate) trees: &'a Trees,
    /// What the manifest says about what was fetched.
    pub(crate) sources: &'a [Source],
    pub(crate) helpers: Helpers<'a>,
}

/// What an input consists of.
struct Mapped {
    /// Directories and where they lie below the input's path; `""` is the path itself.
    directories: Vec<(String, PathBuf)>,
    /// Where the stage finds it, below the input's path.
    path: &'static str,
    /// `data` of the reply.
    data: Option<Value>,
}

impl Mapped {
    /// One directory.
    fn directory(host: PathBuf, data: Option<Value>) -> Self {
        Self {
            directories: vec![(String::new(), host)],
            path: "",
            data,
        }
    }
}

/// The helpers that inputs of a type need.
pub(crate) fn interfaces(module: &str) -> &'static [Interface] {
    match module {
        "org.osbuild.ostree" | "org.osbuild.ostree.checkout" => &[Interface::Command],
        _ => &[],
    }
}

/// The programs that helpers run to make an input.
pub(crate) fn programs(module: &str) -> &'static [&'static str] {
    match module {
        "org.osbuild.ostree" | "org.osbuild.ostree.checkout" => &[ostree::PROGRAM],
        _ => &[],
    }
}

/// Makes one input available to the stage.
pub(crate) fn map(input: &Input, origins: Origins<'_>, sandbox: &mut Sandbox) -> Result<()> {
    let contract = format!("{INPUTS}/{}", checked_name(input)?);
    let mapped = mapped(input, origins, sandbox)?;
    for (below, host) in &mapped.directories {
        sandbox.grant(format!("{contract}{below}"), host, Access::Read);
    }
    let mut reply = json!({ "path": format!("{contract}{}", mapped.path) });
    if let Some(data) = mapped.data {
        reply["data"] = data;
    }
    sandbox.inputs.insert(input.name.clone(), reply);
    Ok(())
}

fn mapped(input: &Input, origins: Origins<'_>, sandbox: &Sandbox) -> Result<Mapped> {
    let Origins { store, trees, .. } = origins;
    let directory = || directory(input, sandbox);
    match (input.module.as_str(), input.origin) {
        ("org.osbuild.tree", Origin::Pipeline) => {
            Ok(Mapped::directory(tree(input, trees, sandbox)?, None))
        }
        ("org.osbuild.files", Origin::Source) => files::of_source(input, store, directory()?),
        ("org.osbuild.files", Origin::Pipeline) => {
            files::of_pipeline(input, trees, directory()?, sandbox.links)
        }
        ("org.osbuild.containers", Origin::Source) => {
            containers::of_source(input, origins, directory()?)
        }
        ("org.osbuild.containers", Origin::Pipeline) => {
            containers::of_pipeline(input, trees, directory()?)
        }
        ("org.osbuild.containers-storage", Origin::Source) => storage::map(input, directory()?),
        ("org.osbuild.ostree", _) => ostree::repository(input, origins, sandbox, directory()?),
        ("org.osbuild.ostree.checkout", _) => {
            ostree::checkout(input, origins, sandbox, directory()?)
        }
        ("org.osbuild.noop", _) => {
            let data = json!({ "refs": references(input) });
            Ok(Mapped::directory(directory()?, Some(data)))
        }
        (module, _) => {
            let reason = format!("there is no input of type {module} with this origin");
            Err(BuildError::manifest(place(input), reason))
        }
    }
}

fn place(input: &Input) -> String {
    format!("input {} ({})", input.name, input.module)
}

/// An error of the manifest at the input.
fn wrong(input: &Input, reason: impl Into<String>) -> BuildError {
    BuildError::manifest(place(input), reason)
}

/// Input names become names of directories.
fn checked_name(input: &Input) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if input.name.starts_with('.') || input.name.is_empty() || !input.name.chars().all(fits) {
        let reason = "a name has letters, digits, '_', '-' and '.' only";
        return Err(wrong(input, reason));
    }
    Ok(&input.name)
}

/// The key of a source's item, which becomes a file name.
fn checked_key<'a>(input: &Input, reference: &'a Reference) -> Result<&'a str> {
    let key = reference.id.as_deref().unwrap_or_default();
    if key.is_empty() || key.starts_with(['.', '-']) || key.contains(['/', '\0']) {
        return Err(wrong(input, format!("{key:?} is not a checksum")));
    }
    Ok(key)
}

/// An empty directory for what the input consists of.
fn directory(input: &Input, sandbox: &Sandbox) -> Result<PathBuf> {
    let path = sandbox.scratch.join("inputs").join(&input.name);
    std::fs::create_dir_all(&path).map_err(BuildError::io(&path))?;
    Ok(path)
}

fn references(input: &Input) -> Map<String, Value> {
    let entry = |reference: &Reference| {
        let id = reference.id.clone().unwrap_or_else(|| "null".into());
        (id, Value::from(&reference.options))
    };
    input.references.iter().map(entry).collect()
}

/// The tree of the only pipeline referred to; an empty one when that pipeline has no stages.
fn tree(input: &Input, trees: &Trees, sandbox: &Sandbox) -> Result<PathBuf> {
    match input.references.as_slice() {
        [Reference { id: None, .. }] => directory(input, sandbox),
        [reference] => finished(input, trees, reference),
        _ => Err(wrong(input, "takes exactly one reference")),
    }
}

/// The finished tree of a pipeline.
fn finished(input: &Input, trees: &Trees, reference: &Reference) -> Result<PathBuf> {
    let id = reference.id.as_deref().unwrap_or("without stages");
    let path = trees.path(id);
    path.ok_or_else(|| wrong(input, format!("pipeline {id} is not built")))
}

/// Opens a path of a tree; links on the way are resolved inside the tree, or refused.
pub(crate) fn open_in_tree(
    tree: &Path,
    path: &str,
    flags: OFlags,
    links: Links,
) -> std::io::Result<OwnedFd> {
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let inside = match links {
        Links::Follow => inside,
        Links::Refuse => inside | ResolveFlags::NO_SYMLINKS,
    };
    match openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), inside) {
        Err(Errno::LOOP) if links == Links::Refuse => Err(std::io::Error::other(Links::REFUSED)),
        opened => Ok(opened?),
    }
}

/// Gives a file of a finished tree a place among the inputs.
fn link_from_tree(tree: &Path, file: &str, to: &Path, links: Links) -> std::io::Result<()> {
    link(&open_in_tree(tree, file, OFlags::PATH, links)?, to)
}

/// Gives what was opened another name: a link on the same disk, or a copy in a virtual machine, which has it from outside.
fn link(from: &OwnedFd, to: &Path) -> std::io::Result<()> {
    let named = format!("/proc/self/fd/{}", from.as_raw_fd());
    let follow = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    match linkat(CWD, named, CWD, to, follow) {
        Err(Errno::XDEV) => copy(from, to),
        linked => Ok(linked?),
    }
}

fn copy(from: &OwnedFd, to: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(Errno::INVAL.into());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(parent, flags, Mode::empty())?;
    let copied = copy_object(
        from.as_fd(),
        directory.as_fd(),
        name,
        CopyOptions::default(),
    );
    let report = copied.map_err(std::io::Error::other)?;
    refuse_losses(to, report).map_err(std::io::Error::other)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An input of a manifest.
    pub(crate) fn input(module: &str, origin: Origin, references: &[(&str, Value)]) -> Input {
        let reference = |(id, options): &(&str, Value)| Reference {
            id: Some((*id).to_owned()),
            options: options.clone().into(),
        };
        Input {
            name: "image".into(),
            module: module.into(),
            origin,
            references: references.iter().map(reference).collect(),
            options: json!({}).into(),
            id: String::new(),
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let mut input = input("org.osbuild.tree", Origin::Pipeline, &[]);
        for bad in ["", ".", "..", "a/b", "a\n"] {
            input.name = bad.into();
            assert!(checked_name(&input).is_err(), "{bad:?}");
        }
        for bad in ["", "..", "a/b", "-x"] {
            let reference = Reference {
                id: Some(bad.into()),
                options: json!({}).into(),
            };
            assert!(checked_key(&input, &reference).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn files_of_a_tree_are_found_inside_of_it_only() {
        let top = tempfile::tempdir().unwrap();
        let (tree, to) = (top.path().join("tree"), top.path().join("to"));
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("passwd"), "ours").unwrap();
        std::os::unix::fs::symlink("/passwd", tree.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", tree.join("out")).unwrap();
        link_from_tree(&tree, "link", &to, Links::Follow).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "ours");
        let other = top.path().join("other");
        assert!(link_from_tree(&tree, "out", &other, Links::Follow).is_err());
        assert!(link_from_tree(&tree, "link", &other, Links::Refuse).is_err());
        link_from_tree(&tree, "passwd", &other, Links::Refuse).unwrap();
    }
}
