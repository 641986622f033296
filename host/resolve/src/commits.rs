//! Which commit a ref of OSTree names.
use crate::error::{Kind, ResolveError, Result};
use crate::solver::Resolver;
use osbuild_wasm_source::{OSTREE, ostree_checksum, ostree_secrets};

/// A commit that is wished for.
#[derive(Debug, Clone, Copy)]
pub struct WantedCommit<'a> {
    /// Address of the repository, or `metalink=` or `mirrorlist=` and that of a list.
    pub url: &'a str,
    /// Ref, or the checksum itself.
    pub reference: &'a str,
    /// Whether the repository wants to see the subscription of this machine.
    pub rhsm: bool,
}

/// A commit that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCommit {
    /// Its checksum.
    pub checksum: String,
    /// The provider of secrets by which its repository is asked, if it needs one.
    pub secrets: Option<&'static str>,
}

impl Resolver<'_> {
    /// Finds the commit of a ref. A checksum is taken as it is.
    ///
    /// # Errors
    /// One line: the repository cannot be asked, or has no such ref.
    pub fn commit(&self, wanted: &WantedCommit<'_>) -> Result<FoundCommit> {
        let WantedCommit {
            url,
            reference,
            rhsm,
        } = *wanted;
        let context = self.context(OSTREE);
        let secrets = ostree_secrets(url, rhsm, context.environment);
        let checksum = match WantedCommit::is_checksum(reference) {
            true => Ok(reference.to_ascii_lowercase()),
            false => ostree_checksum(url, reference, secrets, &context),
        };
        let checksum = checksum.map_err(|problem| {
            ResolveError::new(
                Kind::Content,
                format!("the ref {reference} of OSTree: {problem}"),
            )
        })?;
        Ok(FoundCommit { checksum, secrets })
    }
}

impl WantedCommit<'_> {
    /// Whether a reference is the checksum itself, of which no server is asked.
    pub fn is_checksum(reference: &str) -> bool {
        reference.len() == 64 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}
