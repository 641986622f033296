//! What a source may do, decided before it runs and asked where it is done.

use osbuild_wasm_manifest::location::Location;
use std::fmt;
use std::time::Duration;

/// The most that a source fetches unless a policy says otherwise, in bytes.
const LARGEST_SOURCE: u64 = 64 << 30;

/// What a source may reach, and how much it may take.
#[derive(Clone, Copy)]
pub struct Allowance<'a> {
    /// Whether it may ask `HOST:PORT`. Asked for each server, also for those that another one leads to.
    pub host: &'a (dyn Fn(&str) -> bool + Sync),
    /// The rule that says so, as messages name it.
    pub rule: &'a str,
    /// Whether a file of this machine may be reached over symbolic links: not where a policy named the paths.
    pub links: bool,
    /// Bytes that it may fetch or unpack, all items together.
    pub bytes: u64,
    /// How long it may take; none: as long as it needs.
    pub time: Option<Duration>,
}

impl fmt::Debug for Allowance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowance")
            .field("links", &self.links)
            .field("bytes", &self.bytes)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl Allowance<'static> {
    /// Where there is no policy: every host and file, as much as the largest images have.
    pub const EVERYTHING: Self = Self {
        host: &|_| true,
        rule: "a rule",
        links: true,
        bytes: LARGEST_SOURCE,
        time: None,
    };
}

/// What is told when a source has had all that it may have.
pub(crate) fn exceeded(bytes: u64) -> String {
    format!(
        "the limit of {bytes} bytes for this source is reached; `written-bytes` in the `limits` of a policy sets another"
    )
}

impl Allowance<'_> {
    /// Whether the server of a location may be asked.
    ///
    /// # Errors
    /// One line that says which host, and where it would be allowed.
    pub(crate) fn check(&self, location: &Location) -> Result<(), String> {
        match location.host() {
            Some(host) if !(self.host)(&host) => Err(format!(
                "{} is on {host}, which the policy does not list in `hosts` of {}",
                location.shown(),
                self.rule
            )),
            _ => Ok(()),
        }
    }

    /// Whether a proxy (`HOST:PORT`) may be asked for what is at a location.
    ///
    /// # Errors
    /// As [`Allowance::check`].
    pub(crate) fn check_proxy(&self, host: &str, location: &Location) -> Result<(), String> {
        match (self.host)(host) {
            true => Ok(()),
            false => Err(format!(
                "{} is behind the proxy {host} of the environment, which the policy does not list in `hosts` of {}",
                location.shown(),
                self.rule
            )),
        }
    }
}
