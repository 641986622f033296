//! Durations as configuration files have them: numbers with units, one after the other.
use std::time::Duration;

/// The units, and their milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// The longest time that a setting can be: what is gone back from now by it is still a time.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// The duration of a text such as `0`, `90s` or `1h30m`; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut milliseconds) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|letter: char| letter.is_ascii_digit());
        let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*factor)?;
        milliseconds = milliseconds.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_duration_is_numbers_with_units() {
        #[rustfmt::skip]
        let cases = [
            ("0", Some(0)), ("0s", Some(0)), ("90s", Some(90_000)), ("1h30m", Some(5_400_000)), ("250ms", Some(250)),
            ("", None), ("5", None), ("s", None), ("-1s", None), ("1d", None), ("1h 5m", None), ("99999999999999999999h", None),
            ("9999999999999999h", None),
        ];
        for (text, milliseconds) in cases {
            let found = parse(text).map(|duration| duration.as_millis());
            assert_eq!(found, milliseconds, "{text}");
        }
    }
}
