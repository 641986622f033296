//! Install Arch Linux packages.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Context, CopyOptions, Error, Input, Result, Tree, path};
use osbuild_stage::{FileType, report};
use osbuild_stage_common::chroot;
use osbuild_stage_common::temporary::Temporary;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::process::ExitCode;

const MACHINE_ID: &str = "etc/machine-id";
const DATABASE: &str = "var/lib/pacman";

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| {
        let (tree, input) = (&arguments.tree, arguments.input("packages")?);
        chroot::mount_points(tree)?;
        let has_machine_id = tree.exists(MACHINE_ID)?;
        if !has_machine_id {
            tree.create_dir_all("etc")?;
            tree.write_with_mode(MACHINE_ID, "f".repeat(32) + "\n", 0o444)?;
        }
        install(tree, input)?;
        if !has_machine_id {
            // An empty file makes the first boot generate an id.
            tree.replace(MACHINE_ID, "", 0o644)?;
        }
        tree.remove_if_exists("var/lib/systemd/random-seed")?;
        report::metadata(&json!({ "packages": installed(tree)? }))
    })
}

/// pacman changes into the tree before it reads anything, so the packages have to be there.
fn install(tree: &Tree, input: &Input) -> Result<()> {
    tree.create_dir_all(DATABASE)?;
    let copies = Temporary::new(tree)?;
    let options = CopyOptions {
        remove_destination: false,
        follow: true,
    };
    let mut packages = Vec::new();
    for name in input.files()?.keys() {
        let copy = copies.path(path::name(name));
        Tree::contract().copy(&input.tree().path(name), &tree.path(&copy), options)?;
        packages.push(copy);
    }
    Command::new("pacman")
        .args(["-U", "--noconfirm", "--verbose", "--sysroot", tree.root()])
        .args(packages)
        .bind("/dev", tree.path("dev"), false)
        .bind("/proc", tree.path("proc"), false)
        .bind("/sys", tree.path("sys"), true)
        .run()
}

/// What pacman's database says, sorted by name.
fn installed(tree: &Tree) -> Result<Vec<Value>> {
    let local = format!("{DATABASE}/local");
    let mut packages = Vec::new();
    for entry in tree.list(&local)? {
        if entry.kind == FileType::Directory {
            let file = format!("{local}/{}/desc", entry.name);
            packages.push(package(&tree.read_to_string(&file)?).context(file)?);
        }
    }
    packages.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Ok(packages)
}

/// One package from its file `desc`: lines `%KEY%` with the value below.
fn package(description: &str) -> Result<Value> {
    let value = |key: &str| {
        let mut lines = description.lines();
        lines.find(|line| *line == format!("%{key}%"));
        lines
            .next()
            .ok_or_else(|| Error::new(format!("there is no %{key}%")))
    };
    let full = value("VERSION")?;
    let (epoch, rest) = match full.split_once(':') {
        Some((epoch, rest)) => (json!(epoch), rest),
        None => (json!(0), full),
    };
    let (version, release) = rest
        .rsplit_once('-')
        .ok_or_else(|| Error::new(format!("the version `{full}` has no release")))?;
    Ok(json!({
        "name": value("NAME")?,
        "version": version,
        "release": release,
        "epoch": epoch,
        "arch": value("ARCH")?,
        "sigmd5": "",
        "sigpgp": "",
        "siggpg": "",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_gives_name_epoch_version_and_release() {
        let text = "%NAME%\nbash\n\n%VERSION%\n1:5.2-3\n\n%ARCH%\nx86_64\n";
        let got = package(text).unwrap();
        let parts = ["name", "epoch", "version", "release", "arch"].map(|key| &got[key]);
        assert_eq!(parts, ["bash", "1", "5.2", "3", "x86_64"]);
        assert_eq!(package(&text.replace("1:", "")).unwrap()["epoch"], 0);
        assert!(package("%NAME%\nbash\n").is_err());
    }
}
