//! What one module can do, known without running it: the common part of plans, audits and lock files.
use crate::audit::Graph;
use crate::interface::{Interface, PACKAGE};
use crate::metadata::ModuleMetadata;
use crate::places::Places;
use crate::rights::Right;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a component is and asks for. In JSON what is empty is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Full module name; of a component without module document that of its file.
    pub name: String,
    /// `stage`, `assembler` or `source`; empty for a component without module document.
    pub kind: String,
    /// `built-in`, or the file that the component comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// SHA-256 of the component, lower-case hex; empty for what is no component.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Version of the contract that the component says it was built against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Interfaces of the contract that it imports, with their versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub interfaces: BTreeMap<String, String>,
    /// Interfaces of WASI that it imports, with their versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub wasi: BTreeMap<String, String>,
    /// Imports that are of neither: the component cannot be linked.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub foreign: BTreeSet<String>,
    /// Verbs on paths that its document limits it to; none: everything in the directories that it is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<Right>>,
    /// Paths of the build root that it may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Programs of the build root that it may run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Linux capabilities of these programs beyond the default set, in their user namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linux_capabilities: Vec<String>,
    /// Those of the programs that have the privileges of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub privileged_programs: Vec<String>,
    /// Where its programs read and write; none: in all that they are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs_touch: Option<Places>,
    /// Variables that it sets for its programs; `*`: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// Its programs may reach the hosts that its options name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// Its random numbers are not seeded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub entropy: bool,
    /// Whose signatures of the component were verified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signer>,
}

/// Whose signature a component carries. Made where signatures are verified; a policy compares them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Who, e.g. the identity of a certificate; empty when only the key is known.
    #[serde(default)]
    pub name: String,
    /// Fingerprint of the key, e.g. `ed25519:` and 64 hex digits.
    #[serde(default)]
    pub key: String,
}

/// What the host does about an interface of WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It works, on what was granted.
    Granted,
    /// It can be imported, and every call is refused.
    Refused,
    /// The host does not have it: the component cannot be linked.
    Missing,
}

/// What the host does about an interface of WASI, e.g. `wasi:sockets/tcp`.
pub fn standing(wasi: &str) -> Standing {
    let package = wasi.split('/').next().unwrap_or_default();
    match package {
        "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" => {
            Standing::Granted
        }
        "wasi:sockets" => Standing::Refused,
        _ => Standing::Missing,
    }
}

/// `origin` of components that are part of the program.
pub const BUILT_IN: &str = "built-in";

impl Profile {
    /// The profile of a component's bytes, whose structure was read already.
    pub fn of(
        bytes: &[u8],
        graph: &Graph<'_>,
        metadata: Option<&ModuleMetadata>,
        origin: &str,
    ) -> Self {
        let mut profile = Self {
            origin: origin.to_owned(),
            digest: hex::encode(Sha256::digest(bytes)),
            ..Self::default()
        };
        profile.add_imports(graph.imports.iter().map(String::as_str));
        match metadata {
            Some(metadata) => profile.add_metadata(metadata),
            None => origin
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .clone_into(&mut profile.name),
        }
        profile
    }

    fn add_imports<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            let (path, version) = name.split_once('@').unwrap_or((name, ""));
            let stage = path
                .strip_prefix(PACKAGE)
                .and_then(|rest| rest.strip_prefix('/'));
            match stage {
                Some(interface) => {
                    self.interfaces
                        .insert(interface.to_owned(), version.to_owned());
                }
                None if path.starts_with("wasi:") => {
                    self.wasi.insert(path.to_owned(), version.to_owned());
                }
                None => _ = self.foreign.insert(name.to_owned()),
            }
        }
    }

    fn add_metadata(&mut self, metadata: &ModuleMetadata) {
        self.name.clone_from(&metadata.name);
        self.kind.clone_from(&metadata.kind);
        self.contract.clone_from(&metadata.contract);
        self.rights.clone_from(&metadata.rights);
        self.reads.clone_from(&metadata.reads);
        // What the document names without an interface that runs programs is not within reach.
        if self.runs_programs() {
            self.programs.clone_from(&metadata.programs);
            self.linux_capabilities.clone_from(&metadata.capabilities);
            self.privileged_programs
                .clone_from(&metadata.privileged_programs);
            self.programs_touch.clone_from(&metadata.programs_touch);
            self.environment.clone_from(&metadata.environment);
        }
        self.network = metadata.network;
        self.entropy = metadata.entropy;
    }

    /// Whether one of its interfaces starts programs of the build root.
    pub fn runs_programs(&self) -> bool {
        let runs = [
            Interface::Command,
            Interface::Rpm,
            Interface::Grub,
            Interface::QemuImg,
        ];
        self.known_interfaces()
            .any(|interface| runs.contains(&interface))
    }

    /// Where its programs read and write; none: it runs none.
    pub fn places_of_programs(&self) -> Option<Places> {
        let places = self.programs_touch.clone();
        (!self.programs.is_empty()).then(|| places.unwrap_or_else(Places::everything))
    }

    /// The interfaces that this program has too.
    pub fn known_interfaces(&self) -> impl Iterator<Item = Interface> + '_ {
        self.interfaces
            .keys()
            .filter_map(|name| Interface::from_name(name))
    }

    /// Interfaces of WASI that are imported and refused, or not there at all.
    pub fn asked_in_vain(&self) -> impl Iterator<Item = &str> {
        let granted = |name: &&str| standing(name) == Standing::Granted;
        self.wasi
            .keys()
            .map(String::as_str)
            .filter(move |name| !granted(name))
    }

    /// Whether it sees directories through `wasi:filesystem` too.
    pub fn has_wasi_files(&self) -> bool {
        self.wasi
            .keys()
            .any(|name| name.starts_with("wasi:filesystem/"))
    }

    /// Whether it is part of the program.
    pub fn is_built_in(&self) -> bool {
        self.origin == BUILT_IN
    }
}
