//! The module documents of the repository.

use osbuild_wasm_manifest::catalogue::{Catalogue, ModuleKind};
use osbuild_wasm_manifest::model::Version;
use std::error::Error;

/// Stages, assemblers, sources, inputs, devices, mounts: `.` in a name is `_` in the file name.
#[test]
fn every_module_document_is_usable_for_both_versions() {
    let catalogue = Catalogue::builtin();
    let mut problems = Vec::new();
    for kind in ModuleKind::ALL {
        assert!(catalogue.names(kind).next().is_some(), "no {kind} at all");
        for name in catalogue.names(kind) {
            let Some(module) = catalogue.get(kind, name) else {
                problems.push(format!("{kind} {name}: not a module document"));
                continue;
            };
            let said = |key: &str| module.document.get(key).and_then(|value| value.as_str());
            assert_eq!(
                said("kind"),
                Some(kind.as_str()),
                "{kind} {name} lies in the wrong folder"
            );
            for version in [Version::V1, Version::V2] {
                if let Err(error) = module.schema(version) {
                    let cause = error.source().map(ToString::to_string).unwrap_or_default();
                    problems.push(format!("{kind} {name} {version:?}: {error}: {cause}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
