//! Package repositories.

use super::form::{consists_of, is_url};
use super::{Once, Rules, place};
use crate::diagnostic::dotted;
use crate::model::Repository;
use osbuild_wasm_manifest::problem::Path;

/// How repositories are reached.
const SCHEMES: [&str; 4] = ["https", "http", "ftp", "file"];
/// How long the name of a file is without `.repo`.
const MAX_NAME: usize = 250;
/// What an armored key begins with.
const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

impl<'b> Rules<'b> {
    /// Package repositories.
    pub(super) fn repositories(&mut self) {
        let mut ids = Once::new("repository id");
        for (index, repository) in self.customizations().repositories.iter().enumerate() {
            ids.note(
                self,
                repository.id.as_str(),
                place!["repositories", index, "id"],
            );
            self.file_name(index, repository);
            self.locations(index, repository);
            self.gpg_keys(index, repository);
        }
    }

    fn file_name(&mut self, index: usize, repository: &'b Repository) {
        let name = repository.file_name();
        let stem = name.strip_suffix(".repo").unwrap_or(&name);
        let is_word =
            |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        if stem.is_empty() || stem.len() > MAX_NAME || !stem.chars().all(is_word) {
            let key = if repository.filename.is_some() {
                "filename"
            } else {
                "id"
            };
            let path = place!["repositories", index, key];
            let message = format!(
                "`{}` makes {name:?}, which is no name for a file of a repository",
                dotted(&path)
            );
            let hint = format!(
                "letters, digits, `_`, `.` and `-`, at most {MAX_NAME}; `filename` can differ from `id`"
            );
            self.error(path, message, "expected the name of a file", hint);
        }
    }

    fn locations(&mut self, index: usize, repository: &'b Repository) {
        let lists = [
            ("metalink", &repository.metalink),
            ("mirrorlist", &repository.mirrorlist),
        ];
        if repository.baseurls.is_empty() && lists.iter().all(|(_, list)| list.is_none()) {
            self.error(
                place!["repositories", index],
                format!("`customizations.repositories[{index}]` has no location"),
                "`baseurls` is missing here",
                "add `baseurls`, `metalink` or `mirrorlist`",
            );
        }
        for (key, list) in lists {
            if let Some(url) = list {
                self.location(place!["repositories", index, key], url);
            }
        }
        for (number, url) in repository.baseurls.iter().enumerate() {
            self.location(place!["repositories", index, "baseurls", number], url);
        }
    }

    fn location(&mut self, path: Path, url: &str) {
        if !is_url(url, &SCHEMES) {
            let hint = format!(
                "URLs begin with {}",
                SCHEMES.map(|scheme| format!("{scheme}://")).join(", ")
            );
            self.malformed(path, url, "URL of a repository", &hint);
        }
    }

    fn gpg_keys(&mut self, index: usize, repository: &'b Repository) {
        let checks = [
            ("gpgcheck", repository.gpgcheck),
            ("repo_gpgcheck", repository.repo_gpgcheck),
        ];
        let checked = checks.iter().find(|(_, check)| *check == Some(true));
        if let (Some((key, _)), true) = (checked, repository.gpgkeys.is_empty()) {
            let path = place!["repositories", index, *key];
            let message = format!("`{}` is true, but there are no `gpgkeys`", dotted(&path));
            self.error(
                path,
                message,
                "needs `gpgkeys`",
                "add `gpgkeys`: armored blocks or URLs",
            );
        }
        for (number, key) in repository.gpgkeys.iter().enumerate() {
            let is_armored = key.trim_start().starts_with(ARMOR);
            if !is_armored && !is_url(key, &SCHEMES) {
                let path = place!["repositories", index, "gpgkeys", number];
                let message = format!("`{}` is neither an armored key nor a URL", dotted(&path));
                self.error(
                    path,
                    message,
                    "expected a key",
                    format!("give a block that begins with {ARMOR}, or the URL of one"),
                );
            }
        }
        if consists_of(&repository.id, "_.-:") {
            return;
        }
        let hint = "letters, digits, `_`, `.`, `-` and `:`";
        self.malformed(
            place!["repositories", index, "id"],
            &repository.id,
            "repository id",
            hint,
        );
    }
}
