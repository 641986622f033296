//! Numbers of the options whose text matters.
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A number as osbuild prints it: an integer with its digits (of any length), anything with a fraction or exponent as Python
/// prints a float (`1.0`, `1e+16`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// The number as an integer; none for fractions and what does not fit.
    pub fn integer<T: TryFrom<i128>>(&self) -> Option<T> {
        self.0
            .parse::<i128>()
            .ok()
            .and_then(|value| T::try_from(value).ok())
    }

    /// The number as an integer, a fraction of zero allowed (`1.0`).
    pub fn whole(&self) -> Option<i128> {
        self.integer().or_else(|| {
            self.0
                .strip_suffix(".0")
                .and_then(|digits| digits.parse().ok())
        })
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        let text = number.to_string();
        if text == "-0" {
            return Self("0".into());
        }
        if !text.contains(['.', 'e', 'E']) {
            return Self(text);
        }
        Self(text.parse().map_or(text, python_float))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Number::deserialize(deserializer).map(|number| Self::from(&number))
    }
}

/// `repr` of a Python float: shortest digits, exponent form below 1e-4 and from 1e16.
fn python_float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 {
            "inf".into()
        } else {
            "-inf".into()
        };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_python_does() {
        for (json, text) in [
            ("1", "1"),
            ("1.0", "1.0"),
            ("-0", "0"),
            ("0.5", "0.5"),
            ("1e3", "1000.0"),
            ("1e16", "1e+16"),
            ("0.00001", "1e-05"),
            ("0.0001", "0.0001"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            ("1E400", "inf"),
        ] {
            let number: Number = serde_json::from_str(json).unwrap();
            assert_eq!(number.to_string(), text, "{json}");
        }
    }

    #[test]
    fn integers_must_fit() {
        let number: Number = serde_json::from_str("300").unwrap();
        assert_eq!(
            (number.integer::<u16>(), number.integer::<u8>()),
            (Some(300), None)
        );
    }
}
