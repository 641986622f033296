//! What is installed in the trees that exports are made of.
//!
//! A tree's RPM database is hostile like everything else in it: only the build root's rpm reads it, in the sandbox that stages' tools run
//! in. What the stage org.osbuild.rpm reported stands in for a database that is gone, or that this rpm cannot read.
use crate::failure::{BuildError, Result};
use crate::inputs::open_in_tree;
use crate::leases::{Helpers, refused};
use crate::log::StageLog;
use crate::run::{Export, RunContext};
use crate::sandbox::{Once, Sandbox, TREE};
use crate::stage::bounds::Bounds;
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_capability::{Access, Limits};
use osbuild_wasm_events::{Distribution, Event, Inventory, Observer, Package};
use osbuild_wasm_manifest::model::{Pipeline, contents};
use osbuild_wasm_manifest::runner::os_release_value;
use osbuild_wasm_protocol as protocol;
use rustix::fs::OFlags;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What lists the packages of a tree.
pub const PROGRAM: &str = "rpm";

/// The stage that reports what it installed.
const RPM: &str = "org.osbuild.rpm";
/// Where distributions keep the database.
const PLACES: [&str; 3] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"];
/// The database itself, in rpm's formats.
const FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];
/// No os-release file is longer.
const OS_RELEASE: u64 = 64 << 10;
/// What rpm calls imported keys, which it keeps among the packages.
const KEY: &str = "gpg-pubkey";

/// Tells what is installed in each tree that goes into an export.
pub(crate) fn tell(context: &RunContext<'_>, exports: &[Export]) -> Result<()> {
    let manifest = context.manifest();
    let names: Vec<_> = exports.iter().map(|export| export.name.as_str()).collect();
    for index in contents(manifest, &names) {
        let Some(pipeline) = manifest.pipelines.get(index) else {
            continue;
        };
        let Some(id) = pipeline.id.as_deref() else {
            continue;
        };
        let tree = context.trees.path(id).ok_or_else(|| {
            BuildError::manifest(format!("pipeline {}", pipeline.name), "it is not built")
        })?;
        let finished = FinishedTree {
            context,
            pipeline,
            tree: &tree,
        };
        let metadata = context.trees.metadata(id).unwrap_or_default();
        let mut inventory = Inventory {
            pipeline: pipeline.name.clone(),
            distribution: distribution(&tree),
            packages: finished.packages(metadata)?,
        };
        inventory.packages.sort_unstable();
        context.tell(&Event::Installed(inventory));
    }
    Ok(())
}

/// A finished tree.
#[derive(Clone, Copy)]
struct FinishedTree<'a> {
    context: &'a RunContext<'a>,
    pipeline: &'a Pipeline,
    tree: &'a Path,
}

impl FinishedTree<'_> {
    /// The packages; `metadata` is what the pipeline's stages reported.
    fn packages(self, metadata: Value) -> Result<Vec<Package>> {
        let reported = reported(self.pipeline, &metadata);
        let Some(database) = self.database() else {
            return Ok(reported.unwrap_or_default());
        };
        match (self.query(database), reported) {
            (Ok(packages), _) => Ok(packages),
            (Err(BuildError::Interrupted), _) => Err(BuildError::Interrupted),
            (Err(error), None) => Err(error),
            (Err(error), Some(reported)) => {
                self.context.tell(&Event::HostLog {
                    pipeline: self.pipeline.name.clone(),
                    origin: "packages".into(),
                    text: format!("{error}; what stage {RPM} reported is taken instead\n"),
                });
                Ok(reported)
            }
        }
    }

    /// Where the tree has an RPM database: where its stages put it, else where distributions have it.
    fn database(self) -> Option<String> {
        let stages = self.pipeline.stages.iter().rev();
        let said = stages.filter_map(|stage| stage.options.get("dbpath")?.as_str());
        let places = said.chain(PLACES);
        let has = |place: &&str| {
            FILES.iter().any(|file| {
                open_in_tree(
                    self.tree,
                    &format!("{place}/{file}"),
                    OFlags::PATH,
                    Links::Follow,
                )
                .is_ok()
            })
        };
        places.into_iter().find(has).map(ToOwned::to_owned)
    }

    fn query(self, path: String) -> Result<Vec<Package>> {
        let scratch = self.context.store.scratch("packages")?;
        let mut sandbox = Sandbox {
            scratch: Once::new(scratch.path()),
            // A build root that nothing was built in now is not at hand; the machine's own rpm reads the same databases.
            build_root: self
                .context
                .trees
                .build_root(self.pipeline)
                .unwrap_or_default(),
            ..Sandbox::default()
        };
        sandbox.grant(TREE, self.tree, Access::Read);
        let log = StageLog::new("", "", "", Arc::new(Silent));
        let bounds = Bounds::of(Limits::default());
        let (pipe, pump) = log.pipe(&bounds)?;
        let place = format!("the RPM database {path} of pipeline {}", self.pipeline.name);
        let helpers = Helpers {
            processes: self.context.helpers,
            settings: self.context.settings,
            log: &pipe,
        };
        let mut granted = sandbox.helper_grant()?;
        granted.grant.programs = vec![PROGRAM.into()];
        let session = helpers.begin(protocol::Interface::Rpm, &granted, &place)?;
        bounds.cancellations.add(&session);
        let database = protocol::Database {
            root: TREE.into(),
            path: Some(path),
            keys_program: None,
        };
        let queried = session
            .call(protocol::Query { database }, &[])
            .map_err(refused(&place));
        let ended = session.end().map_err(refused(&place));
        drop(pipe);
        _ = pump.join();
        if self.context.settings.interrupt.fired() {
            return Err(BuildError::Interrupted);
        }
        let said = log.finish();
        let packages = queried.map_err(|error| with_log(error, &said))?;
        ended?;
        scratch.close()?;
        // A package of that name with files or for an architecture came from a file, whatever it calls itself.
        let is_key = |package: &protocol::Package| {
            package.name == KEY && !package.owns_files && package.arch.is_none()
        };
        let packages = packages.into_iter().filter(|package| !is_key(package));
        Ok(packages.map(installed).collect())
    }
}

/// What a tool says goes into the error, not into the log of a stage.
struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}

fn with_log(error: BuildError, said: &str) -> BuildError {
    match (error, said.trim().lines().last()) {
        (BuildError::Helper { place, mut failure }, Some(line)) => {
            failure.detail = format!("{}: {line}", failure.detail);
            BuildError::Helper { place, failure }
        }
        (error, _) => error,
    }
}

fn installed(package: protocol::Package) -> Package {
    Package {
        name: package.name,
        version: package.version,
        release: package.release,
        epoch: package.epoch,
        arch: package.arch,
        license: package.license,
        vendor: package.vendor,
        source_rpm: package.sourcerpm,
        sigmd5: package.sigmd5,
        sha256header: package.sha256header,
    }
}

/// What the last rpm stage of the pipeline reported: it lists everything that was installed then.
fn reported(pipeline: &Pipeline, metadata: &Value) -> Option<Vec<Package>> {
    let stages = pipeline.stages.iter().rev();
    let mut rpm = stages.filter(|stage| stage.module == RPM);
    let packages = rpm.find_map(|stage| metadata.get(&stage.id)?.get("packages")?.as_array())?;
    let package = |package: &Value| {
        let text = |name: &str| Some(package.get(name)?.as_str()?.to_owned());
        Some(Package {
            name: text("name")?,
            version: text("version")?,
            release: text("release")?,
            epoch: text("epoch"),
            arch: text("arch"),
            sigmd5: text("sigmd5"),
            sha256header: text("sha256header"),
            ..Package::default()
        })
    };
    // A key was never a file, so it has no digests of one.
    let is_key = |package: &Package| {
        let digests = package.sigmd5.is_some() || package.sha256header.is_some();
        package.name == KEY && package.arch.is_none() && !digests
    };
    let packages = packages.iter().filter_map(package);
    Some(packages.filter(|package| !is_key(package)).collect())
}

/// What the tree says it is, if it says so.
fn distribution(tree: &Path) -> Option<Distribution> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let mut files = ["/usr/lib/os-release", "/etc/os-release"].into_iter();
    let file = files.find_map(|path| open_in_tree(tree, path, flags, Links::Follow).ok())?;
    let mut bytes = Vec::new();
    File::from(file)
        .take(OS_RELEASE)
        .read_to_end(&mut bytes)
        .ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(Distribution {
        id: os_release_value(&text, "ID")?,
        version: os_release_value(&text, "VERSION_ID"),
        pretty_name: os_release_value(&text, "PRETTY_NAME"),
    })
}
