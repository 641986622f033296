//! A container registry of this machine.

use super::sha256;
use super::tools::{have, run};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A container registry with an image `localhost:PORT/image` and a list `localhost:PORT/list`.
pub(super) struct Registry {
    process: Child,
    pub(super) host: String,
    pub(super) id: String,
    pub(super) digest: String,
    pub(super) list: String,
    pub(super) directory: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// None if a program is missing.
    pub(super) fn start() -> Option<Self> {
        if !have(&["docker-registry", "skopeo"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let host = format!("localhost:{port}");
        let config = directory.path().join("config.yml");
        let storage = directory.path().join("registry");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {storage:?}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = process.unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the registry does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let layout = directory.path().join("layout");
        let (id, digest, list) = oci_layout(&layout);
        for (name, options) in [
            ("image", "--preserve-digests"),
            ("list", "--multi-arch=all"),
        ] {
            let from = format!("oci:{}:{name}", layout.display());
            run(
                "skopeo",
                &[
                    "copy",
                    options,
                    "--dest-tls-verify=false",
                    &from,
                    &format!("docker://{host}/{name}:tag"),
                ],
            );
        }
        Some(Self {
            process,
            host,
            id,
            digest,
            list,
            directory,
        })
    }

    pub(super) fn item(&self, key: &str, rest: &str) -> String {
        let Self { host, digest, .. } = self;
        format!(
            r#"{{"{key}": {{"image": {{"name": "{host}/image", "digest": "{digest}", "tls-verify": false{rest}}}}}}}"#
        )
    }

    pub(super) fn index(&self, key: &str, name: &str) -> String {
        let host = &self.host;
        format!(r#"{{"{key}": {{"image": {{"name": "{host}/{name}", "tls-verify": false}}}}}}"#)
    }
}

/// Writes a layout (OCI image specification) with one image and one list; gives id and digest of the image, digest of the list.
fn oci_layout(directory: &Path) -> (String, String, String) {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |content: &[u8]| {
        let digest = sha256(content);
        std::fs::write(blobs.join(&digest[7..]), content).unwrap();
        digest
    };
    let layer = [0; 1024]; // An empty tar archive.
    let layer = blob(&layer);
    let config = format!(
        r#"{{"architecture": "amd64", "os": "linux", "rootfs": {{"type": "layers", "diff_ids": ["{layer}"]}}, "config": {{}}}}"#
    );
    let id = blob(config.as_bytes());
    let kind = "application/vnd.oci.image";
    let manifest = format!(
        r#"{{"schemaVersion": 2, "mediaType": "{kind}.manifest.v1+json",
            "config": {{"mediaType": "{kind}.config.v1+json", "digest": "{id}", "size": {}}},
            "layers": [{{"mediaType": "{kind}.layer.v1.tar", "digest": "{layer}", "size": 1024}}]}}"#,
        config.len()
    );
    let digest = blob(manifest.as_bytes());
    let entry = format!(
        r#""mediaType": "{kind}.manifest.v1+json", "digest": "{digest}", "size": {}"#,
        manifest.len()
    );
    let list = format!(
        r#"{{"schemaVersion": 2, "mediaType": "{kind}.index.v1+json",
            "manifests": [{{{entry}, "platform": {{"architecture": "amd64", "os": "linux"}}}}]}}"#
    );
    let list_digest = blob(list.as_bytes());
    let named =
        |name: &str| format!(r#""annotations": {{"org.opencontainers.image.ref.name": "{name}"}}"#);
    let list_entry = format!(
        r#""mediaType": "{kind}.index.v1+json", "digest": "{list_digest}", "size": {}"#,
        list.len()
    );
    let index = format!(
        r#"{{"schemaVersion": 2, "manifests": [{{{entry}, {}}}, {{{list_entry}, {}}}]}}"#,
        named("image"),
        named("list")
    );
    std::fs::write(directory.join("index.json"), index).unwrap();
    std::fs::write(
        directory.join("oci-layout"),
        r#"{"imageLayoutVersion": "1.0.0"}"#,
    )
    .unwrap();
    (id, digest, list_digest)
}

impl Registry {
    /// Puts another manifest of the same configuration into the registry, with a layer of its own; gives its digest.
    pub(super) fn poison(&self) -> String {
        let layout = self.directory.path().join("poison");
        let blobs = layout.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let blob = |content: &[u8]| {
            let digest = sha256(content);
            std::fs::write(blobs.join(&digest[7..]), content).unwrap();
            digest
        };
        let config = self
            .directory
            .path()
            .join("layout/blobs/sha256")
            .join(&self.id[7..]);
        let config = std::fs::read(config).unwrap();
        let (id, layer) = (blob(&config), blob(&[0; 2048]));
        let kind = "application/vnd.oci.image";
        let manifest = format!(
            r#"{{"schemaVersion": 2, "mediaType": "{kind}.manifest.v1+json",
                "config": {{"mediaType": "{kind}.config.v1+json", "digest": "{id}", "size": {}}},
                "layers": [{{"mediaType": "{kind}.layer.v1.tar", "digest": "{layer}", "size": 2048}}]}}"#,
            config.len()
        );
        let digest = blob(manifest.as_bytes());
        let index = format!(
            r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "{kind}.manifest.v1+json", "digest": "{digest}", "size": {},
                "annotations": {{"org.opencontainers.image.ref.name": "image"}}}}]}}"#,
            manifest.len()
        );
        std::fs::write(layout.join("index.json"), index).unwrap();
        let version = r#"{"imageLayoutVersion": "1.0.0"}"#;
        std::fs::write(layout.join("oci-layout"), version).unwrap();
        let from = format!("oci:{}:image", layout.display());
        let to = format!("docker://{}/image:poison", self.host);
        let options = ["copy", "--preserve-digests", "--dest-tls-verify=false"];
        run("skopeo", &[&options[..], &[&from, &to]].concat());
        digest
    }
}
