//! Work with dependencies, several pieces at a time.
use std::sync::{Condvar, Mutex, PoisonError};

/// Where each piece of work stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Done,
}

struct Board {
    progress: Vec<Progress>,
    /// A piece failed: nothing new is begun.
    stop: bool,
}

/// Calls `work` for every piece `0..dependencies.len()`, at most `jobs` at a time, each after the pieces that it depends on, and
/// otherwise in their order. Once `work` answers `false`, only what is running is finished.
pub(crate) fn run(jobs: usize, dependencies: &[Vec<usize>], work: impl Fn(usize) -> bool + Sync) {
    let board = Mutex::new(Board {
        progress: vec![Progress::Waiting; dependencies.len()],
        stop: false,
    });
    let changed = Condvar::new();
    let worker = || {
        while let Some(piece) = next(&board, &changed, dependencies) {
            let success = work(piece);
            let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
            board.progress[piece] = Progress::Done;
            board.stop |= !success;
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(dependencies.len()) {
            // Where no further thread can be started there is less at a time.
            _ = std::thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
}

/// The first piece that can begin; waits for one. None when there is nothing left to begin.
fn next(board: &Mutex<Board>, changed: &Condvar, dependencies: &[Vec<usize>]) -> Option<usize> {
    let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let waiting = |piece: &usize| board.progress[*piece] == Progress::Waiting;
        let done = |piece: &usize| {
            board
                .progress
                .get(*piece)
                .is_none_or(|progress| *progress == Progress::Done)
        };
        let mut left = (0..dependencies.len()).filter(waiting).peekable();
        if board.stop || left.peek().is_none() {
            return None;
        }
        if let Some(piece) = left.find(|piece| dependencies[*piece].iter().all(done)) {
            board.progress[piece] = Progress::Running;
            return Some(piece);
        }
        board = changed.wait(board).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn everything_runs_after_what_it_depends_on() {
        let dependencies = vec![vec![], vec![0], vec![0], vec![1, 2], vec![]];
        for jobs in [1, 2, 8] {
            let order = Mutex::new(Vec::new());
            run(jobs, &dependencies, |piece| {
                order.lock().unwrap().push(piece);
                true
            });
            let order = order.into_inner().unwrap();
            let at = |piece: usize| order.iter().position(|other| *other == piece).unwrap();
            for (piece, needs) in dependencies.iter().enumerate() {
                assert!(
                    needs.iter().all(|need| at(*need) < at(piece)),
                    "{jobs} jobs: {order:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_begins_after_a_failure() {
        let count = AtomicUsize::new(0);
        run(1, &[vec![], vec![], vec![]], |piece| {
            count.fetch_add(1, Ordering::Relaxed);
            piece != 1
        });
        assert_eq!(count.into_inner(), 2);
    }
}
