//! What a manifest says about the references of an input: whether the signature of a package is checked, for example.
use osbuild_wasm_manifest::json::to_python_sorted;
use osbuild_wasm_manifest::model::Reference;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Different options that are shown; more of them are told by one digest.
const SHOWN: usize = 4;
/// Characters of options that are shown; longer ones are told by their digest.
const LENGTH: usize = 160;

/// The options of all references, each with the number of references that have them, to be put behind what the input is made of;
/// empty where none has options. Which reference has them is not told: a lock file does not pin the contents either.
///
/// Options are JSON, so that no name of an option can pass for another text. Every change of them changes the words, less options
/// too: a check that is gone is no less than one that is turned off.
pub(super) fn told(references: &[Reference]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for reference in references {
        if reference.options.is_truthy() {
            *counts
                .entry(to_python_sorted(&reference.options))
                .or_default() += 1;
        }
    }
    if counts.len() > SHOWN {
        let all = format!("{counts:?}");
        return format!(", with options of SHA-256 {}", digest(&all));
    }
    let told = counts
        .iter()
        .map(|(options, count)| match *count == references.len() {
            true => format!(", all with {}", shown(options)),
            false => format!(", {count} with {}", shown(options)),
        });
    told.collect()
}

fn shown(options: &str) -> String {
    match options.len() > LENGTH {
        true => format!("options of SHA-256 {}", digest(options)),
        false => options.to_owned(),
    }
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(options: impl IntoIterator<Item = Value>) -> String {
        let reference = |options: Value| Reference {
            id: Some("sha256:0".into()),
            options: options.into(),
        };
        told(&options.into_iter().map(reference).collect::<Vec<_>>())
    }

    fn checked(check: bool) -> Value {
        json!({ "metadata": { "rpm.check_gpg": check } })
    }

    #[test]
    fn a_signature_that_is_not_checked_any_more_is_told() {
        let all = of([checked(true), checked(true)]);
        assert_eq!(all, r#", all with {"metadata": {"rpm.check_gpg": true}}"#);
        assert_eq!(
            of([checked(true), checked(false)]),
            r#", 1 with {"metadata": {"rpm.check_gpg": false}}, 1 with {"metadata": {"rpm.check_gpg": true}}"#
        );
        assert_eq!(of([json!({}), json!({})]), "");
        let one = of([checked(true), json!({})]);
        assert_eq!(one, r#", 1 with {"metadata": {"rpm.check_gpg": true}}"#);
    }

    #[test]
    fn many_or_long_options_are_told_by_their_digest() {
        let many = |last: usize| of((0..9).chain([last]).map(|number| json!({ "x": number })));
        assert!(many(9).starts_with(", with options of SHA-256 "));
        assert_ne!(many(9), many(10));
        let long = of([json!({ "x": "y".repeat(LENGTH) })]);
        assert!(long.starts_with(", all with options of SHA-256 "), "{long}");
    }
}
