//! Rights: verbs on paths. A module's document may narrow what it needs, a policy may narrow further.
use crate::mounts::MountNames;
use crate::pattern::{Coverage, Expansion, Pattern, PatternError, exactly, shown};
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

/// What messages call the rights of a module document.
const OWN: &str = "its rights";

/// The rights of one run: layers that must all allow what is done, e.g. the module's own and a policy's.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    layers: Vec<Layer>,
    mounts: MountNames,
    refuses_links: bool,
}

#[derive(Debug, Clone)]
struct Layer {
    origin: String,
    rules: Vec<Rule>,
    /// A name that it covers may be a link to somewhere else.
    follows_links: bool,
}

/// What is asked for: where it really is, and the name by which it was asked for, if that says more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A path of the contract without links and dots.
    pub real: String,
    /// A path of the contract without dots, whose links lead to the real one.
    pub named: Option<String>,
}

impl Place {
    /// What is only known by where it is.
    pub fn real(real: String) -> Self {
        Self { real, named: None }
    }

    /// Something below it.
    pub fn join(&self, below: &str) -> Self {
        let join = |path: &str| format!("{path}/{below}");
        Self {
            real: join(&self.real),
            named: self.named.as_deref().map(join),
        }
    }
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

    /// The same for a stage with these mounts, by whose names paths go from then on.
    pub fn on(self, mounts: MountNames) -> Self {
        Self { mounts, ..self }
    }

    /// The mounts by whose names paths go.
    pub fn mounts(&self) -> &MountNames {
        &self.mounts
    }

    /// Whether nothing is narrowed.
    pub fn is_everything(&self) -> bool {
        self.layers.is_empty()
    }

    /// The rights that are left when the module's own `rights`, with references into `options` filled in, must allow too.
    pub fn narrowed(
        self,
        rights: &[Right],
        options: &serde_json::Value,
    ) -> Result<Self, PatternError> {
        self.narrowed_by(OWN, rights, options)
    }

    /// The same for rights from elsewhere; `origin` is a plural that messages use, e.g. `the rights of policy strict`.
    pub fn narrowed_by(
        mut self,
        origin: &str,
        rights: &[Right],
        options: &serde_json::Value,
    ) -> Result<Self, PatternError> {
        let mut expansion = Expansion::new(options).on(&self.mounts);
        let mut rule = |right: &Right| {
            let patterns = right
                .paths
                .iter()
                .map(|path| expansion.expand(path))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Rule {
                verbs: right.verbs.clone(),
                patterns: patterns.into_iter().flatten().collect(),
            })
        };
        let rules = rights
            .iter()
            .map(&mut rule)
            .collect::<Result<_, PatternError>>()?;
        self.layers.push(Layer {
            origin: origin.to_owned(),
            rules,
            follows_links: false,
        });
        Ok(self)
    }

    /// The rights of a module of this program: the tree's links are part of the tree, so what its own rights name is also what a link of
    /// that name leads to. Those of a policy are about the places themselves.
    #[must_use]
    pub fn following_links(mut self) -> Self {
        for layer in &mut self.layers {
            layer.follows_links = layer.origin == OWN;
        }
        self
    }

    /// The same of paths that lead through no link.
    #[must_use]
    pub fn refusing_links(self) -> Self {
        Self {
            refuses_links: true,
            ..self
        }
    }

    /// Whether a path that leads through a link is refused.
    pub fn refuses_links(&self) -> bool {
        self.refuses_links
    }

    /// Whether `verb` may be done to so much of `path`, a path of the contract without links and dots; otherwise who refuses it.
    pub fn permit(&self, verb: Verb, path: &str, reach: Coverage) -> Result<(), Refusal> {
        self.permit_at(verb, &Place::real(path.to_owned()), reach)
    }

    /// As [`Rights::permit`], of what may have been asked for by another name.
    pub fn permit_at(&self, verb: Verb, place: &Place, reach: Coverage) -> Result<(), Refusal> {
        let refuses = |layer: &&Layer| !layer.covers_at(verb, place, reach);
        match self.layers.iter().find(refuses) {
            None => Ok(()),
            Some(layer) => Err(Refusal {
                verb,
                path: place.real.clone(),
                reach,
                origin: layer.origin.clone(),
                allowed: self.named(layer),
                mounts: self.mounts.clone(),
            }),
        }
    }

    /// Whether `verb` may be done to `path`.
    pub fn allow(&self, verb: Verb, path: &str) -> bool {
        self.permit(verb, path, Coverage::Path).is_ok()
    }

    /// Whether `verb` may be done to `path` and to everything that may be below it.
    pub fn allow_below(&self, verb: Verb, path: &str) -> bool {
        self.permit(verb, path, Coverage::Below).is_ok()
    }

    /// Whether something below `path` may be done `verb` to: such a directory may be looked at, and made when it is missing.
    pub fn lead_to(&self, verb: Verb, path: &str) -> bool {
        self.permit(verb, path, Coverage::Above).is_ok()
    }

    /// Whether every layer allows something to be done to the path or, if `reach` says so, below it: what may be written may be looked
    /// for. Layers may do so by different verbs.
    pub fn know(&self, place: &Place, reach: Coverage) -> bool {
        let knows = |layer: &Layer| {
            let mut verbs = Verb::ALL.into_iter();
            verbs.any(|verb| layer.covers_at(verb, place, reach))
        };
        self.layers.iter().all(knows)
    }

    /// Each layer's verbs and patterns, for reports.
    pub fn layers(&self) -> impl Iterator<Item = Vec<Right>> + '_ {
        self.layers.iter().map(|layer| self.named(layer))
    }

    fn named(&self, layer: &Layer) -> Vec<Right> {
        layer
            .rights()
            .map(|right| self.named_right(right))
            .collect()
    }

    fn named_right(&self, right: Right) -> Right {
        let paths = right.paths.iter().map(|path| self.mounts.named(path));
        Right {
            paths: paths.collect(),
            ..right
        }
    }

    /// Whose each layer is, in the order of [`Rights::layers`].
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.origin.as_str())
    }

    /// The verbs and patterns that none of these accesses needed; when nothing was narrowed, the verbs on `/**`. An access is a verb, a
    /// path of the contract, and whether it reached below the path.
    pub fn unused(&self, accesses: &[(Verb, &str, bool)]) -> Vec<Right> {
        if self.is_everything() {
            let used = |verb: &Verb| accesses.iter().any(|(other, ..)| other == verb);
            let verbs: BTreeSet<_> = Verb::ALL.into_iter().filter(|verb| !used(verb)).collect();
            let paths = vec!["/**".to_owned()];
            return Vec::from_iter((!verbs.is_empty()).then_some(Right { verbs, paths }));
        }
        let rules = self.layers.iter().flat_map(|layer| &layer.rules);
        let unused = rules.flat_map(|rule| rule.unused(accesses));
        unused.map(|right| self.named_right(right)).collect()
    }
}

impl Rule {
    /// Patterns that share their unused verbs are one right.
    fn unused(&self, accesses: &[(Verb, &str, bool)]) -> Vec<Right> {
        let mut unused: Vec<Right> = Vec::new();
        for pattern in &self.patterns {
            let needs = |(_, path, below): &&(Verb, &str, bool)| {
                let least = if *below {
                    Coverage::Above
                } else {
                    Coverage::Path
                };
                pattern.covers(path) >= least
            };
            let used: BTreeSet<_> = accesses
                .iter()
                .filter(needs)
                .map(|access| access.0)
                .collect();
            let verbs: BTreeSet<_> = self.verbs.difference(&used).copied().collect();
            match unused.iter_mut().find(|right| right.verbs == verbs) {
                _ if verbs.is_empty() => {}
                Some(right) => right.paths.push(pattern.to_string()),
                None => unused.push(Right {
                    verbs,
                    paths: vec![pattern.to_string()],
                }),
            }
        }
        unused
    }
}

impl Layer {
    fn covers_at(&self, verb: Verb, place: &Place, reach: Coverage) -> bool {
        let named = place.named.iter().filter(|_| self.follows_links);
        let mut names = named.chain([&place.real]);
        names.any(|name| self.covers(verb, name, reach))
    }

    fn covers(&self, verb: Verb, path: &str, reach: Coverage) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.verbs.contains(&verb));
        rules.any(|rule| rule.patterns.iter().any(|set| set.covers(path) >= reach))
    }

    fn rights(&self) -> impl Iterator<Item = Right> + '_ {
        self.rules.iter().map(|rule| Right {
            verbs: rule.verbs.clone(),
            paths: rule.patterns.iter().map(ToString::to_string).collect(),
        })
    }
}

/// A verb that rights do not allow: who refuses, and what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    verb: Verb,
    path: String,
    reach: Coverage,
    origin: String,
    allowed: Vec<Right>,
    mounts: MountNames,
}

impl Refusal {
    /// The path as rights write it.
    fn place(&self) -> String {
        self.mounts.named(&shown(&self.path))
    }

    /// The right that would have allowed it; none when it is the module's own document that refuses, which no policy widens.
    pub fn missing(&self) -> Option<Right> {
        let path = exactly(&self.place(), self.reach == Coverage::Below);
        (self.origin != OWN).then(|| Right {
            verbs: [self.verb].into(),
            paths: vec![path],
        })
    }
}

/// Patterns that a message shows.
const SHOWN: usize = 6;

/// `may not VERB PATH: ORIGIN allow VERBS on PATTERNS`, to stand behind the name of the module.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = match self.reach {
            Coverage::Below => " and all below it",
            _ => "",
        };
        let path = self.place();
        write!(
            f,
            "may not {} {path}{below}: {} allow ",
            self.verb, self.origin
        )?;
        let rules: Vec<_> = self.allowed.iter().filter_map(rule_text).collect();
        f.write_str(&match rules.is_empty() {
            true => "nothing".to_owned(),
            false => rules.join("; "),
        })
    }
}

fn rule_text(right: &Right) -> Option<String> {
    if right.paths.is_empty() || right.verbs.is_empty() {
        return None;
    }
    let verbs: Vec<_> = right.verbs.iter().map(|verb| verb.name()).collect();
    let mut paths: Vec<_> = right.paths.iter().take(SHOWN).cloned().collect();
    if right.paths.len() > SHOWN {
        paths.push(format!("{} more", right.paths.len() - SHOWN));
    }
    Some(format!("{} on {}", verbs.join(", "), paths.join(", ")))
}

#[cfg(test)]
mod tests;
