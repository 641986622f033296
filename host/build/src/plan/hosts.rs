//! The hosts that a manifest leads to.
use crate::proxy::hosts_of;
use osbuild_wasm_capability::Profile;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use std::collections::BTreeSet;

/// The registry of an image whose name has none.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The hosts that the proxy lets a stage's programs reach.
pub(super) fn of_stage(module: &Profile, options: &Value) -> Vec<String> {
    let hosts = match module.network {
        true => hosts_of(options),
        false => Default::default(),
    };
    hosts.into_iter().collect()
}

/// The hosts that a source reaches: those of its URLs, the registries of its images, and `*` for what a list of mirrors names.
pub(super) fn of_source(source: &Source) -> Vec<String> {
    let mut hosts: BTreeSet<_> = hosts_of(&source.items);
    hosts.extend(hosts_of(&source.options));
    if source.module.starts_with("org.osbuild.skopeo") {
        let items = source.items.as_object().into_iter().flatten();
        hosts.extend(items.filter_map(|(_, item)| registry(item.get("image")?)));
    }
    let mirrors = source.options.get("mirrors").and_then(Value::as_object);
    let is_list = |mirror: &Value| mirror.get("type").and_then(Value::as_str) != Some("baseurl");
    if mirrors
        .into_iter()
        .flatten()
        .any(|(_, mirror)| is_list(mirror))
    {
        hosts.insert("*".into());
    }
    hosts.into_iter().collect()
}

/// The registry of an image, unless it comes from the storage of this machine.
fn registry(image: &Value) -> Option<String> {
    if image.get("containers-transport").and_then(Value::as_str) == Some("containers-storage") {
        return None;
    }
    let name = image.get("name")?.as_str()?;
    let first = name.split_once('/').map_or("", |(first, _)| first);
    // As for docker: without dot or port it is part of the name.
    let is_host = first.contains(['.', ':']) || first == "localhost";
    let host = if is_host { first } else { DEFAULT_REGISTRY };
    let has_port = host.contains(':');
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:443")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hosts(module: &str, items: serde_json::Value, options: serde_json::Value) -> Vec<String> {
        of_source(&Source {
            module: module.into(),
            items: items.into(),
            options: options.into(),
            id: String::new(),
        })
    }

    #[test]
    fn urls_images_and_lists_of_mirrors_name_hosts() {
        let url = json!({"sha256:0": {"url": "https://a.example/x"}, "sha256:1": "http://b.example:8080/y"});
        assert_eq!(
            hosts("org.osbuild.curl", url, json!({})),
            ["a.example:443", "b.example:8080"]
        );
        let image =
            |name: &str| json!({"sha256:0": {"image": {"name": name, "digest": "sha256:1"}}});
        for (name, host) in [
            ("quay.io/fedora/fedora", "quay.io:443"),
            ("localhost:5000/x", "localhost:5000"),
            ("library/debian", "docker.io:443"),
            ("debian", "docker.io:443"),
        ] {
            assert_eq!(
                hosts("org.osbuild.skopeo", image(name), json!({})),
                [host],
                "{name}"
            );
        }
        let mirrors =
            |kind: &str| json!({"mirrors": {"m": {"url": "https://m.example/list", "type": kind}}});
        assert_eq!(
            hosts("org.osbuild.librepo", json!({}), mirrors("baseurl")),
            ["m.example:443"]
        );
        assert_eq!(
            hosts("org.osbuild.librepo", json!({}), mirrors("metalink")),
            ["*", "m.example:443"]
        );
    }
}
