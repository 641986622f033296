//! Values that are one field of a line whose fields are separated by blanks.
use osbuild_stage::{Result, bail};
use std::fmt::Write as _;

/// A value as a field of fstab: what would end the field, or make a comment of the line, as three octal digits, which getmntent(3)
/// and libmount read back. Such digits that stand in the value already are left as they are.
///
/// # Errors
/// Where the value is empty: the reader would take the next field for it. Where it has a zero byte, by its digits too: there the
/// reader's text would end.
pub fn fstab(option: &str, value: &str) -> Result<String> {
    if value.is_empty() {
        bail!("options.{option}: the field cannot be empty");
    }
    if value.contains('\0') || has_zero(value) {
        bail!("options.{option}: {value:?}: the reader ends it at the zero byte");
    }
    let mut field = String::new();
    for (at, character) in value.char_indices() {
        let ends = character.is_ascii_whitespace() || character.is_ascii_control();
        match character {
            '#' if at == 0 => field.push_str("\\043"),
            _ if ends => {
                let _ = write!(field, "\\{:03o}", u32::from(character));
            }
            _ => field.push(character),
        }
    }
    Ok(field)
}

/// Whether three octal digits of a value are those of a zero byte to readers, who count no further than a byte.
fn has_zero(value: &str) -> bool {
    let mut found = value.match_indices('\\');
    found.any(|(at, _)| {
        let digits = value.get(at + 1..at + 4);
        let number = digits.map(|digits| u32::from_str_radix(digits, 8));
        number
            .and_then(Result::ok)
            .is_some_and(|number| number % 256 == 0)
    })
}

/// Refuses a value that the reader of a file, who knows no escapes, would not take for one field.
///
/// # Errors
/// Where it is empty, has blanks or control characters, or begins with `#`; they name the option.
pub fn word(option: &str, value: &str) -> Result<()> {
    let reason = if value.is_empty() {
        "the field cannot be empty"
    } else if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "the field ends at a blank, and the file has no escape for one"
    } else if value.starts_with('#') {
        "it would begin a comment"
    } else {
        return Ok(());
    };
    bail!("options.{option}: {value:?}: {reason}")
}

/// Refuses a value that stands at the end of a line, of which the reader drops blanks at its ends.
///
/// # Errors
/// Where it has such blanks; they name the option.
pub fn text(option: &str, value: &str) -> Result<()> {
    match value.trim() == value {
        true => Ok(()),
        false => bail!(
            "options.{option}: {value:?}: blanks at its ends are not a part of what the reader takes"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_of_fstab_is_written_in_octal() {
        for (value, field) in [
            ("/srv/my disk", "/srv/my\\040disk"),
            ("a\tb\nc", "a\\011b\\012c"),
            ("#x#", "\\043x#"),
            (
                "x-systemd.requires=dev-x\\x2dy.device",
                "x-systemd.requires=dev-x\\x2dy.device",
            ),
            ("/a\\040b", "/a\\040b"),
        ] {
            assert_eq!(super::fstab("path", value).unwrap(), field, "{value:?}");
        }
        for bad in ["", "a\0b", "\\000", "a\\400b"] {
            assert!(super::fstab("path", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_text_has_blanks_only_inside() {
        assert!(text("x", "a b").is_ok() && text("x", "").is_ok());
        for bad in [" a", "a\t", " ", "a\u{2028}"] {
            let error = text("config.value", bad).unwrap_err().to_string();
            assert!(error.starts_with("options.config.value: "), "{error}");
        }
    }

    #[test]
    fn a_word_has_no_blank_and_begins_no_comment() {
        for good in ["a", "fe80::1%eth0", "a#b", "ä"] {
            assert!(word("x", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "a\tb", "#a", "a\u{85}b", "a\nb"] {
            let error = word("search", bad).unwrap_err().to_string();
            assert!(error.starts_with("options.search: "), "{error}");
        }
    }
}
