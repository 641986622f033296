//! Who a record of the JSON sequence is about.

use crate::members::Members;
use osbuild_wasm_manifest::json::{Value, to_python_sorted};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// A name with its id, or neither.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Named {
    name: Option<String>,
    id: Option<String>,
}

impl Named {
    pub(super) fn new(name: impl Into<String>, id: Option<&str>) -> Self {
        Named {
            name: Some(name.into()),
            id: id.map(str::to_owned),
        }
    }

    fn members(&self) -> Members {
        Members::default()
            .with("name", self.name.as_deref())
            .with("id", self.id.as_deref())
    }
}

/// Where a record comes from.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) origin: String,
    pub(super) pipeline: Named,
    pub(super) stage: Named,
}

/// The contexts that the reader of the sequence has seen in full.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    seen: HashSet<String>,
}

impl Contexts {
    /// The `context` member: in full with its id for the first time, afterwards the id alone.
    ///
    /// The id is the SHA-256 of the context as JSON with sorted keys, nulls included.
    pub(super) fn member(&mut self, context: &Context) -> Value {
        let pipeline = context
            .pipeline
            .members()
            .with("stage", context.stage.members());
        let full = Members::default()
            .with("origin", context.origin.as_str())
            .with("pipeline", pipeline);
        let id = hex::encode(Sha256::digest(to_python_sorted(&full.clone().into())));
        if self.seen.insert(id.clone()) {
            full.with("id", id).into()
        } else {
            Members::default().with("id", id).into()
        }
    }
}
