//! Layers of an image type: what a type says goes over what its base says, and a condition that holds over both.
use serde_json::{Map, Value};

/// Part of a type's definition: settings by name.
pub type Layer = Map<String, Value>;

/// Settings whose entries go over each other one by one; others are replaced as a whole.
const MERGED: [&str; 8] = [
    "platforms",
    "partition_table",
    "disk_config",
    "ostree",
    "environment",
    "image_config",
    "installer_config",
    "iso_config",
];

/// Lays those settings of `over` that are wanted on `under`. `null` takes away. Entries of the groups `MERGED` go over each other one by one, and so do
/// the stages in a configuration; lists of packages are put behind those that are there.
///
/// # Errors
/// A setting has not the form it must have.
pub fn lay(under: &mut Layer, over: &Layer, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
    for (key, value) in over.iter().filter(|(key, _)| wanted(key)) {
        if key == "packages" {
            append_packages(under, value)?;
        } else if MERGED.contains(&key.as_str()) && !value.is_null() {
            merge(under, key, value, |group, name, value| match name {
                "stages" if !value.is_null() => merge(group, name, value, set),
                _ => set(group, name, value),
            })?;
        } else {
            set(under, key, value)?;
        }
    }
    Ok(())
}

fn set(group: &mut Layer, name: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => group.shift_remove(name),
        value => group.insert(name.into(), value.clone()),
    };
    Ok(())
}

fn merge(
    under: &mut Layer,
    key: &str,
    over: &Value,
    entry: impl Fn(&mut Layer, &str, &Value) -> Result<(), String>,
) -> Result<(), String> {
    let (Some(over), Value::Object(group)) = (
        over.as_object(),
        under
            .entry(key)
            .or_insert_with(|| Value::Object(Map::new())),
    ) else {
        return Err(format!("{key}: expected a mapping"));
    };
    over.iter()
        .try_for_each(|(name, value)| entry(group, name, value))
}

/// `{SET: {include: [...], exclude: [...]}}`
fn append_packages(under: &mut Layer, sets: &Value) -> Result<(), String> {
    merge(under, "packages", sets, |all, name, set| {
        merge(all, name, set, |lists, which, more| {
            let list = lists
                .entry(which)
                .or_insert_with(|| Value::Array(Vec::new()));
            match (list, more) {
                (Value::Array(list), Value::Array(more)) => list.extend(more.iter().cloned()),
                _ => return Err(format!("packages.{name}.{which}: expected a list")),
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::lay;
    use serde_json::{Value, json};

    fn object(value: Value) -> super::Layer {
        serde_json::from_value(value).expect("a mapping")
    }

    #[test]
    fn entries_go_over_each_other_and_packages_are_added() {
        let mut under = object(json!({
            "filename": "disk.raw", "compression": "xz",
            "image_config": {"locale": "C.UTF-8", "timezone": "UTC", "stages": {"modprobe": [1], "tuned": [2]}},
            "packages": {"os": {"include": ["b"]}},
        }));
        let over = object(json!({
            "compression": null,
            "image_config": {"timezone": null, "stages": {"tuned": null, "udev.rules": [3]}},
            "packages": {"os": {"include": ["a"], "exclude": ["c"]}},
        }));
        lay(&mut under, &over, |_| true).expect("layers");
        let expected = json!({
            "filename": "disk.raw",
            "image_config": {"locale": "C.UTF-8", "stages": {"modprobe": [1], "udev.rules": [3]}},
            "packages": {"os": {"include": ["b", "a"], "exclude": ["c"]}},
        });
        assert_eq!(Value::Object(under), expected);
    }

    #[test]
    fn a_setting_of_another_form_is_an_error() {
        let mut under = object(json!({"image_config": {"locale": "C.UTF-8"}}));
        for wrong in [
            json!({"image_config": []}),
            json!({"packages": {"os": {"include": "a"}}}),
        ] {
            assert!(lay(&mut under, &object(wrong), |_| true).is_err());
        }
    }
}
