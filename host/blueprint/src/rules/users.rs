//! Users, groups and their keys.

use super::form::{is_account_name, is_user_name, wrong_path};
use super::{Once, Rules, place};
use crate::diagnostic::dotted;
use crate::model::User;
use osbuild_wasm_manifest::problem::Path;
use std::collections::BTreeMap;

const NAME_HINT: &str =
    "letters, digits, `_`, `.` and `-`, at most 32, not with `-` first, and not digits alone";
/// Beginnings of hashes that are taken as they are.
const HASHES: [&str; 3] = ["$6$", "$5$", "$2b$"];

impl Rules<'_> {
    /// Users, groups and their keys.
    pub(super) fn users(&mut self) {
        let mut names = Once::new("user name");
        let mut ids = Once::new("user id");
        for (index, user) in self.customizations().user.iter().enumerate() {
            self.name(place!["user", index, "name"], &user.name, is_account_name);
            names.note(self, user.name.as_str(), place!["user", index, "name"]);
            if let Some(id) = user.uid {
                ids.note(self, id, place!["user", index, "uid"]);
                self.id(place!["user", index, "uid"], id, &user.name);
            }
            self.user(index, user);
        }
        self.keys();
        self.groups();
    }

    fn user(&mut self, index: usize, user: &User) {
        for (key, value) in [("home", &user.home), ("shell", &user.shell)] {
            // A slash at the end of a home directory is dropped.
            let value = value.as_deref().map(|path| match path {
                "/" => path,
                path => path.strip_suffix('/').unwrap_or(path),
            });
            if let Some((reason, hint)) = value.and_then(wrong_path) {
                let path = place!["user", index, key];
                let message = format!("`{}` {reason}", dotted(&path));
                self.error(path, message, "expected an absolute path", hint);
            }
        }
        let description = user.description.as_deref().unwrap_or_default();
        if description.contains(|c: char| c == ':' || c.is_control()) {
            let path = place!["user", index, "description"];
            let message = format!("`{}` has a colon or a line break in it", dotted(&path));
            let hint = "/etc/passwd has a line for each user, with colons between its fields";
            self.error(path, message, "expected a text without them", hint);
        }
        for (number, group) in user.groups.iter().enumerate() {
            self.name(place!["user", index, "groups", number], group, is_user_name);
        }
        if let Some(key) = &user.key {
            self.public_key(place!["user", index, "key"], key);
        }
        if let Some(password) = &user.password {
            self.password(place!["user", index, "password"], password);
        }
    }

    fn name(&mut self, path: Path, name: &str, is_name: fn(&str) -> bool) {
        if !is_name(name) {
            let message = format!("`{}` {name:?} is no name of a user or group", dotted(&path));
            self.error(path, message, "expected a name", NAME_HINT);
        }
    }

    /// An id of a new user or group: each system has a root, and the highest number means no id (chown(2)).
    fn id(&mut self, path: Path, id: u32, name: &str) {
        let reason = match id {
            0 if name != "root" => "that of root",
            u32::MAX => "no id: programs take it for `unchanged`",
            _ => return,
        };
        let message = format!("`{}` {id} is {reason}", dotted(&path));
        let hint = "leave it out to get the next free one, or give one between 1000 and 60000";
        self.error(path, message, "expected another id", hint);
    }

    fn keys(&mut self) {
        let users = self.customizations().user.iter().enumerate();
        let users: BTreeMap<&str, usize> = users
            .map(|(index, user)| (user.name.as_str(), index))
            .collect();
        for (index, entry) in self.customizations().sshkey.iter().enumerate() {
            self.name(
                place!["sshkey", index, "user"],
                &entry.user,
                is_account_name,
            );
            self.public_key(place!["sshkey", index, "key"], &entry.key);
            if let Some(user) = users.get(entry.user.as_str()) {
                self.warn(
                    place!["sshkey", index, "user"],
                    format!("the key of {:?} gets lost: `customizations.user[{user}]` replaces this entry", entry.user),
                    "given again as a user",
                    "give the key as `key` of that user",
                );
            }
        }
    }

    /// Whoever gives a private key here publishes it.
    fn public_key(&mut self, path: Path, key: &str) {
        let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
        if key.contains("PRIVATE KEY-----") {
            let message = format!("`{}` is a private key", dotted(&path));
            let hint = "give the content of the .pub file beside it; a private key belongs in no blueprint";
            self.error(path, message, "expected a public key", hint);
        } else if !key.lines().any(|line| !is_comment(&line)) {
            let message = format!("`{}` has no key in it", dotted(&path));
            let hint = "give a line of authorized_keys: `ssh-ed25519 AAAA... comment`";
            self.error(path, message, "expected a public key", hint);
        } else if key
            .lines()
            .any(|line| !is_comment(&line) && line.split_whitespace().count() < 2)
        {
            let message = format!("`{}` is no public key", dotted(&path));
            let hint = "a line of authorized_keys has the kind of the key and the key: `ssh-ed25519 AAAA... comment`";
            self.error(path, message, "expected a public key", hint);
        }
    }

    fn password(&mut self, path: Path, password: &str) {
        let is_hash = HASHES.iter().any(|prefix| password.starts_with(prefix));
        let looks_like_hash = password.starts_with('$') && password.matches('$').count() >= 3;
        if password.contains(['\n', ':', '\0']) {
            let message = format!("`{}` has a line break or a colon in it", dotted(&path));
            let hint = "no password file can hold those: choose another password";
            self.error(path, message, "expected a password", hint);
        } else if looks_like_hash && !is_hash {
            let message = format!(
                "`{}` looks like a hash but would be taken as the password itself",
                dotted(&path)
            );
            let hint = format!(
                "hashes that are taken as they are begin with {}",
                HASHES.join(", ")
            );
            self.warn(path, message, "not a known hash", hint);
        }
    }

    fn groups(&mut self) {
        let mut names = Once::new("group name");
        let mut ids = Once::new("group id");
        for (index, group) in self.customizations().group.iter().enumerate() {
            self.name(place!["group", index, "name"], &group.name, is_account_name);
            names.note(self, group.name.as_str(), place!["group", index, "name"]);
            if let Some(id) = group.gid {
                ids.note(self, id, place!["group", index, "gid"]);
                self.id(place!["group", index, "gid"], id, &group.name);
            }
        }
    }
}
