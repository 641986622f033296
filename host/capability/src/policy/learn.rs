//! The narrowest policy that a run needed.
use super::document::{Beyond, Rule, Tier};
use super::value::NamePattern;
use crate::interface::Interface;
use crate::pattern::{Pattern, exactly};
use crate::places::Places;
use crate::plan::{Ask, Plan};
use crate::reads::ReadPattern;
use crate::record::{AccessRecord, StageRecord};
use crate::rights::{Right, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A policy (TOML) with one rule for each module of the plan: what its stages did, and for one that did not run now what it asks for.
pub fn learn(plan: &Plan, stages: &[StageRecord]) -> String {
    let mut text = format!(
        "# What a run of {} needed. Written by `run --learn`; docs/security.md says how to read it.\nversion = 1\n",
        plan.manifest.escape_default()
    );
    let mut modules: BTreeMap<&str, Vec<&Ask>> = BTreeMap::new();
    for planned in plan.all() {
        let ask = &planned.ask;
        modules.entry(&ask.module.name).or_default().push(ask);
    }
    for (module, asks) in modules {
        let (rule, unknown) = rule(module, &asks, stages);
        text.push('\n');
        if unknown {
            text += "# It did not run now, because the store has what it made: everything that it asks for.\n";
        }
        // Writing to a string cannot fail.
        _ = write!(text, "{}", rule.to_toml());
    }
    text
}

/// The rule of one module, and whether some stage of it did not run.
fn rule(module: &str, asks: &[&Ask], stages: &[StageRecord]) -> (Rule, bool) {
    let mut rule = Rule::exactly(module);
    let mut unknown = false;
    let mut used = Used::default();
    for ask in asks {
        let is_source = ask.module.kind == "source";
        // Stages that are the same in two pipelines have one id and may have run twice.
        let records: Vec<_> = stages.iter().filter(|record| record.id == ask.id).collect();
        if is_source || records.is_empty() {
            rule.widen(ask);
            used.add_places(ask, !ask.module.programs.is_empty());
            unknown |= !is_source;
            continue;
        }
        for record in records {
            used.add(ask, record);
        }
    }
    rule.programs_touch = used.places();
    if !unknown && asks.iter().any(|ask| ask.module.kind != "source") {
        used.narrow(&mut rule);
    }
    (rule, unknown)
}

/// What all stages of one module used.
#[derive(Default)]
struct Used {
    interfaces: BTreeSet<Interface>,
    programs: BTreeSet<String>,
    linux_capabilities: BTreeSet<String>,
    privileged_programs: BTreeSet<String>,
    /// Where programs that ran read and write, as far as documents say so.
    places: Places,
    /// A document that says nothing about it had programs that ran.
    anywhere: bool,
    devices: BTreeSet<String>,
    mounts: BTreeSet<String>,
    hosts: BTreeSet<String>,
    reads: BTreeSet<String>,
    verbs: BTreeMap<String, BTreeSet<Verb>>,
}

impl Used {
    fn add(&mut self, ask: &Ask, record: &StageRecord) {
        let granted = record
            .granted
            .interfaces
            .iter()
            .filter(|name| !record.unused.interfaces.contains(name));
        self.interfaces
            .extend(granted.filter_map(|name| Interface::from_name(name)));
        let programs = ask.module.programs.iter();
        let ran: Vec<_> = programs.filter(|program| record.ran(program)).collect();
        self.add_places(ask, !ran.is_empty());
        if !ran.is_empty() {
            self.linux_capabilities
                .extend(ask.module.linux_capabilities.iter().cloned());
        }
        let privileged = |program: &&&String| ask.module.privileged_programs.contains(program);
        self.privileged_programs.extend(
            ran.iter()
                .filter(privileged)
                .map(|program| (*program).clone()),
        );
        self.programs.extend(ran.into_iter().cloned());
        self.devices
            .extend(ask.devices.iter().map(|part| part.module.clone()));
        self.mounts
            .extend(ask.mounts.iter().map(|part| part.module.clone()));
        self.hosts.extend(ask.hosts.iter().cloned());
        let is_read = |path: &&String| {
            let place = format!("build://{}", path.trim_end_matches('/'));
            let below = |other: &str| other.strip_prefix(&place).is_some_and(starts_a_name);
            record.accesses.iter().any(|access| below(&access.path))
        };
        let reads = ask.module.reads.iter().filter(is_read);
        self.reads.extend(reads.cloned());
        // What was tried without effect needs the right too: it depends on the tree whether there is something to remove.
        for access in record.accesses.iter().chain(&record.tried) {
            let own = ask.module.rights.as_deref().unwrap_or_default();
            for verb in access.verbs.keys().chain(&instead_of_read(own, access)) {
                self.verbs
                    .entry(exactly(&access.path, access.below.contains(verb)))
                    .or_default()
                    .insert(*verb);
            }
        }
    }

    fn add_places(&mut self, ask: &Ask, has_programs: bool) {
        match &ask.module.programs_touch {
            _ if !has_programs => {}
            None => self.anywhere = true,
            Some(places) => self.places.extend(places),
        }
    }

    /// Programs keep to the places that their documents say now; none: a document leaves that to the policy, or there are none.
    fn places(&self) -> Option<Places> {
        let has_some = self.places != Places::default();
        (has_some && !self.anywhere).then(|| self.places.clone())
    }

    fn narrow(mut self, rule: &mut Rule) {
        let names = |names: BTreeSet<String>| {
            names
                .iter()
                .map(|name| NamePattern::exactly(name))
                .collect::<Vec<_>>()
        };
        let parts = !self.devices.is_empty() || !self.mounts.is_empty();
        let tier = self
            .interfaces
            .iter()
            .map(|interface| Tier::of(*interface))
            .max();
        let needed = [
            tier.unwrap_or_default(),
            if parts || !self.privileged_programs.is_empty() {
                Tier::Privileged
            } else {
                Tier::Basic
            },
            match self.programs.is_empty() && self.reads.is_empty() {
                true => Tier::Basic,
                false => Tier::Elevated,
            },
        ];
        rule.tier = needed.into_iter().max().unwrap_or_default();
        // Metadata and errors are no capability worth withholding, and files are what the rights are about.
        self.interfaces.extend([Interface::Report, Interface::Tree]);
        rule.interfaces = Some(
            self.interfaces
                .into_iter()
                .filter(|interface| *interface != Interface::Types)
                .collect(),
        );
        rule.programs = names(self.programs);
        rule.linux_capabilities = names(self.linux_capabilities);
        rule.privileged_programs = names(self.privileged_programs);
        let reads = self.reads.into_iter().map(ReadPattern::try_from);
        rule.reads = reads.filter_map(Result::ok).collect();
        if rule.tier == Tier::Privileged {
            rule.devices = Some(names(self.devices));
            rule.mounts = Some(names(self.mounts));
        }
        rule.hosts = self
            .hosts
            .into_iter()
            .filter_map(|host| host.try_into().ok())
            .collect();
        rule.rights = Some(grouped(self.verbs));
        rule.asked_not_granted = Some(Beyond::Withhold);
    }
}

/// What the document allows on a path that was only looked at and that it gives no `read` on: a directory that was there already would
/// have been created.
fn instead_of_read(own: &[Right], access: &AccessRecord) -> BTreeSet<Verb> {
    let Ok(path) = Pattern::parse(&exactly(&access.path, false)) else {
        return BTreeSet::new();
    };
    let fits = |text: &String| Pattern::parse(text).is_ok_and(|own| own.contains(&path));
    let rights = own.iter().filter(|right| right.paths.iter().any(fits));
    let verbs: BTreeSet<_> = rights.flat_map(|right| &right.verbs).copied().collect();
    match access.verbs.contains_key(&Verb::Read) && !verbs.contains(&Verb::Read) {
        true => verbs,
        false => BTreeSet::new(),
    }
}

/// Whether what follows a directory's path is below it, or it itself.
fn starts_a_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Paths with the same verbs are one right.
fn grouped(verbs: BTreeMap<String, BTreeSet<Verb>>) -> Vec<Right> {
    let mut rights: BTreeMap<BTreeSet<Verb>, Vec<String>> = BTreeMap::new();
    for (path, verbs) in verbs {
        rights.entry(verbs).or_default().push(path);
    }
    rights
        .into_iter()
        .map(|(verbs, paths)| Right { verbs, paths })
        .collect()
}
