//! Directories and files.

use super::form::{MAX_PATH, is_group_name, is_user_name, wrong_path};
use super::{Once, Rules, place};
use crate::diagnostic::dotted;
use crate::model::Owner;
use crate::policy::PathPolicy;
use osbuild_wasm_manifest::problem::Path;
use std::collections::BTreeSet;

impl<'b> Rules<'b> {
    /// Directories and files.
    pub(super) fn tree(&mut self) {
        let mut paths = Once::new("path");
        for (index, directory) in self.customizations().directories.iter().enumerate() {
            let place = place!["directories", index, "path"];
            self.tree_path(place.clone(), &directory.path, self.paths.directories);
            paths.note(self, directory.path.as_str(), place);
            self.owners(
                |key| place!["directories", index, key],
                [&directory.user, &directory.group],
            );
        }
        for (index, file) in self.customizations().files.iter().enumerate() {
            let place = place!["files", index, "path"];
            self.tree_path(place.clone(), &file.path, self.paths.files);
            self.no_directory(place.clone(), &file.path);
            paths.note(self, file.path.as_str(), place);
            self.owners(|key| place!["files", index, key], [&file.user, &file.group]);
            self.content(index, file.data.as_deref(), file.uri.as_deref());
        }
        self.below_files();
    }

    fn tree_path(&mut self, path: Path, given: &str, policy: PathPolicy) {
        let place = dotted(&path);
        if given.len() > 1 && given.ends_with('/') || given == "/" {
            let hint = match given.trim_end_matches('/') {
                "" => "name something below the root".to_owned(),
                right => format!("did you mean `{right}`?"),
            };
            self.error(
                path,
                format!("`{place}` {given:?} ends with a slash"),
                "expected none at the end",
                hint,
            );
        } else if let Some((reason, hint)) = wrong_path(given) {
            self.error(
                path,
                format!("`{place}` {given:?} {reason}"),
                "expected an absolute path",
                hint,
            );
        } else if let Some(entry) = policy.denied_by(given) {
            let hint = match entry {
                "/" => "such images take entries below /etc, and files below /root and /usr/local/bin".to_owned(),
                entry if entry == given => "it belongs to the system: use the customization that is meant for it, or a package".to_owned(),
                entry => format!("nothing below `{entry}` can be given; use a package for it, or another place such as /etc or /usr/local"),
            };
            self.error(
                path,
                format!("`{place}` {given:?} is not allowed"),
                "not allowed",
                hint,
            );
        }
    }

    /// A file takes the place of no directory that each system has.
    fn no_directory(&mut self, path: Path, given: &str) {
        const DIRECTORIES: [&str; 6] = ["/etc", "/home", "/opt", "/root", "/srv", "/usr/local/bin"];
        if DIRECTORIES.contains(&given) && self.paths.files.denied_by(given).is_none() {
            let message = format!(
                "`{}` {given:?} is a directory of every system",
                dotted(&path)
            );
            let hint = format!("name a file below it: `{given}/NAME`");
            self.error(path, message, "expected the path of a file", hint);
        }
    }

    fn owners(&mut self, place: impl Fn(&str) -> Path, owners: [&Option<Owner>; 2]) {
        for (key, owner) in ["user", "group"].into_iter().zip(owners) {
            let is_name = match key {
                "user" => is_user_name,
                _ => is_group_name,
            };
            if *owner == Some(Owner::Id(u32::MAX)) {
                let hint = "programs take this one for `unchanged`: leave it out, or give another";
                self.malformed(
                    place(key),
                    &u32::MAX.to_string(),
                    &format!("{key} id"),
                    hint,
                );
            }
            if let Some(Owner::Name(name)) = owner
                && !is_name(name)
            {
                let what = format!("name of a {key}");
                self.malformed(
                    place(key),
                    name,
                    &what,
                    "letters, digits, `_` and `-`, at most 32; or an id as a number",
                );
            }
        }
    }

    fn content(&mut self, index: usize, data: Option<&str>, uri: Option<&str>) {
        let Some(uri) = uri else { return };
        let place = place!["files", index, "uri"];
        if data.is_some() {
            let message = format!("`customizations.files[{index}]` has both `data` and `uri`");
            self.error(
                place.clone(),
                message,
                "excludes `data`",
                "leave one of them out",
            );
        }
        let path = match uri.split_once("://") {
            None => uri,
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                let message = format!(
                    "`{}` has the scheme `{scheme}`, which is not supported",
                    dotted(&place)
                );
                return self.error(
                    place,
                    message,
                    "expected file://PATH",
                    "fetch the file first, and give file://PATH",
                );
            }
        };
        if let Some((reason, _)) = wrong_path(path) {
            let message = format!("`{}` {reason}", dotted(&place));
            self.error(
                place,
                message,
                "expected file://PATH",
                "give the absolute path of a file of the machine that builds: file:///PATH",
            );
        }
    }

    /// A file cannot be the parent of something else.
    fn below_files(&mut self) {
        let customizations = self.customizations();
        let files: BTreeSet<&'b str> = customizations
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        let directories = customizations.directories.iter().enumerate();
        let directories = directories.map(|(index, directory)| {
            (
                place!["directories", index, "path"],
                directory.path.as_str(),
            )
        });
        let entries = customizations.files.iter().enumerate();
        let entries =
            entries.map(|(index, file)| (place!["files", index, "path"], file.path.as_str()));
        let all = directories.chain(entries);
        for (place, path) in all.filter(|(_, path)| path.len() <= MAX_PATH) {
            let mut parents = path
                .match_indices('/')
                .skip(1)
                .map(|(slash, _)| &path[..slash]);
            if let Some(file) = parents.find(|parent| files.contains(parent)) {
                let message = format!("`{}` is below `{file}`, which is a file", dotted(&place));
                self.error(
                    place,
                    message,
                    "not below a directory",
                    "make that one a directory, or choose another path",
                );
            }
        }
    }
}
