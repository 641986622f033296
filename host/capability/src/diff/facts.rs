//! What a document allows, as sets that can be compared.
use super::beyond::{bounds_beyond, rights_beyond};
use crate::audit::{Audit, Audited};
use crate::lock::{Lock, LockedStage};
use crate::places::Places;
use crate::plan::{Bounds, Part, Plan, Planned, VirtualMachine};
use crate::policy::Links;
use crate::profile::{Profile, Standing, standing};
use crate::rights::Right;
use crate::told::{self, Told};
use std::collections::{BTreeMap, BTreeSet};

/// What may be done where no right narrows it.
pub(super) const EVERYTHING: &str = "every verb on every path that is granted";

/// Under which names a pipeline's order of stages and a source's items are told.
pub(super) const ORDER: &str = "stages[]";
/// Of all options together.
const DIGEST: &str = "SHA-256 of all options";
const ITEMS: &str = "items[]";
/// Options of a new stage that are shown.
const SHOWN: usize = 12;

/// Whom the facts are about, e.g. `stage org.osbuild.rpm`.
pub(super) type Subject = String;

/// What one subject may do.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Capabilities in words.
    pub(super) words: BTreeSet<String>,
    /// Each layer of its rights; none: it does not narrow.
    pub(super) rights: Vec<Option<Vec<Right>>>,
    /// Where its programs read and write; none: it runs none.
    pub(super) places: Option<Places>,
    /// Bounds, where the document has them.
    pub(super) bounds: Option<Bounds>,
    /// What identifies it, by the name of the property: a change is neither more nor less.
    pub(super) identity: BTreeMap<String, String>,
    /// What a manifest has it do: a change is neither more nor less, and still something else comes out.
    pub(super) told: Told,
    /// Whether it is of a manifest, which does something else without it.
    pub(super) has_effect: bool,
    /// No path leads through a link.
    refuses_links: bool,
}

pub(super) fn of_audit(audit: &Audit) -> BTreeMap<Subject, Facts> {
    let subject = |audited: &Audited| subject(&audited.profile);
    audit
        .components
        .iter()
        .map(|audited| (subject(audited), of_audited(audited)))
        .collect()
}

pub(super) fn of_audited(audited: &Audited) -> Facts {
    let mut facts = of_profile(&audited.profile);
    for inner in &audited.inner {
        let unsatisfied = inner
            .imports
            .iter()
            .filter(|import| import.supplied.is_empty());
        facts.words.extend(unsatisfied.map(|import| {
            format!(
                "import {} of inner component {}, which nothing satisfies",
                import.name, inner.place
            )
        }));
    }
    facts
}

pub(super) fn of_lock(lock: &Lock) -> BTreeMap<Subject, Facts> {
    let components = lock.components.iter();
    let mut all: BTreeMap<_, _> = components
        .map(|(name, profile)| (name.clone(), of_profile(profile)))
        .collect();
    for (kind, hosts) in [("source", &lock.sources), ("stage", &lock.networks)] {
        for (module, hosts) in hosts {
            let facts: &mut Facts = all.entry(format!("{kind} {module}")).or_default();
            facts
                .words
                .extend(hosts.iter().map(|place| match place.strip_prefix("file:") {
                    Some(file) => format!("file {file} of this machine"),
                    None => format!("host {place}"),
                }));
        }
    }
    let kinds = [
        ("input", &lock.inputs),
        ("device", &lock.devices),
        ("mount", &lock.mounts),
    ];
    let modules = kinds
        .into_iter()
        .flat_map(|(kind, modules)| modules.iter().map(move |module| format!("{kind} {module}")));
    all.extend(modules.map(|subject| (subject, Facts::default())));
    for (module, settings) in &lock.settings {
        let facts: &mut Facts = all.entry(format!("source {module}")).or_default();
        facts.words.extend(settings.iter().cloned());
    }
    for (module, items) in &lock.items {
        let facts: &mut Facts = all.entry(format!("source {module}")).or_default();
        let items = items.iter().cloned();
        facts.told.insert(ITEMS.to_owned(), items.collect());
        facts.has_effect = true;
    }
    let mut names = Names::default();
    for pipeline in &lock.pipelines {
        let build = pipeline.build.as_deref();
        let mut facts = of_build_root(build, &pipeline.runner, pipeline.source_epoch);
        let stages = pipeline.stages.iter().map(|stage| stage.component.clone());
        facts.told.insert(ORDER.to_owned(), stages.collect());
        all.insert(format!("pipeline {}", pipeline.name), facts);
        for stage in &pipeline.stages {
            let name = format!("pipeline {}, {}", pipeline.name, stage.component);
            all.insert(names.next(name), of_locked_stage(stage));
        }
    }
    let identity = [("contract".to_owned(), lock.contract.clone())].into();
    all.insert(
        "this program".into(),
        Facts {
            identity,
            ..Facts::default()
        },
    );
    all
}

/// Stages are told apart by pipeline, module, and which of its kind they are there: adding one does not rename all that follow.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn next(&mut self, name: String) -> String {
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            count => format!("{name} #{count}"),
        }
    }
}

/// Where the programs of a pipeline come from. That of this machine is not less than a build pipeline, and none is less than another.
fn of_build_root(build: Option<&str>, runner: &str, source_epoch: Option<i64>) -> Facts {
    let from = match build {
        Some(build) => format!("programs of pipeline {build}"),
        None => "programs of this machine".into(),
    };
    let time = source_epoch.map_or("that of the machine".into(), |epoch| epoch.to_string());
    Facts {
        words: [from, format!("runner {runner}")].into(),
        told: [("time".to_owned(), vec![time])].into(),
        has_effect: true,
        ..Facts::default()
    }
}

impl Facts {
    /// Programs that run in a virtual machine run there only: outside of it is more.
    fn in_machine(&mut self, machine: Option<&VirtualMachine>) {
        if let Some(machine) = machine {
            let words = std::mem::take(&mut self.words).into_iter();
            self.words = words
                .map(|word| format!("{word}, in a virtual machine"))
                .collect();
            let kernel = ("kernel".to_owned(), machine.kernel.clone());
            self.identity.extend([kernel]);
        }
    }
}

fn of_locked_stage(stage: &LockedStage) -> Facts {
    let mut facts = Facts {
        rights: vec![stage.rights.clone()],
        places: stage.programs_touch.clone(),
        told: stage.told.clone(),
        has_effect: true,
        ..Facts::default()
    };
    let hosts = stage.hosts.iter().map(|host| format!("host {host}"));
    facts.words.extend(hosts);
    facts.add_parts(&stage.inputs, &stage.devices, &stage.mounts);
    facts.add_configuration(&stage.configuration);
    facts
}

pub(super) fn of_plan(plan: &Plan) -> BTreeMap<Subject, Facts> {
    let mut names = Names::default();
    let mut all = BTreeMap::new();
    for planned in &plan.sources {
        let name = names.next(subject(&planned.ask.module));
        all.insert(name, of_planned(planned));
    }
    for pipeline in &plan.pipelines {
        let build = pipeline.build.as_deref();
        let mut facts = of_build_root(build, &pipeline.runner, pipeline.source_epoch);
        facts.in_machine(pipeline.virtual_machine.as_ref());
        let stages = pipeline.stages.iter();
        let stages = stages.map(|planned| subject(&planned.ask.module));
        facts.told.insert(ORDER.to_owned(), stages.collect());
        all.insert(format!("pipeline {}", pipeline.name), facts);
        for planned in &pipeline.stages {
            let name = format!(
                "pipeline {}, {}",
                pipeline.name,
                subject(&planned.ask.module)
            );
            all.insert(names.next(name), of_planned(planned));
        }
    }
    all
}

fn subject(profile: &Profile) -> Subject {
    let kind = if profile.kind.is_empty() {
        "component"
    } else {
        &profile.kind
    };
    format!("{kind} {}", profile.name)
}

fn of_profile(profile: &Profile) -> Facts {
    let mut facts = Facts {
        rights: vec![profile.rights.clone()],
        places: profile.places_of_programs(),
        identity: identity(profile),
        ..Facts::default()
    };
    let words = &mut facts.words;
    words.extend(
        profile
            .interfaces
            .keys()
            .map(|name| format!("interface {name}")),
    );
    words.extend(profile.wasi.keys().cloned());
    words.extend(profile.foreign.iter().map(|name| format!("import {name}")));
    words.extend(
        profile
            .reads
            .iter()
            .map(|path| format!("read build://{path}")),
    );
    words.extend(
        profile
            .programs
            .iter()
            .map(|name| format!("program {name}")),
    );
    words.extend(
        profile
            .linux_capabilities
            .iter()
            .map(|name| format!("Linux capability {name}")),
    );
    words.extend(privileged(&profile.privileged_programs));
    words.extend(variables(&profile.environment));
    words.extend(
        profile
            .network
            .then(|| "network: the hosts of its options".to_owned()),
    );
    words.extend(
        profile
            .entropy
            .then(|| "random numbers that are not seeded".to_owned()),
    );
    facts
}

fn privileged(programs: &[String]) -> impl Iterator<Item = String> {
    programs
        .iter()
        .map(|name| format!("privileged program {name}"))
}

fn variables(names: &[String]) -> impl Iterator<Item = String> {
    names.iter().map(|name| format!("variable {name}"))
}

fn identity(profile: &Profile) -> BTreeMap<String, String> {
    let mut identity = BTreeMap::new();
    let mut add = |name: String, value: &str| {
        if !value.is_empty() {
            identity.insert(name, value.to_owned());
        }
    };
    add("digest".into(), &profile.digest);
    add(
        "contract".into(),
        profile.contract.as_deref().unwrap_or_default(),
    );
    add(
        "origin".into(),
        if profile.is_built_in() {
            &profile.origin
        } else {
            ""
        },
    );
    for (name, version) in profile.interfaces.iter().chain(&profile.wasi) {
        add(format!("version of {name}"), version);
    }
    identity
}

/// Of a plan what is granted counts, not what is asked for.
fn of_planned(planned: &Planned) -> Facts {
    let (ask, decision) = (&planned.ask, &planned.decision);
    let mut facts = Facts {
        // A source has no tree to do something to.
        rights: match ask.module.kind == "source" {
            true => Vec::new(),
            false => vec![ask.module.rights.clone(), decision.rights.clone()],
        },
        places: (!decision.programs.is_empty()).then(|| planned.places_of_programs()),
        bounds: Some(decision.limits),
        refuses_links: decision.links == Links::Refuse,
        identity: identity(&ask.module),
        told: ask.told.clone(),
        has_effect: true,
        ..Facts::default()
    };
    let words = &mut facts.words;
    words.extend(
        decision
            .interfaces
            .iter()
            .map(|name| format!("interface {name}")),
    );
    words.extend(
        decision
            .wasi_filesystem
            .then(|| "wasi:filesystem".to_owned()),
    );
    words.extend(
        decision
            .reads
            .iter()
            .map(|path| format!("read build://{path}")),
    );
    words.extend(
        decision
            .programs
            .iter()
            .map(|name| format!("program {name}")),
    );
    words.extend(
        decision
            .linux_capabilities
            .iter()
            .map(|name| format!("Linux capability {name}")),
    );
    words.extend(privileged(&decision.privileged_programs));
    words.extend(variables(&ask.module.environment));
    words.extend(decision.hosts.iter().map(|host| format!("host {host}")));
    let files = decision.files.iter();
    words.extend(files.map(|file| format!("file {file} of this machine")));
    words.extend(
        ask.module
            .entropy
            .then(|| "random numbers that are not seeded".to_owned()),
    );
    words.extend(ask.settings.iter().cloned());
    facts.add_parts(&ask.inputs, &ask.devices, &ask.mounts);
    facts.add_configuration(&ask.configuration);
    facts
}

impl Facts {
    fn add_parts(&mut self, inputs: &[Part], devices: &[Part], mounts: &[Part]) {
        for (kind, parts) in [("input", inputs), ("device", devices), ("mount", mounts)] {
            let words = parts
                .iter()
                .map(|part| format!("{kind} {} ({}): {}", part.name, part.module, part.of));
            self.words.extend(words);
            let names = parts.iter().map(|part| {
                let place = format!("{kind}s.{}", part.name);
                (place, vec![part.module.clone()])
            });
            self.told.extend(names);
        }
    }

    /// The digest tells what no path shows, such as numbers of the same value.
    fn add_configuration(&mut self, digest: &str) {
        if !digest.is_empty() {
            let digest = vec![digest.to_owned()];
            self.told.insert(DIGEST.to_owned(), digest);
        }
    }

    /// The options, a line for each; the digest of all of them says nothing to a reader.
    fn options(&self) -> Vec<String> {
        let mut told = self.told.clone();
        told.retain(|place, _| place != DIGEST && place != ORDER);
        let mut lines: Vec<_> = told::lines(&told).collect();
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        lines.extend((more > 0).then(|| format!("{more} more options")));
        lines
    }

    /// What a manifest has done differently, in words.
    pub(super) fn effects(&self, new: &Self) -> Vec<String> {
        let mut lines = told::difference(&self.told, &new.told);
        if lines.len() > 1 {
            lines.retain(|line| !line.starts_with(DIGEST));
        }
        lines
    }

    /// What a reader wants to know of a new stage: what it may do to which paths, and no plumbing that every component has.
    pub(super) fn telling(&self) -> Vec<String> {
        let plumbing = |word: &str| {
            let is_file_system = word.starts_with("wasi:filesystem");
            word.starts_with("wasi:") && standing(word) == Standing::Granted && !is_file_system
                || word == "interface types"
        };
        let words = self.words.iter().filter(|word| !plumbing(word)).cloned();
        let rights = self.rights.iter().flatten().flatten();
        let rights = rights.filter(|right| !right.paths.is_empty()).map(|right| {
            let verbs: Vec<_> = right.verbs.iter().map(|verb| verb.name()).collect();
            format!("{} {}", verbs.join("/"), right.paths.join(" "))
        });
        let unlimited = !self.rights.is_empty() && self.rights.iter().all(Option::is_none);
        let unlimited = unlimited.then(|| EVERYTHING.to_owned());
        let all = unlimited.into_iter().chain(rights).chain(words);
        let places = self.places_beyond(&Self::default());
        all.chain(places).chain(self.options()).collect()
    }

    fn places_beyond(&self, other: &Self) -> Vec<String> {
        let Some(own) = &self.places else {
            return Vec::new();
        };
        let (_, beyond) = own.within(&other.places.clone().unwrap_or_default());
        let beyond = beyond.into_iter();
        beyond
            .map(|(word, place)| format!("programs {word} {place}"))
            .collect()
    }

    /// What is here and not in `other`, in words.
    pub(super) fn beyond(&self, other: &Self) -> Vec<String> {
        let mut more: Vec<_> = self.words.difference(&other.words).cloned().collect();
        let everything = None;
        for (index, layer) in self.rights.iter().enumerate() {
            let others = other.rights.get(index).unwrap_or(&everything);
            more.extend(rights_beyond(layer.as_deref(), others.as_deref()));
        }
        more.extend(self.places_beyond(other));
        let follows = other.refuses_links && !self.refuses_links;
        more.extend(follows.then(|| "paths that lead through links".to_owned()));
        if let (Some(own), Some(theirs)) = (&self.bounds, &other.bounds) {
            more.extend(bounds_beyond(own, theirs));
        }
        more
    }
}
