//! From decided settings to an image type: names are replaced by what they name, sizes by bytes, variables by values.
use super::family::Family;
use super::layer::Layer;
use super::template::Variables;
use crate::{Arch, ImageType};
use osbuild_wasm_blueprint::model::Size;
use serde_json::{Map, Value};

/// What a type is made for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Name of the type.
    pub name: &'a str,
    /// Name and version of the distribution.
    pub distribution: (&'a str, &'a str),
    /// Architecture.
    pub arch: Arch,
    /// Variables of the distribution and the architecture.
    pub variables: &'a Variables,
    /// Template of the label of media.
    pub iso_label: &'a str,
}

/// Makes the type.
///
/// # Errors
/// What the definition says wrong.
pub fn finish(
    family: &Family,
    mut settings: Layer,
    target: Target<'_>,
) -> Result<ImageType, String> {
    platform(family, &mut settings, &target)?;
    partition_table(family, &mut settings, target.arch)?;
    if let Some(sets) = settings.shift_remove("packages") {
        settings.insert("package_sets".into(), sorted(sets));
    }
    if let Some(Value::String(list)) = settings.get("supported_options") {
        let options = family
            .option_lists
            .get(list)
            .ok_or_else(|| format!("there is no option list {list}"))?;
        settings.insert("supported_options".into(), options.clone());
    }
    if let Some(Value::String(label)) = settings.get("iso_label") {
        let variables = target.variables.clone().with("label", label);
        let label = variables.fill(target.iso_label)?;
        settings.insert("iso_label".into(), label.into());
    }
    settings.insert("name".into(), target.name.into());
    sizes(&mut settings)?;
    let mut value = Value::Object(settings);
    target.variables.fill_all(&mut value)?;
    let image_type: ImageType = serde_json::from_value(value).map_err(|error| error.to_string())?;
    match is_file_name(&image_type.filename) {
        true => Ok(image_type),
        false => Err(format!(
            "filename: {:?} is no name of a file",
            image_type.filename
        )),
    }
}

/// Whether this is a name in a directory, for files of this machine: it leads nowhere else, and is no option of a program.
pub fn is_file_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-._+".contains(letter);
    name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && name.chars().all(is_letter)
}

/// Settings of a type that belong to its platform.
const OF_PLATFORM: [&str; 3] = ["image_format", "qcow2_compat", "fips_menu"];

fn platform(family: &Family, settings: &mut Layer, target: &Target<'_>) -> Result<(), String> {
    let platforms = settings.shift_remove("platforms").unwrap_or_default();
    let name = platforms[target.arch.name()]
        .as_str()
        .ok_or("platforms: expected names of platforms by architecture")?;
    let mut platform = family.platform(name, target.distribution, target.arch)?;
    sort(platform.get_mut("packages"));
    for key in OF_PLATFORM {
        if let Some(value) = settings.shift_remove(key) {
            platform.insert(key.into(), value);
        }
    }
    settings.insert("platform".into(), platform.into());
    Ok(())
}

fn partition_table(family: &Family, settings: &mut Layer, arch: Arch) -> Result<(), String> {
    let Some(tables) = settings.shift_remove("partition_table") else {
        return Ok(());
    };
    let Some(name) = tables.get(arch.name()) else {
        return Ok(());
    };
    let table = name
        .as_str()
        .and_then(|name| family.partition_tables.get(name))
        .ok_or_else(|| format!("there is no partition table {name}"))?;
    settings.insert("partition_table".into(), table.clone());
    Ok(())
}

/// The lists of all package sets in the order of their bytes; a name that is there twice stays twice.
fn sorted(mut sets: Value) -> Value {
    for set in sets.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for list in set.as_object_mut().into_iter().flat_map(Map::values_mut) {
            sort(Some(list));
        }
    }
    sets
}

fn sort(list: Option<&mut Value>) {
    if let Some(Value::Array(list)) = list {
        list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

/// Keys of sizes wherever they stand in a partition table or among the settings.
pub const SIZES: [&str; 7] = [
    "size",
    "default_size",
    "start_offset",
    "extra_padding",
    "grain_size",
    "sector_size",
    "rootfs_image_size",
];

fn sizes(settings: &mut Layer) -> Result<(), String> {
    for (key, value) in settings.iter_mut() {
        match key.as_str() {
            "partition_table" | "iso_config" => sizes_below(value)?,
            "required_partition_sizes" => {
                for size in value.as_object_mut().into_iter().flat_map(Map::values_mut) {
                    to_bytes(size)?;
                }
            }
            key if SIZES.contains(&key) => to_bytes(value)?,
            _ => {}
        }
    }
    Ok(())
}

fn sizes_below(value: &mut Value) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(sizes_below),
        Value::Object(values) => values.iter_mut().try_for_each(|(key, value)| {
            if SIZES.contains(&key.as_str()) {
                to_bytes(value)
            } else {
                sizes_below(value)
            }
        }),
        _ => Ok(()),
    }
}

/// `10 GiB` to its number of bytes.
fn to_bytes(value: &mut Value) -> Result<(), String> {
    if let Value::String(text) = value {
        let size = Size::parse(text).map_err(|error| format!("{text:?} is no size: {error}"))?;
        *value = size.bytes().into();
    }
    Ok(())
}
