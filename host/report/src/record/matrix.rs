//! What each stage was allowed, did, and was refused, side by side.

use osbuild_wasm_capability::record::{Record, StageRecord};
use osbuild_wasm_capability::{Interface, Verb};

/// One field of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Not allowed.
    No,
    /// Allowed, and not used.
    Granted,
    /// Allowed and used.
    Used,
}

impl Field {
    /// One character, the same in both forms.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Granted => "○",
            Self::Used => "●",
        }
    }
}

/// Names of the columns: interfaces that some stage was granted, then verbs.
pub(super) fn columns(record: &Record) -> (Vec<&str>, Vec<&'static str>) {
    let mut interfaces: Vec<&str> = super::stages(record)
        .flat_map(|(_, stage)| &stage.granted.interfaces)
        .map(String::as_str)
        // Everybody has the types that the other interfaces share.
        .filter(|name| *name != Interface::Types.name())
        .collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    (
        interfaces,
        Verb::ALL.iter().map(|verb| verb.name()).collect(),
    )
}

pub(super) fn interface(stage: &StageRecord, name: &str) -> Field {
    let has = |names: &[String]| names.iter().any(|other| other == name);
    match (
        has(&stage.granted.interfaces),
        has(&stage.unused.interfaces),
    ) {
        (false, _) => Field::No,
        (true, true) => Field::Granted,
        (true, false) => Field::Used,
    }
}

pub(super) fn verb(stage: &StageRecord, name: &str) -> Field {
    let mut verbs = stage.accesses.iter().flat_map(|access| access.verbs.keys());
    if verbs.any(|verb| verb.name() == name) {
        return Field::Used;
    }
    let allows = |layer: &osbuild_wasm_capability::record::LayerRecord| {
        let mut verbs = layer.rights.iter().flat_map(|right| &right.verbs);
        verbs.any(|verb| verb.name() == name)
    };
    // What only programs do is not among the accesses, and what is refused by one layer is not allowed.
    if stage.granted.rights.iter().all(allows) {
        Field::Granted
    } else {
        Field::No
    }
}

/// The granted programs, and whether each of them ran.
pub(super) fn programs(stage: &StageRecord) -> impl Iterator<Item = (&str, Field)> {
    stage.granted.programs.iter().map(|name| {
        let field = match stage.ran(name) {
            true => Field::Used,
            false => Field::Granted,
        };
        (name.as_str(), field)
    })
}

pub(super) fn refused(stage: &StageRecord) -> u64 {
    stage.denials.iter().map(|denial| denial.count).sum()
}
