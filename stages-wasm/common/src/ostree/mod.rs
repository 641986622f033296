//! Where ostree deployments are.
mod refs;

pub use refs::commit;

use osbuild_stage::{Command, Error, FileType, Input, Result, Tree, bail};
use serde::Deserialize;

/// The repository of a system.
pub const REPOSITORY: &str = "ostree/repo";

/// The option `deployment`: either the only one there is, or one by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// Take the only deployment of the tree.
    pub default: bool,
    /// Name of the operating system.
    pub osname: Option<String>,
    /// Branch or commit that was deployed.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Number of the deployment of this commit.
    pub serial: u32,
}

/// A deployment of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Directory of its operating system, with the `var` that its deployments share.
    pub state: String,
    /// Its root.
    pub path: String,
}

impl Deployment {
    /// Path of the deployment's root in the tree.
    pub fn path(&self, tree: &Tree) -> Result<String> {
        Ok(self.find(tree)?.path)
    }

    /// Finds the deployment.
    pub fn find(&self, tree: &Tree) -> Result<Deployed> {
        match (self.default, &self.osname, &self.reference) {
            (true, _, _) => only(tree),
            (false, Some(osname), Some(reference)) => {
                let commit = commit(tree, REPOSITORY, reference)?;
                let state = format!("ostree/deploy/{osname}");
                let path = format!("{state}/deploy/{commit}.{}", self.serial);
                Ok(Deployed { state, path })
            }
            _ => bail!("a deployment needs `osname` and `ref`, or `default`"),
        }
    }
}

/// The only directory ostree/deploy/*/deploy/*.0.
fn only(tree: &Tree) -> Result<Deployed> {
    let mut found = Vec::new();
    for state in directories(tree, "ostree/deploy")? {
        for path in directories(tree, &format!("{state}/deploy"))? {
            if path.ends_with(".0") {
                let state = state.clone();
                found.push(Deployed { state, path });
            }
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        number => Err(Error::new(format!(
            "expected one ostree deployment in the tree, found {number}"
        ))),
    }
}

fn directories(tree: &Tree, path: &str) -> Result<Vec<String>> {
    if !tree.is_dir(path)? {
        return Ok(Vec::new());
    }
    let inner = tree
        .list(path)?
        .into_iter()
        .filter(|entry| entry.kind == FileType::Directory);
    Ok(inner
        .map(|entry| format!("{path}/{}", entry.name))
        .collect())
}

/// A commit of an input of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its checksum.
    pub id: String,
    /// Its branch, or the checksum again.
    pub reference: String,
    /// Where it is checked out, relative to the input; by default its checksum.
    pub checkout: String,
}

/// The commits of an input, in the order of the manifest.
pub fn commits(input: &Input) -> Result<Vec<Commit>> {
    let Some(references) = input.data.get("refs").and_then(|refs| refs.as_object()) else {
        bail!("the input has no `refs`: it must hold ostree commits");
    };
    let commit = |(id, more): (&String, &serde_json::Value)| {
        let text = |key: &str| more.get(key).and_then(|text| text.as_str()).unwrap_or(id);
        Commit {
            id: id.clone(),
            reference: text("ref").into(),
            checkout: text("path").trim_start_matches('/').into(),
        }
    };
    Ok(references.iter().map(commit).collect())
}

/// The commit of an input that must have exactly one.
pub fn only_commit(input: &Input) -> Result<Commit> {
    let mut commits = commits(input)?;
    match commits.len() {
        1 => Ok(commits.remove(0)),
        number => bail!("the input must have exactly one commit, not {number}"),
    }
}

/// Pulls a commit of an input into a repository of the tree.
pub fn pull(
    tree: &Tree,
    repository: &str,
    input: &Input,
    commit: &Commit,
    remote: Option<&str>,
) -> Result<()> {
    if commit.reference.starts_with('-') {
        bail!(
            "the reference {:?} of the input begins with `-`, as what changes the work of the program does",
            commit.reference
        );
    }
    Command::new("ostree")
        .args(["pull-local", &input.path, &commit.reference])
        .args(remote.map(|remote| format!("--remote={remote}")))
        .arg(format!("--repo={}", tree.path(repository)))
        .run()
}

/// Kernel arguments of a deployment: options of several stages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// Arguments as they are.
    pub kernel_opts: Vec<String>,
    /// The root file system.
    pub rootfs: Option<RootFs>,
}

/// A root file system by UUID or label.
#[derive(Debug, Clone, Deserialize)]
pub struct RootFs {
    uuid: Option<String>,
    label: Option<String>,
}

impl RootFs {
    /// The kernel argument `root=...`.
    pub fn argument(&self) -> Result<String> {
        match (&self.uuid, &self.label) {
            (Some(uuid), _) if !uuid.is_empty() => Ok(format!("root=UUID={uuid}")),
            (_, Some(label)) => Ok(format!("root=LABEL={label}")),
            _ => bail!("options.rootfs: one of `uuid` and `label` is needed"),
        }
    }
}

impl Kernel {
    /// All arguments, that of the root file system last.
    pub fn arguments(&self) -> Result<Vec<String>> {
        let root = self.rootfs.as_ref().map(RootFs::argument).transpose()?;
        Ok(self.kernel_opts.iter().cloned().chain(root).collect())
    }
}

/// Shows paths of the tree as file systems of their own, which keeps ostree from taking them for parts of the deployment.
pub fn with_mounts<'a>(
    command: Command,
    tree: &Tree,
    mounts: impl IntoIterator<Item = &'a str>,
) -> Command {
    mounts.into_iter().fold(command, |command, path| {
        let path = tree.path(path);
        command.bind(path.clone(), path, false)
    })
}

/// A remote of a repository: options of several stages.
#[derive(Debug, Clone, Deserialize)]
pub struct Remote {
    name: String,
    url: String,
    contenturl: Option<String>,
    #[serde(default)]
    branches: Vec<String>,
    #[serde(default)]
    gpgkeys: Vec<String>,
    #[serde(default)]
    gpgkeypaths: Vec<String>,
}

impl Remote {
    /// Adds the remote to a repository of the tree unless it has it, and imports its keys.
    pub fn add(&self, tree: &Tree, repository: &str) -> Result<()> {
        let repository = format!("--repo={}", tree.path(repository));
        Command::new("ostree")
            .args(["remote", "add", "--if-not-exists"])
            .args(self.flags())
            .operands("remotes.name", [&self.name])?
            .operands("remotes.url", [&self.url])?
            .operands("remotes.branches", &self.branches)?
            .arg(&repository)
            .run()?;
        self.gpgkeys.iter().try_for_each(|key| {
            Command::new("ostree")
                .args(["remote", "gpg-import", "--stdin", &self.name, &repository])
                .stdin(key.as_bytes())
                .run()
        })
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        if !self.gpgkeypaths.is_empty() {
            flags.push(format!("--set=gpgkeypath={}", self.gpgkeypaths.join(",")));
            flags.push("--set=gpg-verify=true".into());
        } else if self.gpgkeys.is_empty() {
            flags.push("--no-gpg-verify".into());
        }
        let url = self.contenturl.iter().filter(|url| !url.is_empty());
        flags.extend(url.map(|url| format!("--set=contenturl={url}")));
        flags
    }
}

/// Directories of /var that images fill before the first boot.
const VAR: [&str; 10] = [
    "home",
    "roothome",
    "lib/rpm",
    "opt",
    "srv",
    "usrlocal",
    "mnt",
    "media",
    "spool",
    "spool/mail",
];
/// Status of systemd-tmpfiles when lines of its configuration were skipped.
const SKIPPED_LINES: i32 = 65;

/// Makes what is missing of /var with the tmpfiles.d of `root`; `var` is that directory's place in the tree.
pub fn fill_var(tree: &Tree, root: &str, var: &str) -> Result<()> {
    tree.create_dir_all(&format!("{var}/lib"))?;
    tree.create_dir_all(&format!("{var}/log"))?;
    let shown = format!("{root}/var");
    for name in VAR {
        if tree.exists_itself(&format!("{var}/{name}"))? {
            continue;
        }
        let mut command = Command::new("systemd-tmpfiles")
            .args(["--create", "--boot"])
            .arg(format!("--root={}", tree.path(root)))
            .arg(format!("--prefix=/var/{name}"));
        if shown != var {
            command = command.bind(tree.path(var), tree.path(&shown), false);
        }
        match command.status()? {
            0 | SKIPPED_LINES => {}
            status => bail!("systemd-tmpfiles for /var/{name} ended with status {status}"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_file_system_is_named_by_uuid_or_label() {
        let kernel = |text| serde_json::from_str::<Kernel>(text).unwrap().arguments();
        assert_eq!(
            kernel(r#"{"kernel_opts": ["a"], "rootfs": {"uuid": "u", "label": "l"}}"#).unwrap(),
            ["a", "root=UUID=u"]
        );
        assert_eq!(
            kernel(r#"{"rootfs": {"label": "l"}}"#).unwrap(),
            ["root=LABEL=l"]
        );
        assert!(kernel(r#"{"rootfs": {}}"#).is_err());
    }

    #[test]
    fn a_remote_without_keys_is_not_verified() {
        for (keys, flags) in [
            ("", "--no-gpg-verify"),
            (r#", "gpgkeys": ["k"]"#, ""),
            (
                r#", "gpgkeypaths": ["/a", "/b"]"#,
                "--set=gpgkeypath=/a,/b --set=gpg-verify=true",
            ),
            (
                r#", "contenturl": "c""#,
                "--no-gpg-verify --set=contenturl=c",
            ),
        ] {
            let remote = format!(r#"{{"name": "n", "url": "u"{keys}}}"#);
            let remote: Remote = serde_json::from_str(&remote).unwrap();
            assert_eq!(remote.flags().join(" "), flags, "{keys}");
        }
    }

    #[test]
    fn an_input_names_its_commits() {
        let input =
            r#"{"path": "/i", "data": {"refs": {"c1": {"ref": "b", "path": "/x"}, "c2": {}}}}"#;
        let input: Input = serde_json::from_str(input).unwrap();
        let commits = commits(&input).unwrap();
        assert_eq!((&*commits[0].reference, &*commits[0].checkout), ("b", "x"));
        assert_eq!(
            (&*commits[1].reference, &*commits[1].checkout),
            ("c2", "c2")
        );
        assert!(only_commit(&input).is_err());
    }
}
