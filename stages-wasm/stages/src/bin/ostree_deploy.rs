//! Deploy a commit.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, bail};
use osbuild_stage_common::ostree::{self, Kernel, REPOSITORY};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    mounts: Vec<String>,
    osname: String,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(rename = "ref")]
    reference: Option<String>,
    remote: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        pulled(&arguments)?
            .iter()
            .try_for_each(|reference| deploy(&arguments, reference))
    })
}

/// The branches to deploy: those of the input once they are in the repository, or the option.
fn pulled(arguments: &Arguments<Options>) -> Result<Vec<String>> {
    let (tree, options) = (&arguments.tree, &arguments.options);
    let remote = options.remote.as_deref().filter(|name| !name.is_empty());
    let reference = options.reference.clone().filter(|name| !name.is_empty());
    let references = match (arguments.inputs.len(), reference) {
        (0, Some(reference)) => vec![reference],
        (0, None) => bail!("options.ref is needed when there is no input"),
        (1, None) => {
            let input = arguments.input("commits")?;
            let commits = ostree::commits(input)?;
            commits
                .iter()
                .try_for_each(|commit| ostree::pull(tree, REPOSITORY, input, commit, remote))?;
            commits.into_iter().map(|commit| commit.reference).collect()
        }
        (1, Some(_)) => bail!("options.ref cannot be given together with an input"),
        (number, _) => bail!("expected one input, not {number}"),
    };
    Ok(match remote {
        Some(remote) => references
            .iter()
            .map(|reference| format!("{remote}:{reference}"))
            .collect(),
        None => references,
    })
}

fn deploy(arguments: &Arguments<Options>, reference: &String) -> Result<()> {
    let (tree, options) = (&arguments.tree, &arguments.options);
    let kernel = options.kernel.arguments()?;
    let command = Command::new("ostree")
        .args(["admin", "deploy"])
        .operands("ref", [reference])?
        .args(
            kernel
                .iter()
                .map(|argument| format!("--karg-append={argument}")),
        )
        .arg(format!("--sysroot={}", tree.root()))
        .arg(format!("--os={}", options.osname));
    let mounts = options.mounts.iter().map(String::as_str);
    ostree::with_mounts(command, tree, mounts).run()
}
