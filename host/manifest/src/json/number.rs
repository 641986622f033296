//! Numbers as Python's `json` reads them.

use std::fmt;

/// A number: an integer of any size or a double.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// An integer that fits.
    Integer(i64),
    /// Any other integer: decimal digits without leading zeros, with `-` when negative.
    BigInteger(Box<str>),
    /// What was written with a fraction or an exponent; also NaN and the infinities.
    Float(f64),
}

impl Number {
    /// The integer of a JSON integer literal (`-0` is `0`); `None` when the text is not one.
    pub fn from_integer_text(text: &str) -> Option<Number> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        Some(match text.parse() {
            Ok(small) => Number::Integer(small),
            Err(_) => Number::BigInteger(text.into()),
        })
    }

    /// Is this an integer (`1`, not `1.0`)?
    pub fn is_integer(&self) -> bool {
        !matches!(self, Number::Float(_))
    }

    /// The integer, when it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Number::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, when it is one that fits and is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Number::Integer(value) => (*value).try_into().ok(),
            Number::BigInteger(digits) => digits.parse().ok(),
            Number::Float(_) => None,
        }
    }

    /// The whole number, 0 or more, however it is written: `1.0` and `1e3` are whole.
    pub fn as_whole(&self) -> Option<u64> {
        // Doubles are exact up to here.
        let whole = |float: &f64| float.fract() == 0.0 && (0.0..9e15).contains(float);
        match self {
            Number::Float(value) => Some(*value).filter(whole).map(|value| value as u64),
            integer => integer.as_u64(),
        }
    }

    /// The nearest double (an infinity for huge integers).
    pub fn as_f64(&self) -> f64 {
        match self {
            Number::Integer(value) => *value as f64,
            Number::BigInteger(digits) => digits.parse().unwrap_or(f64::NAN),
            Number::Float(value) => *value,
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Number::Integer(value)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        match value.try_into() {
            Ok(small) => Number::Integer(small),
            Err(_) => Number::BigInteger(value.to_string().into()),
        }
    }
}

impl fmt::Display for Number {
    /// As Python's `json.dumps` writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(value) => write!(out, "{value}"),
            Number::BigInteger(digits) => out.write_str(digits),
            Number::Float(value) => out.write_str(&float(*value)),
        }
    }
}

/// Python's `float.__repr__`, with the names of JSON for what is not finite.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    // `{:e}` has the shortest digits that read back as the same double.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        // `{}` is always fixed notation; Python shows `.0` where there is no fraction.
        let fixed = format!("{value}");
        return if fixed.contains('.') {
            fixed
        } else {
            fixed + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
