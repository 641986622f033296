//! Limits that whoever started the program has set for it (`ulimit`): those that can be raised are, and what is too low is said before
//! anything begins.
use osbuild_wasm_sys::signal::fail_at_the_size_of_files;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

/// What a run needs of a resource.
struct Need {
    resource: Resource,
    name: &'static str,
    /// Without so much nothing can be built.
    least: u64,
    /// What there usually is, and all that is taken.
    usual: u64,
    /// The option of the shell's `ulimit`, and its unit.
    option: (&'static str, u64),
}

const NEEDS: [Need; 5] = [
    Need {
        resource: Resource::Nofile,
        name: "open files",
        least: 128,
        usual: 1024,
        option: ("-n", 1),
    },
    Need {
        resource: Resource::Stack,
        name: "the stack in KiB",
        least: 1 << 20,
        usual: 8 << 20,
        option: ("-s", 1 << 10),
    },
    Need {
        resource: Resource::As,
        name: "the address space in KiB",
        least: 512 << 20,
        usual: 5 << 30,
        option: ("-v", 1 << 10),
    },
    // Memories of components begin as files in memory.
    Need {
        resource: Resource::Fsize,
        name: "the size of files in blocks of 512 bytes",
        least: 1 << 20,
        usual: 1 << 20,
        option: ("-f", 512),
    },
    Need {
        resource: Resource::Data,
        name: "data in KiB",
        least: 256 << 20,
        usual: 1 << 30,
        option: ("-d", 1 << 10),
    },
];

/// A limit that is lower than a run needs.
#[derive(Debug, Error)]
#[error("the limit of {name} is {current}, and at least {least} are needed")]
pub struct LowLimit {
    name: &'static str,
    current: u64,
    least: u64,
    remedy: String,
}

impl LowLimit {
    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// Raises the limits of this process as far as it may and a run needs. A file that becomes too large is an error of the call from then
/// on.
///
/// # Errors
/// One of them stays too low.
pub fn raise_limits() -> Result<(), LowLimit> {
    fail_at_the_size_of_files();
    NEEDS.iter().try_for_each(raise)
}

fn raise(need: &Need) -> Result<(), LowLimit> {
    let own = getrlimit(need.resource);
    let current = own.current.unwrap_or(u64::MAX);
    let possible = own.maximum.unwrap_or(u64::MAX).min(need.usual);
    if current < possible {
        let raised = Rlimit {
            current: Some(possible),
            ..own
        };
        // Where that is refused, what there is counts.
        _ = setrlimit(need.resource, raised);
    }
    let current = getrlimit(need.resource).current.unwrap_or(u64::MAX);
    if current >= need.least {
        return Ok(());
    }
    let (option, unit) = need.option;
    Err(LowLimit {
        name: need.name,
        current: current / unit,
        least: need.least / unit,
        remedy: format!("raise it: `ulimit {option} {}`", need.usual / unit),
    })
}
