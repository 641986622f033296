//! The private key of an object: what osbuild's ids leave out and still decides what comes out.
use crate::run::Settings;
use osbuild_wasm_component::Kind;
use osbuild_wasm_manifest::json::to_python_sorted;
use osbuild_wasm_manifest::model::{Manifest, Origin, Stage, StageClass};
use sha2::{Digest, Sha256};

/// Changes when the runtime begins to build something else from the same components.
const HOST_ABI: &str = "osbuild-wasm 1";

/// The kind of component that carries a stage out.
pub(crate) fn kind_of(stage: &Stage) -> Kind {
    match stage.class {
        StageClass::Stage => Kind::Stage,
        StageClass::Assembler => Kind::Assembler,
    }
}

/// The key of the object after stage `last` of a pipeline: digests of all components and device options that went into it, and what
/// a policy gave them, so that nothing is taken for built under a policy that it was not built under.
pub(crate) fn private_key(
    settings: &Settings,
    manifest: &Manifest,
    pipeline: usize,
    last: usize,
) -> String {
    let mut hash = Sha256::new();
    hash.update(HOST_ABI);
    add_pipeline(&mut hash, settings, manifest, pipeline, Some(last), 0);
    hex::encode(hash.finalize())
}

fn add_pipeline(
    hash: &mut Sha256,
    settings: &Settings,
    manifest: &Manifest,
    index: usize,
    last: Option<usize>,
    depth: usize,
) {
    // References only go backwards, so this bound is never reached by a loaded manifest.
    let Some(pipeline) = manifest
        .pipelines
        .get(index)
        .filter(|_| depth <= manifest.pipelines.len())
    else {
        return;
    };
    let referenced = |id: &str| manifest.find_id(id);
    if let Some(build) = pipeline.build.as_deref().and_then(referenced) {
        add_pipeline(hash, settings, manifest, build, None, depth + 1);
    }
    let count = last.map_or(pipeline.stages.len(), |last| last + 1);
    for stage in pipeline.stages.iter().take(count) {
        let module = settings
            .registry
            .get(kind_of(stage), &stage.module)
            .and_then(|module| module.ok());
        hash.update(module.map_or_else(|| "missing".into(), |module| module.digest.clone()));
        if let Some(policy) = &settings.policy {
            hash.update(policy.effect(&stage.module));
        }
        for device in &stage.devices {
            hash.update(&device.module);
            hash.update(to_python_sorted(&device.options));
        }
        let inputs = stage
            .inputs
            .iter()
            .filter(|input| input.origin == Origin::Pipeline);
        for reference in inputs.flat_map(|input| &input.references) {
            if let Some(input) = reference
                .id
                .as_deref()
                .and_then(referenced)
                .filter(|input| *input != index)
            {
                add_pipeline(hash, settings, manifest, input, None, depth + 1);
            }
        }
    }
}
