//! `search-packages`: packages by their names.
use super::package::JobPackage;
use super::{check_addresses, of_packages};
use crate::content::remote;
use crate::error::ResolveError;
use crate::solver::{Resolver, Wanted};
use osbuild_wasm_generator::content::{Content, Repository, Transaction};
use osbuild_wasm_tasks::JobError;
use serde::{Deserialize, Serialize};

/// Which names are looked for, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Names, or patterns of them: `*` at both ends asks for a part of a name.
    pub packages: Vec<String>,
    /// Where.
    pub repos: Vec<Repository>,
    /// Platform of modules.
    #[serde(default)]
    pub module_platform_id: String,
    /// Architecture.
    pub arch: String,
    /// Version of the distribution.
    #[serde(default)]
    pub releasever: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchAnswer {
    /// The packages, all versions.
    pub packages: Vec<JobPackage>,
}

impl Search {
    pub(super) fn content(&self) -> Content {
        let transaction = Transaction {
            repositories: self.repos.clone(),
            ..Transaction::default()
        };
        Content {
            transactions: vec![transaction],
            ..Content::default()
        }
    }

    pub(super) fn answer(&self, resolver: &Resolver<'_>) -> Result<SearchAnswer, JobError> {
        check_addresses(&self.repos)?;
        let found = self.find(resolver).map_err(|error| of_packages(&error))?;
        Ok(SearchAnswer { packages: found })
    }

    fn find(&self, resolver: &Resolver<'_>) -> Result<Vec<JobPackage>, ResolveError> {
        let named = self.repos.iter().map(remote);
        let named: Vec<_> = named.collect::<Result<_, _>>()?;
        let (repositories, remotes): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let wanted = Wanted {
            arch: &self.arch,
            releasever: &self.releasever,
            platform: Some(&*self.module_platform_id).filter(|platform| !platform.is_empty()),
            repositories: &remotes,
        };
        let found = resolver.search(&wanted, &self.packages, false)?;
        let package = |package| JobPackage::new(package, &repositories);
        Ok(found.into_iter().map(package).collect())
    }
}
