//! Programs of the host that some kinds of sources need.

use crate::allowance::exceeded;
use crate::{Environment, FetchContext};
use osbuild_wasm_sys::spawn::die_with_parent;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Where programs are when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of what a program prints is kept: the beginning of its result, the end of its messages.
const KEPT: usize = 8 * 1024 * 1024;

/// How much of its messages goes into an error.
const SHOWN: usize = 2000;

/// How often the size of what a program writes is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// A program that may have to be installed first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The package that has it, the same in Debian and Fedora.
    pub(crate) package: &'static str,
    /// How long one run may take.
    pub(crate) limit: Duration,
}

/// Why a run of a program failed.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    /// The end of what it said, on one line; or why it could not be run.
    pub(crate) problem: String,
}

impl Program {
    /// Runs it and gives what it wrote to its standard output.
    ///
    /// It gets the variables that sources may look at and speaks English. It and whatever it has started are killed
    /// when this future is dropped.
    pub(crate) async fn run<A: AsRef<OsStr>>(
        &self,
        context: &FetchContext<'_>,
        arguments: &[A],
        input: &[u8],
    ) -> Result<Vec<u8>, Failed> {
        let ended =
            tokio::time::timeout(self.limit, self.run_unlimited(context, arguments, input)).await;
        let minutes = self.limit.as_secs_f64() / 60.0;
        let late = |_| Failed {
            problem: format!(
                "{} was stopped: it took more than {minutes:.1} minutes",
                self.name
            ),
        };
        let (status, output, messages) = ended.map_err(late)??;
        if status.success() {
            return Ok(output);
        }
        let messages = one_line(&messages);
        let problem = if messages.is_empty() {
            format!("{} ended with {status}", self.name)
        } else {
            messages
        };
        Err(Failed { problem })
    }

    /// Runs it for as long as a directory that it writes to stays within the limit of the source.
    pub(crate) async fn run_watched<A: AsRef<OsStr>>(
        &self,
        context: &FetchContext<'_>,
        arguments: &[A],
        directory: &Path,
    ) -> Result<Vec<u8>, Failed> {
        let limit = context.allowance.bytes;
        let too_large = async {
            // What is not there yet has no size.
            while osbuild_wasm_files::disk_usage(directory).unwrap_or_default() <= limit {
                tokio::time::sleep(WATCH_INTERVAL).await;
            }
            let problem = exceeded(limit);
            Err(Failed { problem })
        };
        tokio::select! {
            ended = self.run(context, arguments, b"") => ended,
            large = too_large => large,
        }
    }

    async fn run_unlimited<A: AsRef<OsStr>>(
        &self,
        context: &FetchContext<'_>,
        arguments: &[A],
        input: &[u8],
    ) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), Failed> {
        let path = self.find(context.environment)?;
        let failed = |error: std::io::Error| Failed {
            problem: format!("cannot run {}: {error}", path.display()),
        };
        let mut command = Command::new(&path);
        let this =
            pidfd_open(getpid(), PidfdFlags::empty()).map_err(|errno| failed(errno.into()))?;
        // The thread that starts it waits for it, and is there until everything is fetched.
        die_with_parent(command.as_std_mut(), this);
        let mut child = command
            .args(arguments)
            .env_clear()
            .envs(context.environment.iter())
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut group = Group(child);
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that does not want its input may still succeed.
                let _ = stdin.write_all(input).await;
            }
        };
        let (output, messages) = (read_all(stdout, beginning), read_all(stderr, end));
        let ((), output, messages) = tokio::join!(write, output, messages);
        let status = group.0.wait().await.map_err(failed)?;
        Ok((status, output.map_err(failed)?, messages.map_err(failed)?))
    }

    fn find(&self, environment: &Environment) -> Result<PathBuf, Failed> {
        let path = environment.get("PATH").unwrap_or(DEFAULT_PATH);
        let candidates = std::env::split_paths(path).filter(|directory| directory.is_absolute());
        let is_program = |file: &PathBuf| {
            file.metadata().is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        };
        let found = candidates
            .map(|directory| directory.join(self.name))
            .find(is_program);
        found.ok_or_else(|| Failed {
            problem: format!(
                "the program {} is not there: install the package {} (Debian and Fedora call it so)",
                self.name, self.package
            ),
        })
    }
}

/// A process with all that it has started; they end with this value.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Without an id it has ended, and the id may be that of another process by now.
        if let Some(id) = self
            .0
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()))
        {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// Reads all, and keeps what `keep` adds to what is kept already.
async fn read_all(
    stream: Option<impl AsyncRead + Unpin>,
    keep: impl Fn(&mut Vec<u8>, &[u8]),
) -> std::io::Result<Vec<u8>> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let Some(mut stream) = stream else {
        return Ok(kept);
    };
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(kept);
        }
        keep(&mut kept, &buffer[..count]);
    }
}

/// Keeps the beginning.
fn beginning(kept: &mut Vec<u8>, more: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend(&more[..more.len().min(room)]);
}

/// Keeps the end.
fn end(kept: &mut Vec<u8>, more: &[u8]) {
    kept.extend(more);
    kept.drain(..kept.len().saturating_sub(SHOWN * 4));
}

/// The end of messages as one line.
fn one_line(messages: &[u8]) -> String {
    let text = String::from_utf8_lossy(messages);
    let words = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    let start = words
        .char_indices()
        .rev()
        .nth(SHOWN)
        .map(|(start, _)| start);
    start.map_or(words.clone(), |start| format!("...{}", &words[start..]))
}
