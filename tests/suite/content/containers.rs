//! A container image from a registry, deployed and copied.
use super::{Server, build, tool};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// An image with one file in a registry.
pub(super) struct Image {
    pub(super) id: String,
    pub(super) digest: String,
    /// A list of it and of an image for another architecture, which has the tag `list`.
    pub(super) list: String,
    pub(super) host: String,
    _registry: Server,
}

/// An empty registry.
pub(super) fn registry(scratch: &Scratch) -> Server {
    Server::start(|port| {
        let config = scratch.path("registry.yml");
        let storage = scratch.path("registry");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {storage:?}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config);
        command
    })
}

/// Writes a blob of an OCI layout (image specification, "Image Layout") and gives its descriptor.
fn blob(scratch: &Scratch, kind: &str, content: &[u8]) -> Value {
    let blobs = scratch.path("layout/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let file = scratch.path("blob");
    fs::write(&file, content).unwrap();
    let digest = tool("sha256sum", &file.to_string_lossy());
    let digest = digest.split(' ').next().unwrap().to_owned();
    fs::rename(file, blobs.join(&digest)).unwrap();
    let kind = format!("application/vnd.oci.image.{kind}");
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len() })
}

/// The manifest of an image with this layer and its configuration, as descriptors.
fn manifest(scratch: &Scratch, architecture: &str, layer: &Value) -> (Value, Value) {
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config = blob(scratch, "config.v1+json", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] });
    let mut manifest = blob(scratch, "manifest.v1+json", manifest.to_string().as_bytes());
    manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
    (config, manifest)
}

pub(super) fn image(scratch: &Scratch) -> Image {
    let root = scratch.path("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/marker"), "from the registry\n").unwrap();
    let layer = scratch.path("layer.tar");
    tool(
        "tar",
        &format!("-C {} -cf {} etc", root.display(), layer.display()),
    );
    let layer = blob(scratch, "layer.v1.tar", &fs::read(layer).unwrap());
    let (_, other) = manifest(scratch, "s390x", &layer);
    let (config, mut manifest) = manifest(scratch, "amd64", &layer);
    let kind = "application/vnd.oci.image.index.v1+json";
    let list = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [other, manifest] });
    let mut list = blob(scratch, "index.v1+json", list.to_string().as_bytes());
    let (id, digest) = (config["digest"].clone(), manifest["digest"].clone());
    let layout = scratch.path("layout");
    for (named, name) in [(&mut manifest, "image"), (&mut list, "list")] {
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    }
    let index = json!({ "schemaVersion": 2, "manifests": [manifest, list] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    let registry = registry(scratch);
    let host = format!("localhost:{}", registry.port);
    for (name, tag) in [("image", "tag"), ("list", "list")] {
        let from = format!("oci:{}:{name}", layout.display());
        tool(
            "skopeo",
            &format!(
                "copy --all --preserve-digests --dest-tls-verify=false {from} docker://{host}/image:{tag}"
            ),
        );
    }
    let text = |value: Value| value.as_str().unwrap().to_owned();
    Image {
        id: text(id),
        digest: text(digest),
        list: text(list["digest"].clone()),
        host,
        _registry: registry,
    }
}

#[test]
fn an_image_of_a_registry_is_deployed_and_copied_everywhere() {
    if !machine::offers(&["docker-registry", "skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let image = image(&scratch);
    let Image {
        id, digest, host, ..
    } = &image;
    let inputs = json!({ "images": {
        "type": "org.osbuild.containers",
        "origin": "org.osbuild.source",
        "references": { id: { "name": "localhost/image:1" } },
    }});
    let copy = |name: &str, destination: Value| {
        let options = json!({ "destination": destination });
        json!({ "name": name, "stages": [{ "type": "org.osbuild.skopeo", "inputs": inputs, "options": options }] })
    };
    let source = json!({ "name": format!("{host}/image"), "digest": digest, "tls-verify": false });
    let document = json!({
        "version": "2",
        "sources": { "org.osbuild.skopeo": { "items": { id: { "image": source } } } },
        "pipelines": [
            { "name": "deploy", "stages": [{ "type": "org.osbuild.container-deploy", "inputs": inputs }] },
            copy("oci", json!({ "type": "oci", "path": "/image" })),
            copy("storage", json!({ "type": "containers-storage", "storage-path": "/storage" })),
        ],
    });
    for name in ["deploy", "oci", "storage"] {
        build(&scratch, &document, name);
    }
    let out = scratch.path("out");
    assert_eq!(
        fs::read_to_string(out.join("deploy/etc/marker")).unwrap(),
        "from the registry\n"
    );
    assert!(out.join("oci/image/oci-layout").exists());
    let images =
        fs::read_to_string(out.join("storage/storage/overlay-images/images.json")).unwrap();
    assert!(images.contains("localhost/image:1"), "{images}");
    drop(image);
    machine::assert_nothing_left(scratch.root());
}
