//! Signals that end a process where an error of a call would do.

/// Lets calls that would make a file larger than the process may (`ulimit -f`) fail with EFBIG, here and in children.
pub fn fail_at_the_size_of_files() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Lets such calls end the process, as programs expect it; for what runs between fork and exec.
pub(crate) fn end_at_the_size_of_files() {
    // SAFETY: the default action runs no code, and `signal` may be called between fork and exec (signal-safety(7)).
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn a_file_beyond_the_limit_is_an_error_of_its_writer() {
        let mut command = Command::new("sh");
        let script = "ulimit -f 1; dd if=/dev/zero of=/dev/shm/$$ bs=4096 count=1; code=$?; rm -f /dev/shm/$$; exit $code";
        fail_at_the_size_of_files();
        let ended = command.args(["-c", script]).output().unwrap();
        assert_eq!(
            (ended.status.signal(), ended.status.code()),
            (None, Some(1))
        );
        assert!(String::from_utf8_lossy(&ended.stderr).contains("File too large"));
    }
}
