//! What belongs to no process: shared memory, semaphores and messages of System V, see sysvipc(7).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::LONGEST;

/// A list of /proc/sysvipc, and bytes that each unit of its columns stands for.
const LISTS: [(&str, &[(&str, u64)]); 3] = [
    // Each semaphore has a line of the processor's cache for itself.
    ("sem", &[("nsems", 64)]),
    ("shm", &[("rss", 1), ("swap", 1)]),
    ("msg", &[("cbytes", 1), ("qnum", 64), ("key", 0)]),
];

/// Bytes that the kernel takes for each of these, be it empty.
const OBJECT: u64 = 512;

/// What there is in the namespace of one sandbox.
#[derive(Debug)]
pub struct Shared(Vec<(File, &'static [(&'static str, u64)])>);

impl Shared {
    /// That of a process. The calling thread is in its namespace afterwards.
    pub fn of(process: u32) -> rustix::io::Result<Self> {
        let path = Path::new("/proc").join(process.to_string()).join("ns/ipc");
        let open = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        };
        let namespace: OwnedFd = open(&path)?;
        let kind = Some(LinkNameSpaceType::InterProcessCommunication);
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind)?;
        // A list is that of the namespace in which it was opened.
        let lists = LISTS.into_iter().map(|(name, columns)| {
            let list = open(&Path::new("/proc/sysvipc").join(name));
            list.map(|list| (File::from(list), columns))
        });
        lists.collect::<Result<_, _>>().map(Self)
    }

    /// Bytes that all of it takes; none where the kernel does not tell.
    pub fn bytes(&self) -> Option<u64> {
        let lists = self.0.iter().map(|(list, columns)| {
            let text = read(list)?;
            let mut lines = text.lines();
            let names: Vec<_> = lines.next()?.split_whitespace().collect();
            let of_line = |line: &str| {
                let values = line.split_whitespace();
                let of = names.iter().zip(values).map(|(name, value)| {
                    let unit = columns.iter().find(|(column, _)| column == name);
                    let value = value.parse::<u64>().unwrap_or_default();
                    unit.map_or(0, |(_, unit)| value.saturating_mul(*unit))
                });
                of.fold(OBJECT, u64::saturating_add)
            };
            Some(lines.map(of_line).fold(0, u64::saturating_add))
        });
        lists.sum()
    }
}

fn read(list: &File) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 1 << 16]);
    while (bytes.len() as u64) < LONGEST {
        match list.read_at(&mut buffer, bytes.len() as u64).ok()? {
            0 => return String::from_utf8(bytes).ok(),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_attached_counts() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        std::thread::spawn(|| {
            osbuild_wasm_sys::namespace::private_names().unwrap();
            let shared = Shared::of(std::process::id());
            // This thread is in a namespace of its own, the process is not.
            assert!(shared.unwrap().bytes().is_some());
        })
        .join()
        .unwrap();
    }
}
