//! What a manifest tells a module: each option by its path, with a text that can be compared and shown.
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Values by the path of their option, e.g. `options.users.root.shell`. A list of plain values is one entry, `options.languages[]`, and
/// all other entries have one value; an empty object is an entry without any, `options.users{}`.
pub type Told = BTreeMap<String, Vec<String>>;

/// Characters of a value that are shown; of a longer one its begin and a digest.
const SHOWN: usize = 120;
/// Hex digits of the digest of a long value.
const DIGITS: usize = 16;
/// Hex digits of the digest of a secret: enough to see that it changed, too few to find out what it is.
const SECRET_DIGITS: usize = 4;
/// What names of secrets contain, without `-`, `_` and case.
const SECRETS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "rootpw",
    "secret",
    "token",
    "privatekey",
    "activationkey",
    "credential",
    "apikey",
];
/// What hashes of passwords (crypt(5)) and private keys have in them.
const SIGNS: [&str; 9] = [
    "$1$",
    "$2a$",
    "$2b$",
    "$2y$",
    "$5$",
    "$6$",
    "$y$",
    "$argon2",
    "PRIVATE KEY",
];

/// Adds what `value` says, under the path `place`.
pub fn tell(told: &mut Told, place: &str, value: &Value) {
    add(told, place, value, false);
}

fn add(told: &mut Told, place: &str, value: &Value, secret: bool) {
    match value {
        Value::Object(members) if members.is_empty() => {
            told.insert(format!("{place}{{}}"), Vec::new());
        }
        Value::Object(members) => {
            for (key, member) in members {
                let secret = secret || names_a_secret(key);
                add(told, &format!("{place}{}", step(key)), member, secret);
            }
        }
        Value::Array(items) if items.iter().all(is_plain) => {
            let items = items.iter().map(|item| shown(item, secret));
            told.insert(format!("{place}[]"), items.collect());
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                add(told, &format!("{place}[{index}]"), item, secret);
            }
        }
        plain => _ = told.insert(place.to_owned(), vec![shown(plain, secret)]),
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// `.name`, or `["any/text"]`.
fn step(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match !key.is_empty() && key.chars().all(is_plain) {
        true => format!(".{key}"),
        false => format!("[{}]", Value::from(key)),
    }
}

/// A value in one line of JSON; a secret is not in it.
fn shown(value: &Value, secret: bool) -> String {
    let text = value.to_string();
    match secret && !value.is_boolean() && !value.is_null() {
        true => hidden(&text),
        false => shortened(text),
    }
}

fn hidden(text: &str) -> String {
    format!("a secret (digest {}..)", digest(text, SECRET_DIGITS))
}

/// A text as far as it can be shown: cut where it is long, and left out where it has a secret in it.
pub fn shortened(text: String) -> String {
    if has_a_secret(&text) {
        return hidden(&text);
    }
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}.. (SHA-256 {}..)", &text[..end], digest(&text, DIGITS)),
    }
}

fn digest(text: &str, digits: usize) -> String {
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(digits);
    digest
}

fn names_a_secret(key: &str) -> bool {
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    let key = letters.collect::<String>().to_ascii_lowercase();
    SECRETS.iter().any(|secret| key.contains(secret))
}

/// Whether a text looks as if a secret were in it: a hash, a key, `password=x` in a file or command, or a login in a URL.
fn has_a_secret(text: &str) -> bool {
    let mut words = text.split(['=', ':', '"', '\'', ' ', '\\']).rev();
    // The last word is followed by nothing.
    words.next();
    let login = |(_, rest): (&str, &str)| {
        let authority = rest.split(['/', '"', ' ', '\\']).next();
        let user = authority.and_then(|authority| authority.rsplit_once('@'));
        user.is_some_and(|(user, _)| user.contains(':'))
    };
    SIGNS.iter().any(|sign| text.contains(sign))
        || (text.contains(['=', ':', ' ']) && words.any(names_a_secret))
        || text.split_once("://").is_some_and(login)
}

/// What differs, a line for each option; nothing where both say the same.
pub(crate) fn difference(old: &Told, new: &Told) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, before) in old {
        match new.get(place) {
            None => lines.push(format!("{place}: {} -> not there", all(before))),
            Some(now) if now == before => {}
            Some(now) if place.ends_with("[]") => {
                lines.push(format!("{place}: {}", list(before, now)))
            }
            Some(now) => lines.push(format!("{place}: {} -> {}", all(before), all(now))),
        }
    }
    let added = new.iter().filter(|(place, _)| !old.contains_key(*place));
    lines.extend(added.map(|(place, now)| format!("{place}: not there -> {}", all(now))));
    lines
}

/// Values that are shown of a list.
const VALUES: usize = 8;

/// One line for each option.
pub(crate) fn lines(told: &Told) -> impl Iterator<Item = String> + '_ {
    told.iter()
        .map(|(place, values)| format!("{place}: {}", all(values)))
}

fn all(values: &[String]) -> String {
    match values.is_empty() {
        true => "empty".to_owned(),
        false => some(values.iter()),
    }
}

fn some<'a>(values: impl Iterator<Item = &'a String>) -> String {
    let mut values: Vec<_> = values.map(String::as_str).collect();
    let more = values.len().saturating_sub(VALUES);
    values.truncate(VALUES);
    let shown = values.join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a list gained and lost; where it has the same values, that their order is another.
fn list(old: &[String], new: &[String]) -> String {
    let without = |values: &[String], others: &[String]| {
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        others
            .iter()
            .for_each(|value| *left.entry(value.clone()).or_default() += 1);
        let mut more = values.to_vec();
        more.retain(|value| match left.get_mut(value) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
        more
    };
    let (gone, gained) = (without(old, new), without(new, old));
    let parts = [("new", gained), ("gone", gone)];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(word, values)| format!("{word} {}", some(values.iter())))
        .collect();
    match parts.is_empty() {
        true => "the same values in another order".to_owned(),
        false => parts.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value) -> Told {
        let mut told = Told::new();
        tell(&mut told, "options", value);
        told
    }

    fn changes(old: &Value, new: &Value) -> Vec<String> {
        difference(&of(old), &of(new))
    }

    #[test]
    fn a_change_is_told_by_path_old_and_new_value() {
        for (old, new, said) in [
            (
                json!({"a": {"b": "x"}}),
                json!({"a": {"b": "y"}}),
                r#"options.a.b: "x" -> "y""#,
            ),
            (json!({"a": 1}), json!({"a": "1"}), r#"options.a: 1 -> "1""#),
            (
                json!({}),
                json!({"a": true}),
                "options.a: not there -> true",
            ),
            (
                json!({"/usr": {"mode": "0"}}),
                json!({"/usr": {"mode": "1"}}),
                r#"options["/usr"].mode: "0" -> "1""#,
            ),
            (
                json!({"l": ["a", "b"]}),
                json!({"l": ["b", "c"]}),
                r#"options.l[]: new "c"; gone "a""#,
            ),
            (
                json!({"l": ["a", "b"]}),
                json!({"l": ["b", "a"]}),
                "options.l[]: the same values in another order",
            ),
            (
                json!({"l": [{"x": 1}]}),
                json!({"l": [{"x": 2}]}),
                "options.l[0].x: 1 -> 2",
            ),
        ] {
            assert!(
                changes(&old, &new).contains(&said.to_owned()),
                "{:?}",
                changes(&old, &new)
            );
            assert!(changes(&new, &new).is_empty());
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let old = "hunter2";
        for (key, text) in [
            ("password", "@"),
            ("x", "$6$salt$@"),
            ("activation_key", "@"),
            ("cmdline", "ks root-password=@"),
            ("text", "rootpw --plaintext @"),
            ("url", "https://me:@@example.org/x"),
            ("pem", "-----BEGIN PRIVATE KEY-----\n@"),
        ] {
            let with = |secret: &str| json!({ key: text.replacen('@', secret, 1) });
            let told = format!("{:?}", of(&with(old)));
            assert!(!told.contains(old), "{told}");
            assert_eq!(changes(&with(old), &with("other")).len(), 1);
        }
        assert!(format!("{:?}", of(&json!({"lock_password": true}))).contains("true"));
    }

    #[test]
    fn a_change_at_the_end_of_a_long_value_is_seen_and_the_value_is_cut() {
        let long = |end: &str| json!({ "text": "x".repeat(5000) + end });
        let said = changes(&long("a"), &long("b")).join("");
        assert!(said.len() < 400 && said.contains("SHA-256"), "{said}");
    }
}
