//! What a policy decides about one use of a module.
use super::Policy;
use super::document::{Beyond, Links, Rule, Tier};
use super::value::{HostPattern, NamePattern};
use crate::grant::Limits;
use crate::interface::Interface;
use crate::mounts::MountNames;
use crate::pattern::Pattern;
use crate::places::Places;
use crate::plan::{Ask, Bounds};
use crate::reads::readable_on_this_machine;
use crate::rights::{Right, Rights, Verb};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

/// What one use of a module gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// The rule that decided; none: there is no policy, or no rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Interfaces of the contract that may be called.
    pub interfaces: BTreeSet<Interface>,
    /// The granted directories are there through `wasi:filesystem` too.
    pub wasi_filesystem: bool,
    /// Programs that may be run.
    pub programs: Vec<String>,
    /// Linux capabilities of these programs beyond the default set, in their user namespace.
    pub linux_capabilities: Vec<String>,
    /// Those of the programs that have the privileges of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub privileged_programs: Vec<String>,
    /// Where these programs read and write; none: in all that the stage is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs_touch: Option<Places>,
    /// Hosts that may be reached.
    pub hosts: Vec<String>,
    /// Paths of the build root that may be read, each with all below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Patterns of the hosts that the rule lists: where a server may lead to; none: there is no policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_hosts: Option<Vec<String>>,
    /// Files of this machine that may be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Verbs on paths that the policy allows, beside the module's own limits; none: it does not narrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<Right>>,
    /// What becomes of links on the way to a path.
    #[serde(skip_serializing_if = "Decision::follows")]
    pub links: Links,
    /// Bounds.
    pub limits: Bounds,
    /// What was asked for and is refused when it is used.
    pub withheld: Vec<String>,
    /// What was asked for and is an error: the module does not run.
    pub denials: Vec<Denial>,
}

/// One thing that a policy denies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// What was asked for, e.g. `program rpm` or `create /etc/hostname`.
    pub capability: String,
    /// Why it is denied, with the rule.
    pub reason: String,
}

impl Policy {
    /// What a use of a module gets under this policy.
    pub fn decide(&self, ask: &Ask) -> Decision {
        let name = &ask.module.name;
        let Some(rule) = self.rule(name) else {
            let denial = Denial {
                capability: format!("{} {name}", ask.module.kind),
                reason: "no rule matches it".into(),
            };
            return Decision {
                limits: Bounds::from(&Limits::default()),
                denials: vec![denial],
                ..Decision::default()
            };
        };
        let mut limits = Limits::default();
        rule.limits.or(self.limits).apply(&mut limits);
        let mut review = Review {
            rule,
            ask,
            decision: Decision {
                rule: Some(rule.label()),
                links: rule.links,
                limits: Bounds::from(&limits),
                ..Decision::default()
            },
        };
        review.identity();
        review.interfaces();
        review.programs();
        review.places();
        review.reads();
        review.parts();
        review.hosts();
        review.files();
        review.rights();
        review.wasi();
        review.decision
    }
}

impl Decision {
    /// Without a policy a module gets what it asks for, but of the privileges of the machine only those that are built in.
    pub fn without_policy(ask: &Ask) -> Self {
        let profile = &ask.module;
        let privileged = profile.privileged_programs.clone();
        let (privileged_programs, denied) = match profile.is_built_in() {
            true => (privileged, Vec::new()),
            false => (Vec::new(), privileged),
        };
        let denial = |program: String| Denial {
            capability: format!("privileged program {program}"),
            reason: "it is as strong as root, and only a policy gives that to a plugin".into(),
        };
        let mut decision = Self {
            privileged_programs,
            denials: denied.into_iter().map(denial).collect(),
            interfaces: profile.known_interfaces().collect(),
            wasi_filesystem: profile.has_wasi_files(),
            programs: profile.programs.clone(),
            programs_touch: profile.programs_touch.clone(),
            linux_capabilities: profile.linux_capabilities.clone(),
            hosts: ask.hosts.clone(),
            files: ask.files.clone(),
            limits: Bounds::from(&Limits::default()),
            withheld: profile.asked_in_vain().map(str::to_owned).collect(),
            ..Self::default()
        };
        decision.read_what(ask, |_| Ok(()));
        decision
    }

    /// Grants the `reads` of the document that `allow` allows, or withholds or denies them with its reason.
    fn read_what(&mut self, ask: &Ask, allow: impl Fn(&str) -> Result<(), Beyond>) {
        for path in &ask.module.reads {
            let capability = format!("read build://{path}");
            if ask.on_this_machine && !readable_on_this_machine(Path::new(path)) {
                // No policy can grant it, and in a manifest with a build pipeline the same module reads something else.
                self.withheld.push(format!("{capability} of this machine"));
            } else {
                match allow(path) {
                    Ok(()) => self.reads.push(path.clone()),
                    Err(Beyond::Withhold) => self.withheld.push(capability),
                    Err(Beyond::Error) => {
                        let rule = self.rule.as_deref().unwrap_or_default();
                        let reason = format!("{rule} does not list it in `reads`");
                        self.denials.push(Denial { capability, reason });
                    }
                }
            }
        }
    }

    /// Whether the module may run.
    pub fn granted(&self) -> bool {
        self.denials.is_empty()
    }

    /// Whether `HOST:PORT` may be asked, be it that the manifest names it or that a server leads there.
    pub fn may_reach(&self, host: &str) -> bool {
        let Some(patterns) = &self.listed_hosts else {
            return true;
        };
        let matches = |text: &String| {
            HostPattern::try_from(text.clone()).is_ok_and(|pattern| pattern.matches(host))
        };
        patterns.iter().any(matches)
    }

    fn follows(links: &Links) -> bool {
        *links == Links::Follow
    }

    /// The rights with those of the policy as one more layer.
    pub fn narrow(&self, rights: Rights) -> Result<Rights, crate::PatternError> {
        let rights = match self.links {
            Links::Follow => rights,
            Links::Refuse => rights.refusing_links(),
        };
        match &self.rights {
            // References were filled in when this was decided.
            Some(own) => {
                let rule = self.rule.as_deref().unwrap_or("a rule");
                let origin = format!("the rights in {rule} of the policy");
                rights.narrowed_by(&origin, own, &serde_json::Value::Null)
            }
            None => Ok(rights),
        }
    }
}

/// The patterns that only say another one of them by the name that its directory has elsewhere. In most trees one of two names is not
/// there; while the stage runs the place counts.
fn other_names(asked: &[Pattern]) -> HashSet<Pattern> {
    asked.iter().flat_map(Pattern::other_names).collect()
}

fn patterns(right: &Right, mounts: &MountNames) -> Vec<Pattern> {
    let placed = right.paths.iter().map(|path| mounts.placed(path));
    let parsed = placed.map(|path| Pattern::parse(&path));
    parsed.filter_map(Result::ok).collect()
}

/// One decision in the making.
struct Review<'a> {
    rule: &'a Rule,
    ask: &'a Ask,
    decision: Decision,
}

impl Review<'_> {
    /// Something that is asked for and not in the rule.
    fn beyond(&mut self, capability: String, reason: &str) {
        match self.rule.asked_not_granted {
            Some(Beyond::Withhold) => self.decision.withheld.push(capability),
            _ => self.deny(capability, reason),
        }
    }

    fn deny(&mut self, capability: String, reason: &str) {
        let reason = format!("{} {reason}", self.rule.label());
        self.decision.denials.push(Denial { capability, reason });
    }

    /// Digest and signature cannot be withheld.
    fn identity(&mut self) {
        let profile = &self.ask.module;
        let fits =
            |digests: &Vec<super::Sha256>| digests.iter().any(|digest| digest.is(&profile.digest));
        if !profile.digest.is_empty() && !self.rule.digests.as_ref().is_none_or(fits) {
            self.deny(
                format!("component sha256:{}", profile.digest),
                "pins other digests",
            );
        }
        let Some(required) = &self.rule.signers else {
            return;
        };
        let signed = profile.signers.iter().any(|signer| {
            let is =
                |text: &String| !text.is_empty() && (*text == signer.name || *text == signer.key);
            required.iter().any(is)
        });
        if !(signed || profile.is_built_in() || profile.digest.is_empty()) {
            self.deny(
                format!("component {}", profile.origin),
                &format!("requires a signature of {}", required.join(" or ")),
            );
        }
    }

    fn interfaces(&mut self) {
        for interface in self.ask.module.known_interfaces() {
            let tier = Tier::of(interface);
            let listed = self
                .rule
                .interfaces
                .as_ref()
                .is_none_or(|list| list.contains(&interface) || interface == Interface::Types);
            if tier > self.rule.tier {
                self.beyond(
                    format!("interface {interface}"),
                    &format!("is of tier {}, and it needs tier {tier}", self.rule.tier),
                );
            } else if listed {
                self.decision.interfaces.insert(interface);
            } else {
                self.beyond(
                    format!("interface {interface}"),
                    "does not list it in `interfaces`",
                );
            }
        }
    }

    fn programs(&mut self) {
        let (ask, rule) = (self.ask, self.rule);
        for program in &ask.module.programs {
            if any(&rule.programs, program) {
                self.decision.programs.push(program.clone());
            } else {
                self.beyond(
                    format!("program {program}"),
                    "does not list it in `programs`",
                );
            }
        }
        for program in &ask.module.privileged_programs {
            let capability = format!("privileged program {program}");
            if rule.tier < Tier::Privileged {
                let reason = format!("is of tier {}, and it needs tier privileged", rule.tier);
                self.beyond(capability, &reason);
            } else if any(&rule.privileged_programs, program) {
                self.decision.privileged_programs.push(program.clone());
            } else {
                self.beyond(capability, "does not list it in `privileged-programs`");
            }
        }
        for capability in &ask.module.linux_capabilities {
            if any(&rule.linux_capabilities, capability) {
                self.decision.linux_capabilities.push(capability.clone());
            } else {
                self.beyond(
                    format!("Linux capability {capability}"),
                    "does not list it in `linux-capabilities`",
                );
            }
        }
    }

    /// A document that says nothing about places leaves them to the policy.
    fn places(&mut self) {
        let asked = &self.ask.module.programs_touch;
        // Places were checked when the policy was read; options that fit none of them are no place.
        let bound = self.rule.programs_touch.as_ref();
        let bound = bound.map(|places| {
            let filled = places.filled(&self.ask.options, &self.ask.mount_names);
            filled.unwrap_or_default()
        });
        let (kept, beyond) = match (asked, &bound) {
            (Some(asked), Some(bound)) => asked.within(bound),
            _ => (
                asked.clone().or(bound).unwrap_or_else(Places::everything),
                Vec::new(),
            ),
        };
        let is_narrow = asked.is_some() || self.rule.programs_touch.is_some();
        self.decision.programs_touch = is_narrow.then_some(kept);
        for (word, place) in beyond {
            // It would be missing there, and no use of it refused, so it is never withheld.
            let capability = format!("programs that {word} {place}");
            self.deny(capability, "does not have it in `programs-touch`");
        }
    }

    fn reads(&mut self) {
        let rule = self.rule;
        self.decision.read_what(self.ask, |path| {
            match rule.reads.iter().any(|pattern| pattern.matches(path)) {
                true => Ok(()),
                false => Err(rule.asked_not_granted.unwrap_or(Beyond::Error)),
            }
        });
    }

    /// Devices and mounts are of the manifest: without them the stage would do something else, so they are never withheld.
    fn parts(&mut self) {
        let (ask, rule) = (self.ask, self.rule);
        for (word, key, parts, list) in [
            ("device", "devices", &ask.devices, &rule.devices),
            ("mount", "mounts", &ask.mounts, &rule.mounts),
        ] {
            for part in parts {
                let capability = format!("{word} {} ({})", part.name, part.module);
                if rule.tier < Tier::Privileged {
                    self.deny(
                        capability,
                        &format!("is of tier {}, and {key} need tier privileged", rule.tier),
                    );
                } else if !list.as_ref().is_none_or(|list| any(list, &part.module)) {
                    self.deny(
                        capability,
                        &format!("does not list {} in `{key}`", part.module),
                    );
                }
            }
        }
    }

    fn hosts(&mut self) {
        let listed = self.rule.hosts.iter().map(ToString::to_string);
        self.decision.listed_hosts = Some(listed.collect());
        for host in &self.ask.hosts {
            if self.rule.hosts.iter().any(|pattern| pattern.matches(host)) {
                self.decision.hosts.push(host.clone());
            } else {
                // What a source cannot reach, it cannot fetch.
                self.deny(format!("host {host}"), "does not list it in `hosts`");
            }
        }
        for proxy in &self.ask.proxies {
            if !self.rule.hosts.iter().any(|pattern| pattern.matches(proxy)) {
                let capability = format!("host {proxy}, the proxy of the environment");
                self.deny(capability, "does not list it in `hosts`");
            }
        }
    }

    fn files(&mut self) {
        for file in &self.ask.files {
            if self.rule.files.iter().any(|pattern| pattern.contains(file)) {
                self.decision.files.push(file.clone());
            } else {
                self.deny(
                    format!("file {file} of this machine"),
                    "does not list it in `files`",
                );
            }
        }
    }

    fn rights(&mut self) {
        let Some(allowed) = &self.rule.rights else {
            return;
        };
        // The patterns were checked when the policy was read; options that fit none of them are no path.
        let mounts = &self.ask.mount_names;
        let filled = Rights::everything()
            .on(mounts.clone())
            .narrowed(allowed, &self.ask.options);
        let filled = filled.map(|rights| rights.layers().next().unwrap_or_default());
        let filled = filled.unwrap_or_default();
        let allowed: Vec<_> = filled
            .iter()
            .map(|right| (&right.verbs, patterns(right, mounts)))
            .collect();
        let covers = |verb: &Verb, path: &Pattern| {
            allowed.iter().any(|(verbs, patterns)| {
                verbs.contains(verb) && patterns.iter().any(|larger| larger.contains(path))
            })
        };
        for right in self.ask.module.rights.iter().flatten() {
            // What cannot be read is covered by nothing.
            let unread = right
                .paths
                .iter()
                .filter(|path| Pattern::parse(path).is_err());
            for path in unread {
                self.beyond(path.clone(), "cannot read this path");
            }
            let asked = patterns(right, mounts);
            let others = other_names(&asked);
            for verb in &right.verbs {
                let own = asked.iter().filter(|path| !others.contains(*path));
                for path in own.filter(|path| !covers(verb, path)) {
                    let path = mounts.named(&path.to_string());
                    self.beyond(format!("{verb} {path}"), "does not allow it in `rights`");
                }
            }
        }
        self.decision.rights = Some(filled);
    }

    fn wasi(&mut self) {
        let ask = self.ask;
        for name in ask.module.asked_in_vain() {
            match self.rule.asked_not_granted {
                Some(Beyond::Error) => self.deny(
                    name.to_owned(),
                    "makes it an error to ask for what is not granted",
                ),
                _ => self.decision.withheld.push(name.to_owned()),
            }
        }
        let has = ask.module.has_wasi_files();
        self.decision.wasi_filesystem = has && self.rule.wasi_filesystem;
        if has && !self.rule.wasi_filesystem {
            self.decision.withheld.push("wasi:filesystem".into());
        }
    }
}

fn any(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}
