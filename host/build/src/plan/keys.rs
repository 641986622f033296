//! The private key of an object: what osbuild's ids leave out and still decides what comes out.
use super::kind_of;
use osbuild_wasm_capability::Policy;
use osbuild_wasm_component::Registry;
use osbuild_wasm_manifest::json::to_python_sorted;
use osbuild_wasm_manifest::model::{Manifest, Origin, Stage};
use sha2::{Digest, Sha256};

/// Changes when the runtime begins to build something else from the same components.
const HOST_ABI: &str = "osbuild-wasm 2";

/// The keys of the objects after each stage, by pipeline: digests of all components and device options that went into it, and what a
/// policy gave them, so that nothing is taken for built under a policy that it was not built under.
pub(super) fn of(
    manifest: &Manifest,
    registry: &Registry,
    policy: Option<&Policy>,
) -> Vec<Vec<String>> {
    let mut keys = Vec::with_capacity(manifest.pipelines.len());
    for pipeline in &manifest.pipelines {
        let mut hash = Sha256::new();
        hash.update(HOST_ABI);
        add_pipelines(&mut hash, manifest, &keys, pipeline.build.as_deref());
        let after = |stage: &Stage| {
            add_component(&mut hash, registry, policy, stage);
            add_parts(&mut hash, manifest, &keys, stage);
            hex::encode(hash.clone().finalize())
        };
        let of_it: Vec<_> = pipeline.stages.iter().map(after).collect();
        keys.push(of_it);
    }
    keys
}

/// The keys of what other pipelines made; references only go backwards.
fn add_pipelines<'a>(
    hash: &mut Sha256,
    manifest: &Manifest,
    keys: &[Vec<String>],
    ids: impl IntoIterator<Item = &'a str>,
) {
    for id in ids {
        let made = manifest
            .find_id(id)
            .and_then(|index| keys.get(index)?.last());
        add(hash, made.map_or("", String::as_str));
    }
}

fn add_component(hash: &mut Sha256, registry: &Registry, policy: Option<&Policy>, stage: &Stage) {
    let module = registry.get(kind_of(stage), &stage.module);
    let module = module.and_then(|module| module.ok());
    add(
        hash,
        module.as_ref().map_or("missing", |module| &module.digest),
    );
    if let Some(policy) = policy {
        add(hash, policy.effect(&stage.module));
    }
}

fn add_parts(hash: &mut Sha256, manifest: &Manifest, keys: &[Vec<String>], stage: &Stage) {
    for device in &stage.devices {
        add(hash, &device.module);
        add(hash, &to_python_sorted(&device.options));
    }
    let inputs = stage.inputs.iter();
    let inputs = inputs.filter(|input| input.origin == Origin::Pipeline);
    let references = inputs.flat_map(|input| &input.references);
    let ids = references.filter_map(|reference| reference.id.as_deref());
    add_pipelines(hash, manifest, keys, ids);
}

/// Adds a text with its end: `ab` and `c` are not `a` and `bc`.
fn add(hash: &mut Sha256, text: &str) {
    hash.update(text);
    hash.update([0]);
}
