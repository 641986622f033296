//! Threads that libraries take for granted.
use std::io;
use std::sync::Mutex;
use std::thread::{Builder, scope};

/// Fails unless so many threads can run at once: the caller's limit of processes may forbid them.
pub(crate) fn check(count: usize) -> io::Result<()> {
    let held = Mutex::new(());
    scope(|scope| {
        let hold = held.lock();
        for _ in 0..count {
            Builder::new().spawn_scoped(scope, || drop(held.lock()))?;
        }
        drop(hold);
        Ok(())
    })
}
