//! A document as the validator gets it.

use crate::json::{Number, Value};

/// As plain JSON, with a stand-in for what that cannot say: a huge float for an infinity, a fraction for NaN. Both stay numbers that are
/// no integers, as they are for Python.
pub(super) fn to_instance(value: &Value) -> serde_json::Value {
    match value {
        Value::Number(Number::Float(float)) if !float.is_finite() => {
            let stand_in = if float.is_nan() {
                0.5
            } else {
                f64::MAX.copysign(*float)
            };
            serde_json::Number::from_f64(stand_in)
                .map_or(serde_json::Value::Null, serde_json::Value::Number)
        }
        Value::Array(items) => items.iter().map(to_instance).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.to_string_lossy().into_owned(), to_instance(value)))
            .collect(),
        plain => plain.into(),
    }
}
