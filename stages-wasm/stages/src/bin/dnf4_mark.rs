//! Mark packages as user-installed or group-installed in the dnf4 database.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    mark: Mark,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Install,
    Group,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, packages) = (&arguments.tree, &arguments.options.packages);
        mark(tree, "install", packages, &Mark::Install)?;
        mark(tree, "group", packages, &Mark::Group)
    })
}

fn mark(tree: &Tree, word: &str, packages: &[Package], mark: &Mark) -> Result<()> {
    let wanted = packages.iter().filter(|package| package.mark == *mark);
    let names: Vec<&String> = wanted.map(|package| &package.name).collect();
    if names.is_empty() {
        return Ok(());
    }
    Command::new("dnf-3")
        .args(["--installroot", tree.root(), "mark", "-y", word])
        .operands("packages.name", names)?
        .run()
}
