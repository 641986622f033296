//! Which monitor a run gets.
use osbuild_wasm_manifest::run::Observer;
use osbuild_wasm_report::{
    Colour, JsonSeqMonitor, LogMonitor, NullMonitor, PlainMonitor, ProgressMonitor,
};
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
}

/// Makes the monitor; it writes to `out`.
pub(crate) fn make(monitor: Monitor, out: File) -> Arc<dyn Observer> {
    match monitor {
        Monitor::Null => Arc::new(NullMonitor),
        Monitor::JsonSeq => Arc::new(JsonSeqMonitor::new(out)),
        Monitor::Log => {
            let ansi = out.is_terminal();
            Arc::new(LogMonitor::new(out, ansi))
        }
        Monitor::Progress => {
            let colour = Colour::of(&std::io::stderr());
            if std::io::stderr().is_terminal()
                && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
            {
                Arc::new(ProgressMonitor::stderr(colour))
            } else {
                Arc::new(PlainMonitor::new(std::io::stderr(), colour))
            }
        }
    }
}

/// The file of descriptor `number`, or standard output.
pub(crate) fn descriptor(number: Option<i32>) -> std::io::Result<File> {
    let duplicate = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    match number {
        None | Some(1) => duplicate(std::io::stdout().as_fd()),
        Some(2) => duplicate(std::io::stderr().as_fd()),
        // Opening it anew checks that it is there, without any unsafe conversion.
        Some(number) => File::options()
            .write(true)
            .open(format!("/proc/self/fd/{number}")),
    }
}
