//! The rule that would allow what a policy denies.
use super::Policy;
use super::document::{Beyond, Links, Rule, Tier};
use super::value::{FilePattern, HostPattern, NamePattern, Sha256};
use crate::interface::Interface;
use crate::plan::Ask;
use crate::reads::ReadPattern;
use crate::rights::Right;
use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use toml::Value;

/// What to do about the denials of one module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remedy {
    /// Lines to append to the policy; they decide about the module from then on. Empty where no line helps.
    pub lines: String,
    /// Whose signature is missing, if that is a reason: no line of a policy should replace it.
    pub signers: Vec<String>,
}

impl Policy {
    /// What would allow all these uses of one module: its rule, widened.
    pub fn remedy<'a>(&self, module: &str, asks: impl IntoIterator<Item = &'a Ask>) -> Remedy {
        let old = self.rule(module).map(|rule| rule.for_only(module));
        let mut rule = old.unwrap_or_else(|| Rule::exactly(module));
        let mut unsigned = false;
        for ask in asks {
            let denials = self.decide(ask).denials;
            unsigned |= denials
                .iter()
                .any(|denial| denial.reason.contains("requires a signature"));
            rule.widen(ask);
        }
        Remedy {
            signers: rule
                .signers
                .clone()
                .filter(|_| unsigned)
                .unwrap_or_default(),
            lines: rule.to_toml(),
        }
    }
}

impl Policy {
    /// Lines to append to the policy that would have allowed these rights to a module while it ran; none when no rule is about it.
    pub fn remedy_of_paths(&self, module: &str, missing: &[Right]) -> Option<String> {
        let mut rule = self.rule(module)?.for_only(module);
        let rights = rule.rights.get_or_insert_default();
        for right in missing {
            match rights.iter_mut().find(|other| other.verbs == right.verbs) {
                Some(other) => other.paths.extend(right.paths.iter().cloned()),
                None => rights.push(right.clone()),
            }
        }
        Some(rule.to_toml())
    }
}

impl Rule {
    /// The same for one module.
    fn for_only(&self, module: &str) -> Self {
        Self {
            name: None,
            modules: vec![NamePattern::exactly(module)],
            ..self.clone()
        }
    }

    /// Adds what `ask` needs and the rule does not give.
    pub fn widen(&mut self, ask: &Ask) {
        let module = &ask.module;
        self.widen_tier(ask);
        if let Some(interfaces) = &mut self.interfaces {
            interfaces.extend(
                module
                    .known_interfaces()
                    .filter(|interface| *interface != Interface::Types),
            );
        }
        add_names(&mut self.programs, module.programs.iter());
        add_names(
            &mut self.linux_capabilities,
            module.linux_capabilities.iter(),
        );
        add_names(
            &mut self.privileged_programs,
            module.privileged_programs.iter(),
        );
        if let (Some(places), Some(asked)) = (&mut self.programs_touch, &module.programs_touch) {
            let (_, beyond) = asked.within(places);
            for (word, place) in beyond {
                match word {
                    "write" => places.write.push(place),
                    _ => places.read.push(place),
                }
            }
        }
        for path in &module.reads {
            if !self.reads.iter().any(|own| own.matches(path)) {
                self.reads.extend(ReadPattern::try_from(path.clone()));
            }
        }
        if let Some(devices) = &mut self.devices {
            add_names(devices, ask.devices.iter().map(|part| &part.module));
        }
        if let Some(mounts) = &mut self.mounts {
            add_names(mounts, ask.mounts.iter().map(|part| &part.module));
        }
        for host in ask.hosts.iter().chain(&ask.proxies) {
            if !self.hosts.iter().any(|pattern| pattern.matches(host)) {
                self.hosts.extend(HostPattern::try_from(host.clone()));
            }
        }
        for file in &ask.files {
            if !self.files.iter().any(|pattern| pattern.contains(file)) {
                self.files.extend(FilePattern::try_from(file.clone()));
            }
        }
        if let (Some(digests), false) = (&mut self.digests, module.digest.is_empty())
            && !digests.iter().any(|digest| digest.is(&module.digest))
        {
            digests.push(Sha256::of(&module.digest));
        }
        if let (Some(rights), Some(asked)) = (&mut self.rights, &module.rights) {
            let lacking = asked
                .iter()
                .filter(|right| !right.paths.is_empty() && !rights.contains(right));
            let lacking: Vec<Right> = lacking.cloned().collect();
            rights.extend(lacking);
        }
        if self.asked_not_granted == Some(Beyond::Error) && module.asked_in_vain().next().is_some()
        {
            self.asked_not_granted = Some(Beyond::Withhold);
        }
    }

    fn widen_tier(&mut self, ask: &Ask) {
        let of_interfaces = ask.module.known_interfaces().map(Tier::of).max();
        let of_parts =
            (!ask.devices.is_empty() || !ask.mounts.is_empty()).then_some(Tier::Privileged);
        let of_privileged =
            (!ask.module.privileged_programs.is_empty()).then_some(Tier::Privileged);
        let of_build_root = !ask.module.programs.is_empty() || !ask.module.reads.is_empty();
        let of_build_root = of_build_root.then_some(Tier::Elevated);
        let needed = of_interfaces
            .max(of_parts)
            .max(of_build_root)
            .max(of_privileged)
            .unwrap_or_default();
        self.tier = self.tier.max(needed);
    }

    /// The rule as a policy file has it.
    pub fn to_toml(&self) -> String {
        let mut lines = "[[rule]]\n".to_owned();
        let mut line = |key: &str, value: Value| {
            // Writing to a string cannot fail.
            _ = writeln!(lines, "{key} = {value}");
        };
        if let Some(name) = &self.name {
            line("name", name.as_str().into());
        }
        line("modules", texts(&self.modules));
        line("tier", self.tier.to_string().into());
        if let Some(interfaces) = &self.interfaces {
            line("interfaces", texts(interfaces));
        }
        if let Some(rights) = &self.rights {
            line("rights", Value::Array(rights.iter().map(right).collect()));
        }
        for (key, list) in [
            ("programs", &self.programs),
            ("linux-capabilities", &self.linux_capabilities),
            ("privileged-programs", &self.privileged_programs),
        ] {
            if !list.is_empty() {
                line(key, texts(list));
            }
        }
        if let Some(places) = &self.programs_touch {
            let lists = [("read", &places.read), ("write", &places.write)];
            let lists = lists.map(|(key, list)| (key.to_owned(), texts(list)));
            line("programs-touch", Value::Table(lists.into_iter().collect()));
        }
        if !self.reads.is_empty() {
            line("reads", texts(&self.reads));
        }
        for (key, list) in [("devices", &self.devices), ("mounts", &self.mounts)] {
            if let Some(list) = list {
                line(key, texts(list));
            }
        }
        if !self.hosts.is_empty() {
            line("hosts", texts(&self.hosts));
        }
        if !self.files.is_empty() {
            line("files", texts(&self.files));
        }
        if let Some(digests) = &self.digests {
            line("digests", texts(digests));
        }
        if let Some(signers) = &self.signers {
            line("signers", texts(signers));
        }
        if !self.wasi_filesystem {
            line("wasi-filesystem", false.into());
        }
        if self.links == Links::Refuse {
            line("links", "refuse".into());
        }
        match self.asked_not_granted {
            Some(Beyond::Error) => line("asked-not-granted", "error".into()),
            Some(Beyond::Withhold) => line("asked-not-granted", "withhold".into()),
            None => {}
        }
        if let Some(limits) = self.limits.to_toml() {
            line("limits", limits);
        }
        lines
    }
}

impl super::RuleLimits {
    /// The limits that are set, as an inline table.
    fn to_toml(self) -> Option<Value> {
        let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let entries = [
            ("memory", self.memory.map(|bytes| bytes.0)),
            ("time", self.time.map(|time| time.0.as_secs().max(1))),
            ("written-bytes", self.written_bytes.map(|bytes| bytes.0)),
            ("created-inodes", self.created_inodes),
            ("log-bytes", self.log_bytes.map(|bytes| bytes.0)),
        ];
        let set = entries
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), number(value?))));
        let table: toml::Table = set.collect();
        (!table.is_empty()).then_some(Value::Table(table))
    }
}

fn add_names<'a>(patterns: &mut Vec<NamePattern>, names: impl Iterator<Item = &'a String>) {
    for name in names {
        if !patterns.iter().any(|pattern| pattern.matches(name)) {
            patterns.push(NamePattern::exactly(name));
        }
    }
}

fn texts<T: Display>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Array(
        items
            .into_iter()
            .map(|item| item.to_string().into())
            .collect(),
    )
}

fn right(right: &Right) -> Value {
    let verbs: BTreeSet<_> = right.verbs.iter().collect();
    let entries = [
        ("verbs".to_owned(), texts(verbs)),
        ("paths".to_owned(), texts(&right.paths)),
    ];
    Value::Table(entries.into_iter().collect())
}
