//! The schema of a module's place in a manifest, made of the parts in its document.
//!
//! `schema` is the older style: the schema of the options (stages, assemblers, devices) or of the whole object (inputs, sources). `schema_2` is the
//! newer one: for stages and assemblers a map of the properties beside `type`, else the schema of the whole object.

use super::{Module, ModuleKind};
use crate::json::{Object, Text, Value};
use crate::model::Version;
use crate::problem::object;

/// Assembles the schema for manifests of a version.
pub(super) fn assemble(module: &Module, version: Version) -> Value {
    let old = module.document.get("schema");
    let new = module.document.get("schema_2");
    let mut schema = match module.kind {
        ModuleKind::Stage | ModuleKind::Assembler => stage(&module.name, old, new, version),
        ModuleKind::Device => device(&module.name, old.or(new)),
        ModuleKind::Mount => mount(&module.name, new.or(old)),
        ModuleKind::Input | ModuleKind::Source => whole(if version == Version::V1 {
            old.or(new)
        } else {
            new.or(old)
        }),
    };
    hoist_definitions(&mut schema);
    Value::Object(schema)
}

/// An object with the given properties and no other.
fn closed(properties: Object, required: &str) -> Object {
    members([
        ("type", "object".into()),
        ("additionalProperties", false.into()),
        ("properties", properties.into()),
        ("required", vec![Value::from(required)].into()),
    ])
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Object {
    members
        .into_iter()
        .map(|(key, value)| (Text::from(key), value))
        .collect()
}

fn only(name: &str) -> Value {
    object([("enum", vec![Value::from(name)].into())])
}

fn typed(name: &str) -> Value {
    object([("type", name.into())])
}

fn stage(name: &str, old: Option<&Value>, new: Option<&Value>, version: Version) -> Object {
    let key = if version == Version::V1 {
        "name"
    } else {
        "type"
    };
    let mut properties = members([(key, only(name))]);
    match (version, new, old) {
        (Version::V2, Some(Value::Object(new)), _) => {
            properties.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        (_, _, options) => {
            // A module without options schema of the old style: v1 documents may say anything.
            properties.insert(
                "options".into(),
                options.cloned().unwrap_or_else(Value::object),
            );
        }
    }
    properties
        .entry("devices".into())
        .or_insert_with(|| typed("object"));
    properties
        .entry("mounts".into())
        .or_insert_with(|| typed("array"));
    closed(properties, key)
}

fn device(name: &str, options: Option<&Value>) -> Object {
    let options = options.cloned().unwrap_or_else(Value::object);
    let properties = members([("type", only(name)), ("options", options)]);
    members([("type", "object".into()), ("properties", properties.into())])
}

fn mount(name: &str, schema: Option<&Value>) -> Object {
    let mut schema = whole(schema);
    let properties = schema
        .entry("properties".into())
        .or_insert_with(Value::object);
    if let Value::Object(properties) = properties {
        properties.insert("type".into(), only(name));
    }
    schema
}

/// A schema of the whole object; unless it says otherwise, that is a closed object.
fn whole(schema: Option<&Value>) -> Object {
    let mut base = members([
        ("type", "object".into()),
        ("additionalProperties", false.into()),
    ]);
    for (key, value) in schema.and_then(Value::as_object).into_iter().flatten() {
        base.insert(key.clone(), value.clone());
    }
    base
}

/// Moves `definitions` among the properties or in the schema of the options to the root, where `#/definitions/...` looks for them.
fn hoist_definitions(schema: &mut Object) {
    let mut hoisted = Object::new();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let among_properties = properties.shift_remove("definitions");
        let in_options = match properties.get_mut("options") {
            Some(Value::Object(options)) => options.shift_remove("definitions"),
            _ => None,
        };
        for definitions in [among_properties, in_options].into_iter().flatten() {
            hoisted.extend(definitions.as_object().cloned().unwrap_or_default());
        }
    }
    if hoisted.is_empty() {
        return;
    }
    if let Value::Object(definitions) = schema
        .entry("definitions".into())
        .or_insert_with(Value::object)
    {
        definitions.extend(hoisted);
    }
}
