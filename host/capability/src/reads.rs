//! What of a build root a component may read itself, as the `reads` of its module document asks.
use crate::pattern::{Coverage, Pattern};
use serde::Deserialize;
use std::fmt;
use std::path::Path;

/// What can be read where programs come from this machine: its /usr, the boot loaders that packages install outside of it, and the
/// configuration that its programs are shown too.
const OF_THIS_MACHINE: [&str; 10] = [
    "/usr",
    "/boot/efi/EFI",
    "/etc/alternatives",
    "/etc/containers/policy.json",
    "/etc/containers/registries.conf",
    "/etc/containers/registries.conf.d",
    "/etc/containers/registries.d",
    "/etc/containers/storage.conf",
    "/etc/mke2fs.conf",
    "/etc/selinux",
];

/// Directories that are not the build root's: the run puts its own there.
const OF_THE_RUN: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Whether a place of this machine may be read by a component at all: nothing that belongs to users or is secret.
pub fn readable_on_this_machine(place: &Path) -> bool {
    OF_THIS_MACHINE.iter().any(|top| place.starts_with(top))
}

/// Whether a path without dots names a directory of the run, which has no place among the `reads` of a document.
pub(crate) fn is_of_the_run(path: &str) -> bool {
    OF_THE_RUN
        .iter()
        .any(|top| Path::new(path).starts_with(top))
}

/// A path of the build root, with all below it, as a policy lists it; names may hold the wildcards of rights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ReadPattern {
    text: String,
    pattern: Pattern,
}

impl ReadPattern {
    /// Whether it means this path and all below it.
    pub fn matches(&self, path: &str) -> bool {
        self.pattern.covers(path) == Coverage::Below
    }
}

impl TryFrom<String> for ReadPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!(
                "{text:?} is not a path of the build root: write `/usr/share/grub`"
            ));
        }
        let pattern = Pattern::parse(&format!("build://{text}/**"))
            .map_err(|reason| format!("{text:?}: {reason}"))?;
        Ok(Self { text, pattern })
    }
}

impl fmt::Display for ReadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_machine_programs_can_be_read_and_nothing_secret() {
        for (place, expected) in [
            ("/usr", true),
            ("/usr/share/grub", true),
            ("/etc/containers/policy.json", true),
            ("/etc/containers", false),
            ("/etc/containers/certs.d/registry.example/client.key", false),
            ("/boot/efi/EFI/fedora", true),
            ("/boot/grub", false),
            ("/usrlocal", false),
            ("/", false),
            ("/etc", false),
            ("/etc/shadow", false),
            ("/root/.ssh", false),
            ("/home", false),
        ] {
            assert_eq!(
                readable_on_this_machine(Path::new(place)),
                expected,
                "{place}"
            );
        }
    }

    #[test]
    fn a_listed_path_means_all_below_it() {
        let matches = |pattern: &str, path| {
            let pattern = ReadPattern::try_from(pattern.to_owned()).expect(pattern);
            pattern.matches(path)
        };
        assert!(matches("/usr", "/usr/lib/grub"));
        assert!(matches("/usr/lib/grub", "/usr/lib/grub"));
        assert!(matches("/**", "/"));
        assert!(matches("/usr/*/grub", "/usr/share/grub"));
        assert!(!matches("/usr/lib/grub", "/usr/lib"));
        assert!(!matches("/usr", "/"));
        assert!(ReadPattern::try_from("usr".to_owned()).is_err());
    }
}
