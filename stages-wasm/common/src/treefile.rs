//! Treefiles: what rpm-ostree is told to do.
use crate::temporary::Temporary;
use osbuild_stage::{Command, Result, Tree};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A tree with this file wants its machine id generated the traditional way.
pub const MACHINE_ID: &str = "etc/machine-id";

/// The text of a treefile with these settings over the usual ones.
pub fn text(settings: impl IntoIterator<Item = (&'static str, Value)>) -> String {
    let mut treefile = Map::new();
    treefile.insert("ref".into(), json!("osbuild/devel"));
    treefile.insert("repos".into(), json!(["osbuild"]));
    for (key, value) in settings {
        treefile.insert(key.into(), value);
    }
    Value::from(treefile).to_string()
}

/// Options of the stages that let rpm-ostree finish a tree.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PostProcess {
    etc_group_members: Vec<String>,
    #[serde(rename = "initramfs-args")]
    initramfs_arguments: Vec<String>,
}

impl PostProcess {
    /// Runs `rpm-ostree compose postprocess` on the tree.
    pub fn run(&self, tree: &Tree, has_machine_id: bool) -> Result<()> {
        let work = Temporary::new(tree)?;
        let treefile = work.path("treefile.json");
        tree.write(&treefile, text(self.settings(has_machine_id)))?;
        Command::new("rpm-ostree")
            .args(["compose", "postprocess", tree.root()])
            .arg(tree.path(&treefile))
            .run()
    }

    fn settings(&self, has_machine_id: bool) -> Vec<(&'static str, Value)> {
        let mut settings = vec![
            ("boot-location", json!("new")),
            ("machineid-compat", json!(has_machine_id)),
        ];
        for (key, list) in [
            ("etc-group-members", &self.etc_group_members),
            ("initramfs-args", &self.initramfs_arguments),
        ] {
            if !list.is_empty() {
                settings.push((key, json!(list)));
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_treefile_has_a_ref_and_what_is_wanted() {
        let options: PostProcess =
            serde_json::from_str(r#"{"etc_group_members": ["wheel"]}"#).unwrap();
        assert_eq!(
            text(options.settings(true)),
            r#"{"ref":"osbuild/devel","repos":["osbuild"],"boot-location":"new","machineid-compat":true,"etc-group-members":["wheel"]}"#
        );
        assert!(text([("ref", json!("a/b"))]).starts_with(r#"{"ref":"a/b","#));
    }
}
