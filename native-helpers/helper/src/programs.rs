//! Programs of this machine that have privileges of it, because what they do concerns the machine: cryptsetup, lvm, partx,
//! systemd-dissect. Behind a trait, so that what they are told can be tested without the kernel's part of it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use osbuild_wasm_protocol::{ErrorCode, Failure, MAX_BLOB};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::device::Node;
use crate::failure::About;
use crate::mapper;
use crate::sandbox::Shown;
use crate::sandbox::view::open_own;
use crate::seccomp::memory_file;
use crate::session::Session;

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; -1 when a signal ended it.
    pub status: i32,
    pub output: String,
    pub errors: String,
}

impl Ended {
    /// The output of a program that worked; else `what` and what it said.
    pub fn worked(self, what: &str) -> Result<String, Failure> {
        if self.status == 0 {
            return Ok(self.output);
        }
        let lines: Vec<_> = self.errors.lines().map(str::trim).collect();
        let reason = match lines.join("; ") {
            reason if reason.is_empty() => format!("it ended with status {}", self.status),
            reason => reason,
        };
        Err(Failure::new(ErrorCode::Io, "", format!("{what}: {reason}")))
    }
}

/// Runs programs, and waits.
pub trait Programs {
    /// Runs one to its end. A status other than 0 is no failure.
    fn run(&self, program: &str, arguments: &[&str], input: &[u8]) -> Result<Ended, Failure>;

    /// Lets time pass; fails as soon as the result is not wanted any more.
    fn pause(&self, time: Duration) -> Result<(), Failure>;
}

/// The machine itself, for one session: programs in a sandbox with nothing in it but these devices and the kernel's device mapper, and
/// with as many of the machine's privileges as that takes.
pub struct Machine<'a> {
    pub session: &'a Session,
    /// Nodes of the machine, shown under their own names.
    pub devices: &'a [Node],
}

impl Machine<'_> {
    /// Runs a program to its end; with what it mounts at a path of its sandbox, if one is given and it works.
    pub fn run_mounting(
        &self,
        program: &str,
        arguments: &[&str],
        input: &[u8],
        mounts: Option<&Path>,
    ) -> Result<(Ended, Option<OwnedFd>), Failure> {
        let mut devices = self
            .devices
            .iter()
            .map(Node::shown)
            .collect::<Result<Vec<_>, _>>()?;
        let mapper = Path::new(mapper::CONTROL);
        if mapper.exists() {
            devices.push(Shown::Device {
                node: open_own(mapper)?,
                target: mapper.to_owned(),
            });
        }
        let mut errors = File::from(memory_file("errors", b"")?);
        let written = errors.try_clone().about(program, "copy a descriptor")?;
        let streams = (memory_file("input", input)?, written);
        let arguments = arguments.iter().map(OsString::from).collect();
        let finished = self
            .session
            .run_on_machine(program, arguments, streams, devices, mounts)?;
        let mut text = String::new();
        errors
            .rewind()
            .and_then(|()| errors.take(MAX_BLOB as u64).read_to_string(&mut text))
            .about(program, "read what it said")?;
        rustix::io::write(&self.session.log, text.as_bytes()).about(program, "write to the log")?;
        let ended = Ended {
            status: finished.status,
            output: String::from_utf8_lossy(&finished.output).into_owned(),
            errors: text,
        };
        Ok((ended, finished.mounted))
    }
}

impl Programs for Machine<'_> {
    fn run(&self, program: &str, arguments: &[&str], input: &[u8]) -> Result<Ended, Failure> {
        let (ended, _) = self.run_mounting(program, arguments, input, None)?;
        Ok(ended)
    }

    fn pause(&self, time: Duration) -> Result<(), Failure> {
        pause(self.session, time)
    }
}

fn pause(session: &Session, time: Duration) -> Result<(), Failure> {
    let limit = Timespec::try_from(time).unwrap_or_default();
    let mut polled = [PollFd::new(&session.connection, PollFlags::RDHUP)];
    let gone = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&limit)))
        .about("", "watch the session")?;
    if gone == 0 {
        return Ok(());
    }
    let detail = "the session was cancelled";
    Err(Failure::new(ErrorCode::Interrupted, "", detail))
}

#[cfg(test)]
pub mod recorded {
    //! Programs that only write down how they were called.
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    /// Answers in turn, then with success and no output.
    #[derive(Default)]
    pub struct Recorded {
        pub answers: RefCell<VecDeque<Ended>>,
        pub calls: RefCell<Vec<String>>,
        pub inputs: RefCell<Vec<Vec<u8>>>,
    }

    impl Recorded {
        pub fn answering(answers: &[(i32, &str, &str)]) -> Self {
            let ended = |(status, output, errors): &(i32, &str, &str)| Ended {
                status: *status,
                output: (*output).into(),
                errors: (*errors).into(),
            };
            let answers = RefCell::new(answers.iter().map(ended).collect());
            Self {
                answers,
                ..Self::default()
            }
        }

        pub fn calls(&self) -> Vec<String> {
            self.calls.borrow().clone()
        }
    }

    impl Programs for Recorded {
        fn run(&self, program: &str, arguments: &[&str], input: &[u8]) -> Result<Ended, Failure> {
            let words: Vec<_> = [program].iter().chain(arguments).copied().collect();
            self.calls.borrow_mut().push(words.join(" "));
            self.inputs.borrow_mut().push(input.to_owned());
            Ok(self.answers.borrow_mut().pop_front().unwrap_or_default())
        }

        fn pause(&self, time: Duration) -> Result<(), Failure> {
            self.calls.borrow_mut().push(format!("wait {time:?}"));
            Ok(())
        }
    }
}
