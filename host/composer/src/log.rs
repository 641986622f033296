//! The log: standard error, which systemd keeps.

/// Writes a line.
#[expect(
    clippy::print_stderr,
    reason = "the log of a service is its standard error"
)]
pub fn say(line: &str) {
    eprintln!("{line}");
}
