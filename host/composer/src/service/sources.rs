//! Sources: repositories that users add to those of the system.
use super::{Caller, Error, Result, Service, Target};
use osbuild_wasm_generator::content::Repository;
use osbuild_wasm_jobs::{Expectation, Write};
use serde::{Deserialize, Serialize};

const KIND: &str = "source";

/// How a source names its packages' place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// The repository itself.
    #[serde(rename = "yum-baseurl")]
    Baseurl,
    /// A metalink.
    #[serde(rename = "yum-metalink")]
    Metalink,
    /// A list of mirrors.
    #[serde(rename = "yum-mirrorlist")]
    Mirrorlist,
}

/// A repository that a user added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What its URL is of.
    #[serde(rename = "type")]
    pub kind: SourceKind,
    /// Its URL.
    pub url: String,
    /// Whether signatures of packages are checked.
    pub check_gpg: bool,
    /// Whether certificates of servers are checked.
    pub check_ssl: bool,
    /// Keys for the signatures.
    #[serde(default)]
    pub gpgkeys: Vec<String>,
    /// Distributions that it is for; none: all.
    #[serde(default)]
    pub distros: Vec<String>,
    /// Whether it needs a subscription.
    #[serde(default)]
    pub rhsm: bool,
    /// Whether signatures of metadata are checked.
    #[serde(default)]
    pub check_repogpg: bool,
    /// Whether its packages hide modules.
    #[serde(default)]
    pub module_hotfixes: Option<bool>,
}

impl Service {
    /// The sources that users added, by id.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sources(&self, caller: &Caller) -> Result<Vec<Source>> {
        let documents = self.store().documents(&caller.channel, KIND).await?;
        let sources = documents.into_iter().map(|document| {
            serde_json::from_value(document.body)
                .map_err(|_| osbuild_wasm_jobs::Error::Damaged("source").into())
        });
        let mut sources = sources.collect::<Result<Vec<Source>>>()?;
        sources.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(sources)
    }

    /// Adds a source, or replaces the one of its id.
    ///
    /// # Errors
    /// Its id is a repository's of the system; its distributions are not known; the store failed.
    pub async fn add_source(&self, caller: &Caller, source: Source) -> Result<()> {
        let unknown = source
            .distros
            .iter()
            .filter(|name| self.images.distro(name).is_none());
        let unknown: Vec<String> = unknown.cloned().collect();
        if !unknown.is_empty() {
            return Err(Error::SourceDistros(unknown));
        }
        self.no_system_source(&source.id)?;
        let body = serde_json::to_value(&source)
            .map_err(|_| osbuild_wasm_jobs::Error::Damaged("source"))?;
        let put = Write::Put {
            kind: KIND.into(),
            name: source.id,
            body,
            expect: Expectation::Any,
        };
        Ok(self.store().write(&caller.channel, &[put]).await?)
    }

    /// Deletes a source.
    ///
    /// # Errors
    /// There is none of that id, or it is the system's; the store failed.
    pub async fn delete_source(&self, caller: &Caller, id: &str) -> Result<()> {
        self.no_system_source(id)?;
        if self
            .store()
            .document(&caller.channel, KIND, id)
            .await?
            .is_none()
        {
            return Err(Error::NoSource(id.to_owned()));
        }
        let delete = Write::Delete {
            kind: KIND.into(),
            name: id.into(),
        };
        Ok(self.store().write(&caller.channel, &[delete]).await?)
    }

    /// The repositories of this machine's distribution, in the order of their file. A distribution without any has none.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn system_sources(&self) -> Result<Vec<Repository>> {
        match self.target(None, None) {
            Ok(target) => self.images.repositories(&target),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// All repositories for a system: its own, and the sources that users added for it.
    pub(super) async fn repositories(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Vec<Repository>> {
        let mut repositories = self.images.repositories(target)?;
        repositories.extend(self.user_repositories(caller, target).await?);
        Ok(repositories)
    }

    /// The sources that users added for a system.
    pub(super) async fn user_repositories(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Vec<Repository>> {
        let serves = |source: &Source| {
            let mut distros = source.distros.iter();
            source.distros.is_empty()
                || distros.any(|name| self.images.distro(name).as_ref() == Some(&target.distro))
        };
        let sources = self.sources(caller).await?.into_iter().filter(serves);
        Ok(sources.map(Repository::from).collect())
    }

    fn no_system_source(&self, id: &str) -> Result<()> {
        match self
            .system_sources()?
            .iter()
            .any(|repository| repository.name == id)
        {
            true => Err(Error::SystemSource(id.to_owned())),
            false => Ok(()),
        }
    }
}

impl From<Source> for Repository {
    /// Repositories that users added are known by their ids: names may be the same.
    fn from(source: Source) -> Self {
        let mut repository = Self {
            id: source.id.clone(),
            name: source.id,
            gpgkeys: source.gpgkeys,
            check_gpg: Some(source.check_gpg),
            check_repo_gpg: Some(source.check_repogpg),
            ignore_ssl: Some(!source.check_ssl),
            rhsm: source.rhsm,
            module_hotfixes: source.module_hotfixes,
            ..Self::default()
        };
        match source.kind {
            SourceKind::Baseurl => repository.baseurls = vec![source.url],
            SourceKind::Metalink => repository.metalink = source.url,
            SourceKind::Mirrorlist => repository.mirrorlist = source.url,
        }
        repository
    }
}
