//! Names that one directory has in most trees.
use super::Pattern;

/// The names of the tree's own path.
const TREE: &str = "run/osbuild/tree/";

/// Directories that are links in most trees, with what they lead to (file-hierarchy(7); the last ones in those of ostree). A path of
/// the options means the same place whichever name it takes. Links elsewhere carry no right.
const ALIASES: [(&str, &str); 15] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("usr/sbin", "usr/bin"),
    ("var/run", "run"),
    ("var/lock", "run/lock"),
    ("home", "var/home"),
    ("root", "var/roothome"),
    ("srv", "var/srv"),
    ("opt", "var/opt"),
    ("mnt", "var/mnt"),
    ("media", "run/media"),
    ("usr/local", "var/usrlocal"),
    ("ostree", "sysroot/ostree"),
];

impl Pattern {
    /// The same places under the other names of their directory.
    pub(crate) fn other_names(&self) -> Vec<Self> {
        let mut names = vec![self.clone()];
        let mut next = 0;
        while let Some(pattern) = names.get(next) {
            let others = ALIASES.iter();
            let others: Vec<_> = others
                .filter_map(|(from, to)| pattern.alias(from, to))
                .collect();
            names.extend(others);
            next += 1;
        }
        names.split_off(1)
    }

    /// The same places under their other name, if the first names are those of `from` in the tree.
    fn alias(&self, from: &str, to: &str) -> Option<Self> {
        let below = self.path.strip_prefix(TREE)?.strip_prefix(from)?;
        (below.is_empty() || below.starts_with('/')).then(|| Self {
            path: format!("{TREE}{to}{below}").into(),
        })
    }
}
