//! What a policy file says.
use super::value::{Bytes, FilePattern, HostPattern, NamePattern, Sha256, Time};
use super::{Policy, PolicyError};
use crate::grant::{Limits, ProgramLimits};
use crate::interface::Interface;
use crate::pattern::Pattern;
use crate::places::Places;
use crate::reads::ReadPattern;
use crate::rights::Right;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use toml::Spanned;

/// The version of policy files that this program reads.
const VERSION: u64 = 1;

/// The modules that are sources: parts of the host program, which no component is.
pub const SOURCES: [&str; 7] = [
    "org.osbuild.containers-storage",
    "org.osbuild.curl",
    "org.osbuild.inline",
    "org.osbuild.librepo",
    "org.osbuild.ostree",
    "org.osbuild.skopeo",
    "org.osbuild.skopeo-index",
];

/// A policy file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u64>,
    #[serde(default)]
    limits: RuleLimits,
    #[serde(default)]
    rule: Vec<Spanned<Rule>>,
}

/// How much of the machine a rule can give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Edits of the tree.
    #[default]
    Basic,
    /// Programs and files of the build root too, which the rule names.
    Elevated,
    /// Devices and mounts too.
    Privileged,
}

impl Tier {
    /// The first tier that gives an interface.
    pub fn of(interface: Interface) -> Self {
        match interface {
            Interface::Types | Interface::Tree | Interface::Report => Self::Basic,
            Interface::Rpm | Interface::Grub | Interface::QemuImg | Interface::Command => {
                Self::Elevated
            }
            Interface::Loopback | Interface::Mount => Self::Privileged,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Elevated => "elevated",
            Self::Privileged => "privileged",
        })
    }
}

/// What happens to a module that asks for more than its rule gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Beyond {
    /// It is denied before anything runs.
    Error,
    /// It runs without; using it is refused.
    Withhold,
}

/// What becomes of links on the way to a path of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Links {
    /// They are part of the tree; rights are about where they lead.
    #[default]
    Follow,
    /// A path that leads through one is refused.
    Refuse,
}

impl Links {
    /// Why a path is refused, and what to do.
    pub const REFUSED: &str = "leads through a symbolic link, which `links = \"refuse\"` of the policy forbids: name the place itself";
}

/// Bounds that a policy sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleLimits {
    /// Stack, instances, linear memories and tables.
    pub memory: Option<Bytes>,
    /// Wall-clock time, of a source too.
    pub time: Option<Time>,
    /// Bytes written by the stage, the host for it, and its programs; or fetched by a source.
    pub written_bytes: Option<Bytes>,
    /// Inodes made, in the same ways.
    pub created_inodes: Option<u64>,
    /// Bytes of log.
    pub log_bytes: Option<Bytes>,
}

impl RuleLimits {
    /// These, and where these say nothing, those of `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            time: self.time.or(other.time),
            written_bytes: self.written_bytes.or(other.written_bytes),
            created_inodes: self.created_inodes.or(other.created_inodes),
            log_bytes: self.log_bytes.or(other.log_bytes),
        }
    }

    /// The limits with these set, for programs too, be it to what is usual.
    pub(super) fn apply(&self, limits: &mut Limits) {
        limits.programs = ProgramLimits {
            memory: self.memory.map(|Bytes(bytes)| bytes),
            written_bytes: self.written_bytes.map(|Bytes(bytes)| bytes),
            created_inodes: self.created_inodes,
        };
        if let Some(Bytes(memory)) = self.memory {
            limits.memory = usize::try_from(memory).unwrap_or(usize::MAX);
        }
        if let Some(Time(time)) = self.time {
            limits.time = Some(time);
        }
        if let Some(Bytes(bytes)) = self.written_bytes {
            limits.written_bytes = bytes;
        }
        if let Some(inodes) = self.created_inodes {
            limits.created_inodes = inodes;
        }
        if let Some(Bytes(bytes)) = self.log_bytes {
            limits.output = bytes;
        }
    }
}

/// What the modules that match it may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// What messages call it.
    #[serde(default)]
    pub name: Option<String>,
    /// The modules that it is about.
    pub modules: Vec<NamePattern>,
    /// The most it can give.
    #[serde(default)]
    pub tier: Tier,
    /// Interfaces; none: those of the tier.
    #[serde(default)]
    pub interfaces: Option<BTreeSet<Interface>>,
    /// Verbs on paths; none: what the module itself asks for.
    #[serde(default)]
    pub rights: Option<Vec<Right>>,
    /// Programs of the build root.
    #[serde(default)]
    pub programs: Vec<NamePattern>,
    /// Linux capabilities of these programs beyond the default set, in their user namespace.
    #[serde(default)]
    pub linux_capabilities: Vec<NamePattern>,
    /// Those of the programs that may have the privileges of the machine.
    #[serde(default)]
    pub privileged_programs: Vec<NamePattern>,
    /// Where these programs may read and write; none: where the module says.
    #[serde(default)]
    pub programs_touch: Option<Places>,
    /// Paths of the build root that a component may read itself, each with all below it.
    #[serde(default)]
    pub reads: Vec<ReadPattern>,
    /// Types of devices; none: all, where the tier has devices.
    #[serde(default)]
    pub devices: Option<Vec<NamePattern>>,
    /// Types of mounts; none: all, where the tier has mounts.
    #[serde(default)]
    pub mounts: Option<Vec<NamePattern>>,
    /// Hosts that sources, and programs of modules with network, may reach.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// Files of this machine that sources may read.
    #[serde(default)]
    pub files: Vec<FilePattern>,
    /// The component must be one of these.
    #[serde(default)]
    pub digests: Option<Vec<Sha256>>,
    /// A plugin must be signed by one of these: names or keys.
    #[serde(default)]
    pub signers: Option<Vec<String>>,
    /// Whether the granted directories are there through `wasi:filesystem` too.
    #[serde(default = "yes")]
    pub wasi_filesystem: bool,
    /// What becomes of links on the way to a path.
    #[serde(default)]
    pub links: Links,
    /// What becomes of requests that are not granted; none: an error, but interfaces of WASI are withheld.
    #[serde(default)]
    pub asked_not_granted: Option<Beyond>,
    /// Bounds; what is not here is as in the file's own `limits`.
    #[serde(default)]
    pub limits: RuleLimits,
    /// Line of the file, from 1.
    #[serde(skip)]
    pub line: usize,
    /// What it gives, whatever it is called and wherever it stands; limits of the file included.
    #[serde(skip)]
    pub(super) effect: String,
}

fn yes() -> bool {
    true
}

impl Rule {
    /// A rule for one module that gives nothing yet.
    pub fn exactly(module: &str) -> Self {
        Self {
            name: None,
            modules: vec![NamePattern::exactly(module)],
            tier: Tier::Basic,
            interfaces: None,
            rights: None,
            programs: Vec::new(),
            linux_capabilities: Vec::new(),
            privileged_programs: Vec::new(),
            programs_touch: None,
            reads: Vec::new(),
            devices: None,
            mounts: None,
            hosts: Vec::new(),
            files: Vec::new(),
            digests: None,
            signers: None,
            wasi_filesystem: true,
            links: Links::Follow,
            asked_not_granted: None,
            limits: RuleLimits::default(),
            line: 0,
            effect: String::new(),
        }
    }

    /// How messages name it.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("rule {name:?} (line {})", self.line),
            None => format!("the rule of line {}", self.line),
        }
    }

    /// A source has no memory of its own, and makes no inodes in a tree.
    fn check_limits(&self) -> Result<(), String> {
        let names: Vec<_> = self.modules.iter().map(ToString::to_string).collect();
        let of_sources = names.iter().all(|name| SOURCES.contains(&name.as_str()));
        let limits = &self.limits;
        let words = [
            ("memory", limits.memory.is_some()),
            ("created-inodes", limits.created_inodes.is_some()),
            ("log-bytes", limits.log_bytes.is_some()),
        ];
        match words.iter().find(|(_, set)| *set && of_sources) {
            Some((word, _)) => Err(format!(
                "`{word}` limits no source: of `limits` the words for sources are `time` and `written-bytes`"
            )),
            None => Ok(()),
        }
    }

    /// What serde cannot check.
    fn check(&self) -> Result<(), String> {
        if self.modules.is_empty() {
            return Err("`modules` is empty: the rule is about nothing".into());
        }
        self.check_limits()?;
        let beyond = |interface: &&Interface| Tier::of(**interface) > self.tier;
        if let Some(interface) = self.interfaces.iter().flatten().find(beyond) {
            let needed = Tier::of(*interface);
            return Err(format!(
                "interface {interface} needs `tier = \"{needed}\"`, and the rule is of tier {}",
                self.tier
            ));
        }
        let lists = [
            ("programs", Tier::Elevated, self.programs.is_empty()),
            (
                "linux-capabilities",
                Tier::Elevated,
                self.linux_capabilities.is_empty(),
            ),
            ("reads", Tier::Elevated, self.reads.is_empty()),
            (
                "privileged-programs",
                Tier::Privileged,
                self.privileged_programs.is_empty(),
            ),
            (
                "devices",
                Tier::Privileged,
                self.devices.iter().flatten().next().is_none(),
            ),
            (
                "mounts",
                Tier::Privileged,
                self.mounts.iter().flatten().next().is_none(),
            ),
        ];
        if let Some((key, tier, _)) = lists
            .iter()
            .find(|(_, tier, empty)| !empty && self.tier < *tier)
        {
            return Err(format!(
                "`{key}` needs `tier = \"{tier}\"`, and the rule is of tier {}",
                self.tier
            ));
        }
        if let Some(Err((place, reason))) = self.programs_touch.as_ref().map(Places::check) {
            return Err(format!("`programs-touch{place}`: {reason}"));
        }
        let places = self.programs_touch.iter().flat_map(Places::texts);
        for place in places {
            Pattern::expand(place, &serde_json::Value::Null).map_err(|error| error.to_string())?;
        }
        for path in self.rights.iter().flatten().flat_map(|right| &right.paths) {
            Pattern::expand(path, &serde_json::Value::Null).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Reads a policy file.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let document: Document =
        toml::from_str(text).map_err(|error| PolicyError::of_toml(text, &error))?;
    let version = document.version.get_ref();
    if *version != VERSION {
        let message = format!(
            "version {version} of policy files is not known here: write `version = {VERSION}`"
        );
        return Err(PolicyError::at(
            text,
            document.version.span().start,
            message,
        ));
    }
    let mut rules = Vec::with_capacity(document.rule.len());
    // Of the rule before: the lines above it are not counted again.
    let (mut before, mut line) = (0, 1);
    for spanned in document.rule {
        let start = spanned.span().start;
        let mut rule = spanned.into_inner();
        rule.check()
            .map_err(|message| PolicyError::at(text, start, message))?;
        let name = rule.name.take();
        rule.effect = format!("{:?}{}", document.limits, rule.to_toml());
        line += line_of(
            text.get(before..).unwrap_or_default(),
            start.saturating_sub(before),
        ) - 1;
        before = start;
        (rule.line, rule.name) = (line, name);
        rules.push(rule);
    }
    Ok(Policy {
        limits: document.limits,
        rules,
    })
}

/// The line of an offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}
