//! Builds: one process of `osbuild-wasm` each.
use osbuild_wasm_files::resolve::make_private_directory;
use osbuild_wasm_sys::spawn::die_with_parent;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process_group, pidfd_open};
use serde_json::{Value, json};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// The largest result that is read.
const LARGEST_RESULT: u64 = 64 << 20;

/// The longest line of progress, and how much is kept of what else is on standard error.
const LONGEST_LINE: usize = 1 << 16;

/// What begins a record of a JSON text sequence (RFC 7464).
const RECORD: char = '\u{1e}';

/// What builds.
#[derive(Debug)]
pub(crate) struct Builder {
    program: PathBuf,
    cache: PathBuf,
    policy: Option<PathBuf>,
}

/// A build that is over: its directory, which goes with this value, and what the program told.
#[derive(Debug)]
pub(crate) struct Built {
    directory: TempDir,
    /// The program's result, or null if it told none.
    pub(crate) output: Value,
    /// Whether all exports are there.
    pub(crate) success: bool,
    /// The last of what stood on standard error.
    pub(crate) messages: String,
}

/// Files of a build that are sent along for people: their names here and there.
pub(crate) const REPORTS: [&str; 2] = ["record.json", "provenance.json"];

impl Builder {
    /// # Errors
    /// The cache cannot be made.
    pub(crate) fn new(
        program: PathBuf,
        cache: PathBuf,
        policy: Option<PathBuf>,
    ) -> io::Result<Self> {
        make_private_directory(&cache)?;
        Ok(Self {
            program,
            cache,
            policy,
        })
    }

    /// Builds exports of a manifest. Dropping the future ends the program and all that it started.
    pub(crate) async fn build(
        &self,
        manifest: &Value,
        exports: &[&str],
        progress: &watch::Sender<Value>,
    ) -> io::Result<Built> {
        let directory = tempfile::Builder::new()
            .prefix("job-")
            .tempdir_in(&self.cache)?;
        let mut child = self.start(directory.path(), exports)?;
        let (stdin, stdout, stderr) = (child.stdin(), child.stdout(), child.stderr());
        let (written, result, messages) = tokio::join!(
            write(stdin, manifest),
            read_result(stdout),
            read_progress(stderr, progress)
        );
        let status = child.wait().await?;
        // A program that ends without reading everything tells why itself.
        let _ = written;
        let output = serde_json::from_slice(&result?).unwrap_or(Value::Null);
        Ok(Built {
            directory,
            output,
            success: status.success(),
            messages: messages?,
        })
    }

    fn start(&self, directory: &Path, exports: &[&str]) -> io::Result<Group> {
        let mut command = std::process::Command::new(&self.program);
        command
            .arg("run")
            .arg("--json")
            .args(["--monitor", "JSONSeqMonitor", "--monitor-fd", "2"]);
        command.arg("--store").arg(self.cache.join("store"));
        command
            .arg("--output-directory")
            .arg(directory.join("output"));
        command.arg("--record").arg(directory.join(REPORTS[0]));
        command.arg("--provenance").arg(directory.join(REPORTS[1]));
        if let Some(policy) = &self.policy {
            command.arg("--policy").arg(policy);
        }
        for export in exports {
            command.args(["--export", export]);
        }
        command.arg("-").current_dir(directory).process_group(0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        die_with_parent(&mut command, pidfd_open(getpid(), PidfdFlags::empty())?);
        let child = Command::from(command).spawn()?;
        Ok(Group { child })
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

/// A program with all that it starts.
struct Group {
    child: Child,
}

impl Group {
    fn stdin(&mut self) -> Option<tokio::process::ChildStdin> {
        self.child.stdin.take()
    }

    fn stdout(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.stdout.take()
    }

    fn stderr(&mut self) -> Option<tokio::process::ChildStderr> {
        self.child.stderr.take()
    }

    async fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Only a child that was not waited for has an id.
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?))
        {
            // The program ends its own helpers; what it could not end goes with the group.
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }
}

async fn write(stdin: Option<tokio::process::ChildStdin>, manifest: &Value) -> io::Result<()> {
    match stdin {
        Some(mut stdin) => stdin.write_all(manifest.to_string().as_bytes()).await,
        None => Ok(()),
    }
}

async fn read_result(stdout: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut result = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(LARGEST_RESULT).read_to_end(&mut result).await?;
    }
    Ok(result)
}

/// Passes progress on; what is no progress is kept, the last of it.
async fn read_progress(
    stderr: Option<impl AsyncRead + Unpin>,
    progress: &watch::Sender<Value>,
) -> io::Result<String> {
    let mut messages = String::new();
    let Some(stderr) = stderr else {
        return Ok(messages);
    };
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut lines)
            .take(LONGEST_LINE as u64)
            .read_until(b'\n', &mut line)
            .await?;
        if length == 0 {
            return Ok(messages);
        }
        let text = String::from_utf8_lossy(&line);
        match text.strip_prefix(RECORD) {
            Some(record) => {
                if let Some(told) = told(record) {
                    progress.send_replace(told);
                }
            }
            None => messages.push_str(&text),
        }
        if messages.len() > 2 * LONGEST_LINE {
            let from = messages.len() - LONGEST_LINE;
            let from = (from..messages.len())
                .find(|&at| messages.is_char_boundary(at))
                .unwrap_or(0);
            messages.drain(..from);
        }
    }
}

/// How far a build is, in the words of the worker API.
fn told(record: &str) -> Option<Value> {
    let record: Value = serde_json::from_str(record).ok()?;
    let of = |progress: &Value, message: &Value| json!({ "message": message, "done": progress["done"], "total": progress["total"] });
    let outer = record.get("progress")?;
    let inner = &outer["progress"];
    let mut told = of(outer, &outer["name"]);
    if inner.is_object() {
        told["sub_progress"] = of(inner, &inner["name"]);
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::told;
    use serde_json::json;

    #[test]
    fn progress_is_told_in_the_words_of_the_api() {
        let record = r#"{"message": "x", "progress": {"name": "pipelines", "total": 3, "done": 1, "progress": {"name": "os", "total": 9, "done": 4}}}"#;
        let inner = json!({ "message": "os", "done": 4, "total": 9 });
        let expected =
            json!({ "message": "pipelines", "done": 1, "total": 3, "sub_progress": inner });
        assert_eq!(told(record), Some(expected));
        assert_eq!(told("{}"), None);
        assert_eq!(told("no record"), None);
    }
}
