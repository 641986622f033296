//! What is to be done, by host: no host gets more than its share, none waits for another.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

struct Host<T> {
    waiting: VecDeque<T>,
    active: usize,
    share: usize,
}

/// Work for a number of workers.
pub(super) struct Queue<T> {
    hosts: RefCell<Vec<Host<T>>>,
}

impl<T> Queue<T> {
    /// Each piece of work comes with its host and with how much of that host may be done at a time.
    pub(super) fn new(work: impl IntoIterator<Item = (String, usize, T)>) -> Self {
        let mut numbers = HashMap::new();
        let mut hosts: Vec<Host<T>> = Vec::new();
        for (host, share, item) in work {
            let number = *numbers.entry(host).or_insert(hosts.len());
            if number == hosts.len() {
                hosts.push(Host {
                    waiting: VecDeque::new(),
                    active: 0,
                    share,
                });
            }
            hosts[number].waiting.push_back(item);
        }
        Self {
            hosts: RefCell::new(hosts),
        }
    }

    /// The next piece of work and the number of its host, which is to be given to [`Queue::done`]. When there is
    /// none a worker can end: what still waits is taken by those who are busy with the same host.
    pub(super) fn next(&self) -> Option<(usize, T)> {
        let mut hosts = self.hosts.borrow_mut();
        // The host with the fewest transfers first, so that a slow mirror does not take all workers.
        let ready = hosts.iter_mut().enumerate();
        let ready = ready.filter(|(_, host)| host.active < host.share && !host.waiting.is_empty());
        let (number, host) = ready.min_by_key(|(_, host)| host.active)?;
        host.active += 1;
        host.waiting.pop_front().map(|item| (number, item))
    }

    /// One transfer from a host has ended.
    pub(super) fn done(&self, host: usize) {
        if let Some(host) = self.hosts.borrow_mut().get_mut(host) {
            host.active -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn no_host_gets_more_than_its_share() {
        let work =
            [("a", 1), ("a", 2), ("a", 3), ("b", 4)].map(|(host, item)| (host.to_owned(), 2, item));
        let queue = Queue::new(work);
        assert_eq!(queue.next(), Some((0, 1)));
        assert_eq!(queue.next(), Some((1, 4)));
        assert_eq!(queue.next(), Some((0, 2)));
        assert_eq!(queue.next(), None);
        queue.done(0);
        assert_eq!(queue.next(), Some((0, 3)));
        assert_eq!(queue.next(), None);
    }
}
