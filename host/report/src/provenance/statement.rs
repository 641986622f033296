//! The statement, as serde writes it.

use super::materials;
use crate::findings::Findings;
use jiff::Timestamp;
use osbuild_wasm_capability::plan::{Bounds, Part, Plan, Planned, PlannedPipeline};
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_capability::{Places, Right};
use osbuild_wasm_events::ExportDigest;
use osbuild_wasm_manifest::model::Manifest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// `_type` of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType` of a statement.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// `buildType`: an osbuild manifest, carried out by this program. schemas/provenance.json says what its parameters are.
pub const BUILD_TYPE: &str = "urn:osbuild-wasm:build:v1";
/// Who is said to have built: this program, wherever it ran.
const BUILDER: &str = "urn:osbuild-wasm:builder:v1";
/// Name of the digest of a whole tree among digests; `osbuild-wasm-files` says what it is of.
pub const TREE_DIGEST: &str = "osbuildWasmTree1";

/// An in-toto statement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: &'static str,
    /// Each export with the digest of its tree, and its files where these are few.
    pub subject: Vec<Descriptor>,
    /// [`PREDICATE_TYPE`].
    pub predicate_type: &'static str,
    /// What is said of the subjects.
    pub predicate: Provenance,
}

/// SLSA provenance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What went in.
    pub build_definition: BuildDefinition,
    /// This one run.
    pub run_details: RunDetails,
}

/// Everything that decides what comes out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// [`BUILD_TYPE`].
    pub build_type: &'static str,
    /// What the user asked for.
    pub external_parameters: ExternalParameters,
    /// What the one who runs this program decided.
    pub internal_parameters: InternalParameters,
    /// Sources and components.
    pub resolved_dependencies: Vec<Descriptor>,
}

/// What the user asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalParameters {
    /// The manifest as it was read.
    pub manifest: Descriptor,
    /// The file of `--build-env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_environment: Option<Descriptor>,
    /// The exported pipelines as they were named.
    pub exports: Vec<String>,
}

/// What the one who runs this program decided.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InternalParameters {
    /// The policy that was in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Descriptor>,
    /// What each stage of the needed pipelines was granted, in the order of building.
    pub grants: Vec<Grant>,
}

/// What one stage may do.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Name of the module that runs.
    pub stage: String,
    /// Id of the stage.
    pub id: String,
    /// SHA-256 of the component.
    pub component: String,
    /// The rule of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Interfaces of the contract.
    pub interfaces: Vec<String>,
    /// Verbs on paths that the module limits itself to; none: everything in the tree, inputs, devices and mounts of the stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<Right>>,
    /// Verbs on paths that the policy limits it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_rights: Option<Vec<Right>>,
    /// `refuse`: no path that leads through a link; none: links are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
    /// Paths of the build root that may be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Where programs read and write; none: in all that the stage is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs_touch: Option<Places>,
    /// Linux capabilities of programs, beyond the default set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linux_capabilities: Vec<String>,
    /// Programs with the privileges of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub privileged_programs: Vec<String>,
    /// Devices, as `NAME (MODULE)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Mounts, as `NAME (MODULE)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<String>,
    /// Hosts that programs may reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Whether random numbers are random.
    pub entropy: bool,
    /// How much of the machine it may use.
    pub limits: GrantedLimits,
}

/// The bounds of a stage.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedLimits {
    /// Bytes of linear memory.
    pub memory: u64,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Bytes written through the interface `tree`.
    pub written_bytes: u64,
    /// Inodes made through the interface `tree`.
    pub created_inodes: u64,
    /// Wall-clock time; none: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Bytes of memory of all programs together; this and what follows: none: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_of_programs: Option<u64>,
    /// Bytes written by programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_written_by_programs: Option<u64>,
    /// Inodes made by programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes_created_by_programs: Option<u64>,
}

impl From<Bounds> for GrantedLimits {
    fn from(bounds: Bounds) -> Self {
        let Bounds {
            memory,
            log_bytes,
            written_bytes,
            created_inodes,
            seconds,
            programs,
        } = bounds;
        Self {
            memory,
            log_bytes,
            written_bytes,
            created_inodes,
            seconds,
            memory_of_programs: programs.memory,
            bytes_written_by_programs: programs.written_bytes,
            inodes_created_by_programs: programs.created_inodes,
        }
    }
}

impl Grant {
    /// What a plan gives to a stage of `pipeline`.
    fn of(pipeline: &str, planned: &Planned) -> Self {
        let Planned { ask, decision, .. } = planned;
        let parts = |parts: &[Part]| {
            let shown = parts.iter();
            shown
                .map(|part| format!("{} ({})", part.name, part.module))
                .collect()
        };
        Self {
            pipeline: pipeline.to_owned(),
            stage: ask.module.name.clone(),
            id: ask.id.clone(),
            component: ask.module.digest.clone(),
            rule: decision.rule.clone(),
            interfaces: decision
                .interfaces
                .iter()
                .map(ToString::to_string)
                .collect(),
            rights: ask.module.rights.clone(),
            policy_rights: decision.rights.clone(),
            links: (decision.links == Links::Refuse).then_some(decision.links),
            reads: decision.reads.clone(),
            programs: decision.programs.clone(),
            programs_touch: decision.programs_touch.clone(),
            linux_capabilities: decision.linux_capabilities.clone(),
            privileged_programs: decision.privileged_programs.clone(),
            devices: parts(&ask.devices),
            mounts: parts(&ask.mounts),
            hosts: decision.hosts.clone(),
            entropy: ask.module.entropy,
            limits: decision.limits.into(),
        }
    }
}

/// This one run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// This program.
    pub builder: Builder,
    /// When it ran.
    pub metadata: BuildMetadata,
    /// What came out beside the exports: the record, when one was written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<Descriptor>,
}

/// This program.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// A URI.
    pub id: String,
    /// Versions by name.
    pub version: BTreeMap<String, String>,
    /// The executables.
    pub builder_dependencies: Vec<Descriptor>,
}

/// When the run took place.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildMetadata {
    /// A URI that no other run has.
    pub invocation_id: String,
    /// RFC 3339, in UTC.
    pub started_on: String,
    /// RFC 3339, in UTC.
    pub finished_on: String,
}

/// An in-toto resource descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is called here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests by algorithm, lower-case hex.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// More about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Something with a name and a digest.
    pub fn named(name: impl Into<String>, algorithm: &str, digest: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            digest: [(algorithm.to_owned(), digest.into())].into(),
            ..Self::default()
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// With one more annotation.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }
}

/// What a statement is made from, beside the findings.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    /// The manifest, whose sources are materials.
    pub manifest: &'a Manifest,
    /// What the user asked for.
    pub asked: ExternalParameters,
    /// The policy in force.
    pub policy: Option<Descriptor>,
    /// What was granted to all stages whose work is in the exports or was needed for it.
    pub plan: &'a Plan,
    /// The executables of the runtime.
    pub executables: Vec<Descriptor>,
    /// Version of the runtime.
    pub version: String,
    /// A URI that no other run has.
    pub invocation: String,
    /// What came out beside the exports.
    pub byproducts: Vec<Descriptor>,
}

/// The statement about a successful run.
pub fn statement(build: Build<'_>, findings: &Findings) -> Statement {
    let mut resolved_dependencies = materials(build.manifest);
    resolved_dependencies.extend(components(build.plan));
    Statement {
        kind: STATEMENT_TYPE,
        subject: findings.exports.iter().flat_map(subjects).collect(),
        predicate_type: PREDICATE_TYPE,
        predicate: Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE,
                external_parameters: build.asked,
                internal_parameters: InternalParameters {
                    policy: build.policy,
                    grants: grants(build.plan),
                },
                resolved_dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: BUILDER.into(),
                    version: [("osbuild-wasm".to_owned(), build.version)].into(),
                    builder_dependencies: build.executables,
                },
                metadata: BuildMetadata {
                    invocation_id: build.invocation,
                    started_on: seconds(findings.started),
                    finished_on: seconds(findings.finished),
                },
                byproducts: build.byproducts,
            },
        },
    }
}

fn grants(plan: &Plan) -> Vec<Grant> {
    let of_pipeline = |pipeline: &PlannedPipeline| {
        let stages = pipeline.stages.iter();
        let grants = stages.map(|stage| Grant::of(&pipeline.name, stage));
        grants.collect::<Vec<_>>()
    };
    plan.pipelines.iter().flat_map(of_pipeline).collect()
}

/// Each component once.
fn components(plan: &Plan) -> BTreeSet<Descriptor> {
    let stages = plan.pipelines.iter().flat_map(|pipeline| &pipeline.stages);
    let component = |stage: &Planned| {
        let module = &stage.ask.module;
        Descriptor::named(&module.name, "sha256", &module.digest)
            .annotated("component", &module.kind)
    };
    stages.map(component).collect()
}

/// The tree of an export, and its files.
fn subjects(export: &ExportDigest) -> impl Iterator<Item = Descriptor> {
    let tree = Descriptor::named(&export.export, TREE_DIGEST, &export.tree);
    let files = export.files.iter().map(|file| {
        let name = format!("{}/{}", export.export, file.path);
        Descriptor::named(name, "sha256", &file.sha256)
    });
    std::iter::once(tree).chain(files)
}

/// RFC 3339 without fractions, which SPDX does not know.
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
