//! The effective settings as a text: a TOML document that says where each value comes from, and has no secrets in it.
use super::keys::{KEYS, Key};
use super::layers::{Setting, Settings, dotted};
use toml::Value;
use url::Url;

/// Shows settings, one to a line.
pub(super) fn shown(settings: &Settings) -> String {
    let mut text = String::new();
    for key in KEYS {
        let set = settings.0.iter().filter(|(path, _)| key.is(path));
        let before = text.len();
        set.for_each(|(path, setting)| text.push_str(&line(key, path, setting)));
        if text.len() == before {
            text.push_str(&format!("# {} is not set\n", key.path.join(".")));
        }
    }
    text
}

fn line(key: &Key, path: &[String], setting: &Setting) -> String {
    let (name, source) = (dotted(path), &setting.source);
    if key.secret {
        return format!("# {name} is set, and not shown  # {source}\n");
    }
    format!("{name} = {}  # {source}\n", without_secrets(&setting.value))
}

/// A value whose URLs have no passwords and no parameters: these may be secrets, too.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(text)),
        Value::Array(list) => list.iter().map(without_secrets).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

fn without_password(text: &str) -> String {
    let Some(mut url) = Url::parse(text).ok().filter(|_| text.contains("://")) else {
        return text.to_owned();
    };
    if url.password().is_none() && url.query().is_none() {
        return text.to_owned();
    }
    // A URL that cannot have a password has none.
    let _ = url.set_password(url.password().map(|_| "hidden"));
    url.set_query(url.query().map(|_| "hidden"));
    url.to_string()
}
