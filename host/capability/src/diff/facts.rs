//! What a document says that somebody may do, as sets that can be compared.
use crate::audit::{Audit, Audited};
use crate::lock::Lock;
use crate::pattern::Pattern;
use crate::plan::{Bounds, Plan, Planned};
use crate::profile::Profile;
use crate::rights::{Right, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// Whom the facts are about, e.g. `stage org.osbuild.rpm`.
pub(super) type Subject = String;

/// What one subject may do.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Capabilities in words.
    pub(super) words: BTreeSet<String>,
    /// Each layer of its rights; none: it does not narrow.
    pub(super) rights: Vec<Option<Vec<Right>>>,
    /// Bounds, where the document has them.
    pub(super) bounds: Option<Bounds>,
    /// What identifies it, by the name of the property: a change is neither more nor less.
    pub(super) identity: BTreeMap<String, String>,
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
pub(super) fn of_plan(plan: &Plan) -> BTreeMap<Subject, Facts> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let sources = plan.sources.iter().map(|planned| (None, planned));
    let stages = plan.pipelines.iter().flat_map(|pipeline| {
        pipeline
            .stages
            .iter()
            .map(move |planned| (Some(pipeline.name.as_str()), planned))
    });
    let mut all = BTreeMap::new();
    for (pipeline, planned) in sources.chain(stages) {
        let module = subject(&planned.ask.module);
        let name = pipeline.map_or(module.clone(), |pipeline| {
            format!("pipeline {pipeline}, {module}")
        });
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count == 1 {
            name
        } else {
            format!("{name} #{count}")
        };
        all.insert(name, of_planned(planned));
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
        rights: vec![ask.module.rights.clone(), decision.rights.clone()],
        bounds: Some(decision.limits),
        identity: identity(&ask.module),
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
    for (kind, parts) in [
        ("input", &ask.inputs),
        ("device", &ask.devices),
        ("mount", &ask.mounts),
    ] {
        words.extend(
            parts
                .iter()
                .map(|part| format!("{kind} {} ({}): {}", part.name, part.module, part.of)),
        );
    }
    facts
}

impl Facts {
    /// What is here and not in `other`, in words.
    pub(super) fn beyond(&self, other: &Self) -> Vec<String> {
        let mut more: Vec<_> = self.words.difference(&other.words).cloned().collect();
        let everything = None;
        for (index, layer) in self.rights.iter().enumerate() {
            let others = other.rights.get(index).unwrap_or(&everything);
            more.extend(rights_beyond(layer.as_deref(), others.as_deref()));
        }
        if let (Some(own), Some(theirs)) = (&self.bounds, &other.bounds) {
            more.extend(bounds_beyond(own, theirs));
        }
        more
    }
}

fn rights_beyond(own: Option<&[Right]>, other: Option<&[Right]>) -> Vec<String> {
    let Some(other) = other else {
        return Vec::new();
    };
    let Some(own) = own else {
        return vec!["every verb on every path that is granted".into()];
    };
    let pairs = own.iter().flat_map(|right| {
        right
            .verbs
            .iter()
            .flat_map(|verb| right.paths.iter().map(move |path| (*verb, path)))
    });
    let lacking = pairs.filter(|(verb, path)| !covered(*verb, path, other));
    let lacking: BTreeSet<_> = lacking
        .map(|(verb, path)| format!("{verb} {path}"))
        .collect();
    lacking.into_iter().collect()
}

/// Patterns with references into options can only be compared as text.
fn covered(verb: Verb, path: &str, rights: &[Right]) -> bool {
    let pattern = |text: &str| {
        (!text.contains("${"))
            .then(|| Pattern::parse(text).ok())
            .flatten()
    };
    let wanted = pattern(path);
    let fits = |text: &String| {
        let contained = || Some(pattern(text)?.contains(wanted.as_ref()?));
        text == path || contained().unwrap_or(false)
    };
    rights
        .iter()
        .any(|right| right.verbs.contains(&verb) && right.paths.iter().any(fits))
}

fn bounds_beyond(own: &Bounds, other: &Bounds) -> Vec<String> {
    let time = |bounds: &Bounds| bounds.seconds.unwrap_or(u64::MAX);
    let pairs = [
        ("memory", own.memory, other.memory),
        ("log bytes", own.log_bytes, other.log_bytes),
        ("written bytes", own.written_bytes, other.written_bytes),
        ("created inodes", own.created_inodes, other.created_inodes),
        ("seconds", time(own), time(other)),
    ];
    let shown = |number: u64| match number {
        u64::MAX => "unlimited".to_owned(),
        number => number.to_string(),
    };
    let larger = pairs.into_iter().filter(|(_, own, other)| own > other);
    larger
        .map(|(name, own, other)| {
            format!(
                "limit of {name}: {} instead of {}",
                shown(own),
                shown(other)
            )
        })
        .collect()
}
