//! Where exports come from: an in-toto statement (<https://in-toto.io/Statement/v1>) whose predicate is SLSA provenance
//! (<https://slsa.dev/provenance/v1>), as schemas/provenance.json describes it.
//!
//! One statement speaks of all exports of a run, because they come from the same manifest, sources and components. It claims what this
//! program saw; who signs it (cosign, a CI's attestation service) answers for the machine it ran on.

mod materials;
mod statement;

pub use materials::materials;
pub use statement::{
    BUILD_TYPE, Build, BuildDefinition, BuildMetadata, Builder, Descriptor, ExternalParameters,
    Grant, InternalParameters, PREDICATE_TYPE, Provenance, RunDetails, STATEMENT_TYPE, Statement,
    TREE_DIGEST, seconds, statement,
};
