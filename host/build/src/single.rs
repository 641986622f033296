//! One stage on a directory of the host, without manifest and store.
use crate::confinement::Confined;
use crate::failure::{BuildError, Result};
use crate::log::StageLog;
use crate::plan::SinglePlan;
use crate::run::Settings;
use crate::sandbox::{DEVICES, Given, INPUTS, MOUNTS, Once, Sandbox, TREE};
use crate::stage::bounds::Bounds;
use crate::stage::component::{ComponentRun, run_component};
use osbuild_wasm_capability::Access;
use osbuild_wasm_component::{Module, Outcome};
use osbuild_wasm_protocol::BuildRoot;
use serde_json::{Map, Value};
use std::path::{Component, Path, PathBuf};

/// What `stage run` was asked for.
#[derive(Debug)]
pub struct SingleStage<'a> {
    /// The component.
    pub module: &'a Module,
    /// The tree it works on.
    pub tree: PathBuf,
    /// The arguments document, with paths of the host.
    pub arguments: Value,
    /// The runner that prepares /etc for programs.
    pub runner: String,
    /// A private directory for the duration of the run.
    pub scratch: PathBuf,
}

impl Confined {
    /// Rewrites the document to the contract's paths, grants exactly the paths that it names, and runs the component.
    pub fn run_single(&self, settings: &Settings, single: &SingleStage<'_>) -> Result<Outcome> {
        let options = single.arguments.get("options").cloned().unwrap_or_default();
        let plan = SinglePlan::new(single.module, &options.into())?;
        let mut sandbox = Sandbox {
            scratch: Once::new(&single.scratch),
            build_root: BuildRoot::Host,
            runner: Some(single.runner.clone()),
            ..Sandbox::default()
        };
        let mut document = single.arguments.clone();
        rewrite(&mut document, &single.tree, &mut sandbox)?;
        let text = |pointer: &str| {
            document
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        sandbox.source_epoch = document
            .pointer("/meta/source-epoch")
            .and_then(Value::as_i64);
        let log = StageLog::new(
            "",
            &single.module.metadata.name,
            &text("/meta/id"),
            settings.observer.clone(),
        );
        let bounds = Bounds::new(plan.stage().decision, settings);
        let (pipe, pump) = log.pipe(&bounds)?;
        let run = ComponentRun {
            plan: plan.stage(),
            bounds: bounds.clone(),
            seed: text("/meta/id"),
            arguments: document.to_string(),
            helpers: self.helpers.clone(),
            journal: None,
        };
        let ended = run_component(settings, run, &sandbox, &log, pipe)?;
        Ok(bounds.heed(ended, pump))
    }
}

/// The host paths that a document names; helpers of this run stay within them.
pub(crate) fn paths_of(document: &Value, tree: &Path) -> Vec<PathBuf> {
    let mut sandbox = Sandbox::default();
    let mut copy = document.clone();
    _ = rewrite(&mut copy, tree, &mut sandbox);
    let scope = |given: &Given| match given.host.is_file() {
        // A scope is a directory; the grant still covers the file alone.
        true => given.host.parent().map(Path::to_owned),
        false => given
            .contract
            .starts_with("/run/osbuild/")
            .then(|| given.host.to_owned()),
    };
    sandbox.roots.iter().filter_map(scope).collect()
}

impl SingleStage<'_> {
    /// The scopes for the helpers of this run.
    pub fn scopes(document: &Value, tree: &Path, scratch: &Path) -> Vec<PathBuf> {
        let mut scopes = paths_of(document, tree);
        scopes.push(scratch.to_owned());
        scopes
    }
}

fn rewrite(document: &mut Value, tree: &Path, sandbox: &mut Sandbox) -> Result<()> {
    let Value::Object(document) = document else {
        return Err(BuildError::manifest("arguments", "must be a JSON object"));
    };
    let roots = document.get("paths").cloned().unwrap_or_default();
    let root = |name: &str, default: &str| PathBuf::from(roots[name].as_str().unwrap_or(default));
    let (inputs, mounts, devices) = (
        root("inputs", INPUTS),
        root("mounts", MOUNTS),
        root("devices", DEVICES),
    );
    sandbox.grant(TREE, tree, Access::Write);
    document.insert("tree".into(), TREE.into());
    for (host, contract, access) in [
        (&inputs, INPUTS, Access::Read),
        (&mounts, MOUNTS, Access::Write),
    ] {
        if host.is_dir() {
            sandbox.grant(contract, host, access);
        }
    }
    rewrite_group(document, "inputs", |name, path| {
        below(path, &inputs, INPUTS, name, Access::Read, sandbox)
    });
    rewrite_group(document, "mounts", |name, path| {
        below(path, &mounts, MOUNTS, name, Access::Write, sandbox)
    });
    rewrite_group(document, "devices", |name, path| {
        let path = devices.join(path);
        let contract = below(&path, &devices, DEVICES, name, Access::Write, sandbox);
        sandbox.devices.push(contract.clone());
        contract
    });
    document.insert(
        "paths".into(),
        serde_json::json!({ "devices": DEVICES, "inputs": INPUTS, "mounts": MOUNTS }),
    );
    Ok(())
}

fn rewrite_group(
    document: &mut Map<String, Value>,
    group: &str,
    mut rewrite: impl FnMut(&str, &Path) -> String,
) {
    let Some(Value::Object(entries)) = document.get_mut(group) else {
        return;
    };
    for (name, entry) in entries {
        if let Some(Value::String(path)) = entry.get_mut("path") {
            *path = rewrite(name, &PathBuf::from(path.as_str()));
        }
    }
}

/// The contract path of a host path: below the root of its group when it lies there, else by its name. A trailing `/.` stays.
fn below(
    path: &Path,
    root: &Path,
    contract: &str,
    name: &str,
    access: Access,
    sandbox: &mut Sandbox,
) -> String {
    let text = path.to_string_lossy();
    let contents = text.ends_with("/.") || text.ends_with('/');
    let rest = path.strip_prefix(root).ok().filter(|rest| {
        rest.components()
            .all(|part| matches!(part, Component::Normal(_)))
    });
    let mut target = match rest {
        Some(rest) if rest.as_os_str().is_empty() => contract.to_owned(),
        Some(rest) => format!("{contract}/{}", rest.display()),
        None => format!("{contract}/{name}"),
    };
    if target != contract {
        sandbox.grant(target.clone(), path, access);
    }
    if contents {
        target.push_str("/.");
    }
    target
}
