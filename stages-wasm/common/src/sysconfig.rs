//! Files below etc/sysconfig.
use crate::quoting::{shell_quoted, shell_word};
use osbuild_stage::{Result, Tree, bail};
use serde_json::{Map, Value};

/// Writes a file that belongs to root with mode 0644 whatever it was before.
pub fn write_owned(tree: &Tree, name: &str, text: &str) -> Result<()> {
    let path = format!("etc/sysconfig/{name}");
    tree.write(&path, text)?;
    tree.set_owner(&path, Some(0), Some(0))?;
    tree.set_mode(&path, 0o644)
}

/// Writes `livesys`, which selects the session of a live system.
pub fn write_livesys(tree: &Tree, option: &str, session: &str) -> Result<()> {
    let session = shell_quoted(option, session)?;
    write_owned(
        tree,
        "livesys",
        &format!("\nlivesys_session=\"{session}\"\n"),
    )
}

/// A line `KEY=VALUE` for every setting, in their order; `keys` has the key of each known setting. Truth is written as yes and no.
pub fn assignments(
    settings: &Map<String, Value>,
    keys: &[(&str, &str)],
    quote: &str,
) -> Result<String> {
    let mut text = String::new();
    for (name, value) in settings {
        let Some((_, key)) = keys.iter().find(|(known, _)| known == name) else {
            bail!("unknown setting `{name}`");
        };
        let value = match value {
            Value::Bool(true) => "yes",
            Value::Bool(false) => "no",
            Value::String(text) => text,
            other => bail!("setting `{name}`: {other} is neither a string nor true or false"),
        };
        let value = match quote {
            "\"" => shell_quoted(name, value)?,
            _ => shell_word(name, value).map(|()| value.to_owned())?,
        };
        text += &format!("{key}={quote}{value}{quote}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_their_order_and_unknown_ones_are_refused() {
        let keys = [("a", "A"), ("b", "B")];
        let settings = serde_json::json!({"b": true, "a": "x y"});
        let settings = settings.as_object().unwrap();
        assert_eq!(
            assignments(settings, &keys, "\"").unwrap(),
            "B=\"yes\"\nA=\"x y\"\n"
        );
        // Scripts source these files.
        for (quote, value) in [
            ("", "yes touch /x"),
            ("", "a;b"),
            ("\"", "$(x)"),
            ("", "'a'"),
        ] {
            let settings = serde_json::json!({ "a": value });
            let settings = settings.as_object().unwrap();
            assert!(assignments(settings, &keys, quote).is_err(), "{value}");
        }
        let error = assignments(settings, &keys[..1], "").unwrap_err();
        assert_eq!(error.to_string(), "unknown setting `b`");
    }
}
