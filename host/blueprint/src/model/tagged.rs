//! Tables whose keys depend on one of them, `type`.

use schemars::{Schema, json_schema};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// The member that says which keys there are.
const TAG: &str = "type";

/// A table: its type, if there is one, and the rest.
pub(super) type Tagged = (Option<String>, Map<String, Value>);

/// Takes the type from a table: the type, if there is one, and the rest.
pub(super) fn split<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tagged, D::Error> {
    let mut table = Map::deserialize(deserializer)?;
    match table.shift_remove(TAG) {
        None | Some(Value::Null) => Ok((None, table)),
        Some(Value::String(kind)) => Ok((Some(kind), table)),
        Some(other) => Err(D::Error::custom(format!("{TAG}: {other} is no string"))),
    }
}

/// Reads what is in a table beside its type.
pub(super) fn variant<T: DeserializeOwned, E: Error>(table: Map<String, Value>) -> Result<T, E> {
    serde_json::from_value(Value::Object(table)).map_err(E::custom)
}

/// The error for a type that is not known.
pub(super) fn unknown<E: Error>(kind: &str, known: &'static [&'static str]) -> E {
    E::unknown_variant(kind, known)
}

/// The schema: that of each variant with its type among the properties. Only the default variant can do without.
pub(super) fn schema<const N: usize>(
    description: &str,
    variants: [(&str, Schema); N],
    default: Option<&str>,
) -> Schema {
    let variants = variants.into_iter().map(|(kind, mut schema)| {
        let tag = json!({"const": kind, "description": "Which of the kinds it is."});
        let properties = schema.get_mut("properties");
        if let Some(properties) = properties.and_then(Value::as_object_mut) {
            properties.shift_insert(0, TAG.to_owned(), tag);
        }
        if default != Some(kind) {
            require(&mut schema, TAG);
        }
        Value::from(schema)
    });
    json_schema!({
        "description": description,
        "oneOf": variants.collect::<Vec<_>>(),
    })
}

fn require(schema: &mut Schema, key: &str) {
    let required = schema
        .ensure_object()
        .entry("required")
        .or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, key.into());
    }
}
