//! One family: the types of distributions that are alike, and the parts they are made of.
use super::layer::{Layer, lay};
use super::lazy::Lazy;
use super::when::When;
use crate::Arch;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Conditions of which one will do, or one.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Available {
    Any(Vec<When>),
    One(When),
}

/// Settings that hold under a condition.
#[derive(Clone, Debug, Deserialize)]
struct Conditional {
    when: When,
    #[serde(flatten)]
    layer: Layer,
}

/// An image type, or what several have in common.
#[derive(Clone, Debug, Deserialize)]
pub struct TypeDefinition {
    /// What it builds on.
    #[serde(default)]
    base: Option<String>,
    /// It is only there for others to build on: `Family::types` asks the document.
    #[serde(default, rename = "abstract")]
    _is_abstract: bool,
    /// Where it exists; absent: in all distributions of the family.
    #[serde(default)]
    available: Option<Available>,
    #[serde(flatten)]
    layer: Layer,
    #[serde(default)]
    conditions: Vec<Conditional>,
}

/// Hardware and firmware.
#[derive(Clone, Debug, Deserialize)]
pub struct PlatformDefinition {
    /// What it builds on.
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    conditions: Vec<Conditional>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A family without its distributions and repositories.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Family {
    /// Families whose parts may be used here.
    pub include: Vec<String>,
    /// Hardware and firmware, by name.
    pub platforms: IndexMap<String, Lazy<PlatformDefinition>>,
    /// Partition tables, by name.
    pub partition_tables: IndexMap<String, Value>,
    /// Keys of blueprints that have an effect, by the name of the list.
    pub option_lists: IndexMap<String, Value>,
    /// Image types.
    pub image_types: IndexMap<String, Lazy<TypeDefinition>>,
}

/// Most steps from a type, or a platform, to the last of its bases.
const MOST_BASES: usize = 16;

impl Family {
    /// Names of the types that can be built.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        let types = self.image_types.iter();
        types
            .filter(|(_, definition)| definition.member("abstract") != Some(&Value::Bool(true)))
            .map(|(name, _)| name.as_str())
    }

    /// Whether all definitions have the form they must have.
    ///
    /// # Errors
    /// The first that has not, and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let platforms = self.platforms.iter();
        let platforms = platforms.map(|(name, platform)| (name, platform.get().map(drop)));
        let types = self.image_types.iter();
        let types = types.map(|(name, definition)| (name, definition.get().map(drop)));
        platforms
            .chain(types)
            .try_for_each(|(name, read)| read.map_err(|reason| format!("{name}: {reason}")))
    }

    /// Those settings of a type that are wanted, with its bases and conditions decided; nothing where it does not exist.
    ///
    /// # Errors
    /// What its definition says wrong.
    pub fn settings(
        &self,
        name: &str,
        distribution: (&str, &str),
        arch: Arch,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<Layer>, String> {
        let (distro_name, version) = distribution;
        let holds = |when: &When| when.holds(distro_name, version, Some(arch));
        let mut chain = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let found = self
                .image_types
                .get(name)
                .ok_or_else(|| format!("there is no type {name}"))?
                .get()?;
            if chain.len() == MOST_BASES {
                return Err(format!(
                    "{name}: more than {MOST_BASES} bases: do they go in a circle?"
                ));
            }
            let exists = match &found.available {
                None => true,
                Some(Available::One(when)) => holds(when),
                Some(Available::Any(whens)) => whens.iter().any(holds),
            };
            if !exists {
                return Ok(None);
            }
            chain.push(found);
            next = found.base.as_deref();
        }
        let mut settings = Layer::new();
        for part in chain.into_iter().rev() {
            lay(&mut settings, &part.layer, &wanted)?;
            for condition in part
                .conditions
                .iter()
                .filter(|condition| holds(&condition.when))
            {
                lay(&mut settings, &condition.layer, &wanted)?;
            }
        }
        let exists = settings
            .get("platforms")
            .is_some_and(|platforms| platforms.get(arch.name()).is_some());
        Ok(exists.then_some(settings))
    }

    /// A platform with its bases and conditions decided: lists go behind the lists that are there, the rest over it.
    ///
    /// # Errors
    /// It is not there, or bases go in a circle.
    pub fn platform(
        &self,
        name: &str,
        distribution: (&str, &str),
        arch: Arch,
    ) -> Result<Map<String, Value>, String> {
        let (distro_name, version) = distribution;
        let mut chain = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let found = self
                .platforms
                .get(name)
                .ok_or_else(|| format!("there is no platform {name}"))?
                .get()?;
            if chain.len() == MOST_BASES {
                return Err(format!(
                    "platform {name}: more than {MOST_BASES} bases: do they go in a circle?"
                ));
            }
            chain.push(found);
            next = found.base.as_deref();
        }
        let mut platform = Map::new();
        for part in chain.into_iter().rev() {
            add(&mut platform, &part.fields);
            for condition in &part.conditions {
                if condition.when.holds(distro_name, version, Some(arch)) {
                    add(&mut platform, &condition.layer);
                }
            }
        }
        Ok(platform)
    }

    /// Takes the parts of another family that this one does not say itself.
    pub fn borrow(&mut self, other: Self) {
        fn add<T>(own: &mut IndexMap<String, T>, other: IndexMap<String, T>) {
            for (name, part) in other {
                own.entry(name).or_insert(part);
            }
        }
        add(&mut self.platforms, other.platforms);
        add(&mut self.partition_tables, other.partition_tables);
        add(&mut self.option_lists, other.option_lists);
        add(&mut self.image_types, other.image_types);
    }
}

/// Puts lists behind lists, and the rest over what is there.
fn add(platform: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (platform.get_mut(key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
            _ => {
                platform.insert(key.clone(), value.clone());
            }
        }
    }
}
