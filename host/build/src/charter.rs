//! What the helpers of a run are started for.
use osbuild_wasm_capability::ModuleMetadata;
use osbuild_wasm_protocol::Charter;
use std::path::PathBuf;

/// The charter of helpers that serve these modules, and touch these directories.
pub fn charter<'a>(
    modules: impl IntoIterator<Item = &'a ModuleMetadata>,
    scopes: impl IntoIterator<Item = PathBuf>,
) -> Charter {
    let mut charter = Charter::of_scopes(scopes);
    for metadata in modules {
        add(&mut charter, metadata);
    }
    charter
}

fn add(charter: &mut Charter, metadata: &ModuleMetadata) {
    charter.programs.extend(metadata.programs.iter().cloned());
    charter
        .privileged
        .extend(metadata.privileged_programs.iter().cloned());
    charter
        .capabilities
        .extend(metadata.capabilities.iter().cloned());
    charter
        .environment
        .extend(metadata.environment.iter().cloned());
}
