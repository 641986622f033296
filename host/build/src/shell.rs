//! `--break`: a shell in a stage's sandbox before the stage runs.
use crate::failure::{BuildError, Result};
use crate::leases::refused;
use crate::plan::StagePlan;
use crate::run::{RunContext, Settings};
use crate::sandbox::Sandbox;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use osbuild_wasm_events::Event;
use osbuild_wasm_manifest::model::{Pipeline, Stage};
use osbuild_wasm_protocol::{Interface, Outcome, Session, Shell};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::io::IsTerminal;

/// The shell, in the build root.
pub const PROGRAM: &str = "/bin/bash";

/// Where the helper shows it the arguments document.
const ARGUMENTS: &str = "/tmp/osbuild/arguments.json";

/// Whether the user wants a shell before this stage: by its name or id, or before every stage.
pub(crate) fn wanted(settings: &Settings, stage: &Stage) -> bool {
    let named = |at: &String| at == "*" || at == stage.requested_module() || *at == stage.id;
    settings.break_at.as_ref().is_some_and(named)
}

/// Runs the shell on our own standard streams until it ends; the stage gets what it changed. A status other than 0 ends the run.
pub(crate) fn run(
    context: &RunContext<'_>,
    (pipeline, stage): (&Pipeline, &Stage),
    plan: StagePlan<'_>,
    sandbox: &Sandbox,
    arguments: &str,
) -> Result<()> {
    let place = format!("shell before {}", stage.requested_module());
    let mut granted = sandbox.helper_grant()?;
    granted.grant.programs = vec![PROGRAM.to_owned()];
    granted
        .grant
        .capabilities
        .clone_from(&plan.decision.linux_capabilities);
    let (output, errors) = (std::io::stdout(), std::io::stderr());
    let log = errors.as_fd().try_clone_to_owned();
    let session = context
        .helpers
        .begin(
            Interface::Command,
            &granted,
            log.map_err(BuildError::io("standard error"))?,
        )
        .map_err(refused(&place))?;
    context.settings.interrupt.sessions.add(&session);
    context.tell(&Event::ShellStarted {
        pipeline: pipeline.name.clone(),
        module: stage.requested_module().to_owned(),
        id: stage.id.clone(),
        arguments: ARGUMENTS.to_owned(),
    });
    let shell = |terminal| Shell {
        program: PROGRAM.to_owned(),
        arguments: arguments.to_owned(),
        terminal,
    };
    let input = std::io::stdin();
    let outcome = if input.is_terminal() {
        on_terminal(&session, shell(true), input.as_fd(), &place)?
    } else {
        let streams = [input.as_fd(), output.as_fd(), errors.as_fd()];
        session
            .call(shell(false), &streams)
            .map_err(refused(&place))?
    };
    match outcome.status {
        0 => Ok(()),
        status => Err(BuildError::manifest(
            place,
            format!("ended with status {status}, so the run ends here; `exit 0` goes on"),
        )),
    }
}

/// Gives the shell a terminal of its own, so that it can control jobs and cannot type into ours.
fn on_terminal(
    session: &Session,
    shell: Shell,
    terminal: BorrowedFd<'_>,
    place: &str,
) -> Result<Outcome> {
    let failed = |errno: nix::Error| BuildError::io("terminal")(errno.into());
    let lost = |errno: Errno| BuildError::io("terminal")(errno.into());
    let raw = Raw::set(terminal).map_err(failed)?;
    let size = rustix::termios::tcgetwinsize(terminal).map_err(lost)?;
    let pair = nix::pty::openpty(None, &raw.before).map_err(failed)?;
    rustix::termios::tcsetwinsize(&pair.master, size).map_err(lost)?;
    let (ended, end) = std::io::pipe().map_err(BuildError::io("pipe"))?;
    std::thread::scope(|scope| {
        let (master, ended) = (&pair.master, OwnedFd::from(ended));
        scope.spawn(move || pump(terminal, master.as_fd(), ended.as_fd()));
        let slave = pair.slave;
        let outcome = session.call(shell, &[slave.as_fd(); 3]);
        // What the shell wrote last is still read, then the terminal has no other end.
        drop((slave, end));
        outcome.map_err(refused(place))
    })
}

/// Passes bytes between the terminals until the shell's is gone or `ended` closes.
fn pump(terminal: BorrowedFd<'_>, shell: BorrowedFd<'_>, ended: BorrowedFd<'_>) {
    let mut buffer = [0; 4096];
    let mut pass =
        |from: BorrowedFd<'_>, to: BorrowedFd<'_>| match rustix::io::read(from, &mut buffer) {
            Ok(0) => Err(Errno::PIPE),
            Ok(count) => write_all(to, &buffer[..count]),
            Err(errno) => Err(errno),
        };
    loop {
        let mut files = [&shell, &terminal, &ended].map(|file| PollFd::new(file, PollFlags::IN));
        if rustix::io::retry_on_intr(|| poll(&mut files, None)).is_err() {
            return;
        }
        let [output, typed, over] = files.map(|file| !file.revents().is_empty());
        let passed = if output {
            pass(shell, terminal)
        } else if over {
            return;
        } else if typed {
            pass(terminal, shell)
        } else {
            Ok(())
        };
        if passed.is_err() {
            return;
        }
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(to, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// A terminal that passes every key on; as it was before when dropped.
struct Raw<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Raw<'a> {
    fn set(terminal: BorrowedFd<'a>) -> nix::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(terminal, SetArg::TCSANOW, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        _ = tcsetattr(self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}
