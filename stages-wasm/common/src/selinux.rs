//! SELinux labels.
use osbuild_stage::{Command, Result, Tree};

/// The extended attribute of a label.
pub const LABEL: &str = "security.selinux";

/// Labels `path` below `root` (both contract paths joined: `root` + `path`) with setfiles.
pub fn set_files(
    specification: &str,
    root: &str,
    path: &str,
    excluded: impl IntoIterator<Item = String>,
) -> Result<()> {
    Command::new("setfiles")
        .args(["-F", "-r", root])
        .args(excluded.into_iter().flat_map(|path| ["-e".into(), path]))
        .args([specification, &format!("{root}{path}")])
        .run()
}

/// Name of the policy that a configuration (etc/selinux/config) puts into force; none when SELinux is disabled.
pub fn policy(config: &str) -> Option<String> {
    let value = |name: &str| {
        let lines = config.lines().map(str::trim);
        let settings = lines
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='));
        let values = settings.filter(|(key, _)| key.trim() == name);
        values.map(|(_, value)| value.trim().to_owned()).next_back()
    };
    match value("SELINUX")?.as_str() {
        "enforcing" | "permissive" => value("SELINUXTYPE"),
        _ => None,
    }
}

/// Path of the file contexts of a deployment's policy: that of etc/selinux, else that of usr/etc/selinux.
pub fn file_contexts(tree: &Tree, deployment: &str) -> Result<Option<String>> {
    for directory in ["etc/selinux", "usr/etc/selinux"] {
        let directory = format!("{deployment}/{directory}");
        let config = tree.read_if_exists(&format!("{directory}/config"))?;
        if let Some(policy) = config.as_deref().and_then(policy) {
            return Ok(Some(format!(
                "{directory}/{policy}/contexts/files/file_contexts"
            )));
        }
    }
    Ok(None)
}

/// Labels /boot of the tree, /etc of a deployment and /var of its operating system.
pub fn label_deployment(tree: &Tree, contexts: &str, deployment: &str, state: &str) -> Result<()> {
    let (contexts, none) = (tree.path(contexts), std::iter::empty);
    set_files(&contexts, tree.root(), "/boot", none())?;
    set_files(&contexts, &tree.path(deployment), "/etc", none())?;
    set_files(&contexts, &tree.path(state), "/var", none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_in_force_unless_selinux_is_disabled() {
        for (config, expected) in [
            (
                "# SELINUX=x\n\nSELINUX = enforcing\nSELINUXTYPE=targeted\n",
                Some("targeted"),
            ),
            ("SELINUX=permissive\nSELINUXTYPE=mls", Some("mls")),
            ("SELINUX=disabled\nSELINUXTYPE=mls", None),
            ("SELINUXTYPE=mls", None),
            ("SELINUX=enforcing", None),
        ] {
            assert_eq!(policy(config).as_deref(), expected, "{config}");
        }
    }
}
