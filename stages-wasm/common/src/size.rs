//! Sizes as truncate(1) takes them.
use osbuild_stage::{Error, bail};
use std::str::FromStr;

/// A new size of a file, possibly relative to its present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewSize {
    /// `N`: exactly.
    Exactly(u64),
    /// `+N`, `-N`: more or less, down to 0.
    By(i64),
    /// `<N`: at most.
    AtMost(u64),
    /// `>N`: at least.
    AtLeast(u64),
    /// `/N`: rounded down to a multiple.
    DownTo(u64),
    /// `%N`: rounded up to a multiple.
    UpTo(u64),
}

impl NewSize {
    /// The size of a file of `present` bytes; none when no file can be that large.
    pub fn of(self, present: u64) -> Option<u64> {
        let size = match self {
            Self::Exactly(size) => Some(size),
            Self::By(difference) if difference < 0 => {
                Some(present.saturating_add_signed(difference))
            }
            Self::By(difference) => present.checked_add_signed(difference),
            Self::AtMost(size) => Some(present.min(size)),
            Self::AtLeast(size) => Some(present.max(size)),
            Self::DownTo(unit) => Some(present - present % unit),
            Self::UpTo(unit) => present.checked_next_multiple_of(unit),
        };
        size.filter(|size| *size <= i64::MAX as u64)
    }
}

impl FromStr for NewSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim_start();
        let (prefix, rest) = match text.chars().next() {
            Some(prefix @ ('<' | '>' | '/' | '%')) => (prefix, text[1..].trim_start()),
            _ => (' ', text),
        };
        if prefix != ' ' && rest.starts_with(['+', '-']) {
            bail!("size `{text}` has two relative prefixes");
        }
        if let Some(rest) = rest.strip_prefix('-') {
            return Ok(Self::By(-bytes(text, rest, false)?));
        }
        if let Some(rest) = rest.strip_prefix('+') {
            return Ok(Self::By(bytes(text, rest, false)?));
        }
        let size = bytes(text, rest, true)?.unsigned_abs();
        match prefix {
            '<' => Ok(Self::AtMost(size)),
            '>' => Ok(Self::AtLeast(size)),
            '/' | '%' if size == 0 => bail!("size `{text}` rounds to a multiple of 0"),
            '/' => Ok(Self::DownTo(size)),
            '%' => Ok(Self::UpTo(size)),
            _ => Ok(Self::Exactly(size)),
        }
    }
}

/// Digits and a suffix: `K` or `KiB` is 1024, `KB` is 1000. With `bare` a suffix alone counts once.
fn bytes(text: &str, number: &str, bare: bool) -> Result<i64, Error> {
    let suffix_at = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    let (digits, suffix) = number.split_at(suffix_at);
    let count = match digits {
        "" if bare && !suffix.is_empty() => Some(1),
        digits => digits.parse::<i64>().ok(),
    };
    let factor = factor(suffix).ok_or_else(|| {
        Error::new(format!(
            "`{text}` is no size: write a number and a suffix such as K, M, GiB or GB"
        ))
    })?;
    factor
        .and_then(|factor| count?.checked_mul(factor))
        .ok_or_else(|| Error::new(format!("`{text}` is no size or is too large")))
}

/// None for an unknown suffix, `Some(None)` for one that is too large for a file.
fn factor(suffix: &str) -> Option<Option<i64>> {
    let mut letters = suffix.chars();
    let Some(letter) = letters.next() else {
        return Some(Some(1));
    };
    let base: i64 = match letters.as_str() {
        "" | "iB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    let power = match letter {
        'k' | 'K' => 1,
        'm' | 'M' => 2,
        'g' | 'G' => 3,
        't' | 'T' => 4,
        'P' => 5,
        'E' => 6,
        'Z' => 7,
        'Y' => 8,
        _ => return None,
    };
    Some(base.checked_pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_truncate_takes_them() {
        for (text, present, size) in [
            ("10", 5, 10),
            ("10G", 0, 10 << 30),
            ("1KB", 0, 1000),
            ("1KiB", 0, 1024),
            ("K", 0, 1024),
            ("+512", 10, 522),
            ("-512", 10, 0),
            ("<4", 10, 4),
            ("> 4", 10, 10),
            ("/4", 10, 8),
            ("%4096", 10, 4096),
        ] {
            assert_eq!(
                text.parse::<NewSize>().unwrap().of(present),
                Some(size),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "zz",
            "1X",
            "1KiX",
            "/0",
            "%0",
            "<+1",
            "9E9",
            "1Y",
            "99999999999999999999",
            "+",
        ] {
            assert!(text.parse::<NewSize>().is_err(), "{text}");
        }
        assert_eq!(NewSize::By(i64::MAX).of(1), None);
    }
}
