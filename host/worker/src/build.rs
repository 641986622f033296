//! What is done for jobs: builds and lookups, one process of `osbuild-wasm` each, in a directory of their own.
use crate::left::{is_left, own_prefix};
use crate::program::{Bounds, Ended, run};
use osbuild_wasm_files::resolve::make_private_directory;
use osbuild_wasm_files::{remove_tree, with_causes};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::watch;

/// How often a job is done again because its directory was deleted meanwhile.
const ATTEMPTS: usize = 3;

/// What does jobs.
#[derive(Debug)]
pub(crate) struct Builder {
    program: PathBuf,
    cache: PathBuf,
    policy: Option<PathBuf>,
    bounds: Bounds,
}

/// A build that is over, with its directory, which goes with this value.
#[derive(Debug)]
pub(crate) struct Built {
    directory: TempDir,
    /// What became of the program.
    pub(crate) ended: Ended,
}

/// Documents about a build that are sent along for people: their names here and there.
pub(crate) const REPORTS: [&str; 3] = ["plan.json", "record.json", "provenance.json"];

impl Builder {
    /// # Errors
    /// The cache cannot be made.
    pub(crate) fn new(
        program: PathBuf,
        cache: PathBuf,
        policy: Option<PathBuf>,
        bounds: Bounds,
    ) -> io::Result<Self> {
        make_private_directory(&cache)?;
        let builder = Self {
            program,
            cache: std::path::absolute(cache)?,
            policy: policy.map(std::path::absolute).transpose()?,
            bounds,
        };
        builder.remove_left()?;
        Ok(builder)
    }

    /// Removes directories of jobs that killed workers left.
    fn remove_left(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.cache)? {
            let entry = entry?;
            if is_left(&entry.file_name()) {
                remove_tree(&entry.path())
                    .map_err(|error| io::Error::other(with_causes(&error)))?;
            }
        }
        Ok(())
    }

    /// Builds exports of a manifest. Dropping the future ends the program and all that it started.
    pub(crate) async fn build(
        &self,
        manifest: &Value,
        exports: &[&str],
        progress: &watch::Sender<Value>,
    ) -> io::Result<Built> {
        let manifest = manifest.to_string().into_bytes();
        let build = async |directory: &Path| {
            self.plan(directory, &manifest, exports).await?;
            let command = self.build_command(directory, exports);
            run(command, directory, manifest.clone(), &self.bounds, progress).await
        };
        let (directory, ended) = self.in_directory(build).await?;
        Ok(Built { directory, ended })
    }

    /// Looks up what a job of that kind asks for.
    pub(crate) async fn look_up(
        &self,
        kind: &str,
        args: &Value,
        progress: &watch::Sender<Value>,
    ) -> io::Result<Ended> {
        let args = args.to_string().into_bytes();
        let look_up = async |directory: &Path| {
            let mut command = Command::new(&self.program);
            command.arg("resolve").arg(kind);
            command.arg("--cache").arg(self.cache.join("metadata"));
            self.keep_policy(&mut command);
            run(command, directory, args.clone(), &self.bounds, progress).await
        };
        Ok(self.in_directory(look_up).await?.1)
    }

    /// Does something in a directory of its own. Who deletes the cache, and so the directory, has it done again.
    async fn in_directory(
        &self,
        work: impl AsyncFn(&Path) -> io::Result<Ended>,
    ) -> io::Result<(TempDir, Ended)> {
        let mut attempts = 1;
        loop {
            make_private_directory(&self.cache)?;
            let directory = tempfile::Builder::new()
                .prefix(&own_prefix())
                .tempdir_in(&self.cache)?;
            let done = work(directory.path()).await;
            let is_there = directory.path().is_dir();
            match done {
                Ok(ended) if ended.success || is_there || attempts == ATTEMPTS => {
                    return Ok((directory, ended));
                }
                Err(error) if is_there || attempts == ATTEMPTS => return Err(error),
                _ => attempts += 1,
            }
        }
    }

    /// Writes what each stage may do. A manifest for which that cannot be told is refused by the build, in words.
    async fn plan(&self, directory: &Path, manifest: &[u8], exports: &[&str]) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["plan", "--format", "json"]);
        self.keep_policy(&mut command);
        name_exports(&mut command, exports);
        command.arg("-");
        let (silent, _) = watch::channel(Value::Null);
        let planned = run(command, directory, manifest.to_vec(), &self.bounds, &silent);
        let plan = planned.await?.output;
        if plan.is_object() {
            tokio::fs::write(directory.join(REPORTS[0]), plan.to_string()).await?;
        }
        Ok(())
    }

    fn build_command(&self, directory: &Path, exports: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("run")
            .arg("--json")
            .args(["--monitor", "JSONSeqMonitor", "--monitor-fd", "2"]);
        command.arg("--store").arg(self.cache.join("store"));
        command
            .arg("--output-directory")
            .arg(directory.join("output"));
        command.arg("--record").arg(directory.join(REPORTS[1]));
        command.arg("--provenance").arg(directory.join(REPORTS[2]));
        self.keep_policy(&mut command);
        name_exports(&mut command, exports);
        command.arg("-");
        command
    }

    fn keep_policy(&self, command: &mut Command) {
        if let Some(policy) = &self.policy {
            command.arg("--policy").arg(policy);
        }
    }
}

fn name_exports(command: &mut Command, exports: &[&str]) {
    for export in exports {
        command.args(["--export", export]);
    }
}

impl Built {
    /// The file of an export.
    pub(crate) fn artefact(&self, export: &str, file: &str) -> PathBuf {
        self.directory.path().join("output").join(export).join(file)
    }

    /// A file of [`REPORTS`].
    pub(crate) fn report(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
