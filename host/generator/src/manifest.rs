//! Parts of a manifest, version 2, as they are written.
use crate::content::Container;
use serde_json::{Map, Value, json};

/// One stage of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    kind: String,
    inputs: Map<String, Value>,
    options: Option<Value>,
    devices: Map<String, Value>,
    mounts: Vec<Value>,
}

impl Stage {
    /// The stage `org.osbuild.NAME` with these options.
    pub fn new(name: &str, options: Value) -> Self {
        Self {
            options: Some(options),
            ..Self::bare(name)
        }
    }

    /// The stage `org.osbuild.NAME` without options.
    pub fn bare(name: &str) -> Self {
        Self {
            kind: format!("org.osbuild.{name}"),
            inputs: Map::new(),
            options: None,
            devices: Map::new(),
            mounts: Vec::new(),
        }
    }

    /// Name of the stage, with `org.osbuild.`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its options, if it has any.
    pub fn options(&self) -> Option<&Value> {
        self.options.as_ref()
    }

    /// With an input more.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, input: Value) -> Self {
        self.inputs.insert(name.into(), input);
        self
    }

    /// With a device more.
    #[must_use]
    pub fn device(mut self, name: impl Into<String>, device: Value) -> Self {
        self.devices.insert(name.into(), device);
        self
    }

    /// With these devices.
    #[must_use]
    pub fn devices(mut self, devices: Map<String, Value>) -> Self {
        self.devices = devices;
        self
    }

    /// With these mounts.
    #[must_use]
    pub fn mounts(mut self, mounts: Vec<Value>) -> Self {
        self.mounts = mounts;
        self
    }

    /// As it stands in a manifest.
    pub fn into_json(self) -> Value {
        let mut stage = Map::new();
        stage.insert("type".into(), self.kind.into());
        if !self.inputs.is_empty() {
            stage.insert("inputs".into(), self.inputs.into());
        }
        if let Some(options) = self.options {
            stage.insert("options".into(), options);
        }
        if !self.devices.is_empty() {
            stage.insert("devices".into(), self.devices.into());
        }
        if !self.mounts.is_empty() {
            stage.insert("mounts".into(), self.mounts.into());
        }
        stage.into()
    }
}

/// The tree of another pipeline as input.
pub fn pipeline_tree(pipeline: &str) -> Value {
    json!({"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{pipeline}")]})
}

/// One file of another pipeline's tree as input.
pub fn pipeline_file(pipeline: &str, file: &str) -> Value {
    json!({
        "type": "org.osbuild.files",
        "origin": "org.osbuild.pipeline",
        "references": {format!("name:{pipeline}"): {"file": file}},
    })
}

/// One file of a source as input, by its checksum with algorithm.
pub fn source_file(checksum: &str) -> Value {
    json!({"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [{"id": checksum}]})
}

/// A commit of a source as input, under this ref.
pub fn source_commit(checksum: &str, reference: &str) -> Value {
    json!({
        "type": "org.osbuild.ostree",
        "origin": "org.osbuild.source",
        "references": {checksum: {"ref": reference}},
    })
}

/// The tree of a source's commit as input.
pub fn source_checkout(checksum: &str) -> Value {
    json!({"type": "org.osbuild.ostree.checkout", "origin": "org.osbuild.source", "references": [checksum]})
}

/// A container of a source as input, by its name in the image.
pub fn source_container(container: &Container) -> Value {
    source_containers(container.local, [container])
}

/// Containers of a source as input, by their names in the image: all of the storage of this machine (`local`), or all
/// of registries.
pub fn source_containers<'a>(
    local: bool,
    containers: impl IntoIterator<Item = &'a Container>,
) -> Value {
    let kind = match local {
        true => "org.osbuild.containers-storage",
        false => "org.osbuild.containers",
    };
    let references: Map<String, Value> = containers
        .into_iter()
        .map(|container| {
            (
                container.image_id.clone(),
                json!({"name": container.local_name}),
            )
        })
        .collect();
    json!({"type": kind, "origin": "org.osbuild.source", "references": references})
}
