//! One stage with its devices, inputs and mounts.

use super::cursor::Cursor;
use super::v2::{quoted, unknown_pipeline};
use super::{LoadError, Loaded};
use crate::alias;
use crate::ids::{self, StageContent};
use crate::json::Value;
use crate::model::{Device, Input, Mount, Origin, Reference, Stage, StageClass};
use crate::problem::{Path, ValidationError, join};
use std::collections::{HashMap, HashSet};

/// What surrounds a stage.
pub(super) struct Context<'a> {
    /// Id of the build pipeline; `""` when the document says so.
    pub build: Option<&'a str>,
    /// Id of the stage before it.
    pub base: Option<String>,
    pub source_epoch: Option<i64>,
    /// The keys of all items of all sources.
    pub known_items: &'a HashSet<String>,
    /// The id of an earlier pipeline by its name: none when there is no such pipeline, `Some(None)` when it has no stages.
    pub pipeline_id: &'a dyn Fn(&str) -> Option<Option<String>>,
    pub pipeline_names: &'a dyn Fn() -> Vec<String>,
}

/// Loads a stage of a v2 document.
pub(super) fn load_stage(
    stage: &Cursor<'_>,
    context: &Context<'_>,
) -> Loaded<(Stage, Vec<ValidationError>)> {
    let mut warnings = Vec::new();
    let module = stage.required("type")?.text()?;
    let devices = load_devices(stage)?;
    let mut inputs = Vec::new();
    for (name, input) in stage.members("inputs")? {
        inputs.push(load_input(name, &input, context, &mut warnings)?);
    }
    let mounts = load_mounts(stage, &devices)?;
    let parts = Parts {
        class: StageClass::Stage,
        options: stage.options("options")?,
        inputs,
        devices,
        mounts,
    };
    Ok((
        assemble(
            module,
            parts,
            context.build,
            context.base.as_deref(),
            context.source_epoch,
        ),
        warnings,
    ))
}

/// A stage but for its name and id.
pub(super) struct Parts {
    pub class: StageClass,
    pub options: Value,
    pub inputs: Vec<Input>,
    pub devices: Vec<Device>,
    pub mounts: Vec<Mount>,
}

/// Computes the id and resolves an alias.
pub(super) fn assemble(
    module: &str,
    parts: Parts,
    build: Option<&str>,
    base: Option<&str>,
    source_epoch: Option<i64>,
) -> Stage {
    let Parts {
        class,
        options,
        inputs,
        devices,
        mounts,
    } = parts;
    let input_ids: Vec<_> = inputs
        .iter()
        .map(|input| (input.name.as_str(), input.id.as_str()))
        .collect();
    let mount_ids: Vec<_> = mounts.iter().map(|mount| mount.id.as_str()).collect();
    let id = ids::stage_id(&StageContent {
        module,
        build,
        base,
        options: &options,
        source_epoch,
        inputs: &input_ids,
        mounts: &mount_ids,
    });
    let (module, options, alias) = alias::apply(class, module, options);
    Stage {
        module,
        class,
        id,
        options,
        inputs,
        devices,
        mounts,
        alias,
    }
}

/// Loads the devices in such an order that a parent comes before its children.
fn load_devices(stage: &Cursor<'_>) -> Loaded<Vec<Device>> {
    let mut waiting = stage.members("devices")?;
    let mut devices: Vec<Device> = Vec::new();
    let mut ids: HashMap<&str, String> = HashMap::new();
    let names: HashSet<&str> = waiting.iter().map(|(name, _)| *name).collect();
    while !waiting.is_empty() {
        let mut postponed = Vec::new();
        let before = devices.len();
        for (name, device) in waiting {
            let parent = device
                .optional_text("parent")?
                .filter(|parent| !parent.is_empty());
            if let Some(missing) = parent.filter(|parent| !names.contains(parent)) {
                return device.fail(format!(
                    "Missing parent device {} for {}",
                    quoted(&[missing]),
                    quoted(&[name])
                ));
            }
            if parent.is_some_and(|parent| !ids.contains_key(parent)) {
                postponed.push((name, device));
                continue;
            }
            let device = load_device(
                name,
                &device,
                parent,
                parent.and_then(|parent| ids.get(parent)),
            )?;
            ids.insert(name, device.id.clone());
            devices.push(device);
        }
        if devices.len() == before {
            return cycle(&postponed);
        }
        waiting = postponed;
    }
    Ok(devices)
}

fn cycle<T>(devices: &[(&str, Cursor<'_>)]) -> Loaded<T> {
    let names: Vec<_> = devices.iter().map(|(name, _)| *name).collect();
    let path: Path = devices
        .first()
        .map(|(_, device)| device.path.clone())
        .unwrap_or_default();
    let place = path.split_last().map_or(&[][..], |(_, place)| place);
    Err(
        LoadError::new(place, "Cycle detected in 'devices'").with_hint(format!(
            "each is below another of these: {}",
            quoted(&names)
        )),
    )
}

fn load_device(
    name: &str,
    device: &Cursor<'_>,
    parent: Option<&str>,
    parent_id: Option<&String>,
) -> Loaded<Device> {
    let module = device.required("type")?.text()?;
    let options = device.options("options")?;
    let id = ids::device_id(module, parent_id.map(String::as_str), &options);
    Ok(Device {
        name: name.to_owned(),
        module: module.to_owned(),
        parent: parent.map(str::to_owned),
        options,
        id,
    })
}

fn load_mounts(stage: &Cursor<'_>, devices: &[Device]) -> Loaded<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut names = HashSet::new();
    for mount in stage.elements("mounts")? {
        let mount = load_mount(&mount, devices, &mut names)?;
        mounts.push(mount);
    }
    Ok(mounts)
}

fn load_mount<'a>(
    mount: &Cursor<'a>,
    devices: &[Device],
    names: &mut HashSet<&'a str>,
) -> Loaded<Mount> {
    let name = mount.required("name")?.text()?;
    if !names.insert(name) {
        return mount.fail(format!("Duplicated mount {}", quoted(&[name])));
    }
    let module = mount.required("type")?.text()?;
    let source = mount
        .optional_text("source")?
        .filter(|source| !source.is_empty());
    let device = match source {
        None => None,
        Some(source) => Some(mounted_device(mount, name, source, devices)?),
    };
    let target = mount.optional_text("target")?;
    let partition = match mount.member("partition") {
        None => None,
        Some(partition) => match partition.value.as_number() {
            Some(number) => Some(number.clone()),
            None => return partition.fail("the partition is not a number"),
        },
    };
    let options = mount.options("options")?;
    let id = ids::mount_id(
        module,
        device.map(|device| device.id.as_str()),
        partition.as_ref(),
        target,
        &options,
    );
    Ok(Mount {
        name: name.to_owned(),
        module: module.to_owned(),
        source: source.map(str::to_owned),
        target: target.map(str::to_owned),
        partition,
        options,
        id,
    })
}

fn mounted_device<'d>(
    mount: &Cursor<'_>,
    name: &str,
    source: &str,
    devices: &'d [Device],
) -> Loaded<&'d Device> {
    if let Some(device) = devices.iter().find(|device| device.name == source) {
        return Ok(device);
    }
    let error = LoadError::new(
        &join(&mount.path, "source"),
        format!(
            "Unknown device {} for mount {}",
            quoted(&[source]),
            quoted(&[name])
        ),
    );
    Err(
        match crate::nearest::nearest(source, devices.iter().map(|device| &device.name)) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error,
        },
    )
}

fn load_input(
    name: &str,
    input: &Cursor<'_>,
    context: &Context<'_>,
    warnings: &mut Vec<ValidationError>,
) -> Loaded<Input> {
    if name.contains(['/', '\0']) {
        return input
            .fail("the name of an input is the name of a directory and may not contain `/`");
    }
    let module = input.required("type")?.text()?;
    let references = input.required("references")?;
    let origin_cursor = input.required("origin")?;
    let (origin, references) = match origin_cursor.text()? {
        "org.osbuild.source" => (Origin::Source, source_references(&references, context)?),
        "org.osbuild.pipeline" => (
            Origin::Pipeline,
            pipeline_references(&references, context, warnings)?,
        ),
        other => return origin_cursor.fail(format!("{} is not an origin", quoted(&[other]))),
    };
    Ok(make_input(
        name,
        module,
        origin,
        references,
        input.options("options")?,
    ))
}

/// Computes the id of an input.
pub(super) fn make_input(
    name: &str,
    module: &str,
    origin: Origin,
    references: Vec<Reference>,
    options: Value,
) -> Input {
    let id = ids::input_id(module, origin, &references, &options);
    Input {
        name: name.to_owned(),
        module: module.to_owned(),
        origin,
        references,
        options,
        id,
    }
}

/// One reference as the document has it.
pub(super) struct RawReference<'a> {
    pub key: &'a str,
    /// Its place in an array of references.
    index: Option<usize>,
    pub options: Value,
}

impl RawReference<'_> {
    fn path(&self, references: &Cursor<'_>) -> Path {
        match self.index {
            Some(index) => join(&references.path, index),
            None => join(&references.path, self.key),
        }
    }
}

/// Reads references in any of their shapes: `["a"]`, `{"a": {...}}`, `[{"id": "a", "options": {...}}]`.
pub(super) fn load_references<'a>(references: &Cursor<'a>) -> Loaded<Vec<RawReference<'a>>> {
    match references.value {
        Value::Object(members) => members
            .iter()
            .map(|(key, options)| match key.as_str() {
                Some(key) => Ok(RawReference {
                    key,
                    index: None,
                    options: options.clone(),
                }),
                None => references.fail(format!("the name {key:?} has half of a surrogate pair")),
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| listed(references, index, item))
            .collect(),
        _ => references.fail("references are an array or an object"),
    }
}

fn listed<'a>(references: &Cursor<'a>, index: usize, value: &'a Value) -> Loaded<RawReference<'a>> {
    let item = Cursor {
        value,
        path: join(&references.path, index),
    };
    let (key, options) = match value {
        Value::String(_) => (item.text()?, Value::object()),
        _ => (item.required("id")?.text()?, item.options("options")?),
    };
    Ok(RawReference {
        key,
        index: Some(index),
        options,
    })
}

fn source_references(cursor: &Cursor<'_>, context: &Context<'_>) -> Loaded<Vec<Reference>> {
    let mut resolved = References::new();
    for reference in load_references(cursor)? {
        if !context.known_items.contains(reference.key) {
            let message = format!(
                "Unknown source reference(s) {{{}}}",
                quoted(&[reference.key])
            );
            return Err(LoadError::new(&reference.path(cursor), message)
                .with_hint("no source of the manifest has such an item"));
        }
        resolved.insert(Some(reference.key.to_owned()), reference.options);
    }
    Ok(resolved_references(resolved))
}

fn pipeline_references(
    cursor: &Cursor<'_>,
    context: &Context<'_>,
    warnings: &mut Vec<ValidationError>,
) -> Loaded<Vec<Reference>> {
    let mut resolved = References::new();
    for reference in load_references(cursor)? {
        let path = || reference.path(cursor);
        let Some(name) = reference.key.strip_prefix("name:") else {
            // osbuild passes over it too, and the ids depend on that.
            let message = format!(
                "{} is ignored: a reference to a pipeline starts with `name:`",
                quoted(&[reference.key])
            );
            warnings.push(ValidationError::new(&path(), message));
            continue;
        };
        match (context.pipeline_id)(name) {
            Some(id) => resolved.insert(id, reference.options),
            None => {
                return Err(unknown_pipeline(
                    &path(),
                    reference.key,
                    (context.pipeline_names)().iter(),
                ));
            }
        };
    }
    Ok(resolved_references(resolved))
}

/// References by id: of equal ones the last options win at the first place.
pub(super) type References = indexmap::IndexMap<Option<String>, Value>;

pub(super) fn resolved_references(references: References) -> Vec<Reference> {
    references
        .into_iter()
        .map(|(id, options)| Reference { id, options })
        .collect()
}
