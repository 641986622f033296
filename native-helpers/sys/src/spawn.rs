//! What a child inherits, and how long it lives.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, set_parent_process_death_signal};

/// Lets the child of `command`, and no other process started meanwhile, inherit the descriptors under their numbers.
pub fn inherit(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let keep_open = move || {
        for descriptor in &descriptors {
            fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only: no allocation, no lock. It owns the descriptors, so they
    // are open as long as `command` exists.
    unsafe { command.pre_exec(keep_open) };
}

/// Lets the kernel kill the child of `command` when the thread that starts it ends; `parent` is a pidfd of this process.
pub fn die_with_parent(command: &mut Command, parent: OwnedFd) {
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before the line above.
        let ended = poll(
            &mut [PollFd::new(&parent, PollFlags::IN)],
            Some(&Timespec::default()),
        )?;
        if ended == 0 {
            Ok(())
        } else {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    };
    // SAFETY: as above, two system calls on a descriptor that the closure owns, and an error that allocates nothing.
    unsafe { command.pre_exec(tie) };
}

/// Has the child of `command` enter a control group before it runs; `processes` is the group's `cgroup.procs`, open for writing.
pub fn enter_cgroup(command: &mut Command, processes: OwnedFd) {
    // SAFETY: as above, one system call on a descriptor that the closure owns. The number 0 is whoever writes it.
    unsafe {
        command.pre_exec(move || {
            rustix::io::write(&processes, b"0")?;
            Ok(())
        })
    };
}

/// Keeps every descriptor that this process has now, standard streams excepted, from its children: whoever started it may have left
/// some open.
///
/// # Errors
/// When /proc cannot be read.
pub fn keep_from_children() -> std::io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok());
        if let Some(number) = number.filter(|number| *number > 2) {
            // SAFETY: only its flags are changed, which is no harm to any owner; one that was closed meanwhile is an error, and
            // ignored (the directory that is being read is one of those listed).
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn only_the_given_child_inherits_the_descriptor() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let test = |command: &mut Command| command.args(["-e", &path]).status().unwrap().success();
        assert!(!test(&mut Command::new("/usr/bin/test")));
        let mut command = Command::new("/usr/bin/test");
        inherit(&mut command, vec![reader.into()]);
        assert!(test(&mut command));
    }
}
