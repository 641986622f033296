//! What the modules of a manifest ask for.
use super::lookup::Lookup;
use super::{hosts, references, settings, told};
use crate::failure::{BuildError, Result};
use osbuild_wasm_capability::plan::{Ask, Part};
use osbuild_wasm_capability::{MountNames, Profile, Rights};
use osbuild_wasm_manifest::json::{Value, to_python_sorted};
use osbuild_wasm_manifest::model::{
    Device, Input, Manifest, Mount, Origin, Pipeline, Source, Stage, Version,
};
use osbuild_wasm_manifest::origin::{LocalPlace, Reach};
use osbuild_wasm_manifest::problem::render_path;
use osbuild_wasm_manifest::unbuildable::misread;
use osbuild_wasm_source::{Environment, proxies, registries_files};
use sha2::{Digest, Sha256};

/// What a stage of a manifest asks for, and the rights of its document with its options filled in.
pub(super) fn of_stage(
    manifest: &Manifest,
    (index, position): (usize, usize),
    profile: Profile,
) -> Result<(Ask, Rights)> {
    let pipeline = &manifest.pipelines[index];
    let stage = &pipeline.stages[position];
    let mounts = stage.mounts.iter();
    let mounts = mounts.filter_map(|mount| Some((&*mount.name, mount.target.as_deref()?)));
    let mounts = MountNames::new(mounts);
    let on_this_machine = !has_build_root(pipeline);
    let (ask, rights) = of_component(profile, &stage.options, on_this_machine, mounts)?;
    let inputs = stage.inputs.iter();
    let ask = Ask {
        place: place(manifest, index, position),
        id: stage.id.clone(),
        inputs: inputs.map(|input| input_part(manifest, input)).collect(),
        devices: stage.devices.iter().map(device_part).collect(),
        mounts: stage.mounts.iter().map(mount_part).collect(),
        configuration: configuration(stage),
        told: told::of_stage(manifest, stage),
        ..ask
    };
    Ok((ask, rights))
}

/// SHA-256 of everything that a stage and its parts are told.
fn configuration(stage: &Stage) -> String {
    let inputs = stage.inputs.iter();
    let inputs = inputs.map(|input| (&input.name, &input.module, &input.options));
    let devices = stage.devices.iter();
    let devices = devices.map(|device| (&device.name, &device.module, &device.options));
    let mounts = stage.mounts.iter();
    let mounts = mounts.map(|mount| (&mount.name, &mount.module, &mount.options));
    let mut hash = Sha256::new();
    hash.update(to_python_sorted(&stage.options));
    for (name, module, options) in inputs.chain(devices).chain(mounts) {
        hash.update(format!("\0{name}\0{module}\0"));
        hash.update(to_python_sorted(options));
    }
    hex::encode(hash.finalize())
}

fn has_build_root(pipeline: &Pipeline) -> bool {
    pipeline.build.as_deref().is_some_and(|id| !id.is_empty())
}

/// What a component asks for by itself; `on_this_machine` says that programs and reads are not those of a build pipeline.
pub(super) fn of_component(
    mut profile: Profile,
    options: &Value,
    on_this_machine: bool,
    mounts: MountNames,
) -> Result<(Ask, Rights)> {
    let plain: serde_json::Value = options.into();
    let mut rights = Rights::everything().on(mounts.clone());
    if let Some(own) = &profile.rights {
        rights = rights.narrowed(own, &plain).map_err(|error| {
            let place = format!("module {}: rights", profile.name);
            BuildError::manifest(place, error.to_string())
        })?;
        let mut filled = rights.layers().next().unwrap_or_default();
        filled.retain(|right| !right.paths.is_empty());
        profile.rights = Some(filled);
    }
    if profile.is_built_in() {
        rights = rights.following_links();
    }
    if let Some(places) = &profile.programs_touch {
        let filled = places.filled(&plain, &mounts).map_err(|error| {
            let place = format!("module {}: programs-touch", profile.name);
            BuildError::manifest(place, error.to_string())
        })?;
        profile.programs_touch = Some(filled);
    }
    let ask = Ask {
        hosts: hosts::of_stage(&profile, options),
        module: profile,
        options: plain,
        on_this_machine,
        mount_names: mounts,
        ..Ask::default()
    };
    Ok((ask, rights))
}

/// Where a stage is in the document.
fn place(manifest: &Manifest, pipeline: usize, stage: usize) -> String {
    match manifest.version {
        Version::V2 => format!(".pipelines[{pipeline}].stages[{stage}]"),
        Version::V1 => format!(
            "pipeline {}, stage {stage}",
            manifest.pipelines[pipeline].name
        ),
    }
}

/// What a source asks for.
pub(super) fn of_source(source: &Source) -> Result<Ask> {
    if let Some(problem) = misread(source).into_iter().next() {
        return Err(BuildError::manifest(
            render_path(&problem.path),
            problem.message,
        ));
    }
    of_reach(
        format!(".sources.{}", source.module),
        source,
        Reach::of(source),
    )
}

/// What a lookup asks for.
pub(super) fn of_lookup(lookup: &Lookup) -> Result<Ask> {
    if let Some(problem) = misread(&lookup.source).into_iter().next() {
        return Err(BuildError::manifest(&lookup.place, problem.message));
    }
    let mut reach = Reach::of(&lookup.source);
    let documents = lookup.documents.iter();
    documents.for_each(|document| reach.add_document(document));
    of_reach(lookup.place.clone(), &lookup.source, reach)
}

fn of_reach(place: String, source: &Source, reach: Reach) -> Result<Ask> {
    let environment = Environment::of_process();
    let proxies = proxies(&source.module, &reach, &environment)
        .map_err(|problem| BuildError::manifest(&place, problem))?;
    let (mut files, mut settings): (Vec<_>, _) = (
        reach.files.iter().map(hosts::file_pattern).collect(),
        settings::of(source),
    );
    let of_machine = osbuild_wasm_source::of_machine(&source.module);
    if !of_machine.is_empty() && !reach.hosts.is_empty() {
        let registries = registries_files(&environment);
        files.extend(
            registries
                .into_iter()
                .map(|file| hosts::file_pattern(&LocalPlace::File(file))),
        );
        settings.extend(of_machine.iter().map(|words| (*words).to_owned()));
    }
    Ok(Ask {
        place,
        id: source.id.clone(),
        module: Profile {
            name: source.module.clone(),
            kind: "source".into(),
            ..Profile::default()
        },
        hosts: reach.hosts.into_iter().collect(),
        proxies: proxies.into_iter().collect(),
        files,
        settings,
        told: told::of_source(source),
        ..Ask::default()
    })
}

fn input_part(manifest: &Manifest, input: &Input) -> Part {
    let pipeline = |id: &str| Some(manifest.pipelines.get(manifest.find_id(id)?)?.name.clone());
    let names = input
        .references
        .iter()
        .filter_map(|reference| pipeline(reference.id.as_deref()?));
    let from = match input.origin {
        Origin::Pipeline => names
            .map(|name| format!("pipeline {name}"))
            .collect::<Vec<_>>()
            .join(", "),
        Origin::Source => match input.references.len() {
            1 => "1 item of a source".into(),
            count => format!("{count} items of sources"),
        },
    };
    Part {
        name: input.name.clone(),
        module: input.module.clone(),
        of: from + &references::told(&input.references),
        ..Part::default()
    }
}

fn device_part(device: &Device) -> Part {
    let option = |name: &str| device.options.get(name);
    let file = option("filename")
        .or(option("volume"))
        .and_then(Value::as_str);
    let start = option("start")
        .and_then(Value::as_u64)
        .filter(|start| *start > 0);
    let words = [
        file.map(str::to_owned),
        start.map(|start| format!("from sector {start}")),
        device.parent.as_ref().map(|parent| format!("on {parent}")),
    ];
    Part {
        name: device.name.clone(),
        module: device.module.clone(),
        of: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        programs: owned(crate::devices::programs(&device.module)),
        ..Part::default()
    }
}

fn mount_part(mount: &Mount) -> Part {
    let words = [
        mount.source.clone(),
        mount
            .partition
            .as_ref()
            .map(|partition| format!("partition {}", partition.as_f64())),
        mount.target.as_ref().map(|target| format!("on {target}")),
    ];
    Part {
        name: mount.name.clone(),
        module: mount.module.clone(),
        of: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        programs: owned(crate::mounts::programs(&mount.module)),
        ..Part::default()
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
