//! The known runners, and which of them serves a name.

use crate::model::Runner;

/// What every runner name starts with.
const PREFIX: &str = "org.osbuild.";

/// A runner that works on any distribution with a `/usr`.
const GENERIC: &str = "linux";

/// Known runners: the name without prefix, and the one whose steps it carries out.
const RUNNERS: [(&str, &str); 20] = [
    ("AutoSD9", "centos9"),
    ("almalinux8", "rhel82"),
    ("almalinux9", "centos9"),
    ("arch", "linux"),
    ("asahi-fedora-remix", "fedora30"),
    ("autosd", "centos9"),
    ("centos8", "rhel82"),
    ("centos9", "centos9"),
    ("debian", "ubuntu1804"),
    ("eln11", "fedora38"),
    ("fedora-asahi-remix", "fedora38"),
    ("fedora30", "fedora30"),
    ("fedora38", "fedora38"),
    ("linux", "linux"),
    ("ol9", "centos9"),
    ("rhel7", "rhel7"),
    ("rhel81", "rhel81"),
    ("rhel82", "rhel82"),
    ("rhivos", "rhel82"),
    ("ubuntu1804", "ubuntu1804"),
];

/// No known runner serves a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("No suitable runner for {family}")]
pub struct UnknownRunner {
    /// The name without its version.
    pub family: String,
    /// The known names of this family, else of all.
    pub known: Vec<String>,
}

/// Finds the runner for a name: of the same family (the name without the digits at its end) the newest that is not newer than asked for.
pub fn resolve(requested: &str) -> Result<Runner, UnknownRunner> {
    let (family, version) = split_version(requested);
    let same_family = || names().filter(|name| split_version(name).0 == family);
    let older = same_family().filter(|name| split_version(name).1 <= version);
    match older.max_by_key(|name| split_version(name).1) {
        Some(exec) => Ok(Runner {
            requested: requested.to_owned(),
            exec,
        }),
        None => {
            let of_family: Vec<String> = same_family().collect();
            let known = if of_family.is_empty() {
                names().collect()
            } else {
                of_family
            };
            Err(UnknownRunner {
                family: family.to_owned(),
                known,
            })
        }
    }
}

/// The runner for stages that build on the host, given the text of its `/etc/os-release` (empty when there is none).
///
/// On a distribution that no runner is made for this is the generic one, so that such a host can at least inspect a manifest.
pub fn host_runner(os_release: &str) -> Runner {
    let value = |key: &str| os_release_value(os_release, key);
    let id = value("ID").unwrap_or_else(|| "linux".to_owned());
    let version = value("VERSION_ID").unwrap_or_default().replace('.', "");
    let exec = match resolve(&format!("{PREFIX}{id}{version}")) {
        Ok(runner) => runner.exec,
        Err(_) => format!("{PREFIX}{GENERIC}"),
    };
    Runner {
        requested: exec.clone(),
        exec,
    }
}

/// The value that the text of an os-release file gives to `key`; the last assignment counts.
pub fn os_release_value(os_release: &str, key: &str) -> Option<String> {
    os_release
        .lines()
        .rev()
        .find_map(|line| assignment(line, key))
}

/// The runner whose steps this one carries out, without prefix: `org.osbuild.debian` does what `ubuntu1804` does.
pub fn steps_of(exec: &str) -> Option<&'static str> {
    let name = exec.strip_prefix(PREFIX)?;
    RUNNERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, steps)| *steps)
}

fn names() -> impl Iterator<Item = String> {
    RUNNERS.iter().map(|(name, _)| format!("{PREFIX}{name}"))
}

/// The name without the decimal digits at its end, and these as a number (0 when there are none).
fn split_version(name: &str) -> (&str, u64) {
    let family = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let digits = name.get(family.len()..).unwrap_or_default();
    let version = if digits.is_empty() {
        0
    } else {
        digits.parse().unwrap_or(u64::MAX)
    };
    (family, version)
}

/// The value of a `KEY=value` line, without the quotes around it.
fn assignment(line: &str, key: &str) -> Option<String> {
    let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
    let unquoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    Some(
        unquoted('"')
            .or_else(|| unquoted('\''))
            .unwrap_or(value)
            .to_owned(),
    )
}
