//! Names of what belongs to this process alone: by them a later worker knows what a killed one left.
use std::ffi::OsStr;
use std::fs;

/// What directories and control groups of jobs begin with.
pub(crate) const PREFIX: &str = "job-";

/// The beginning of a name that says whose it is: `job-PID-START-`. A process that ends frees its number, but not the time when it was
/// started.
pub(crate) fn own_prefix() -> String {
    let pid = std::process::id();
    format!("{PREFIX}{pid}-{}-", started(pid).unwrap_or(0))
}

/// Whether the process that gave a name is gone.
pub(crate) fn is_left(name: &OsStr) -> bool {
    let owner = || {
        let mut numbers = name.to_str()?.strip_prefix(PREFIX)?.split('-');
        let pid: u32 = numbers.next()?.parse().ok()?;
        let start: u64 = numbers.next()?.parse().ok()?;
        Some((pid, start))
    };
    owner().is_some_and(|(pid, start)| started(pid) != Some(start))
}

/// When a process was started, in ticks since the boot (proc(5), `/proc/PID/stat`, field 22); none if it is gone.
fn started(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may have blanks and brackets.
    let (_, fields) = status.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{is_left, own_prefix};
    use std::ffi::OsStr;

    #[test]
    fn what_this_process_has_is_not_left() {
        let own = format!("{}x", own_prefix());
        assert!(!is_left(OsStr::new(&own)));
        let earlier = own.replacen(&format!("{}-", std::process::id()), "1-", 1);
        assert!(is_left(OsStr::new(&earlier)));
        for other in ["job-x", "store", "job-1"] {
            assert!(!is_left(OsStr::new(other)), "{other}");
        }
    }
}
