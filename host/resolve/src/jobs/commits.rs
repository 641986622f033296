//! `ostree-resolve`: which commits refs name.
use crate::commits::WantedCommit;
use crate::solver::Resolver;
use osbuild_wasm_generator::content::{Commit, CommitRequest, Content};
use osbuild_wasm_tasks::{Failure, JobError};
use serde::{Deserialize, Serialize};

/// The commits that are wished for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commits {
    /// The commits.
    #[serde(default)]
    pub ostree_resolve_specs: Vec<CommitSpec>,
}

/// A commit that is wished for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitSpec {
    /// Address of the repository.
    pub url: String,
    /// Ref or checksum.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Whether the repository needs a subscription of RHSM.
    pub rhsm: bool,
}

/// What was found, in the order of the wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitAnswer {
    /// The commits.
    pub ostree_resolve_result_specs: Vec<FoundCommitSpec>,
}

/// A commit that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundCommitSpec {
    /// Address of the repository.
    pub url: String,
    /// Ref or checksum, as it was wished for.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Its checksum.
    pub checksum: String,
    /// Whether the repository needs a subscription.
    #[serde(rename = "bool")]
    pub rhsm: bool,
    /// The provider of secrets by which its repository is asked; empty: none.
    pub secrets: String,
}

impl Commits {
    pub(super) fn content(&self) -> Content {
        Content {
            commits: self.ostree_resolve_specs.iter().map(Into::into).collect(),
            ..Content::default()
        }
    }

    pub(super) fn answer(&self, resolver: &Resolver<'_>) -> Result<CommitAnswer, JobError> {
        let specs = self.ostree_resolve_specs.iter();
        let found = specs.map(|spec| spec.find(resolver));
        Ok(CommitAnswer {
            ostree_resolve_result_specs: found.collect::<Result<_, _>>()?,
        })
    }
}

impl CommitSpec {
    fn find(&self, resolver: &Resolver<'_>) -> Result<FoundCommitSpec, JobError> {
        if self.url.is_empty() {
            let reason = format!("the ref {:?} has no repository", self.reference);
            return Err(JobError::new(Failure::CommitParameters, reason));
        }
        if !is_reference(&self.reference) {
            let reason = format!("{:?} is no ref of OSTree", self.reference);
            return Err(JobError::new(Failure::InvalidRef, reason));
        }
        let found = resolver.commit(&WantedCommit {
            url: &self.url,
            reference: &self.reference,
            rhsm: self.rhsm,
        });
        let found = found.map_err(|error| JobError::new(Failure::Commit, error.to_string()))?;
        Ok(FoundCommitSpec {
            url: self.url.clone(),
            reference: self.reference.clone(),
            checksum: found.checksum,
            rhsm: self.rhsm,
            secrets: found.secrets.unwrap_or_default().to_owned(),
        })
    }
}

/// Whether a text can be a ref: parts of letters, digits, `.`, `_` and `-`, with slashes between them (ostree-refs(7)).
fn is_reference(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    text.split('/').all(|part| {
        !part.is_empty() && !part.starts_with(['.', '-']) && part.chars().all(is_letter)
    })
}

impl From<&CommitSpec> for CommitRequest {
    fn from(spec: &CommitSpec) -> Self {
        Self {
            url: spec.url.clone(),
            content_url: String::new(),
            reference: spec.reference.clone(),
            rhsm: spec.rhsm,
        }
    }
}

impl From<&CommitRequest> for CommitSpec {
    fn from(wish: &CommitRequest) -> Self {
        Self {
            url: wish.url.clone(),
            reference: wish.reference.clone(),
            rhsm: wish.rhsm,
        }
    }
}

impl FoundCommitSpec {
    /// The commit that a wish got.
    #[must_use]
    pub fn for_wish(self, wish: &CommitRequest) -> Commit {
        Commit {
            reference: wish.reference.clone(),
            url: wish.url.clone(),
            content_url: wish.content_url.clone(),
            checksum: self.checksum,
            secrets: self.secrets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_reference;

    #[test]
    fn refs_are_parts_of_letters() {
        for (text, good) in [
            ("fedora/43/x86_64/iot", true),
            ("a", true),
            ("", false),
            ("a//b", false),
            ("/a", false),
            ("../a", false),
            ("a b", false),
            ("-a", false),
        ] {
            assert_eq!(is_reference(text), good, "{text:?}");
        }
    }
}
