//! Forms of texts.

use crate::policy::canonical;

/// A name of a user, as the stages that make users and owners take it.
pub(super) fn is_user_name(text: &str) -> bool {
    text != "."
        && text != ".."
        && has_form(
            text,
            32,
            |first| first.is_ascii_alphanumeric() || "_.".contains(first),
            "_.-",
        )
}

/// A name that a new user or group can have: one of digits alone is taken for an id by every program.
pub(super) fn is_account_name(text: &str) -> bool {
    is_user_name(text) && !text.chars().all(|character| character.is_ascii_digit())
}

/// A name of a group that owns something.
pub(super) fn is_group_name(text: &str) -> bool {
    has_form(
        text,
        32,
        |first| first.is_ascii_alphanumeric() || first == '_',
        "_-",
    )
}

/// A name of a volume group or logical volume.
pub(super) fn is_volume_name(text: &str) -> bool {
    text != "."
        && text != ".."
        && has_form(
            text,
            127,
            |first| first.is_ascii_alphanumeric() || "+_.".contains(first),
            "+_.-",
        )
}

/// One to `most` characters: a first one, then letters, digits and those of `others`.
fn has_form(text: &str, most: usize, first: impl Fn(char) -> bool, others: &str) -> bool {
    text.len() <= most && text.starts_with(first) && consists_of(text, others)
}

/// Only letters and digits of ASCII, and those of `others`.
pub(super) fn consists_of(text: &str, others: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

/// A name of one or more labels, as the system takes it (64 characters at most, which is what Linux keeps).
pub(super) fn is_host_name(text: &str) -> bool {
    const MAX: usize = 64;
    const MAX_LABEL: usize = 63;
    let is_label = |label: &str| {
        label.len() <= MAX_LABEL
            && consists_of(label, "-_")
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX && text.split('.').all(is_label)
}

/// A locale: `de_DE.UTF-8`, `sr_RS@latin`, `C`.
pub(super) fn is_locale(text: &str) -> bool {
    let (text, modifier) = text.split_once('@').unwrap_or((text, "x"));
    let (text, charset) = text.split_once('.').unwrap_or((text, "x"));
    let is_language = match text.split_once('_') {
        None => matches!(text, "C" | "POSIX") || is_lower(text, 2..=3),
        Some((language, country)) => {
            is_lower(language, 2..=3)
                && country.len() == 2
                && country.chars().all(|letter| letter.is_ascii_uppercase())
        }
    };
    is_language && consists_of(charset, "-") && consists_of(modifier, "")
}

fn is_lower(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.chars().all(|letter| letter.is_ascii_lowercase())
}

/// A name in the zone database: `Europe/Berlin`, `UTC`, `Etc/GMT+1`.
pub(super) fn is_time_zone(text: &str) -> bool {
    let is_part = |part: &str| {
        consists_of(part, "_+-") && part.starts_with(|first: char| first.is_ascii_alphabetic())
    };
    text.split('/').all(is_part)
}

/// A UUID with hyphens, in capital or small letters.
pub(super) fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str| part.chars().all(|digit| digit.is_ascii_hexdigit());
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length)
        && parts.iter().all(|part| is_hex(part))
}

/// A URL of one of these schemes that has something after it.
pub(super) fn is_url(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    schemes.contains(&scheme.to_ascii_lowercase().as_str())
        && !rest.is_empty()
        && !text.contains(|character: char| character.is_whitespace() || character.is_control())
}

/// How many bytes a path may have: what Linux takes, less the byte at its end.
pub(super) const MAX_PATH: usize = 4095;

/// What is wrong with a path that must be absolute and canonical, and what it should probably be.
pub(super) fn wrong_path(path: &str) -> Option<(&'static str, String)> {
    let advice = |path: &str| match canonical(path) {
        Some(right) => format!("did you mean `{right}`?"),
        None => "paths begin at the root of the image".to_owned(),
    };
    if path.len() > MAX_PATH {
        let hint = format!("no path has more than {MAX_PATH} bytes");
        Some(("is too long", hint))
    } else if path.contains(|character: char| character.is_control()) {
        Some(("has control characters in it", "leave them out".to_owned()))
    } else if !path.starts_with('/') {
        Some(("is not an absolute path", advice(&format!("/{path}"))))
    } else if canonical(path).as_deref() != Some(path) {
        Some(("is not a canonical path", advice(path)))
    } else {
        None
    }
}
