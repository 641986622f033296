//! Definitions of distributions and image types: data that the program carries, and data that a user adds.
//!
//! A family is a directory of YAML files; `docs/distributions.md` describes them. Nothing here reads files: texts come
//! from the build script or from the caller. A family is parsed when it is asked for.
mod distribution;
mod error;
mod family;
mod finish;
mod layer;
mod lazy;
mod repository;
mod schema;
mod template;
mod texts;
mod when;

pub use error::DefinitionError;
pub use repository::Repository;
pub use schema::definitions_schema;

use crate::{Arch, Distro, ImageType};
use distribution::{Distribution, Release};
use family::Family;
use finish::{Target, finish};
use lazy::Lazy;
use osbuild_wasm_manifest::nearest::nearest;
use repository::RepositoryDefinition;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use template::Variables;

/// A family's documents as the build script wrote them.
struct Texts {
    name: &'static str,
    distributions: &'static str,
    repositories: &'static str,
    rest: &'static str,
}

/// Families that the program carries; `keys` has the keys of repositories.
const EMBEDDED: &[Texts] = &include!(concat!(env!("OUT_DIR"), "/families.rs"));

/// Name of the directory that has keys, not a family.
const KEYS: &str = "keys";

#[derive(Debug)]
struct Stored {
    name: String,
    distributions: Lazy<Vec<Distribution>>,
    repositories: Lazy<Vec<RepositoryDefinition>>,
    rest: Lazy<Family>,
    /// The family with what it takes from others.
    whole: OnceLock<Result<Family, String>>,
}

/// An image type of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Canonical name of the distribution.
    pub distribution: String,
    /// Name of the type.
    pub image_type: String,
    /// Architecture.
    pub arch: Arch,
}

/// All definitions there are.
#[derive(Debug)]
pub struct Definitions {
    /// In the order in which names are looked up.
    families: Vec<Stored>,
    keys: BTreeMap<String, String>,
    embedded_keys: Lazy<Map<String, Value>>,
}

impl Default for Definitions {
    fn default() -> Self {
        Self::embedded()
    }
}

impl Definitions {
    /// Those that the program carries.
    pub fn embedded() -> Self {
        let families = EMBEDDED.iter().filter(|texts| texts.name != KEYS);
        let keys = EMBEDDED.iter().find(|texts| texts.name == KEYS);
        Self {
            families: families
                .map(|texts| Stored {
                    name: texts.name.into(),
                    distributions: Lazy::text(texts.distributions),
                    repositories: Lazy::text(texts.repositories),
                    rest: Lazy::text(texts.rest),
                    whole: OnceLock::new(),
                })
                .collect(),
            keys: BTreeMap::new(),
            embedded_keys: Lazy::text(keys.map_or("{}", |texts| texts.rest)),
        }
    }

    /// Adds the files of a directory of definitions, by their path in it (`FAMILY/NAME.yaml`, `keys/NAME.asc`). Their
    /// distributions are looked up first; a family of a name that is there already takes its place.
    ///
    /// # Errors
    /// A file cannot be read, or says what cannot be.
    pub fn extend<'a>(
        &mut self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), DefinitionError> {
        let families = texts::families(files).map_err(|error| DefinitionError::Text {
            path: error.path,
            reason: error.reason,
        })?;
        let mut added = Vec::new();
        for (name, mut family) in families {
            if name == KEYS {
                let text = |(name, text): (String, Value)| Some((name, text.as_str()?.to_owned()));
                self.keys.extend(family.into_iter().filter_map(text));
                continue;
            }
            let mut section = |name| {
                let value = family.shift_remove(name);
                value
                    .unwrap_or_else(|| Value::Array(Vec::new()))
                    .to_string()
            };
            let stored = Stored {
                distributions: Lazy::text(section("distributions")),
                repositories: Lazy::text(section("repositories")),
                rest: Lazy::text(Value::Object(family).to_string()),
                name,
                whole: OnceLock::new(),
            };
            stored.check()?;
            added.push(stored);
        }
        self.families
            .retain(|family| added.iter().all(|added| added.name != family.name));
        for family in &mut self.families {
            family.whole = OnceLock::new();
        }
        added.append(&mut self.families);
        self.families = added;
        Ok(())
    }

    /// The distribution of that name, in any spelling that is accepted: `rhel-9.4`, `rhel-94`.
    ///
    /// # Errors
    /// There is none, or its definition cannot be used.
    pub fn distro(&self, name: &str) -> Result<Distro, DefinitionError> {
        let (family, distribution, release) = self.find(name)?;
        let found = distribution.resolve(&release);
        found.map_err(|reason| family.invalid(name, reason))
    }

    /// An image type, by its name or an alias.
    ///
    /// # Errors
    /// There is none, or its definition cannot be used.
    pub fn image_type(
        &self,
        distro: &Distro,
        arch: Arch,
        name: &str,
    ) -> Result<ImageType, DefinitionError> {
        if let Some(found) = self.resolve(distro, arch, name)? {
            return Ok(found);
        }
        let names = self.names(distro, arch)?;
        for (canonical, aliases) in &names {
            if aliases.iter().any(|alias| alias == name)
                && let Some(found) = self.resolve(distro, arch, canonical)?
            {
                return Ok(found);
            }
        }
        let known = names
            .into_iter()
            .flat_map(|(name, aliases)| std::iter::once(name).chain(aliases));
        let elsewhere = || {
            let mut others = Arch::ALL.into_iter().filter(|other| *other != arch);
            others
                .find(|other| {
                    self.resolve(distro, *other, name)
                        .is_ok_and(|found| found.is_some())
                })
                .map(|other| format!("--arch {other}"))
        };
        Err(DefinitionError::UnknownType {
            distribution: distro.name.clone(),
            arch: arch.to_string(),
            name: name.into(),
            near: elsewhere().or_else(|| nearest(name, known)),
        })
    }

    /// Names and aliases of all types of a distribution on an architecture, sorted by name.
    ///
    /// # Errors
    /// A definition cannot be used.
    pub fn names(
        &self,
        distro: &Distro,
        arch: Arch,
    ) -> Result<Vec<(String, Vec<String>)>, DefinitionError> {
        let (stored, _, release) = self.find(&distro.name)?;
        let family = self.whole(stored)?;
        let mut names = Vec::new();
        for name in family.types() {
            let settings = family
                .settings(name, (&release.name, &release.version), arch, |key| {
                    ["platforms", "aliases"].contains(&key)
                })
                .map_err(|reason| stored.invalid(name, reason))?;
            let Some(settings) = settings else { continue };
            let aliases = settings.get("aliases").and_then(Value::as_array);
            let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
            names.push((name.to_owned(), aliases.map(str::to_owned).collect()));
        }
        names.sort();
        Ok(names)
    }

    /// All types of all listed versions of all distributions, sorted.
    ///
    /// # Errors
    /// A definition cannot be used.
    pub fn list(&self) -> Result<Vec<Listed>, DefinitionError> {
        let mut listed = Vec::new();
        for name in self.distributions()? {
            let distro = self.distro(&name)?;
            for arch in Arch::ALL {
                let types = self.names(&distro, arch)?.into_iter();
                listed.extend(types.map(|(image_type, _)| Listed {
                    distribution: name.clone(),
                    image_type,
                    arch,
                }));
            }
        }
        listed.sort();
        Ok(listed)
    }

    /// Canonical names of all listed versions, in the order of definition.
    ///
    /// # Errors
    /// A definition cannot be used.
    pub fn distributions(&self) -> Result<Vec<String>, DefinitionError> {
        let mut names = Vec::new();
        for family in &self.families {
            for distribution in family.distributions()? {
                let versions = distribution.versions.iter();
                names.extend(versions.map(|version| format!("{}-{version}", distribution.name)));
            }
        }
        Ok(names)
    }

    /// Repositories of a distribution on an architecture, in order; which of them are for an image type their tags say.
    ///
    /// # Errors
    /// A definition cannot be used.
    pub fn repositories(
        &self,
        distro: &Distro,
        arch: Arch,
    ) -> Result<Vec<Repository>, DefinitionError> {
        let (family, distribution, release) = self.find(&distro.name)?;
        let variables = variables(distribution.variables(&release), distro, arch);
        let invalid = |reason| family.invalid("repositories", reason);
        let definitions = family.repositories.get().map_err(invalid)?;
        let mut repositories = Vec::new();
        for definition in definitions {
            let release = (release.name.as_str(), release.version.as_str());
            let found = definition
                .resolve(release, arch, &variables, |name| self.key(name))
                .map_err(invalid)?;
            repositories.extend(found);
        }
        Ok(repositories)
    }

    fn key(&self, name: &str) -> Option<String> {
        let embedded = || {
            let keys = self.embedded_keys.get().ok()?;
            keys.get(name)?.as_str().map(str::to_owned)
        };
        self.keys.get(name).cloned().or_else(embedded)
    }

    fn resolve(
        &self,
        distro: &Distro,
        arch: Arch,
        name: &str,
    ) -> Result<Option<ImageType>, DefinitionError> {
        let (stored, distribution, release) = self.find(&distro.name)?;
        let family = self.whole(stored)?;
        if !family.types().any(|known| known == name) {
            return Ok(None);
        }
        let variables = variables(distribution.variables(&release), distro, arch);
        let target = Target {
            name,
            distribution: (&release.name, &release.version),
            arch,
            variables: &variables,
            iso_label: &distribution.iso_label(&release),
        };
        family
            .settings(name, (&release.name, &release.version), arch, |_| true)
            .and_then(|settings| {
                settings
                    .map(|settings| finish(family, settings, target))
                    .transpose()
            })
            .map_err(|reason| stored.invalid(name, reason))
    }

    /// Exact names first, in every family's order, then those without a dot.
    fn find(&self, name: &str) -> Result<(&Stored, &Distribution, Release), DefinitionError> {
        for release in [Distribution::release, Distribution::dotless_release] {
            for family in &self.families {
                for distribution in family.distributions()? {
                    if let Some(release) = release(distribution, name) {
                        return Ok((family, distribution, release));
                    }
                }
            }
        }
        Err(DefinitionError::UnknownDistribution {
            name: name.into(),
            near: nearest(name, self.distributions()?.into_iter()),
        })
    }

    /// A family with what it takes from others.
    fn whole<'a>(&'a self, stored: &'a Stored) -> Result<&'a Family, DefinitionError> {
        let made = stored
            .whole
            .get_or_init(|| self.gathered(stored, &mut Vec::new()));
        made.as_ref()
            .map_err(|reason| stored.invalid("include", reason.clone()))
    }

    fn gathered<'a>(
        &'a self,
        stored: &'a Stored,
        including: &mut Vec<&'a str>,
    ) -> Result<Family, String> {
        if including.contains(&stored.name.as_str()) {
            return Err(format!("{} includes itself", stored.name));
        }
        including.push(&stored.name);
        let mut family = stored.rest.read()?;
        for name in family.include.clone() {
            let other = self.families.iter().find(|other| other.name == name);
            let other = other.ok_or_else(|| format!("there is no family {name}"))?;
            family.borrow(self.gathered(other, including)?);
        }
        including.pop();
        Ok(family)
    }
}

fn variables(release: Variables, distro: &Distro, arch: Arch) -> Variables {
    release
        .with("arch", arch.name())
        .with("os_version", &distro.os_version)
        .with("product", &distro.product)
        .with("vendor", &distro.vendor)
}

impl Stored {
    fn distributions(&self) -> Result<&[Distribution], DefinitionError> {
        let found = self.distributions.get();
        found
            .map(Vec::as_slice)
            .map_err(|reason| self.invalid("distributions", reason))
    }

    /// Whether its documents have the form they must have.
    fn check(&self) -> Result<(), DefinitionError> {
        self.distributions()?;
        self.repositories
            .get()
            .map_err(|reason| self.invalid("repositories", reason))?;
        self.rest
            .read()
            .and_then(|family| family.check())
            .map_err(|reason| self.invalid("image types", reason))?;
        Ok(())
    }

    fn invalid(&self, part: &str, reason: String) -> DefinitionError {
        DefinitionError::Invalid {
            family: self.name.clone(),
            part: part.into(),
            reason,
        }
    }
}
