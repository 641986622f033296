//! Install packages with dnf from named repositories: the form of the earliest manifests.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, IndexMap, Result, Tree, bail};
use osbuild_stage_common::chroot;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::process::ExitCode;

/// Configuration and cache of dnf, in the tree because dnf takes its cache from there; removed at the end.
const PRIVATE: &str = ".osbuild-dnf";

#[derive(Deserialize)]
struct Options {
    releasever: String,
    basearch: String,
    #[serde(deserialize_with = "repositories")]
    repos: IndexMap<String, Repository>,
    packages: Vec<String>,
}

#[derive(Deserialize)]
struct Repository {
    name: Option<String>,
    metalink: Option<String>,
    mirrorlist: Option<String>,
    baseurl: Option<String>,
    checksum: Option<String>,
    gpgkey: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&["gpgkey"], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        tree.create_dir_with_mode(PRIVATE, 0o700)?;
        let result = install(tree, options);
        tree.remove_all(PRIVATE)?;
        result
    })
}

fn install(tree: &Tree, options: &Options) -> Result<()> {
    let packages = options.packages.iter();
    let packages: Vec<_> = packages.map(|package| replaced(package, options)).collect();
    let install = dnf(tree, options)
        .arg("install")
        .operands("packages", &packages)?;
    tree.write(&format!("{PRIVATE}/dnf.conf"), "[main]\n")?;
    tree.create_dir(&format!("{PRIVATE}/repos"))?;
    for (id, repository) in &options.repos {
        let key = format!("{PRIVATE}/{id}.asc");
        if let Some(text) = &repository.gpgkey {
            tree.write(&key, text)?;
        }
        tree.write(
            &format!("{PRIVATE}/repos/{id}.repo"),
            repo_file(id, repository, &tree.path(&key), options),
        )?;
    }
    chroot::mount_points(tree)?;
    dnf(tree, options).arg("makecache").run()?;
    options
        .repos
        .iter()
        .try_for_each(|(id, repository)| check(tree, id, repository))?;
    install.run()
}

fn dnf(tree: &Tree, options: &Options) -> Command {
    Command::new("dnf")
        // Plugins would run with the configuration of no system: that of the build root is not theirs, and the tree has none yet.
        .args(["--assumeyes", "--noplugins", "--installroot", tree.root()])
        .args(["--config", &tree.path(&format!("{PRIVATE}/dnf.conf"))])
        .arg(format!(
            "--setopt=reposdir={}",
            tree.path(&format!("{PRIVATE}/repos"))
        ))
        // Below the install root, as dnf has it.
        .arg(format!("--setopt=cachedir=/{PRIVATE}/cache"))
        .args([
            "--releasever",
            &options.releasever,
            "--forcearch",
            &options.basearch,
        ])
}

/// A list names its repositories by `name`, an object by its keys.
fn repositories<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, Repository>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let is_id = |id: &str| {
        !id.is_empty()
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    };
    let named = |(index, repository): (usize, Repository)| {
        let id = repository
            .name
            .clone()
            .filter(|name| is_id(name))
            .unwrap_or_else(|| format!("repo{index}"));
        (id, repository)
    };
    let repositories: IndexMap<String, Repository> = match value.is_array() {
        true => {
            let list: Vec<Repository> =
                serde_json::from_value(value).map_err(serde::de::Error::custom)?;
            list.into_iter().enumerate().map(named).collect()
        }
        false => serde_json::from_value(value).map_err(serde::de::Error::custom)?,
    };
    match repositories.keys().find(|id| !is_id(id)) {
        Some(id) => Err(serde::de::Error::custom(format!(
            "`{id}` is no valid id of a repository"
        ))),
        None => Ok(repositories),
    }
}

fn replaced(text: &str, options: &Options) -> String {
    text.replace("$releasever", &options.releasever)
        .replace("$basearch", &options.basearch)
}

fn repo_file(id: &str, repository: &Repository, key: &str, options: &Options) -> String {
    let mut text = format!(
        "[{id}]\nname={}\n",
        repository.name.as_deref().unwrap_or(id)
    );
    let urls = [
        ("metalink", &repository.metalink),
        ("mirrorlist", &repository.mirrorlist),
        ("baseurl", &repository.baseurl),
    ];
    for (option, url) in urls {
        if let Some(url) = url {
            text += &format!("{option}={}\n", replaced(url, options));
        }
    }
    match &repository.gpgkey {
        Some(_) => text + &format!("gpgcheck=1\ngpgkey=file://{key}\n"),
        None => text + "gpgcheck=0\n",
    }
}

/// The metadata that dnf fetched must be the expected one.
fn check(tree: &Tree, id: &str, repository: &Repository) -> Result<()> {
    let Some(expected) = &repository.checksum else {
        return Ok(());
    };
    let Some(("sha256", hex)) = expected.split_once(':') else {
        bail!("repository `{id}`: checksum `{expected}` is not of the form sha256:HEX");
    };
    let cache = format!("{PRIVATE}/cache");
    let prefix = format!("{id}-");
    let directory = tree.list(&cache)?.into_iter().find(|entry| {
        // dnf adds sixteen hexadecimal digits to the id.
        entry
            .name
            .strip_prefix(&prefix)
            .is_some_and(|rest| rest.len() == 16)
    });
    let directory = directory
        .ok_or_else(|| Error::new(format!("repository `{id}`: dnf fetched no metadata")))?;
    let metadata = tree.read(&format!("{cache}/{}/repodata/repomd.xml", directory.name))?;
    let actual: String = Sha256::digest(&metadata)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if actual != hex.to_ascii_lowercase() {
        bail!(
            "repository `{id}`: its metadata has the checksum sha256:{actual}, expected is {expected}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(repos: &str) -> serde_json::Result<Options> {
        serde_json::from_str(&format!(
            r#"{{"releasever": "40", "basearch": "x86_64", "packages": [], "repos": {repos}}}"#
        ))
    }

    #[test]
    fn repositories_come_as_list_or_object() {
        let list = options(r#"[{"name": "a", "baseurl": "u/$basearch"}, {"name": "b c", "baseurl": "v", "gpgkey": "k"}]"#).unwrap();
        assert_eq!(list.repos.keys().collect::<Vec<_>>(), ["a", "repo1"]);
        assert_eq!(
            repo_file("a", &list.repos["a"], "", &list),
            "[a]\nname=a\nbaseurl=u/x86_64\ngpgcheck=0\n"
        );
        assert!(
            repo_file("b", &list.repos["repo1"], "/k", &list)
                .ends_with("gpgcheck=1\ngpgkey=file:///k\n")
        );
        assert_eq!(
            options(r#"{"x": {"metalink": "m"}}"#).unwrap().repos.len(),
            1
        );
        assert!(options(r#"{"a/b": {}}"#).is_err());
    }
}
