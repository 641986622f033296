//! Blueprints with their history, and the workspace beside them.
use super::package_lists::{compare, freeze};
use super::version;
use super::{Caller, Error, Result, Service, Solved, Target, Wish};
use osbuild_wasm_blueprint::model::Package;
use osbuild_wasm_blueprint::{Blueprint, is_semantic};
use osbuild_wasm_generator::customizations::users;
use osbuild_wasm_jobs::{Document, Expectation, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

const COMMITTED: &str = "blueprint";
const WORKSPACE: &str = "workspace";

/// How often a push is tried again after another client changed the same blueprint.
const ATTEMPTS: u32 = 10;

/// One version in the history of a blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its id, 40 hexadecimal digits.
    pub commit: String,
    /// What happened.
    pub message: String,
    /// The number of its tag, if it has one.
    pub revision: Option<u64>,
    /// When, as RFC 3339 in UTC.
    pub timestamp: String,
    /// The blueprint as it was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blueprint: Option<Value>,
}

/// A blueprint that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The copy of the workspace if there is one, else the committed one.
    pub blueprint: Blueprint,
    /// Whether it is the copy of the workspace.
    pub changed: bool,
}

/// A blueprint with the packages that it leads to.
#[derive(Debug)]
pub struct Packaged {
    /// The blueprint.
    pub blueprint: Blueprint,
    /// The packages, or why there are none.
    pub packages: Result<Vec<Solved>>,
}

/// A package in which two blueprints differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the newer one has it.
    pub new: Option<Package>,
    /// As the older one has it.
    pub old: Option<Package>,
}

impl Service {
    /// The names of the committed blueprints, sorted.
    ///
    /// # Errors
    /// The store failed.
    pub async fn blueprint_names(&self, caller: &Caller) -> Result<Vec<String>> {
        let documents = self.store().documents(&caller.channel, COMMITTED).await?;
        let mut names: Vec<String> = documents
            .into_iter()
            .map(|document| document.name)
            .collect();
        names.sort();
        Ok(names)
    }

    /// A blueprint as its author last left it.
    ///
    /// # Errors
    /// There is none of that name; the store failed.
    pub async fn blueprint(&self, caller: &Caller, name: &str) -> Result<Found> {
        for (kind, changed) in [(WORKSPACE, true), (COMMITTED, false)] {
            if let Some(document) = self.store().document(&caller.channel, kind, name).await? {
                let blueprint = stored(document.body)?;
                return Ok(Found { blueprint, changed });
            }
        }
        Err(Error::NoBlueprint(name.to_owned()))
    }

    /// A blueprint as it was committed: what images are made of.
    ///
    /// # Errors
    /// There is none of that name; the store failed.
    pub async fn committed(&self, caller: &Caller, name: &str) -> Result<Blueprint> {
        match self
            .store()
            .document(&caller.channel, COMMITTED, name)
            .await?
        {
            Some(document) => stored(document.body),
            None => Err(Error::NoBlueprint(name.to_owned())),
        }
    }

    /// Commits a blueprint; a copy in the workspace is gone then.
    ///
    /// # Errors
    /// It cannot be used; its distribution is not known; the store failed.
    pub async fn push(&self, caller: &Caller, blueprint: Blueprint) -> Result<()> {
        let blueprint = self.prepared(blueprint)?;
        self.known_distro(&blueprint)?;
        self.commit(caller, blueprint, None).await
    }

    /// Keeps a blueprint in the workspace.
    ///
    /// # Errors
    /// It cannot be used; the store failed.
    pub async fn push_to_workspace(&self, caller: &Caller, blueprint: Blueprint) -> Result<()> {
        let blueprint = self.prepared(blueprint)?;
        let put = Write::Put {
            kind: WORKSPACE.into(),
            name: blueprint.name.clone(),
            body: blueprint.to_value(),
            expect: Expectation::Any,
        };
        Ok(self.store().write(&caller.channel, &[put]).await?)
    }

    /// Drops the copy of the workspace.
    ///
    /// # Errors
    /// There is no blueprint of that name; the store failed.
    pub async fn drop_from_workspace(&self, caller: &Caller, name: &str) -> Result<()> {
        self.blueprint(caller, name).await?;
        Ok(self
            .store()
            .write(&caller.channel, &[deletion(WORKSPACE, name)])
            .await?)
    }

    /// Deletes a blueprint, its history excepted.
    ///
    /// # Errors
    /// There is no committed blueprint of that name, and then its copy in the workspace is gone; the store failed.
    pub async fn delete_blueprint(&self, caller: &Caller, name: &str) -> Result<()> {
        let is_committed = self
            .store()
            .document(&caller.channel, COMMITTED, name)
            .await?
            .is_some();
        let both = [deletion(WORKSPACE, name), deletion(COMMITTED, name)];
        self.store().write(&caller.channel, &both).await?;
        if is_committed {
            Ok(())
        } else {
            Err(Error::NoBlueprint(name.to_owned()))
        }
    }

    /// The history of a blueprint, the newest first; empty if there was never one of that name.
    ///
    /// # Errors
    /// The store failed.
    pub async fn changes(&self, caller: &Caller, name: &str) -> Result<Vec<Change>> {
        let documents = self
            .store()
            .documents(&caller.channel, &history(name))
            .await?;
        documents
            .into_iter()
            .rev()
            .map(|document| read(document.body))
            .collect()
    }

    /// One version of a blueprint.
    ///
    /// # Errors
    /// There is no such blueprint or commit; the store failed.
    pub async fn change(&self, caller: &Caller, name: &str, commit: &str) -> Result<Change> {
        match self
            .store()
            .document(&caller.channel, &history(name), commit)
            .await?
        {
            Some(document) => read(document.body),
            None if self.changes(caller, name).await?.is_empty() => {
                Err(Error::NoBlueprint(name.to_owned()))
            }
            None => Err(Error::NoCommit {
                name: name.to_owned(),
                commit: commit.to_owned(),
            }),
        }
    }

    /// Commits a blueprint again as it was.
    ///
    /// # Errors
    /// As of [`Service::change`].
    pub async fn undo(&self, caller: &Caller, name: &str, commit: &str) -> Result<()> {
        let Some(blueprint) = self.change(caller, name, commit).await?.blueprint else {
            return Err(Error::NoCommit {
                name: name.to_owned(),
                commit: commit.to_owned(),
            });
        };
        let message = format!("{name}.toml reverted to commit {commit}");
        self.commit(caller, stored(blueprint)?, Some(message)).await
    }

    /// Gives the newest commit the next number, if it has none.
    ///
    /// # Errors
    /// There is no such blueprint, or it has no commits; the store failed.
    pub async fn tag(&self, caller: &Caller, name: &str) -> Result<()> {
        self.committed(caller, name).await?;
        for _ in 0..ATTEMPTS {
            let documents = self
                .store()
                .documents(&caller.channel, &history(name))
                .await?;
            let Some(newest) = documents.last() else {
                return Err(Error::NoCommits(name.to_owned()));
            };
            let mut change: Change = read(newest.body.clone())?;
            if change.revision.is_some() {
                return Ok(());
            }
            let last = documents
                .iter()
                .filter_map(|document| document.body["revision"].as_u64())
                .max();
            change.revision = Some(last.unwrap_or(0) + 1);
            let put = Write::Put {
                kind: history(name),
                name: newest.name.clone(),
                body: written(&change)?,
                expect: Expectation::Revision(newest.revision),
            };
            if self.written_or_changed(caller, &[put]).await? {
                return Ok(());
            }
        }
        Err(Error::Busy(name.to_owned()))
    }

    /// In which packages the workspace differs from what is committed.
    ///
    /// # Errors
    /// There is no such blueprint; the store failed.
    pub async fn differences(&self, caller: &Caller, name: &str) -> Result<Vec<Difference>> {
        let new = self.blueprint(caller, name).await?.blueprint;
        // Of a blueprint that is in the workspace only, everything is new.
        let old = match self.committed(caller, name).await {
            Err(Error::NoBlueprint(_)) => Blueprint::default(),
            old => old?,
        };
        Ok(compare(&old.packages, &new.packages))
    }

    /// A blueprint with its packages.
    ///
    /// # Errors
    /// There is no such blueprint; the store failed. That its wish cannot be fulfilled is part of the answer.
    pub async fn packaged(&self, caller: &Caller, name: &str) -> Result<Packaged> {
        let blueprint = self.blueprint(caller, name).await?.blueprint;
        let wish = Wish::of(&blueprint);
        let target = self.target(some(&blueprint.distro), some(&blueprint.architecture));
        let packages = match target {
            Ok(target) => self.depsolve(caller, &target, None, &wish).await,
            Err(error) => Err(error),
        };
        Ok(Packaged {
            blueprint,
            packages,
        })
    }

    /// A blueprint whose packages have the versions that they lead to now.
    ///
    /// # Errors
    /// There is no such blueprint; its packages cannot be found; the store failed.
    pub async fn frozen(&self, caller: &Caller, name: &str) -> Result<Blueprint> {
        let Packaged {
            mut blueprint,
            packages,
        } = self.packaged(caller, name).await?;
        let packages = packages?;
        blueprint.packages = freeze(&blueprint.packages, &packages)?;
        blueprint.modules = freeze(&blueprint.modules, &packages)?;
        Ok(blueprint)
    }

    /// The system that a name of a distribution and one of an architecture mean; those of this machine for none.
    ///
    /// # Errors
    /// There is no such distribution.
    pub fn target(&self, distro: Option<&str>, arch: Option<&str>) -> Result<Target> {
        let arch = arch.unwrap_or_else(|| self.images.host_arch()).to_owned();
        let asked = distro
            .or_else(|| self.images.host_distro())
            .unwrap_or_default();
        let known = self
            .images
            .distro(asked)
            .filter(|name| self.images.distros(&arch).contains(name));
        match known {
            Some(distro) => Ok(Target { distro, arch }),
            None => Err(Error::Distro {
                distro: asked.to_owned(),
                arch,
            }),
        }
    }

    /// What is done with every blueprint that is kept: defaults, and no password that can be read.
    fn prepared(&self, mut blueprint: Blueprint) -> Result<Blueprint> {
        if !is_name(&blueprint.name) {
            return Err(Error::Name(blueprint.name));
        }
        if blueprint.version.is_empty() {
            version::FIRST.clone_into(&mut blueprint.version);
        }
        if !is_semantic(&blueprint.version) {
            let version = &blueprint.version;
            return Err(Error::Blueprint(format!(
                "Invalid 'version', must use Semantic Versioning: {version:?} is not MAJOR.MINOR.PATCH"
            )));
        }
        hide_passwords(&mut blueprint)?;
        Ok(blueprint)
    }

    fn known_distro(&self, blueprint: &Blueprint) -> Result<()> {
        match some(&blueprint.distro) {
            Some(distro) => self
                .target(Some(distro), some(&blueprint.architecture))
                .map(drop),
            None => Ok(()),
        }
    }

    /// Commits a blueprint. One with the version that is committed already becomes the version after it.
    async fn commit(
        &self,
        caller: &Caller,
        blueprint: Blueprint,
        message: Option<String>,
    ) -> Result<()> {
        let name = blueprint.name.clone();
        let saved = || format!("Recipe {name}, version {} saved.", blueprint.version);
        let change = Change {
            commit: commit_id(),
            message: message.unwrap_or_else(saved),
            revision: None,
            timestamp: self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            blueprint: Some(blueprint.to_value()),
        };
        for _ in 0..ATTEMPTS {
            let present = self
                .store()
                .document(&caller.channel, COMMITTED, &name)
                .await?;
            let mut committed = blueprint.clone();
            if present
                .as_ref()
                .is_some_and(|present| present.body["version"] == *blueprint.version)
            {
                committed.version = version::next(&blueprint.version);
            }
            let writes = [
                Write::Put {
                    kind: COMMITTED.into(),
                    name: name.clone(),
                    body: committed.to_value(),
                    expect: expectation(present.as_ref()),
                },
                Write::Put {
                    kind: history(&name),
                    name: change.commit.clone(),
                    body: written(&change)?,
                    expect: Expectation::Absent,
                },
                deletion(WORKSPACE, &name),
            ];
            if self.written_or_changed(caller, &writes).await? {
                return Ok(());
            }
        }
        Err(Error::Busy(name))
    }

    /// Whether writes were made; if not, another client was faster.
    async fn written_or_changed(&self, caller: &Caller, writes: &[Write]) -> Result<bool> {
        match self.store().write(&caller.channel, writes).await {
            Ok(()) => Ok(true),
            Err(osbuild_wasm_jobs::Error::Changed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a text can be the name of a blueprint, and so part of a path.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.bytes().all(is_letter)
}

/// Leaves no password of users that can be read: what is kept has their hashes.
pub(super) fn hide_passwords(blueprint: &mut Blueprint) -> Result<()> {
    for user in &mut blueprint.customizations.user {
        let seed = Uuid::new_v4().as_u64_pair().0.cast_signed();
        user.password =
            users::password(user, seed).map_err(|error| Error::Blueprint(error.to_string()))?;
    }
    Ok(())
}

/// The kind of documents that the commits of a blueprint are.
fn history(name: &str) -> String {
    format!("change of {name}")
}

fn deletion(kind: &str, name: &str) -> Write {
    Write::Delete {
        kind: kind.into(),
        name: name.into(),
    }
}

fn expectation(present: Option<&Document>) -> Expectation {
    present.map_or(Expectation::Absent, |document| {
        Expectation::Revision(document.revision)
    })
}

/// 20 random bytes in hexadecimal digits: the form of a commit's id.
fn commit_id() -> String {
    let id = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    id[..40].to_owned()
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn stored(value: Value) -> Result<Blueprint> {
    read(value)
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|_| osbuild_wasm_jobs::Error::Damaged("blueprint").into())
}

fn written(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|_| osbuild_wasm_jobs::Error::Damaged("blueprint").into())
}
