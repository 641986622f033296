//! What of this machine's containers-registries.conf(5) counts for `skopeo`.
//!
//! Mirrors and rewritten names would lead it to servers that are not in the manifest, so its own configuration is switched
//! off. What cannot be switched off, or is named by the user, is told: it is a file of this machine that the source reads.

use crate::Environment;
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use std::path::{Path, PathBuf};

/// The variable by which a user names a configuration, as for Podman.
const VARIABLE: &str = "CONTAINERS_REGISTRIES_CONF";

/// Without configuration all names mean what they say.
const NONE: &str = "/dev/null";

/// Directories with more configuration, which skopeo always reads: that of the machine, and that in a user's home.
const OF_MACHINE: &str = "/etc/containers/registries.conf.d";
const OF_USER: &str = ".config/containers/registries.conf.d";

/// The option of `skopeo` that names a configuration, before its command.
pub(crate) const REGISTRIES_CONF: &str = "--registries-conf";

/// The options of `skopeo`, before its command.
pub(crate) fn options(environment: &Environment) -> [String; 2] {
    let named = environment.get(VARIABLE).unwrap_or(NONE);
    [REGISTRIES_CONF.to_owned(), named.to_owned()]
}

/// The files that decide which servers `skopeo` asks for an image: the one that the user names, and those that always count.
pub fn registries_files(environment: &Environment) -> Vec<PathBuf> {
    let named = environment.get(VARIABLE).map(PathBuf::from);
    let home = environment
        .get("HOME")
        .map(|home| Path::new(home).join(OF_USER));
    let directories = [Some(PathBuf::from(OF_MACHINE)), home];
    let entries = directories
        .into_iter()
        .flatten()
        .filter_map(|directory| std::fs::read_dir(directory).ok());
    let files = entries.flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|file| leads_elsewhere(file)).collect();
    files.sort();
    named.into_iter().chain(files).collect()
}

/// What else of this machine counts for images of registries, in words for a plan; nothing for sources of another kind.
pub fn of_machine(module: &str) -> &'static [&'static str] {
    match module {
        "org.osbuild.skopeo" | "org.osbuild.skopeo-index" => &[
            "login: that of this user, told to its registry alone",
            "certificates: certs.d of this machine",
            "signatures: policy.json and registries.d of this machine",
        ],
        _ => &[],
    }
}

/// Whether a file has more in it than short names, which no manifest has.
fn leads_elsewhere(file: &Path) -> bool {
    if file.extension().is_none_or(|extension| extension != "conf") {
        return false;
    }
    // What cannot be read here is what skopeo fails at too.
    let Ok(text) = read_text(file, LARGEST_DOCUMENT) else {
        return true;
    };
    !has_short_names_alone(&text)
}

fn has_short_names_alone(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let mut lines = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    let begins = lines.peek().is_none_or(|line| *line == "[aliases]");
    begins && lines.all(|line| line == "[aliases]" || line.starts_with('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_harmless_and_all_else_is_not() {
        for harmless in ["", "# x\n", "[aliases]\n  # y\n  \"a\" = \"b/a\"\n"] {
            assert!(has_short_names_alone(harmless), "{harmless}");
        }
        for odd in [
            "[[registry]]\nprefix = \"a\"",
            "[aliases]\n\"a\" = \"b\"\n[[registry]]",
            "unqualified-search-registries = []",
            "\"registry\" = []",
        ] {
            assert!(!has_short_names_alone(odd), "{odd}");
        }
    }

    #[test]
    fn a_configuration_that_the_user_names_counts_and_is_told() {
        let none = Environment::default();
        assert_eq!(options(&none)[1], NONE);
        let named: Environment = [(VARIABLE, "/srv/mirrors.conf")].into_iter().collect();
        assert_eq!(options(&named)[1], "/srv/mirrors.conf");
        assert!(registries_files(&named).contains(&PathBuf::from("/srv/mirrors.conf")));
    }
}
