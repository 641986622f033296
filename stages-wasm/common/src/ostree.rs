//! Where ostree deployments are.
use osbuild_stage::{Error, FileType, Result, Tree, bail};
use serde::Deserialize;

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

impl Deployment {
    /// Path of the deployment's root in the tree.
    pub fn path(&self, tree: &Tree) -> Result<String> {
        match (self.default, &self.osname, &self.reference) {
            (true, _, _) => only(tree),
            (false, Some(osname), Some(reference)) => {
                let commit = commit(tree, "ostree/repo", reference)?;
                Ok(format!(
                    "ostree/deploy/{osname}/deploy/{commit}.{}",
                    self.serial
                ))
            }
            _ => bail!("a deployment needs `osname` and `ref`, or `default`"),
        }
    }
}

/// The only directory ostree/deploy/*/deploy/*.0.
fn only(tree: &Tree) -> Result<String> {
    let mut found = Vec::new();
    for os in directories(tree, "ostree/deploy")? {
        let deployments = directories(tree, &format!("{os}/deploy"))?;
        found.extend(deployments.into_iter().filter(|path| path.ends_with(".0")));
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

/// The commit of a branch (`NAME` or `REMOTE:NAME`) in a repository; a commit is itself.
pub fn commit(tree: &Tree, repository: &str, reference: &str) -> Result<String> {
    if is_commit(reference) {
        return Ok(reference.into());
    }
    let places = match reference.split_once(':') {
        Some((remote, name)) => vec![format!("remotes/{remote}/{name}")],
        None => vec![
            format!("heads/{reference}"),
            format!("mirrors/{reference}"),
            format!("remotes/{reference}"),
        ],
    };
    for place in places {
        if let Some(text) = tree.read_if_exists(&format!("{repository}/refs/{place}"))? {
            return Ok(text.trim_end().into());
        }
    }
    bail!("the ostree repository {repository} has no branch `{reference}`")
}

fn is_commit(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
