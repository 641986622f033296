//! Values with a form of their own: sizes, permissions, owners.

use super::PermitRootLogin;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A size in bytes. Documents have an integer, or a text of a number and a unit: `kB` `MB` `GB` `TB` (powers of 1000), `KiB` `MiB`
/// `GiB` `TiB` (powers of 1024), none for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// Units and what they are of bytes. Their case matters.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("kB", 1000),
    ("MB", 1000_u64.pow(2)),
    ("GB", 1000_u64.pow(3)),
    ("TB", 1000_u64.pow(4)),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl Size {
    /// Bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a text such as `1.5 GiB`; halves of a byte are rounded up.
    ///
    /// # Errors
    /// It has no number, an unknown unit, or is too large. What is wrong with it, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number_end = text
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(number_end);
        let unit = unit.trim_start();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err("it does not begin with a positive number".to_owned());
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("{unit:?} is no unit"));
        };
        let too_large = || "it is too large".to_owned();
        let bytes = scaled(whole, fraction, *factor).ok_or_else(too_large)?;
        // Whatever goes on with a size counts with signed numbers.
        i64::try_from(bytes).map_err(|_| too_large())?;
        Ok(Self(bytes))
    }

    /// The unit of a text that was most probably meant, where it has none that is known.
    pub fn near_unit(text: &str) -> Option<&'static str> {
        let unit = text.trim().trim_start_matches(|character: char| {
            character.is_ascii_digit() || ". ".contains(character)
        });
        let long = unit.to_ascii_lowercase();
        let meant = match long.as_str() {
            "k" | "kb" => "kB",
            "m" | "mb" => "MB",
            "g" | "gb" => "GB",
            "t" | "tb" => "TB",
            "ki" | "kib" => "KiB",
            "mi" | "mib" => "MiB",
            "gi" | "gib" => "GiB",
            "ti" | "tib" => "TiB",
            _ => return None,
        };
        (meant != unit).then_some(meant)
    }

    /// Reads a value of a document.
    ///
    /// # Errors
    /// See [`Size::parse`]; numbers are integers that are not negative.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(_) => {
                let bytes = integer(value)?;
                u64::try_from(bytes)
                    .map(Self)
                    .map_err(|_| "it is negative".to_owned())
            }
            _ => Err("it is no size".to_owned()),
        }
    }
}

/// Digits before and after the point, times a factor, rounded half up.
fn scaled(whole: &str, fraction: &str, factor: u64) -> Option<u64> {
    // More digits than these cannot change a byte.
    const DIGITS: usize = 18;
    let fraction = &fraction[..fraction.len().min(DIGITS)];
    let parts = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let whole = whole.parse::<u128>().ok()?.checked_mul(factor.into())?;
    let rest = match fraction {
        "" => 0,
        digits => digits.parse::<u128>().ok()?.checked_mul(factor.into())?,
    };
    let rounded = (rest.checked_mul(2)?.checked_add(parts)?) / (2 * parts);
    u64::try_from(whole.checked_add(rounded)?).ok()
}

/// An integer, also one that is written as a float (as some JSON writers do).
pub(crate) fn integer(value: &Value) -> Result<i64, String> {
    let float = || {
        let float = value.as_f64().filter(|float| float.fract() == 0.0);
        // Beyond this a float does not know its units any more.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
        float
            .filter(|float| float.abs() <= EXACT)
            .map(|float| float as i64)
    };
    value
        .as_i64()
        .or_else(float)
        .ok_or_else(|| "it is no integer of 64 bits".to_owned())
}

impl fmt::Display for Size {
    /// With the largest unit that leaves a whole number.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match UNITS[5..].iter().rev().find(fits) {
            Some((unit, factor)) => write!(out, "{} {unit}", self.0 / factor),
            None => write!(out, "{}", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(&value).map_err(D::Error::custom)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes, or a text of a number and a unit: kB MB GB TB (powers of 1000), KiB MiB GiB TiB (powers of 1024).",
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(k|M|G|T|Ki|Mi|Gi|Ti)?B?\s*$",
            "format": "size",
        })
    }
}

/// Permissions of a file. Documents have a text of three octal digits, which may have a `0` before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Reads a text such as `0755`.
    ///
    /// # Errors
    /// It has another form. What is wrong with it, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = match text.len() {
            4 => text.strip_prefix('0'),
            _ => Some(text),
        };
        let digits = digits.filter(|digits| digits.len() == 3);
        let is_octal = |digits: &&str| digits.chars().all(|digit| ('0'..='7').contains(&digit));
        digits
            .filter(is_octal)
            .and_then(|digits| u32::from_str_radix(digits, 8).ok())
            .map(Self)
            .ok_or_else(|| "it is not three octal digits".to_owned())
    }
}

impl fmt::Display for Mode {
    /// As `0755`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04o}", self.0)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Permissions: three octal digits, which may have a 0 before them.",
            "type": "string",
            "pattern": "^0?[0-7]{3}$",
            "format": "mode",
        })
    }
}

/// Who owns a file: a user or group by name, or by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// By name.
    Name(String),
    /// By id.
    Id(u32),
}

impl Owner {
    /// Reads a value of a document.
    ///
    /// # Errors
    /// It is neither a text nor an id.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(name) => Ok(Self::Name(name.clone())),
            Value::Number(_) => {
                let id = integer(value)?;
                u32::try_from(id)
                    .map(Self::Id)
                    .map_err(|_| "it is no id: those are between 0 and 4294967295".to_owned())
            }
            _ => Err("it is neither a name nor an id".to_owned()),
        }
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Id(id) => serializer.serialize_u32(*id),
        }
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(&value).map_err(D::Error::custom)
    }
}

impl JsonSchema for Owner {
    fn schema_name() -> Cow<'static, str> {
        "Owner".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A name, or an id.",
            "type": ["string", "integer"],
            "minimum": 0,
            "maximum": u32::MAX,
        })
    }
}

impl PermitRootLogin {
    /// The texts that stand for it beside `true` and `false`.
    pub const NAMES: [&'static str; 2] = ["prohibit-password", "forced-commands-only"];
}

impl Serialize for PermitRootLogin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Yes => serializer.serialize_bool(true),
            Self::No => serializer.serialize_bool(false),
            Self::ProhibitPassword => serializer.serialize_str(Self::NAMES[0]),
            Self::ForcedCommandsOnly => serializer.serialize_str(Self::NAMES[1]),
        }
    }
}

impl<'de> Deserialize<'de> for PermitRootLogin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(true) => Ok(Self::Yes),
            Value::Bool(false) => Ok(Self::No),
            Value::String(text) if text == Self::NAMES[0] => Ok(Self::ProhibitPassword),
            Value::String(text) if text == Self::NAMES[1] => Ok(Self::ForcedCommandsOnly),
            other => Err(D::Error::custom(format!(
                "{other} is none of true, false, {:?}",
                Self::NAMES
            ))),
        }
    }
}

impl JsonSchema for PermitRootLogin {
    fn schema_name() -> Cow<'static, str> {
        "PermitRootLogin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Whether root may log in, or how: with a key, or with a key that has a command.",
            "enum": [true, false, "prohibit-password", "forced-commands-only"],
        })
    }
}
