//! Container images in archives of the OCI layout.
use crate::clock;
use crate::compress::{Compressor, Method};
use crate::digest::{self, Summed};
use crate::tar::{self, Format, Transform, header::Member, output::Output, pax::Records};
use crate::temporary::Temporary;
use osbuild_stage::{Context, Result, Tree, json};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::time::Duration;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Extended attributes that mean the same on another machine.
const PORTABLE_XATTRS: &[&str] = &["user.", "security.ima", "security.capability"];
/// How layers are compressed.
const LAYER: Method = Method::Gzip(6);

/// An image.
#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    architecture: String,
    variant: Option<String>,
    filename: String,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    annotations: Map<String, Value>,
}

/// What a container of the image runs with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    cmd: Option<Vec<String>>,
    entrypoint: Vec<String>,
    env: Option<Vec<String>>,
    exposed_ports: Vec<String>,
    user: String,
    labels: Map<String, Value>,
    // The schema spells it like this.
    #[serde(alias = "StopSiganl")]
    stop_signal: String,
    volumes: Vec<String>,
    working_dir: String,
}

/// A tree that becomes a layer.
#[derive(Debug)]
pub struct Layer {
    /// Its name in the history of the image.
    pub name: String,
    /// Its files.
    pub tree: Tree,
}

/// A file of the archive.
enum Blob {
    /// A file of the tree with so many bytes.
    File(String, u64),
    /// This text.
    Text(String),
}

impl Image {
    /// Writes the archive into `tree`; the lowest of the layers comes first.
    pub fn write(&self, tree: &Tree, layers: &[Layer], now: Duration) -> Result<()> {
        let work = Temporary::new(tree)?;
        let mut blobs = Blobs::default();
        let (mut descriptors, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
        let created = clock::format(now, "%Y-%m-%dT%H:%M:%S+00:00")?;
        for (number, layer) in layers.iter().enumerate() {
            let file = work.path(&number.to_string());
            let packed = layer
                .pack(tree, &file)
                .with_context(|| format!("layer `{}`", layer.name))?;
            diff_ids.push(format!("sha256:{}", packed.diff_id));
            let blob = Blob::File(file, packed.size);
            descriptors.push(blobs.add(packed.digest, packed.size, "layer.v1.tar+gzip", blob));
            let by = format!("/bin/sh -c #(nop) osbuild input '{}'", layer.name);
            history.push(json!({ "created": created, "created_by": by }));
        }
        let config = blobs.add_json(
            &self.description(&created, &diff_ids, &history),
            "config.v1+json",
        );
        let mut manifest = json!({ "schemaVersion": 2, "config": config, "layers": descriptors });
        if !self.annotations.is_empty() {
            manifest["annotations"] = self.annotations.clone().into();
        }
        let manifest = blobs.add_json(&manifest, "manifest.v1+json");
        let archive = Archive {
            tree,
            modified: i64::try_from(now.as_secs()).unwrap_or_default(),
            output: Output::at(tree.create(&self.filename)?, 0),
        };
        archive.write(
            blobs,
            &json!({ "schemaVersion": 2, "manifests": [manifest] }),
        )
    }

    fn description(&self, created: &str, diff_ids: &[String], history: &[Value]) -> Value {
        let mut description = json!({
            "created": created,
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config.description(),
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        if let Some(variant) = self.variant.iter().find(|variant| !variant.is_empty()) {
            description["variant"] = json!(variant);
        }
        description
    }
}

impl Config {
    fn description(&self) -> Value {
        let set = |names: &[String]| {
            let members = names.iter().map(|name| (name.clone(), json!({})));
            Value::Object(members.collect())
        };
        let mut config = json!({
            "Env": self.env.clone().unwrap_or_else(|| vec![PATH.into()]),
            "Cmd": self.cmd.clone().unwrap_or_else(|| vec!["sh".into()]),
        });
        for (key, value) in [
            ("Entrypoint", json!(self.entrypoint)),
            ("User", json!(self.user)),
            ("Labels", json!(self.labels)),
            ("StopSignal", json!(self.stop_signal)),
            ("WorkingDir", json!(self.working_dir)),
            ("ExposedPorts", set(&self.exposed_ports)),
            ("Volumes", set(&self.volumes)),
        ] {
            if json::is_true(&value) {
                config[key] = value;
            }
        }
        config
    }
}

/// A layer as it is stored.
struct Packed {
    /// SHA-256 of the archive before compression.
    diff_id: String,
    /// SHA-256 of the file.
    digest: String,
    /// Bytes of the file.
    size: u64,
}

impl Layer {
    fn pack(&self, tree: &Tree, file: &str) -> Result<Packed> {
        let how = tar::Options {
            format: Format::Posix,
            compression: LAYER,
            acls: true,
            selinux: false,
            xattrs: PORTABLE_XATTRS,
            sparse: false,
            numeric_owner: false,
            transform: Transform::default(),
        };
        let members: Vec<_> = self.tree.list("")?.into_iter().collect();
        let members: Vec<_> = members.into_iter().map(|entry| entry.name).collect();
        let file = BufWriter::with_capacity(1 << 20, Summed::new(tree.create(file)?));
        let mut content = Summed::new(Compressor::new(LAYER, file)?);
        tar::create_through(&self.tree, &members, &mut content, &how)?;
        let content = content.finish();
        let mut file = content.inner.finish()?;
        file.flush()?;
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .finish();
        Ok(Packed {
            diff_id: content.sha256,
            digest: file.sha256,
            size: file.length,
        })
    }
}

/// The content of an image by digest.
#[derive(Default)]
struct Blobs(BTreeMap<String, Blob>);

impl Blobs {
    /// Adds a blob and describes it.
    fn add(&mut self, sha256: String, size: u64, kind: &str, blob: Blob) -> Value {
        let description = json!({
            "digest": format!("sha256:{sha256}"),
            "size": size,
            "mediaType": format!("application/vnd.oci.image.{kind}"),
        });
        self.0.insert(sha256, blob);
        description
    }

    fn add_json(&mut self, value: &Value, kind: &str) -> Value {
        let text = json::one_line(value);
        let sum = digest::sha256(text.as_bytes());
        self.add(sum, text.len() as u64, kind, Blob::Text(text))
    }
}

/// The archive that holds the layout. It depends on nothing but the image: everything belongs to root and has one time.
struct Archive<'a> {
    tree: &'a Tree,
    modified: i64,
    output: Output<'a>,
}

impl Archive<'_> {
    fn write(mut self, blobs: Blobs, index: &Value) -> Result<()> {
        self.add("blobs/", None)?;
        self.add("blobs/sha256/", None)?;
        for (sha256, blob) in blobs.0 {
            self.add(&format!("blobs/sha256/{sha256}"), Some(blob))?;
        }
        for (name, value) in [
            ("index.json", index),
            ("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" })),
        ] {
            self.add(name, Some(Blob::Text(json::one_line(value))))?;
        }
        self.output.finish()
    }

    /// Adds a file, or without content a directory.
    fn add(&mut self, name: &str, content: Option<Blob>) -> Result<()> {
        let (kind, mode, size) = match &content {
            None => (b'5', 0o755, 0),
            Some(Blob::File(_, size)) => (b'0', 0o644, *size),
            Some(Blob::Text(text)) => (b'0', 0o644, text.len() as u64),
        };
        let member = Member {
            name: name.into(),
            mode,
            size,
            modified: self.modified,
            kind,
            ..Member::default()
        };
        self.output
            .put(&member.blocks(Format::Posix, Records::default())?)?;
        match content {
            None => {}
            Some(Blob::Text(text)) => self.output.put(text.as_bytes())?,
            Some(Blob::File(path, size)) => {
                self.output.put_file(&self.tree.open(&path)?, 0, size)?
            }
        }
        self.output.fill_block()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> String {
        json::one_line(&serde_json::from_str::<Config>(text).unwrap().description())
    }

    #[test]
    fn a_config_has_defaults_and_what_is_given() {
        assert_eq!(
            config("{}"),
            format!(r#"{{"Env": ["{PATH}"], "Cmd": ["sh"]}}"#)
        );
        assert_eq!(
            config(
                r#"{"Env": [], "Cmd": ["a"], "User": "u", "Volumes": ["/v"], "StopSiganl": "9", "Entrypoint": []}"#
            ),
            r#"{"Env": [], "Cmd": ["a"], "User": "u", "StopSignal": "9", "Volumes": {"/v": {}}}"#
        );
    }

    #[test]
    fn an_image_names_all_its_layers() {
        let image = r#"{"architecture": "arm64", "variant": "v8", "filename": "f"}"#;
        let image: Image = serde_json::from_str(image).unwrap();
        let ids = ["sha256:a".to_owned(), "sha256:b".to_owned()];
        let description = image.description("t", &ids, &[]);
        assert_eq!(description["rootfs"]["diff_ids"], json!(ids));
        assert_eq!(description["variant"], "v8");
    }
}
