//! Which monitor a run gets.
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_report::{
    Colour, InOrder, JsonSeqMonitor, LogMonitor, NullMonitor, PlainMonitor, for_people,
};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Monitors by osbuild's names, and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Monitor {
    /// Everything that happens, as osbuild writes it
    #[value(name = "LogMonitor")]
    Log,
    /// A JSON text sequence (RFC 7464) for programs
    #[value(name = "JSONSeqMonitor")]
    JsonSeq,
    /// Nothing
    #[value(name = "NullMonitor")]
    Null,
    /// One steady display on a terminal, a line for each stage elsewhere
    #[value(name = "progress")]
    Progress,
    /// A line for each stage, also on a terminal
    #[value(skip)]
    Plain,
}

/// Makes the monitor; it writes to `out`. `shared`: others write to the terminal too, so that no display can stay on it.
pub(crate) fn make(monitor: Monitor, out: File, shared: bool) -> Arc<dyn Observer> {
    match monitor {
        Monitor::Null => Arc::new(NullMonitor),
        Monitor::JsonSeq => Arc::new(InOrder::new(JsonSeqMonitor::new(out))),
        Monitor::Log => {
            let ansi = out.is_terminal();
            Arc::new(InOrder::new(LogMonitor::new(out, ansi)))
        }
        Monitor::Progress if !shared => for_people(),
        Monitor::Progress | Monitor::Plain => {
            let stderr = std::io::stderr();
            let colour = Colour::of(&stderr);
            Arc::new(PlainMonitor::new(stderr, colour))
        }
    }
}

/// Shows what happens, but not what becomes of results: whoever asked for them says where they are.
pub(crate) struct WithoutResults(pub(crate) Arc<dyn Observer>);

impl Observer for WithoutResults {
    fn event(&self, event: &Event) {
        if !matches!(event, Event::Exported { .. } | Event::Checkpoint { .. }) {
            self.0.event(event);
        }
    }
}

/// A duplicate of descriptor `number`, or of standard output.
pub(crate) fn descriptor(number: Option<i32>) -> std::io::Result<File> {
    let duplicate = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    match number {
        None | Some(1) => duplicate(std::io::stdout().as_fd()),
        Some(2) => duplicate(std::io::stderr().as_fd()),
        Some(number) => inherited(number),
    }
}

/// A duplicate of a descriptor that is only a number here. The kernel checks that it is there, as it does for another process; without
/// any unsafe conversion.
#[allow(
    clippy::disallowed_methods,
    reason = "it opens a descriptor of this process, no name"
)]
fn inherited(number: i32) -> std::io::Result<File> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    match pidfd_getfd(this, number, PidfdGetfdFlags::empty()) {
        // Where that is forbidden, opening it anew does for files and pipes.
        Err(Errno::PERM | Errno::NOSYS) => File::options()
            .append(true)
            .open(format!("/proc/self/fd/{number}")),
        duplicate => Ok(duplicate?.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::descriptor;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_may_be_of_any_kind() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let mut same = descriptor(Some(writer.as_raw_fd())).unwrap();
        same.write_all(b"told").unwrap();
        drop((same, writer));
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        assert_eq!(told, "told");
    }

    #[test]
    fn a_file_is_written_where_its_owner_stopped() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before ").unwrap();
        descriptor(Some(file.as_raw_fd()))
            .unwrap()
            .write_all(b"after")
            .unwrap();
        assert_eq!(file.metadata().unwrap().len(), 12);
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_an_error() {
        for number in [-1, 1_000_000] {
            assert!(descriptor(Some(number)).is_err(), "{number}");
        }
    }
}
