//! Members of a JSON object, and the protocol's words for those that are wrong.
use crate::failure::Failure;
use serde_json::{Map, Value};

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// How the protocol, which comes from Python, calls the kind of a value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() && number.as_i64().is_none() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// A member; `null` is as if it were not there.
pub(crate) fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// A member that has to be there.
pub(crate) fn required<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value> {
    let missing = || Failure::invalid(format!("Missing required field '{name}'"));
    object.get(name).ok_or_else(missing)
}

/// Texts of a list.
pub(crate) fn texts(value: &Value, name: &str) -> Result<Vec<String>> {
    let list = value.as_array();
    let list = list.ok_or_else(|| Failure::invalid(format!("Field '{name}' must be a list")))?;
    let text = |value: &Value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| {
            Failure::invalid(format!(
                "Field '{name}' must be a list of texts, got {}",
                kind(value)
            ))
        })
    };
    list.iter().map(text).collect()
}

/// Texts of a member that need not be there.
pub(crate) fn optional_texts(object: &Map<String, Value>, name: &str) -> Result<Vec<String>> {
    get(object, name).map_or(Ok(Vec::new()), |value| texts(value, name))
}

/// A flag that need not be there.
pub(crate) fn flag(object: &Map<String, Value>, name: &str) -> Result<Option<bool>> {
    let wrong = |value: &Value| {
        Failure::invalid(format!(
            "Field '{name}' must be a bool, got {}",
            kind(value)
        ))
    };
    let flag = |value: &Value| value.as_bool().ok_or_else(|| wrong(value));
    get(object, name).map(flag).transpose()
}

/// A text that need not be there.
pub(crate) fn text(object: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    let wrong = |value: &Value| {
        Failure::invalid(format!("Field '{name}' must be a str, got {}", kind(value)))
    };
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| wrong(value))
    };
    get(object, name).map(text).transpose()
}
