//! Rights: verbs on paths. A module's document may narrow what it needs, a policy may narrow further.
use crate::pattern::{Coverage, Pattern, PatternError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a component may do to a path; the functions of `osbuild:stage/tree` say which verb each of them needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Content, names, metadata, attributes.
    Read,
    /// New files, directories and links; also the missing directories that lead to a path that may be created.
    Create,
    /// New content or times of what exists.
    Replace,
    /// Removing, and the old name of a rename.
    Remove,
    /// Permission bits and inode flags.
    Chmod,
    /// Owner and group.
    Chown,
    /// Extended attributes.
    Xattr,
    /// Device nodes, fifos and sockets.
    Node,
}

impl Verb {
    /// All verbs, in the order of the design.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Create,
        Self::Replace,
        Self::Remove,
        Self::Chmod,
        Self::Chown,
        Self::Xattr,
        Self::Node,
    ];

    /// The word in module documents, policies and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Chmod => "chmod",
            Self::Chown => "chown",
            Self::Xattr => "xattr",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Verbs on path patterns, as a module document or a policy writes them; [`Pattern`] says how patterns are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
    /// Where.
    pub paths: Vec<String>,
}

/// The rights of one run: layers that must all allow what is done, e.g. the module's own and a policy's.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    layers: Vec<Vec<Rule>>,
}

#[derive(Debug, Clone)]
struct Rule {
    verbs: BTreeSet<Verb>,
    patterns: Vec<Pattern>,
}

impl Rights {
    /// All verbs on all paths of the granted directories.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Whether nothing is narrowed.
    pub fn is_everything(&self) -> bool {
        self.layers.is_empty()
    }

    /// The rights that are left when `rights`, with references into `options` filled in, must allow too.
    pub fn narrowed(
        mut self,
        rights: &[Right],
        options: &serde_json::Value,
    ) -> Result<Self, PatternError> {
        let rule = |right: &Right| {
            let patterns = right
                .paths
                .iter()
                .map(|path| Pattern::expand(path, options))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Rule {
                verbs: right.verbs.clone(),
                patterns: patterns.into_iter().flatten().collect(),
            })
        };
        let layer = rights
            .iter()
            .map(rule)
            .collect::<Result<_, PatternError>>()?;
        self.layers.push(layer);
        Ok(self)
    }

    /// Whether `verb` may be done to `path`, a path of the contract without links and dots.
    pub fn allow(&self, verb: Verb, path: &str) -> bool {
        self.all_layers(|rule, pattern| {
            rule.verbs.contains(&verb) && pattern.covers(path) >= Coverage::Path
        })
    }

    /// Whether `verb` may be done to `path` and to everything that may be below it.
    pub fn allow_below(&self, verb: Verb, path: &str) -> bool {
        self.all_layers(|rule, pattern| {
            rule.verbs.contains(&verb) && pattern.covers(path) >= Coverage::Below
        })
    }

    /// Whether something below `path` may be done `verb` to: such a directory may be looked at, and made when it is missing.
    pub fn lead_to(&self, verb: Verb, path: &str) -> bool {
        self.all_layers(|rule, pattern| {
            rule.verbs.contains(&verb) && pattern.covers(path) >= Coverage::Above
        })
    }

    /// Each layer's verbs and patterns, for reports.
    pub fn layers(&self) -> impl Iterator<Item = Vec<Right>> + '_ {
        let right = |rule: &Rule| Right {
            verbs: rule.verbs.clone(),
            paths: rule.patterns.iter().map(ToString::to_string).collect(),
        };
        self.layers
            .iter()
            .map(move |layer| layer.iter().map(right).collect())
    }

    fn all_layers(&self, fits: impl Fn(&Rule, &Pattern) -> bool) -> bool {
        self.layers.iter().all(|layer| {
            layer
                .iter()
                .any(|rule| rule.patterns.iter().any(|pattern| fits(rule, pattern)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rights(verbs: &[Verb], paths: &[&str]) -> Right {
        Right {
            verbs: verbs.iter().copied().collect(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[test]
    fn all_layers_must_allow() {
        let module = [
            rights(&[Verb::Create, Verb::Replace], &["/etc/**"]),
            rights(&[Verb::Read], &["/**"]),
        ];
        let policy = [rights(&[Verb::Read, Verb::Create], &["/etc/*", "/usr/**"])];
        let rights = Rights::everything()
            .narrowed(&module, &json!({}))
            .and_then(|rights| rights.narrowed(&policy, &json!({})))
            .expect("patterns");
        let tree = |path: &str| format!("/run/osbuild/tree{path}");
        assert!(rights.allow(Verb::Create, &tree("/etc/hostname")));
        assert!(!rights.allow(Verb::Create, &tree("/etc/a/b")));
        assert!(!rights.allow(Verb::Replace, &tree("/etc/hostname")));
        assert!(!rights.allow(Verb::Create, &tree("/usr/x")));
        assert!(rights.allow_below(Verb::Read, &tree("/usr/share")));
        assert!(!rights.allow_below(Verb::Read, &tree("/etc/x")));
        assert!(rights.lead_to(Verb::Create, &tree("/etc")));
        assert!(!rights.lead_to(Verb::Create, &tree("/usr")));
    }

    #[test]
    fn no_layer_is_everything_and_an_empty_one_nothing() {
        assert!(Rights::everything().allow_below(Verb::Node, "/run/osbuild/tree"));
        let nothing = Rights::everything()
            .narrowed(&[], &json!({}))
            .expect("empty");
        assert!(!nothing.allow(Verb::Read, "/run/osbuild/tree/a"));
    }
}
