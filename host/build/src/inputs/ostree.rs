//! `org.osbuild.ostree` and `org.osbuild.ostree.checkout`: commits of OSTree repositories.
//!
//! The program is the machine's `ostree`, as with osbuild, run in the sandbox of the helper for commands: it sees the repository that
//! it reads, read-only, and the directory of the input, and has no network. Reading and writing lie on two mounts there, so objects
//! are copied (or reflinked) rather than linked.
use super::{Mapped, Origins, finished, open_in_tree, place, wrong};
use crate::failure::{BuildError, Result};
use crate::leases::{Helpers, refused};
use crate::sandbox::{INPUTS, Once, Sandbox};
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Input, Origin, Reference};
use osbuild_wasm_protocol::{
    BuildRoot, Directory, Grant, Granted, Interface, Output, Place, Root, Run, Session,
};
use osbuild_wasm_source::{ostree_is_as_noted, ostree_repository};
use rustix::fs::OFlags;
use serde_json::{Map, Value as Json, json};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What makes a checkout.
pub(super) const PROGRAM: &str = "ostree";

/// Where the program sees the repository that it reads.
const SOURCE: &str = "/run/osbuild/source";

/// Runs the machine's `ostree`.
pub(crate) struct Ostree<'a> {
    helpers: Helpers<'a>,
    granted: Granted,
    place: String,
}

impl<'a> Ostree<'a> {
    /// `place` is what messages name.
    pub(crate) fn new(helpers: Helpers<'a>, sandbox: &Sandbox, place: String) -> Result<Self> {
        // Not the stage's own directory: its tools get another /etc.
        let scratch = sandbox.scratch.join("ostree");
        std::fs::create_dir_all(&scratch).map_err(BuildError::io(&scratch))?;
        let mut granted = Granted::default();
        granted.grant = Grant {
            build_root: BuildRoot::Host,
            programs: vec![PROGRAM.into()],
            scratch: granted.hold(Once::new(scratch).open()?),
            ..Grant::default()
        };
        Ok(Self {
            helpers,
            granted,
            place,
        })
    }

    /// Shows a directory.
    pub(crate) fn seeing(mut self, contract: &str, host: &Path, writable: bool) -> Result<Self> {
        let directory = self.granted.hold(Once::new(host).open()?);
        self.granted.grant.directories.push(Directory {
            contract: contract.to_owned(),
            place: Place::Itself(directory),
            writable,
        });
        Ok(self)
    }

    /// Runs it once and returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        let session = self
            .helpers
            .begin(Interface::Command, &self.granted, &self.place)?;
        self.run_in(&session, arguments)
    }

    fn run_in(&self, session: &Session, arguments: &[&str]) -> Result<String> {
        let run = Run {
            program: "ostree".into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            root: Root::BuildRoot,
            environment: Vec::new(),
            directory: None,
            input: osbuild_wasm_protocol::Input::None,
            output: Output::Capture,
            binds: Vec::new(),
        };
        let outcome = session.call(run, &[]).map_err(refused(&self.place))?;
        if outcome.status == 0 {
            return Ok(String::from_utf8_lossy(&outcome.output.0).into_owned());
        }
        let verb = arguments.first().unwrap_or(&"");
        let reason = format!(
            "ostree {verb} ended with status {}; its reason is in the log",
            outcome.status
        );
        Err(BuildError::manifest(self.place.clone(), reason))
    }
}

/// A commit and the repository that has it.
struct Commit {
    id: String,
    repository: PathBuf,
    /// Name to give it in the new repository.
    reference: Option<String>,
}

/// A new repository with just the commits.
pub(super) fn repository(
    input: &Input,
    origins: Origins<'_>,
    sandbox: &Sandbox,
    directory: PathBuf,
) -> Result<Mapped> {
    let target = format!("--repo={INPUTS}/{}/repo", input.name);
    let mut refs = Map::new();
    verify(input, origins, sandbox, &directory)?;
    for (index, commit) in commits(input, origins)?.iter().enumerate() {
        let mut calls = pull(commit, &target);
        if index == 0 {
            calls.insert(0, call(&["init", "--mode=archive", &target]));
        }
        carry_out(input, origins, sandbox, &directory, commit, &calls)?;
        let names = commit.reference.as_ref();
        let entry = names.map_or_else(|| json!({}), |name| json!({ "ref": name }));
        refs.insert(commit.id.clone(), entry);
    }
    Ok(reply(directory, "/repo", refs))
}

/// The files of the commits.
pub(super) fn checkout(
    input: &Input,
    origins: Origins<'_>,
    sandbox: &Sandbox,
    directory: PathBuf,
) -> Result<Mapped> {
    let mut refs = Map::new();
    verify(input, origins, sandbox, &directory)?;
    for commit in &commits(input, origins)? {
        let target = format!("{INPUTS}/{}/{}", input.name, commit.id);
        let source = format!("--repo={SOURCE}");
        let call = call(&["checkout", &source, &commit.id, &target]);
        carry_out(input, origins, sandbox, &directory, commit, &[call])?;
        refs.insert(commit.id.clone(), json!({ "path": commit.id }));
    }
    Ok(reply(directory, "", refs))
}

fn reply(directory: PathBuf, path: &'static str, refs: Map<String, Json>) -> Mapped {
    Mapped {
        path,
        ..Mapped::directory(directory, Some(json!({ "refs": refs })))
    }
}

/// Words of one call.
type Call = Vec<String>;

fn call(words: &[&str]) -> Call {
    words.iter().map(ToString::to_string).collect()
}

/// The calls that bring a commit into a repository.
fn pull(commit: &Commit, target: &str) -> Vec<Call> {
    let mut calls = vec![call(&["pull-local", target, SOURCE, &commit.id])];
    if let Some(name) = &commit.reference {
        let create = format!("--create={name}");
        calls.push(call(&["refs", target, &create, &commit.id]));
    }
    calls
}

fn carry_out(
    input: &Input,
    origins: Origins<'_>,
    sandbox: &Sandbox,
    directory: &Path,
    commit: &Commit,
    calls: &[Call],
) -> Result<()> {
    let ostree = Ostree::new(origins.helpers, sandbox, place(input))?
        .seeing(SOURCE, &commit.repository, false)?
        .seeing(&format!("{INPUTS}/{}", input.name), directory, true)?;
    for call in calls {
        ostree.run(&call.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Verifies the store's repository if it does not look as it did when its objects were verified; another run may be adding some.
fn verify(input: &Input, origins: Origins<'_>, sandbox: &Sandbox, directory: &Path) -> Result<()> {
    let problem = |problem| wrong(input, problem);
    if input.origin != Origin::Source || ostree_is_as_noted(origins.store).map_err(problem)? {
        return Ok(());
    }
    let commit = Commit {
        id: String::new(),
        repository: ostree_repository(origins.store).map_err(problem)?,
        reference: None,
    };
    let fsck = call(&["fsck", "--quiet", &format!("--repo={SOURCE}")]);
    carry_out(input, origins, sandbox, directory, &commit, &[fsck])
}

fn commits(input: &Input, origins: Origins<'_>) -> Result<Vec<Commit>> {
    let commit = |reference: &Reference| {
        let (id, repository) = match input.origin {
            Origin::Source => {
                let repository = ostree_repository(origins.store);
                let repository = repository.map_err(|problem| wrong(input, problem))?;
                (reference.id.clone().unwrap_or_default(), repository)
            }
            Origin::Pipeline => {
                let tree = finished(input, origins.trees, reference)?;
                (composed(input, &tree)?, tree.join("repo"))
            }
        };
        checked(input, id, repository, reference)
    };
    input.references.iter().map(commit).collect()
}

fn checked(
    input: &Input,
    id: String,
    repository: PathBuf,
    reference: &Reference,
) -> Result<Commit> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong(input, format!("{id:?} is not a commit's checksum")));
    }
    // No link: it would lead out of the tree or the store.
    let directory = repository
        .symlink_metadata()
        .is_ok_and(|found| found.is_dir());
    if !directory {
        let reason = format!("there is no repository with the commit {id}");
        return Err(wrong(input, reason));
    }
    let name = reference.options.get("ref").and_then(Value::as_str);
    Ok(Commit {
        id,
        repository,
        reference: name.filter(|name| !name.is_empty()).map(str::to_owned),
    })
}

/// The commit that a pipeline made, as its compose.json tells.
fn composed(input: &Input, tree: &Path) -> Result<String> {
    const FILE: &str = "compose.json";
    let failed = |error: &dyn std::fmt::Display| {
        wrong(input, format!("{FILE} of the pipeline's tree: {error}"))
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = open_in_tree(tree, FILE, flags, Links::Follow).map_err(|error| failed(&error))?;
    let compose: Json =
        serde_json::from_reader(File::from(file)).map_err(|error| failed(&error))?;
    let commit = compose["ostree-commit"].as_str();
    commit
        .map(str::to_owned)
        .ok_or_else(|| failed(&"it has no `ostree-commit`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::tests::input;

    #[test]
    fn a_commit_is_pulled_and_named() {
        let mut commit = Commit {
            id: "abc".into(),
            repository: PathBuf::from("/repo"),
            reference: None,
        };
        let calls = |commit: &Commit| {
            let calls = pull(commit, "--repo=/x");
            calls.iter().map(|call| call.join(" ")).collect::<Vec<_>>()
        };
        let pulled = "pull-local --repo=/x /run/osbuild/source abc";
        assert_eq!(calls(&commit), [pulled]);
        commit.reference = Some("my/ref".into());
        assert_eq!(
            calls(&commit),
            [pulled, "refs --repo=/x --create=my/ref abc"]
        );
    }

    #[test]
    fn the_commit_of_a_pipeline_is_in_its_compose_json() {
        let tree = tempfile::tempdir().unwrap();
        let input = input("org.osbuild.ostree", Origin::Pipeline, &[("x", json!({}))]);
        let of = |text: &str| {
            std::fs::write(tree.path().join("compose.json"), text).unwrap();
            composed(&input, tree.path()).ok()
        };
        assert_eq!(of(r#"{"ostree-commit": "abc"}"#).as_deref(), Some("abc"));
        assert_eq!(of("{}"), None);
        assert_eq!(of("["), None);
    }

    #[test]
    fn commits_and_repositories_are_checked() {
        let top = tempfile::tempdir().unwrap();
        let input = input(
            "org.osbuild.ostree",
            Origin::Source,
            &[("x", json!({"ref": "r"}))],
        );
        let of = |id: &str, name: &str| {
            checked(
                &input,
                id.into(),
                top.path().join(name),
                &input.references[0],
            )
            .ok()
        };
        std::fs::create_dir(top.path().join("repo")).unwrap();
        std::os::unix::fs::symlink("/", top.path().join("link")).unwrap();
        assert_eq!(of("abc12", "repo").unwrap().reference.as_deref(), Some("r"));
        for (id, name) in [
            ("--x", "repo"),
            ("", "repo"),
            ("abc12", "link"),
            ("abc12", "none"),
        ] {
            assert!(of(id, name).is_none(), "{id} {name}");
        }
    }
}
