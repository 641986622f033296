//! Streams of modules: which are active, and which packages that hides.
mod active;

use crate::goal::{Missing, Wish};
use crate::metadata::{ModuleDefault, Stream, Streams};
use crate::sack::Sack;
use osbuild_wasm_solver_sys::Package;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Modules of all repositories, and what of them is enabled.
#[derive(Debug, Default)]
pub(crate) struct Container {
    streams: Vec<Stream>,
    defaults: BTreeMap<String, ModuleDefault>,
    /// What provides `module(platform:...)`.
    platform: Option<String>,
    arch: String,
    /// Stream by module, for the transaction.
    enabled: BTreeMap<String, String>,
    /// Stream by module, for all transactions.
    ever_enabled: BTreeMap<String, String>,
    /// Places of streams that are active.
    active: BTreeSet<usize>,
    /// Profiles that were named, by module.
    profiles: BTreeMap<String, BTreeSet<String>>,
}

/// A word taken apart: `name[:stream[:version[:context[:arch]]]][/profile]`.
struct Spec<'a> {
    parts: Vec<&'a str>,
    profile: Option<&'a str>,
}

impl<'a> Spec<'a> {
    fn parse(word: &'a str) -> Self {
        let (module, profile) = match word.split_once('/') {
            Some((module, profile)) => {
                (module, Some(profile).filter(|profile| !profile.is_empty()))
            }
            None => (word, None),
        };
        let parts = module.split(':').collect();
        Self { parts, profile }
    }

    fn fits(&self, stream: &Stream) -> bool {
        let version = stream.version.to_string();
        let known = [
            &stream.name,
            &stream.stream,
            &version,
            &stream.context,
            &stream.arch,
        ];
        self.parts.len() <= known.len()
            && self
                .parts
                .iter()
                .zip(known)
                .all(|(wanted, known)| wanted.is_empty() || crate::glob::matches(wanted, known))
    }
}

impl Container {
    /// The modules of repositories, for a platform such as `platform:f43` and an architecture.
    pub(crate) fn new(all: &[Streams], platform: Option<&str>, arch: &str) -> Self {
        let mut container = Self {
            streams: all
                .iter()
                .flat_map(|streams| streams.streams.clone())
                .collect(),
            platform: platform.map(str::to_owned),
            arch: arch.to_owned(),
            ..Self::default()
        };
        for streams in all {
            container.defaults.extend(streams.defaults.clone());
        }
        // What defaults cannot be fulfilled is not active; no request names them.
        _ = container.resolve();
        container
    }

    /// Begins a transaction: nothing is enabled, but what is active is so until something is.
    pub(crate) fn begin(&mut self) {
        self.enabled.clear();
    }

    /// Enables streams; whether there was one.
    pub(crate) fn enable(&mut self, words: &[String], missing: &mut Missing) -> bool {
        let mut any = false;
        for word in words {
            any |= self
                .enable_one(word.strip_prefix('@').unwrap_or(word), missing)
                .is_some();
        }
        if any {
            self.resolve_for(missing);
        }
        any
    }

    fn resolve_for(&mut self, missing: &mut Missing) {
        if let Err(problem) = self.resolve() {
            missing.problems.push(problem);
        }
    }

    /// Enables the stream that a word stands for; returns its places. None: it stands for no module, or not for one stream, which is
    /// noted.
    fn enable_one(&mut self, word: &str, missing: &mut Missing) -> Option<Vec<usize>> {
        let places = self.places(&Spec::parse(word));
        if places.is_empty() {
            missing.groups.push(word.to_owned());
            return None;
        }
        match self.choose(word, places) {
            Ok(places) => Some(places),
            Err(problem) => {
                missing.problems.push(problem);
                None
            }
        }
    }

    fn places(&self, spec: &Spec<'_>) -> Vec<usize> {
        let fits = self
            .streams
            .iter()
            .enumerate()
            .filter(|(_, stream)| spec.fits(stream));
        fits.map(|(place, _)| place).collect()
    }

    /// Of each module that a word stands for one stream: the only one, or that which is enabled or the default.
    fn choose(&mut self, word: &str, places: Vec<usize>) -> Result<Vec<usize>, String> {
        let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for place in &places {
            let stream = &self.streams[*place];
            by_name
                .entry(stream.name.clone())
                .or_default()
                .insert(stream.stream.clone());
        }
        for (name, streams) in by_name {
            let known = self.enabled.get(&name).or(self
                .defaults
                .get(&name)
                .and_then(|default| default.stream.as_ref()));
            let chosen = match (streams.len(), streams.first(), known) {
                (1, Some(only), _) => only.clone(),
                (_, _, Some(known)) if streams.contains(known) => known.clone(),
                _ => {
                    let streams: Vec<_> = streams.into_iter().collect();
                    let streams = streams.join(", ");
                    return Err(format!(
                        "{word} is more than one stream of the module {name} ({streams}), and none is the default"
                    ));
                }
            };
            if let Some(other) = self
                .enabled
                .get(&name)
                .filter(|enabled| **enabled != chosen)
            {
                return Err(format!(
                    "the module {name} cannot have the streams {other} and {chosen} at once"
                ));
            }
            self.enabled.insert(name.clone(), chosen.clone());
            self.ever_enabled.insert(name, chosen);
        }
        let is_chosen = |place: &usize| {
            let stream = &self.streams[*place];
            self.enabled.get(&stream.name) == Some(&stream.stream)
        };
        Ok(places.into_iter().filter(is_chosen).collect())
    }

    /// Enables modules and adds wishes for the packages of their profiles. Returns words that stand for no module.
    pub(crate) fn install<'a>(
        &mut self,
        sack: &mut Sack,
        words: &[&'a str],
        wishes: &mut Vec<Wish>,
        missing: &mut Missing,
    ) -> Vec<&'a str> {
        let mut others = Vec::new();
        let mut enabled = Vec::new();
        for word in words {
            match self.places(&Spec::parse(word)).is_empty() {
                true => others.push(*word),
                false => {
                    enabled.extend(self.enable_one(word, missing).map(|places| (*word, places)))
                }
            }
        }
        if enabled.is_empty() {
            return others;
        }
        self.resolve_for(missing);
        sack.hidden.modular = self.hidden(sack);
        for (word, places) in enabled {
            match self.wish_profiles(sack, word, &places) {
                Ok(some) => wishes.extend(some),
                Err(problem) => missing.problems.push(problem),
            }
        }
        others
    }

    /// Wishes for the packages of the profiles that a word names, or of the default ones.
    fn wish_profiles(
        &mut self,
        sack: &mut Sack,
        word: &str,
        places: &[usize],
    ) -> Result<Vec<Wish>, String> {
        let active: Vec<_> = places
            .iter()
            .copied()
            .filter(|place| self.active.contains(place))
            .collect();
        // Of equal ones the first.
        let latest = active
            .iter()
            .rev()
            .copied()
            .max_by_key(|place| self.streams[*place].version);
        let latest = latest.ok_or_else(|| format!("the module {word} cannot be active"))?;
        let stream = self.streams[latest].clone();
        let profiles = self.profiles_of(&Spec::parse(word), &stream)?;
        self.profiles
            .entry(stream.name.clone())
            .or_default()
            .extend(profiles.iter().cloned());
        let artifacts: BTreeSet<_> = active
            .iter()
            .flat_map(|place| &self.streams[*place].artifacts)
            .cloned()
            .collect();
        let names: BTreeSet<_> = profiles
            .iter()
            .flat_map(|profile| &stream.profiles[profile])
            .collect();
        names
            .into_iter()
            .map(|name| wish_for(sack, word, name, &artifacts))
            .collect()
    }

    fn profiles_of(&self, spec: &Spec<'_>, stream: &Stream) -> Result<Vec<String>, String> {
        let module = format!("{}:{}", stream.name, stream.stream);
        let known: Vec<_> = stream.profiles.keys().cloned().collect();
        let wanted = match spec.profile {
            Some(profile) => known
                .iter()
                .filter(|name| crate::glob::matches(profile, name))
                .cloned()
                .collect(),
            None => self
                .defaults
                .get(&stream.name)
                .and_then(|default| default.profiles.get(&stream.stream))
                .cloned()
                .unwrap_or_default(),
        };
        match wanted.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(format!(
                "the module {module} has no profile {name}; it has {}",
                known.join(", ")
            )),
            None if wanted.is_empty() => {
                let profile = spec
                    .profile
                    .map_or("default profile".to_owned(), |profile| {
                        format!("profile {profile}")
                    });
                Err(format!(
                    "the module {module} has no {profile}; it has {}",
                    known.join(", ")
                ))
            }
            None => Ok(wanted),
        }
    }

    /// Packages that modules hide: those of streams that are not active, and others that have a name, or provide one, of a package of an
    /// active one. Repositories with `module_hotfixes` take no part, and what is hidden already is left as it is: dnf does not look at it.
    pub(crate) fn hidden(&mut self, sack: &mut Sack) -> BTreeSet<Package> {
        if self.streams.is_empty() {
            return BTreeSet::new();
        }
        let (active, inactive): (Vec<_>, Vec<_>) = self
            .streams
            .iter()
            .enumerate()
            .partition(|(place, _)| self.active.contains(place));
        let included: BTreeSet<_> = active
            .iter()
            .flat_map(|(_, stream)| &stream.artifacts)
            .collect();
        let excluded: BTreeSet<_> = inactive
            .iter()
            .flat_map(|(_, stream)| &stream.artifacts)
            .collect();
        let names: BTreeSet<_> = active
            .iter()
            .flat_map(|(_, stream)| names(stream))
            .collect();
        let mut providing: BTreeSet<Package> = BTreeSet::new();
        for name in &names {
            let id = sack.pool.intern(name);
            providing.extend(sack.pool.providers(id));
        }
        let all: Vec<_> = sack.pool.packages().collect();
        let is_hidden = |package: &Package| {
            let nevra = sack.nevra(*package);
            let takes_part = sack
                .repo(*package)
                .is_some_and(|repo| repo.module_hotfixes != Some(true));
            takes_part
                && !sack.hidden.transaction.contains(package)
                && !included.contains(&nevra)
                && (excluded.contains(&nevra)
                    || providing.contains(package)
                    || names.contains(&*sack.pool.name(*package)))
        };
        all.into_iter().filter(is_hidden).collect()
    }

    /// What a build has to write for the modules that were enabled, as the protocol has it.
    pub(crate) fn reply(&self, sack: &Sack, packages: impl Iterator<Item = Package>) -> Value {
        let installed: BTreeSet<_> = packages.map(|package| sack.nevra(package)).collect();
        let mut reply = Map::new();
        for (name, stream) in &self.ever_enabled {
            let mut of_stream = self
                .streams
                .iter()
                .filter(|known| known.name == *name && known.stream == *stream);
            let found = of_stream.find(|known| {
                known
                    .artifacts
                    .iter()
                    .any(|artifact| installed.contains(artifact))
            });
            let Some(found) = found else {
                continue;
            };
            let profiles = self.profiles.get(name).cloned().unwrap_or_default();
            reply.insert(name.clone(), json!({
                "module-file": {
                    "path": format!("/etc/dnf/modules.d/{name}.conf"),
                    "data": {"name": name, "stream": stream, "profiles": profiles, "state": "enabled"},
                },
                "failsafe-file": {
                    "path": format!("/var/lib/dnf/modulefailsafe/{name}:{stream}"),
                    "data": found.text,
                },
            }));
        }
        Value::Object(reply)
    }
}

/// The wish for a package of a profile: one of the module if there is one.
fn wish_for(
    sack: &mut Sack,
    word: &str,
    name: &str,
    artifacts: &BTreeSet<String>,
) -> Result<Wish, String> {
    let mut all = sack.visible();
    all.retain(|package| !sack.is_source(*package) && sack.pool.name(*package) == name);
    let is_hotfix = |package: Package| {
        sack.repo(package)
            .is_some_and(|repo| repo.module_hotfixes == Some(true))
    };
    let of_module = all
        .iter()
        .copied()
        .filter(|package| is_hotfix(*package) || artifacts.contains(&sack.nevra(*package)));
    let of_module: Vec<_> = of_module.collect();
    let packages = if of_module.is_empty() { all } else { of_module };
    match packages.is_empty() {
        true => Err(format!("no package {name} for the module {word}")),
        false => Ok(Wish::packages(packages, &format!("@{word}"), "group")),
    }
}

/// Names of a stream's packages, without sources and what is no longer part of it.
fn names(stream: &Stream) -> impl Iterator<Item = String> + '_ {
    let packages = stream.artifacts.iter().filter_map(|artifact| {
        let (rest, arch) = artifact.rsplit_once('.')?;
        let name = rest.rsplitn(3, '-').nth(2)?;
        (!matches!(arch, "src" | "nosrc")).then(|| name.to_owned())
    });
    packages.filter(|name| !stream.demodularized.contains(name))
}
