//! Write the aleph version file that describes the initial deployment.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree, bail, path};
use osbuild_stage_common::ostree::{self, Deployment, REPOSITORY};
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

const FILE: &str = ".aleph-version.json";
/// The name by which CoreOS knows it.
const COREOS_FILE: &str = ".coreos-aleph-version.json";
/// The version of osbuild whose file this is.
const OSBUILD: &str = "191";

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    coreos_compat: bool,
    sysroot_path: Option<String>,
    deployment: Deployment,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let place = options.sysroot_path.as_deref().unwrap_or("tree:///");
        let root = Tree::new(path::normal(&arguments.locate(place)?));
        let deployed = options.deployment.find(&root)?;
        let origin = root.read_to_string(&format!("{}.origin", deployed.path))?;
        let description = match origin_of(&origin)? {
            Origin::Branch(reference) => commit(&root, reference)?,
            Origin::Container(reference) => container(&root, reference)?,
        };
        root.write(FILE, text(description))?;
        if options.coreos_compat {
            root.symlink(FILE, COREOS_FILE)?;
        }
        Ok(())
    })
}

/// What a deployment was made of.
#[derive(Debug, PartialEq, Eq)]
enum Origin<'a> {
    Branch(&'a str),
    Container(&'a str),
}

fn origin_of(text: &str) -> Result<Origin<'_>> {
    for line in text.lines() {
        let mut parts = line.split('=');
        match (parts.next(), parts.next()) {
            (Some("container-image-reference"), Some(value)) => {
                return Ok(Origin::Container(value.trim()));
            }
            (Some("refspec"), Some(value)) => return Ok(Origin::Branch(value.trim())),
            _ => {}
        }
    }
    bail!("the origin of the deployment names neither a refspec nor a container image")
}

fn ostree(root: &Tree, words: &[&str]) -> Command {
    Command::new("ostree")
        .args(words.iter().copied())
        .arg(format!("--repo={}", root.path(REPOSITORY)))
}

fn commit(root: &Tree, reference: &str) -> Result<Value> {
    let version = ostree(root, &["show"])
        .args([reference, "--print-metadata-key=version"])
        .capture_text()?;
    Ok(json!({
        "osbuild-version": OSBUILD,
        "version": version.trim_end().trim_matches('\''),
        "ref": reference,
        "ostree-commit": ostree::commit(root, REPOSITORY, reference)?,
    }))
}

fn container(root: &Tree, reference: &str) -> Result<Value> {
    let list = ostree(root, &["container", "image", "list"]).capture_text()?;
    let name = match list.lines().collect::<Vec<_>>()[..] {
        [only] => only,
        _ => image_name(reference)?,
    };
    let metadata = |more: Option<&str>| {
        let text = ostree(root, &["container", "image", "metadata"])
            .arg(name)
            .args(more)
            .capture()?;
        osbuild_stage::Result::<Value>::Ok(serde_json::from_slice(&text)?)
    };
    Ok(description(
        reference,
        name,
        &metadata(None)?,
        &metadata(Some("--config"))?,
    ))
}

fn description(reference: &str, name: &str, manifest: &Value, config: &Value) -> Value {
    let labels = &config["config"]["Labels"];
    let mut description = json!({
        "osbuild-version": OSBUILD,
        "ref": reference,
        "version": labels["org.opencontainers.image.version"],
        "container-image": {
            "image-name": name,
            "image-digest": manifest["config"]["digest"],
            "image-labels": labels,
        },
    });
    if let Some(commit) = labels.get("ostree.commit") {
        description["ostree-commit"] = commit.clone();
    }
    description
}

/// The name of the image in an ostree reference: what follows the kind of verification, and for a remote its name.
fn image_name(reference: &str) -> Result<&str> {
    let (kind, rest) = reference.split_once(':').unwrap_or((reference, ""));
    match kind {
        "ostree-remote-registry" | "ostree-remote-image" => {
            Ok(rest.split_once(':').map_or("", |(_, name)| name))
        }
        "ostree-image-signed" | "ostree-unverified-registry" | "ostree-unverified-image" => {
            Ok(rest)
        }
        _ => bail!("`{reference}` is no reference of an image that ostree knows"),
    }
}

/// JSON with sorted keys, indented by four.
fn text(value: Value) -> String {
    let mut text = String::new();
    put(&mut text, &value, "\n");
    text + "\n"
}

fn put(text: &mut String, value: &Value, line: &str) {
    let inner = format!("{line}    ");
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            let mut separator = "{";
            for (key, member) in members {
                let key = osbuild_stage::json::one_line(&json!(key));
                *text += &format!("{separator}{inner}{key}: ");
                put(text, member, &inner);
                separator = ",";
            }
            *text += &format!("{line}}}");
        }
        other => *text += &osbuild_stage::json::one_line(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_line_is_the_origin() {
        assert_eq!(
            origin_of("[origin]\nrefspec=a:b/c\n").unwrap(),
            Origin::Branch("a:b/c")
        );
        assert_eq!(
            origin_of("container-image-reference=x:y=z\nrefspec=a").unwrap(),
            Origin::Container("x:y")
        );
        assert!(origin_of("[origin]\n").is_err());
    }

    #[test]
    fn image_names_have_no_kind_of_verification() {
        for (reference, name) in [
            ("ostree-remote-registry:fedora:q.io/x:1", "q.io/x:1"),
            ("ostree-image-signed:docker://q.io/x", "docker://q.io/x"),
        ] {
            assert_eq!(image_name(reference).unwrap(), name);
        }
        assert!(image_name("docker://x").is_err());
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        let config = json!({"config": {"Labels": {"ostree.commit": "c", "a": "\u{e4}"}}});
        let manifest = json!({"config": {"digest": "d"}});
        assert_eq!(
            text(description("r", "n", &manifest, &config)),
            r#"{
    "container-image": {
        "image-digest": "d",
        "image-labels": {
            "a": "\u00e4",
            "ostree.commit": "c"
        },
        "image-name": "n"
    },
    "osbuild-version": "191",
    "ostree-commit": "c",
    "ref": "r",
    "version": null
}
"#
        );
    }
}
