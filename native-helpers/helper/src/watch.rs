//! What a sandbox is watched by while it runs: the end of its session, and what it may use up.

use osbuild_wasm_protocol::Connection;
use rustix::event::Timespec;

use crate::cgroup::{Group, PROCESSES};
use crate::processes::{Memory, Processes};
use crate::quota::Quota;

/// What a sandbox is watched by and limited to.
#[derive(Debug)]
pub struct Watch<'a> {
    /// Cancels it by closing.
    pub session: &'a Connection,
    /// The control group that it is put into; where there is none, its processes are counted and measured instead.
    pub group: Option<&'a Group>,
    /// Bytes of memory of all processes together.
    pub memory: Option<u64>,
    pub quota: Option<Quota>,
    /// Looks that found too much memory, and such that could not measure all of it; none found less in between.
    pub looks: (u8, u8),
}

/// Looks at what cannot be measured that are enough: a descriptor that is passed on is taken soon, or was put out of sight.
const UNKNOWN: u8 = 20;

/// How often it is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

impl Watch<'_> {
    /// How long to wait between two looks; none: there is nothing to look at.
    pub fn patience(&self) -> Option<&'static Timespec> {
        (self.quota.is_some() || self.group.is_none()).then_some(&LOOK)
    }

    /// What was exceeded, as a message. `processes` are those of the sandbox; none: there are none yet, or no more.
    pub fn exceeded(&mut self, processes: Option<&Processes>) -> Option<String> {
        let quota = self.quota.as_ref();
        let written = quota.and_then(|quota| quota.exceeded(processes));
        let alone = processes.filter(|_| self.group.is_none());
        written.or_else(|| self.taken(alone?))
    }

    /// What the kernel ended for want of memory, as a message.
    pub fn out_of_memory(&self) -> Option<String> {
        let ran_out = self.group.is_some_and(Group::ran_out_of_memory);
        self.memory.filter(|_| ran_out).map(too_much_memory)
    }

    fn taken(&mut self, processes: &Processes) -> Option<String> {
        if processes.count() > PROCESSES {
            let message = "programs of the stage started more than its limit of";
            return Some(format!("{message} {PROCESSES} processes and threads"));
        }
        let memory = self.memory?;
        let (beyond, unknown) = self.looks;
        self.looks = match processes.memory(memory) {
            Memory::Within => (0, 0),
            Memory::Beyond => (beyond + 1, unknown),
            Memory::Unknown => (beyond, unknown + 1),
        };
        match self.looks {
            // A process that is just being started may count twice, but not for long.
            (2.., _) => Some(too_much_memory(memory)),
            (_, UNKNOWN..) => {
                let message = "programs of the stage keep descriptors on their way to each other, where their memory cannot be measured against its limit of";
                Some(format!("{message} {memory} bytes"))
            }
            _ => None,
        }
    }
}

fn too_much_memory(limit: u64) -> String {
    format!("programs of the stage needed more than its limit of {limit} bytes of memory")
}
