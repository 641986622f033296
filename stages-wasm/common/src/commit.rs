//! Trees that become OSTree commits.
use crate::temporary::Temporary;
use crate::treefile;
use osbuild_stage::{Command, Result, Tree, path, report};
use serde::Deserialize;
use serde_json::{Value, json};

/// What rpm-ostree says of a commit.
pub const DESCRIPTION: &str = "compose.json";
/// The repository of an output.
pub const REPOSITORY: &str = "repo";
/// What a commit has of the root of a tree.
pub const PARTS: [&str; 3] = ["usr", "boot", "var"];
/// What of the old root may be missing.
pub const OF_USR: [&str; 5] = ["bin", "lib", "lib32", "lib64", "sbin"];

const DIRECTORIES: [&str; 6] = ["dev", "proc", "run", "sys", "sysroot", "var"];
const LINKS: [(&str, &str); 7] = [
    ("home", "var/home"),
    ("media", "run/media"),
    ("mnt", "var/mnt"),
    ("opt", "var/opt"),
    ("ostree", "sysroot/ostree"),
    ("root", "var/roothome"),
    ("srv", "var/srv"),
];

/// Makes directories and links of the root of a commit in `root` of the tree.
pub fn new_root(tree: &Tree, root: &str, tmp_is_directory: bool) -> Result<()> {
    tree.set_mode(root, 0o755)?;
    DIRECTORIES
        .iter()
        .try_for_each(|name| tree.create_dir(&path::join(root, name)))?;
    LINKS
        .iter()
        .try_for_each(|(name, text)| tree.symlink(text, &path::join(root, name)))?;
    let tmp = path::join(root, "tmp");
    if tmp_is_directory {
        tree.create_dir_with_mode(&tmp, 0o1777)
    } else {
        tree.symlink("sysroot/tmp", &tmp)
    }
}

/// Options of a commit.
#[derive(Debug, Clone, Deserialize)]
pub struct Commit {
    #[serde(rename = "ref")]
    reference: String,
    os_version: Option<String>,
    parent: Option<String>,
    #[serde(default, rename = "selinux-label-version")]
    selinux_label_version: u64,
}

impl Commit {
    /// Commits `root`, a directory of `work`, to [`REPOSITORY`] of the tree and reports [`DESCRIPTION`]. `id` is that of the stage.
    pub fn run(&self, tree: &Tree, work: &Temporary, root: &str, id: &str) -> Result<()> {
        let treefile = work.path("treefile.json");
        tree.write(&treefile, treefile::text(self.settings()))?;
        Command::new("rpm-ostree")
            .args(["compose", "commit"])
            .args(self.flags(tree, id))
            .args([tree.path(&treefile), tree.path(root)])
            .run()?;
        let compose: Value = serde_json::from_str(&tree.read_to_string(DESCRIPTION)?)?;
        report::metadata(&json!({ "compose": compose }))
    }

    fn settings(&self) -> Vec<(&'static str, Value)> {
        let mut settings = vec![("ref", json!(self.reference))];
        if self.selinux_label_version != 0 {
            settings.push(("selinux-label-version", json!(self.selinux_label_version)));
        }
        settings
    }

    fn flags(&self, tree: &Tree, id: &str) -> Vec<String> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let parent = given(&self.parent).map(|parent| format!("--parent={parent}"));
        let version = given(&self.os_version);
        let version = version.map(|version| format!("--add-metadata-string=version={version}"));
        let mut flags = vec![format!("--repo={}", tree.path(REPOSITORY))];
        flags.extend(parent.into_iter().chain(version));
        flags.extend([
            format!("--add-metadata-string=rpmostree.inputhash={id}"),
            format!("--write-composejson-to={}", tree.path(DESCRIPTION)),
        ]);
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_a_version_and_a_parent_when_they_are_given() {
        let flags = |text: &str| {
            let commit: Commit = serde_json::from_str(text).unwrap();
            commit.flags(&Tree::new("/t"), "i").join(" ")
        };
        let last =
            "--add-metadata-string=rpmostree.inputhash=i --write-composejson-to=/t/compose.json";
        assert_eq!(
            flags(r#"{"ref": "a", "parent": ""}"#),
            format!("--repo=/t/repo {last}")
        );
        assert_eq!(
            flags(r#"{"ref": "a", "parent": "p", "os_version": "1"}"#),
            format!("--repo=/t/repo --parent=p --add-metadata-string=version=1 {last}")
        );
    }
}
