//! What the stages and sources of a manifest are told: options by their paths, and contents.
use osbuild_wasm_capability::told::{Told, shortened, tell};
use osbuild_wasm_manifest::json::{Value, to_python_sorted};
use osbuild_wasm_manifest::model::{Input, Manifest, Origin, Source, Stage};

/// All that a stage and its inputs, devices and mounts are told.
pub(super) fn of_stage(manifest: &Manifest, stage: &Stage) -> Told {
    let mut told = Told::new();
    let mut add = |place: &str, options: &Value| {
        if options.is_truthy() {
            tell(&mut told, place, &options.into());
        }
    };
    add("options", &stage.options);
    for input in &stage.inputs {
        add(&format!("inputs.{}.options", input.name), &input.options);
    }
    for device in &stage.devices {
        add(&format!("devices.{}.options", device.name), &device.options);
    }
    for mount in &stage.mounts {
        add(&format!("mounts.{}.options", mount.name), &mount.options);
    }
    for input in &stage.inputs {
        let place = format!("inputs.{}.references[]", input.name);
        told.insert(place, references(manifest, input));
    }
    told
}

/// The contents of an input in its order, with their options. A pipeline goes by its name: its id changes with all that it is made of.
fn references(manifest: &Manifest, input: &Input) -> Vec<String> {
    let name = |id: &str| match input.origin {
        Origin::Source => id.to_owned(),
        Origin::Pipeline => {
            let found = manifest.find_id(id);
            let pipeline = found.and_then(|index| manifest.pipelines.get(index));
            pipeline.map_or(id.to_owned(), |pipeline| {
                format!("pipeline {}", pipeline.name)
            })
        }
    };
    let references = input.references.iter().map(|reference| {
        let name = name(reference.id.as_deref().unwrap_or_default());
        match reference.options.is_truthy() {
            true => {
                let options = shortened(to_python_sorted(&reference.options));
                format!("{name} with {options}")
            }
            false => name,
        }
    });
    references.collect()
}

/// The items of a source: their keys, which pin the contents, and the last name of the place that they come from.
pub(super) fn of_source(source: &Source) -> Told {
    let items = source.items.as_object().into_iter().flatten();
    let items = items.map(|(key, item)| {
        let key = key.to_string_lossy();
        match name(item) {
            Some(name) => format!("{key} ({name})"),
            None => key.into_owned(),
        }
    });
    Told::from([("items[]".to_owned(), items.collect())])
}

fn name(item: &Value) -> Option<String> {
    let member = |name: &str| item.get(name).and_then(Value::as_str);
    let image = || item.get("image")?.get("name").and_then(Value::as_str);
    let place = item
        .as_str()
        .or_else(|| member("url"))
        .or_else(|| member("path"));
    let place = place.or_else(image)?;
    let path = place.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().filter(|last| !last.is_empty())?;
    Some(last.to_owned())
}
