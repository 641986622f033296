//! Commits and deployed systems, from requests to stages.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
use osbuild_wasm_distro::Definitions;
use osbuild_wasm_generator::mock::Document;
use serde_json::{Value, json};

/// The manifest of a request on x86_64, or why there is none.
fn manifest(distro: &str, image_type: &str, more: Value) -> Result<Value, String> {
    let mut request = json!({"distro": distro, "arch": "x86_64", "image_type": image_type});
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request["repositories"] = json!([{"name": "base", "baseurls": ["https://example.com/base"]}]);
    let document: Document = serde_json::from_value(request).unwrap();
    let blueprint = match &document.blueprint {
        Value::Null => json!({}),
        blueprint => blueprint.clone(),
    };
    let definitions = Definitions::embedded();
    let distro = definitions.distro(distro).unwrap();
    let image_type = definitions
        .image_type(&distro, document.arch, image_type)
        .unwrap();
    document
        .manifest(
            &distro,
            &image_type,
            &serde_json::from_value(blueprint).unwrap(),
        )
        .map_err(|error| error.to_string())
}

fn stages(manifest: &Value, pipeline: &str) -> Vec<Value> {
    let pipelines = manifest["pipelines"].as_array().unwrap();
    let found = pipelines.iter().find(|found| found["name"] == pipeline);
    found.unwrap()["stages"].as_array().unwrap().clone()
}

fn kinds(stages: &[Value]) -> Vec<&str> {
    stages
        .iter()
        .map(|stage| {
            stage["type"]
                .as_str()
                .unwrap()
                .trim_start_matches("org.osbuild.")
        })
        .collect()
}

#[test]
fn a_deployment_has_every_change_of_a_blueprint_in_the_deployed_tree() {
    let customizations = json!({
        "sshkey": [{"user": "ada", "key": "ssh-ed25519 A ada"}],
        "group": [{"name": "staff", "gid": 2000}],
        "kernel": {"append": "debug"},
        "locale": {"languages": ["de_DE.UTF-8"], "keyboard": "de"},
        "services": {"enabled": ["a.service"], "masked": ["b.service"]},
        "filesystem": [{"mountpoint": "/data", "minsize": 1_073_741_824}],
        "directories": [{"path": "/etc/d", "mode": "0750"}],
        "files": [{"path": "/etc/f", "data": "text"}],
        "firstboot": {"scripts": [{"type": "custom", "contents": "#!/bin/sh\n"}]},
        "dnf": {"config": {"set_releasever": true}},
        "fips": true,
    });
    let request = json!({
        "options": {"ostree": {"url": "https://example.com/repo"}},
        "blueprint": {"customizations": customizations},
    });
    let manifest = manifest("rhel-9.4", "edge-raw-image", request).unwrap();
    let stages = stages(&manifest, "ostree-deployment");
    let expected = "ostree.init-fs ostree.os-init mkdir ostree.pull ostree.deploy ostree.remotes ostree.fillvar \
        ostree.config fstab groups users ignition systemd.unit.create systemd.preset users keymap locale dnf.config \
        copy chmod chown update-crypto-policies dracut.conf mkdir chmod chown copy chmod chown systemd.unit.create \
        mkdir chmod copy grub2 systemd ostree.selinux";
    assert_eq!(kinds(&stages).join(" "), expected);
    let in_deployment: Vec<bool> = stages
        .iter()
        .map(|stage| stage["mounts"][0]["type"] == "org.osbuild.ostree.deployment")
        .collect();
    let config = stages
        .iter()
        .position(|stage| stage["type"] == "org.osbuild.ostree.config")
        .unwrap();
    for (index, (stage, is_in)) in stages.iter().zip(in_deployment).enumerate() {
        let outside = index < config
            || stage["type"] == "org.osbuild.ignition"
            || stage["type"] == "org.osbuild.ostree.selinux";
        assert_eq!(is_in, !outside, "{stage}");
    }
    let services = &stages[stages.len() - 2]["options"];
    assert_eq!(
        services,
        &json!({
            "enabled_services": [
                "a.service",
                "osbuild-first-boot-custom-1.service",
                "osbuild-ostree-mountpoints.service",
            ],
            "masked_services": ["b.service"],
        })
    );
    let arguments = stages[4]["options"]["kernel_opts"].as_array().unwrap();
    let tail = [
        "debug",
        "ignition.platform.id=metal",
        "$ignition_firstboot",
        "fips=1",
    ];
    assert!(
        arguments
            .windows(4)
            .any(|some| some == tail.map(Value::from)),
        "{arguments:?}"
    );
}

#[test]
fn a_mount_point_stays_one_word_of_the_unit_that_makes_it() {
    let partition = |mountpoint: &str| json!({"mountpoint": mountpoint, "minsize": 1_073_741_824, "fs_type": "xfs"});
    let request = json!({
        "options": {"ostree": {"url": "https://example.com/repo"}},
        "blueprint": {"customizations": {"disk": {"partitions": [partition("/"), partition("/a b%c\"")]}}},
    });
    let manifest = manifest("rhel-9.4", "edge-raw-image", request).unwrap();
    let stages = stages(&manifest, "ostree-deployment");
    let unit = stages
        .iter()
        .find(|stage| stage["type"] == "org.osbuild.systemd.unit.create")
        .unwrap();
    assert_eq!(
        unit["options"]["config"]["Service"]["ExecStart"],
        json!(["mkdir -p \"/a b%%c\\\"\""])
    );
}

#[test]
fn options_of_ostree_are_refused_where_they_cannot_be_followed() {
    let url = "https://example.com/repo";
    for (image_type, options, expected) in [
        (
            "edge-commit",
            json!({"parent": "a"}),
            "ostree parent ref specified, but no URL to retrieve it",
        ),
        (
            "edge-commit",
            json!({"ref": "a//b"}),
            "ostree ref \"a//b\" is invalid",
        ),
        (
            "edge-commit",
            json!({"url": "repo"}),
            "ostree URL \"repo\" is invalid",
        ),
        (
            "edge-raw-image",
            json!({}),
            "options validation failed for image type \"edge-raw-image\": ostree.url: required, there is no default available",
        ),
        (
            "edge-raw-image",
            json!({"url": url, "parent": "a"}),
            "options validation failed for image type \"edge-raw-image\": ostree.parent: not supported",
        ),
    ] {
        let request = json!({"options": {"ostree": options}});
        let found = manifest("rhel-9.4", image_type, request);
        assert_eq!(found, Err(expected.to_string()), "{image_type} {options}");
    }
}

#[test]
fn a_commit_follows_the_one_that_its_repository_has() {
    let parent_of = |options: Value| {
        let request = json!({"options": {"ostree": options}});
        let manifest = manifest("rhel-9.4", "edge-commit", request).unwrap();
        let stages = stages(&manifest, "ostree-commit");
        let sources = manifest["sources"]["org.osbuild.ostree"]["items"].clone();
        (stages[1]["options"].clone(), sources)
    };
    let (options, sources) = parent_of(json!({"ref": "my/ref"}));
    assert_eq!(options["ref"], "my/ref");
    assert_eq!((&options["parent"], sources), (&Value::Null, Value::Null));
    let (options, sources) =
        parent_of(json!({"ref": "my/ref", "url": "https://example.com/repo", "rhsm": true}));
    let parent = options["parent"].as_str().unwrap();
    assert_eq!(
        sources[parent],
        json!({"remote": {
            "url": "https://example.com/repo",
            "secrets": {"name": "org.osbuild.rhsm.consumer"},
        }})
    );
    let (other, _) =
        parent_of(json!({"ref": "my/ref", "parent": "old/ref", "url": "https://example.com/repo"}));
    assert_ne!(other["parent"], options["parent"]);
}
