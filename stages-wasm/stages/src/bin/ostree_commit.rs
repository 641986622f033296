//! Commit an input tree to a repository of the output.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, CopyOptions, Result, Tree, report};
use osbuild_stage_common::temporary::Temporary;
use osbuild_stage_common::treefile;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

const RESULT: &str = "compose.json";

#[derive(Deserialize)]
struct Options {
    #[serde(rename = "ref")]
    reference: String,
    os_version: Option<String>,
    parent: Option<String>,
    #[serde(default, rename = "selinux-label-version")]
    selinux_label_version: u64,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        let work = Temporary::new(tree)?;
        let root = copy(&arguments, &work)?;
        let treefile = work.path("treefile.json");
        tree.write(&treefile, treefile::text(settings(&arguments.options)))?;
        Command::new("rpm-ostree")
            .args(["compose", "commit"])
            .args(flags(&arguments))
            .args([tree.path(&treefile), root])
            .run()?;
        let compose: Value = serde_json::from_str(&tree.read_to_string(RESULT)?)?;
        report::metadata(&json!({ "compose": compose }))
    })
}

/// Copies the input: rpm-ostree changes what it commits.
fn copy(arguments: &Arguments<Options>, work: &Temporary) -> Result<String> {
    let tree = &arguments.tree;
    let root = work.path("root");
    tree.create_dir(&root)?;
    let options = CopyOptions {
        remove_destination: false,
        follow: false,
    };
    let source = format!("{}/.", arguments.input("tree")?.path);
    Tree::contract().copy(&source, &tree.path(&root), options)?;
    Ok(tree.path(&root))
}

fn settings(options: &Options) -> Vec<(&'static str, Value)> {
    let mut settings = vec![("ref", json!(options.reference))];
    if options.selinux_label_version != 0 {
        settings.push((
            "selinux-label-version",
            json!(options.selinux_label_version),
        ));
    }
    settings
}

fn flags(arguments: &Arguments<Options>) -> Vec<String> {
    let (tree, options) = (&arguments.tree, &arguments.options);
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let parent = given(&options.parent).map(|parent| format!("--parent={parent}"));
    let version = given(&options.os_version);
    let version = version.map(|version| format!("--add-metadata-string=version={version}"));
    let first = [format!("--repo={}", tree.path("repo"))];
    let last = [
        format!(
            "--add-metadata-string=rpmostree.inputhash={}",
            arguments.meta.id
        ),
        format!("--write-composejson-to={}", tree.path(RESULT)),
    ];
    first
        .into_iter()
        .chain(parent)
        .chain(version)
        .chain(last)
        .collect()
}
