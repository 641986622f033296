//! To and from `serde_json`, for code that works with plain JSON.

use super::{Number, Object, Value};

impl From<&Value> for serde_json::Value {
    /// What plain JSON cannot say is lost: a lone surrogate becomes U+FFFD, an infinity the literal `1e999` (which reads back as one),
    /// NaN becomes `null`.
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => {
                number_to_serde(number).map_or(serde_json::Value::Null, serde_json::Value::Number)
            }
            Value::String(text) => text.to_string_lossy().into_owned().into(),
            Value::Array(items) => items.iter().map(serde_json::Value::from).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| {
                    (
                        key.to_string_lossy().into_owned(),
                        serde_json::Value::from(value),
                    )
                })
                .collect(),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => Value::Number(number_from_serde(&number)),
            serde_json::Value::String(text) => Value::String(text.into()),
            serde_json::Value::Array(items) => items
                .into_iter()
                .map(Value::from)
                .collect::<Vec<_>>()
                .into(),
            serde_json::Value::Object(members) => members
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect::<Object>()
                .into(),
        }
    }
}

fn number_to_serde(number: &Number) -> Option<serde_json::Number> {
    let literal = match number {
        Number::Float(value) if *value == f64::INFINITY => "1e999".to_owned(),
        Number::Float(value) if *value == f64::NEG_INFINITY => "-1e999".to_owned(),
        // NaN is no literal of JSON, so reading it fails.
        other => other.to_string(),
    };
    literal.parse().ok()
}

fn number_from_serde(number: &serde_json::Number) -> Number {
    // The number keeps its literal (`arbitrary_precision`), so an integer is told from a float as the parser does.
    let literal = number.as_str();
    Number::from_integer_text(literal)
        .unwrap_or_else(|| Number::Float(literal.parse().unwrap_or(f64::NAN)))
}
