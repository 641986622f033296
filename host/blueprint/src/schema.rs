//! The JSON Schema of blueprints, made from the types.

use crate::model::Blueprint;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(generate);

/// JSON Schema (draft 2020-12) of a blueprint, for editors and for whoever checks documents elsewhere. It says what there is and of which
/// type; rules between fields are checked by this room alone. `x-aliases` are other names of a member.
pub fn schema() -> &'static Value {
    &SCHEMA
}

fn generate() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = Value::from(generator.into_root_schema_for::<Blueprint>());
    simplify(&mut schema);
    schema
}

/// Takes away what only says that a member is optional: that follows from `required`.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(members) => {
            members.remove("default");
            // The keyword that every validator knows.
            if members
                .get("format")
                .is_some_and(|format| format == "uint32")
            {
                members.insert("maximum".to_owned(), u32::MAX.into());
            }
            without_null_type(members);
            without_null_choice(members);
            members.values_mut().for_each(simplify);
        }
        _ => {}
    }
}

/// `["string", "null"]` is `"string"`.
fn without_null_type(members: &mut serde_json::Map<String, Value>) {
    let Some(Value::Array(types)) = members.get_mut("type") else {
        return;
    };
    types.retain(|name| name != "null");
    if let [one] = types.as_slice() {
        let one = one.clone();
        members.insert("type".to_owned(), one);
    }
}

/// Any of a schema and null is that schema.
fn without_null_choice(members: &mut serde_json::Map<String, Value>) {
    let Some(Value::Array(choices)) = members.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| *choice != json!({"type": "null"}));
    if let [Value::Object(one)] = choices.as_mut_slice() {
        let one = std::mem::take(one);
        members.shift_remove("anyOf");
        for (key, value) in one {
            members.entry(key).or_insert(value);
        }
    }
}
