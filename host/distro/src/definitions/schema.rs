//! The JSON Schema of a file of definitions, made from the types.
use super::finish::SIZES;
use super::repository::Repository;
use super::when::When;
use crate::{
    Arch, BootFile, Bootloader, Compression, DiskConfig, Distro, Environment, ImageConfig,
    ImageFormat, InstallerConfig, IsoConfig, Kind, OstreeDefaults, PackageSet, PartitionTable,
    PartitioningMode,
};
use osbuild_wasm_blueprint::model::Size;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// JSON Schema (draft 2020-12) of a file `FAMILY/NAME.yaml`, for editors and for checks of definitions elsewhere.
pub fn definitions_schema() -> Value {
    let mut parts = SchemaSettings::draft2020_12().into_generator();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Definitions of distributions and image types",
        "description": "One of the files of a family; docs/distributions.md describes them.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "include": list(json!({"type": "string"}), "Families whose parts may be used here."),
            "distributions": list(distribution(&mut parts), "Distributions of the family."),
            "platforms": names(platform(&mut parts), "Hardware and firmware."),
            "partition_tables": names(of::<PartitionTable>(&mut parts), "Partition tables before any customization."),
            "option_lists": names(texts(), "Keys of blueprints that have an effect."),
            "image_types": names(image_type(&mut parts), "Image types, and what several have in common."),
            "repositories": list(repository(&mut parts), "Where packages come from, in order."),
        },
    });
    schema["$defs"] = Value::Object(parts.take_definitions(true));
    loosen(&mut schema);
    schema
}

fn of<T: JsonSchema>(parts: &mut SchemaGenerator) -> Value {
    parts.subschema_for::<T>().into()
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn list(items: Value, description: &str) -> Value {
    json!({"type": "array", "items": items, "description": description})
}

fn names(values: Value, description: &str) -> Value {
    json!({"type": "object", "additionalProperties": values, "description": description})
}

/// An object with these properties and no others.
fn object(properties: Map<String, Value>) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// With `conditions`: the same properties under `when`.
fn conditional(
    mut properties: Map<String, Value>,
    parts: &mut SchemaGenerator,
) -> Map<String, Value> {
    let mut under = properties.clone();
    under.insert("when".into(), of::<When>(parts));
    let mut condition = object(under);
    condition["required"] = json!(["when"]);
    properties.insert(
        "conditions".into(),
        list(
            condition,
            "What is laid over the rest where a condition holds.",
        ),
    );
    properties
}

/// The properties of a type's own schema.
fn properties_of<T: JsonSchema>(parts: &mut SchemaGenerator) -> Map<String, Value> {
    let mut schema = Value::from(T::json_schema(parts));
    match schema["properties"].take() {
        Value::Object(properties) => properties,
        _ => Map::new(),
    }
}

fn distribution(parts: &mut SchemaGenerator) -> Value {
    let mut properties = properties_of::<Distro>(parts);
    properties.shift_remove("name");
    properties.insert(
        "iso_label".into(),
        text("Label of media, with variables; `{{label}}` is what the type says."),
    );
    let mut properties = conditional(properties, parts);
    properties.insert("name".into(), text("Name without version."));
    let mut versions = texts();
    versions["description"] = "Versions that listings show.".into();
    properties.insert("versions".into(), versions);
    properties.insert("accepts".into(), of::<When>(parts));
    properties.insert(
        "minor_versions".into(),
        json!({"type": "boolean", "description": "Whether versions may have a minor part."}),
    );
    let mut schema = object(properties);
    schema["required"] = json!(["name", "versions"]);
    schema
}

fn platform(parts: &mut SchemaGenerator) -> Value {
    let properties = json!({
        "uefi_vendor": text("Directory below `/EFI`."),
        "bios_platform": text("Platform of GRUB for BIOS."),
        "zipl": {"type": "boolean", "description": "Whether zipl makes it start."},
        "bootloader": of::<Bootloader>(parts),
        "packages": texts(),
        "build_packages": texts(),
        "boot_files": {"type": "array", "items": of::<BootFile>(parts)},
        "extra_uefi_arches": texts(),
    });
    let mut properties = conditional(into_map(properties), parts);
    properties.insert(
        "base".into(),
        text("The platform it builds on: lists go behind its lists."),
    );
    object(properties)
}

fn image_type(parts: &mut SchemaGenerator) -> Value {
    let mut properties = conditional(settings(parts), parts);
    properties.insert("base".into(), text("The type it builds on."));
    properties.insert(
        "abstract".into(),
        json!({"type": "boolean", "description": "It is only there for others to build on."}),
    );
    let when = of::<When>(parts);
    properties.insert("available".into(), json!({"anyOf": [when, {"type": "array", "items": when}], "description": "Where it exists; any of them will do."}));
    object(properties)
}

fn settings(parts: &mut SchemaGenerator) -> Map<String, Value> {
    let by_arch = |description: &str| {
        let arches = Arch::ALL.map(Arch::name);
        json!({
            "type": "object",
            "propertyNames": {"enum": arches},
            "additionalProperties": {"type": ["string", "null"]},
            "description": description,
        })
    };
    let size = of::<Size>(parts);
    let settings = json!({
        "aliases": texts(),
        "filename": text("Name of the file that comes out."),
        "mime_type": text("MIME type of the file."),
        "kind": of::<Kind>(parts),
        "exports": texts(),
        "compression": of::<Compression>(parts),
        "default_size": size,
        "bootable": {"type": "boolean"},
        "boot_iso": {"type": "boolean"},
        "iso_label": text("`{{label}}` in the distribution's label of media."),
        "variant": text("Variant in the installer."),
        "platforms": by_arch("Names of platforms; the type exists where there is one."),
        "image_format": of::<ImageFormat>(parts),
        "qcow2_compat": text("`compat` of QEMU's format."),
        "fips_menu": {"type": "boolean"},
        "partition_table": by_arch("Names of partition tables."),
        "required_partition_sizes": {"type": "object", "additionalProperties": size},
        "partitioning_modes": {"type": "array", "items": of::<PartitioningMode>(parts)},
        "disk_config": of::<DiskConfig>(parts),
        "ostree": of::<OstreeDefaults>(parts),
        "environment": of::<Environment>(parts),
        "install_weak_deps": {"type": "boolean"},
        "packages": names(of::<PackageSet>(parts), "Package sets; conditions and derived types add to them."),
        "image_config": of::<ImageConfig>(parts),
        "installer_config": of::<InstallerConfig>(parts),
        "iso_config": of::<IsoConfig>(parts),
        "supported_options": text("Name of an option list."),
        "required_options": texts(),
    });
    let mut settings = into_map(settings);
    for setting in settings.values_mut() {
        *setting = json!({"anyOf": [setting.take(), {"type": "null"}]});
    }
    settings
}

fn repository(parts: &mut SchemaGenerator) -> Value {
    let mut properties = properties_of::<Repository>(parts);
    properties.insert("when".into(), of::<When>(parts));
    let mut schema = object(properties);
    schema["required"] = json!(["name"]);
    schema
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Sizes may be texts; stages may be taken away; defaults of types say nothing about definitions.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(loosen),
        Value::Object(members) => {
            members.shift_remove("default");
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                for (name, property) in properties.iter_mut() {
                    if SIZES.contains(&name.as_str()) && property.get("type").is_some() {
                        let description = property["description"].take();
                        *property = json!({"$ref": "#/$defs/Size", "description": description});
                    }
                    if name == "stages" {
                        property["additionalProperties"]["type"] = json!(["array", "null"]);
                    }
                }
            }
            members.values_mut().for_each(loosen);
        }
        _ => {}
    }
}
