//! What of a source's items and options decides where contents come from and who vouches for them.
use crate::proxy::hosts_of;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Members that say which content, whose digest is pinned by the item's key, and not whence.
const CONTENT: [&str; 5] = ["path", "data", "digest", "encoding", "checksum"];
/// Characters of a value that are shown.
const SHOWN: usize = 80;
/// The source whose contents a signature vouches for, and where its items have the keys.
const SIGNED: (&str, &str) = ("org.osbuild.ostree", "gpgkeys");

/// The settings of a source as words `NAME: VALUE`, of all its items together; hosts are not among them.
pub(super) fn of(source: &Source) -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    let (module, keys) = SIGNED;
    for (_, item) in source.items.as_object().into_iter().flatten() {
        let mut of_item = BTreeSet::new();
        collect(item, "", &mut of_item);
        if source.module == module && !of_item.iter().any(|word| word.contains(keys)) {
            of_item.insert(format!("no {keys}: nobody vouches for the commits"));
        }
        settings.extend(of_item);
    }
    collect(&source.options, "", &mut settings);
    settings
}

fn collect(value: &Value, name: &str, settings: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.to_string_lossy();
                // An image's key is that of its configuration; its manifest has a digest of its own.
                let pinned = CONTENT.contains(&key.as_ref()) && name != "image";
                if !pinned {
                    let dot = if name.is_empty() { "" } else { "." };
                    collect(member, &format!("{name}{dot}{key}"), settings);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, settings)),
        // Hosts are told apart from everything else by those who fetch.
        url if !hosts_of(url).is_empty() => {}
        other => {
            let name = if name.is_empty() { "url" } else { name };
            settings.insert(format!("{name}: {}", shown(other)));
        }
    }
}

/// A value in one line; a long one, such as a key, as its digest.
fn shown(value: &Value) -> String {
    let plain: serde_json::Value = value.into();
    let text = plain.as_str().map_or(plain.to_string(), str::to_owned);
    match text.chars().count() > SHOWN || text.contains(char::is_control) {
        true => format!("sha256:{}", hex::encode(Sha256::digest(&text))),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(module: &str, items: serde_json::Value, options: serde_json::Value) -> Vec<String> {
        let source = Source {
            module: module.into(),
            items: items.into(),
            options: options.into(),
            id: String::new(),
        };
        of(&source).into_iter().collect()
    }

    #[test]
    fn transports_trust_and_keys_are_settings_and_contents_are_not() {
        let image = json!({ "sha256:0": { "image": {
            "name": "quay.io/x", "digest": "sha256:1", "tls-verify": false,
            "containers-transport": "containers-storage", "storage-location": "/srv",
        } } });
        assert_eq!(
            settings("org.osbuild.skopeo", image, json!({})),
            [
                "image.containers-transport: containers-storage",
                "image.digest: sha256:1",
                "image.name: quay.io/x",
                "image.storage-location: /srv",
                "image.tls-verify: false",
            ]
        );
        let commit = json!({ "0": { "remote": { "url": "https://a.example/" } } });
        assert_eq!(
            settings("org.osbuild.ostree", commit, json!({})),
            ["no gpgkeys: nobody vouches for the commits"]
        );
        let key = "x".repeat(SHOWN + 1);
        let signed =
            json!({ "0": { "remote": { "url": "https://a.example/", "gpgkeys": [key] } } });
        assert!(
            settings("org.osbuild.ostree", signed, json!({}))[0]
                .starts_with("remote.gpgkeys: sha256:")
        );
        let files = json!({ "sha256:0": { "url": "file:///srv/x", "insecure": true }, "sha256:1": "https://b.example/y" });
        assert_eq!(
            settings("org.osbuild.curl", files, json!({})),
            ["insecure: true", "url: file:///srv/x"]
        );
        let mirrors =
            json!({ "mirrors": { "m": { "url": "https://m.example/", "type": "metalink" } } });
        assert_eq!(
            settings(
                "org.osbuild.librepo",
                json!({ "sha256:0": { "path": "p", "mirror": "m" } }),
                mirrors
            ),
            ["mirror: m", "mirrors.m.type: metalink"]
        );
    }
}
