//! One process of `osbuild-wasm` with all that it starts: for how long, within which bounds, and what it tells.
use crate::cgroup::{Cgroup, Cgroups};
use osbuild_wasm_sys::spawn::{die_with_parent, enter_cgroup};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process_group, pidfd_open};
use serde_json::{Value, json};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// The largest result that is kept. A composer takes twice as much: a result has more around it.
const LARGEST_RESULT: u64 = 32 << 20;

/// The longest line of progress, and how much is kept of what else is on standard error.
const LONGEST_LINE: usize = 1 << 16;

/// What begins a record of a JSON text sequence (RFC 7464).
const RECORD: char = '\u{1e}';

/// How long a program may take to end by itself, with its helpers and mounts.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the output of a program that has ended may take.
const GRACE: Duration = Duration::from_secs(2);

/// What keeps programs within bounds.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// Groups for jobs, where there are some.
    pub(crate) cgroups: Option<Cgroups>,
    /// The longest time of a job.
    pub(crate) time: Duration,
}

/// What became of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether it did what it should.
    pub(crate) success: bool,
    /// Its result; null where it told none.
    pub(crate) output: Value,
    /// The last of what stood on standard error, and what ended it if it did not end by itself.
    pub(crate) messages: String,
}

/// Runs a program in a directory, which gets `input`. Dropping the future ends it and all that it started.
pub(crate) async fn run(
    mut command: std::process::Command,
    directory: &Path,
    input: Vec<u8>,
    bounds: &Bounds,
    progress: &watch::Sender<Value>,
) -> io::Result<Ended> {
    command
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let name = directory.file_name().unwrap_or_default();
    let cgroup = bounds.cgroups.as_ref();
    let cgroup = cgroup.map(|groups| groups.make(name)).transpose()?;
    if let Some(cgroup) = &cgroup {
        enter_cgroup(&mut command, cgroup.entrance()?);
    }
    die_with_parent(&mut command, pidfd_open(getpid(), PidfdFlags::empty())?);
    let child = Some(Command::from(command).spawn()?);
    let mut group = Group { child, cgroup };
    let told = timeout(bounds.time, group.talk(input, progress)).await;
    let (status, result, mut messages) = match told {
        Ok(told) => told?,
        Err(_) => {
            let seconds = bounds.time.as_secs();
            let messages = format!("it took longer than the {seconds} seconds of a job\n");
            group.end().await;
            return Ok(Ended::failed(messages));
        }
    };
    if let Some(reason) = group.why_killed(status, bounds) {
        messages.push_str(&reason);
    }
    let (output, success) = match result {
        Some(result) => (
            serde_json::from_slice(&result).unwrap_or(Value::Null),
            status.success(),
        ),
        None => {
            messages.push_str(&format!(
                "what it told has more than {LARGEST_RESULT} bytes and is left out\n"
            ));
            (Value::Null, status.success())
        }
    };
    Ok(Ended {
        success,
        output,
        messages,
    })
}

impl Ended {
    fn failed(messages: String) -> Self {
        Self {
            success: false,
            output: Value::Null,
            messages,
        }
    }
}

/// A program with all that it starts.
struct Group {
    child: Option<Child>,
    cgroup: Option<Cgroup>,
}

impl Group {
    /// Gives the program its input and reads what it tells, until it ends: its status, its result if that is not too large, and its
    /// messages.
    async fn talk(
        &mut self,
        input: Vec<u8>,
        progress: &watch::Sender<Value>,
    ) -> io::Result<(ExitStatus, Option<Vec<u8>>, String)> {
        let Some(child) = &mut self.child else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let talk = async {
            tokio::join!(
                write(stdin, input),
                read_result(stdout),
                read_progress(stderr, progress)
            )
        };
        tokio::pin!(talk);
        let (status, told) = tokio::select! {
            told = &mut talk => (child.wait().await?, Some(told)),
            status = child.wait() => (status?, None),
        };
        let (written, result, messages) = match told {
            Some(told) => told,
            // Something that it started may be left, and hold its output, where it was killed.
            None => match timeout(GRACE, &mut talk).await {
                Ok(told) => told,
                Err(_) => {
                    let _ = id.map(|id| kill_process_group(id, Signal::KILL));
                    self.cgroup.iter().for_each(Cgroup::kill);
                    let told = timeout(GRACE, &mut talk).await;
                    told.map_err(|_| io::Error::other("something that it started does not end"))?
                }
            },
        };
        // A program that ends without reading everything tells why itself.
        let _ = written;
        Ok((status, result?, messages?))
    }

    /// What killed it, if something did.
    fn why_killed(&self, status: ExitStatus, bounds: &Bounds) -> Option<String> {
        let signal = status.signal();
        let memory = bounds.cgroups.as_ref().and_then(Cgroups::memory);
        let is_full = self.cgroup.as_ref().is_some_and(Cgroup::ran_out_of_memory);
        if let Some(memory) = memory.filter(|_| is_full) {
            return Some(format!(
                "it was killed: it needs more memory than the {memory} bytes of a job\n"
            ));
        }
        signal.map(|signal| format!("it was killed by signal {signal}\n"))
    }

    /// Ends the program: at first so that it can end its own helpers, then with all that is left.
    async fn end(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        // Only a child that was not waited for has an id.
        let Some(id) = id else { return };
        let _ = kill_process_group(id, Signal::TERM);
        let _ = timeout(PATIENCE, child.wait()).await;
        let _ = kill_process_group(id, Signal::KILL);
        let _ = child.wait().await;
        self.cgroup = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.child.as_ref().is_none_or(|child| child.id().is_none()) {
            return;
        }
        let mut left = Self {
            child: self.child.take(),
            cgroup: self.cgroup.take(),
        };
        // Where nothing can wait any longer, this process ends, and the program with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { left.end().await });
        }
    }
}

async fn write(stdin: Option<ChildStdin>, input: Vec<u8>) -> io::Result<()> {
    match stdin {
        Some(mut stdin) => stdin.write_all(&input).await,
        None => Ok(()),
    }
}

/// A result, read to its end; none if it is too large.
async fn read_result(stdout: Option<impl AsyncRead + Unpin>) -> io::Result<Option<Vec<u8>>> {
    let mut result = Vec::new();
    let Some(mut stdout) = stdout else {
        return Ok(Some(result));
    };
    (&mut stdout)
        .take(LARGEST_RESULT)
        .read_to_end(&mut result)
        .await?;
    let more = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?;
    Ok((more == 0).then_some(result))
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
