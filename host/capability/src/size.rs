//! Sizes as osbuild writes them.
use std::str::FromStr;

/// A number of bytes, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// No limit.
    Unlimited,
    /// So many bytes.
    Bytes(u64),
}

/// What a unit stands for.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

impl Size {
    /// The limit in bytes, if there is one.
    pub fn limit(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let text = text.trim_start();
        let digits = text.trim_start_matches(|character: char| character.is_ascii_digit());
        let number = text.strip_suffix(digits).unwrap_or_default();
        let unit = UNITS.iter().find(|(unit, _)| *unit == digits.trim_start());
        let bytes = match (number.parse::<u64>(), unit) {
            (Ok(number), Some((_, factor))) => number.checked_mul(*factor),
            _ => None,
        };
        bytes.map(Self::Bytes).ok_or_else(|| {
            let units: Vec<_> = UNITS.iter().skip(1).map(|(unit, _)| *unit).collect();
            format!(
                "a size is `unlimited`, or digits with or without one of the units {}",
                units.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_as_osbuild_reads_them() {
        let cases = [
            ("unlimited", Some(Size::Unlimited)),
            ("0", Some(Size::Bytes(0))),
            ("10", Some(Size::Bytes(10))),
            ("  10 GiB", Some(Size::Bytes(10 << 30))),
            ("3kB", Some(Size::Bytes(3000))),
            ("3KiB", Some(Size::Bytes(3072))),
            ("2TB", Some(Size::Bytes(2_000_000_000_000))),
            ("3kiB", None),
            ("3gib", None),
            ("Unlimited", None),
            ("", None),
            ("GiB", None),
            ("-1", None),
            ("1.5GB", None),
            ("10 GiB ", None),
            ("99999999TiB", None),
        ];
        for (text, size) in cases {
            assert_eq!(text.parse::<Size>().ok(), size, "{text:?}");
        }
    }
}
