//! Identifiers: SHA-256 over the concatenated JSON (Python, sorted keys) of what makes up an input, device, mount, stage or source.
//!
//! They equal osbuild's: the same manifest has the same ids here and there.

use crate::json::{Number, Object, Text, Value, to_python_sorted};
use crate::model::{Origin, Reference};
use sha2::{Digest, Sha256};

/// Digest of a sequence of JSON texts.
#[derive(Default)]
struct Hasher(Sha256);

impl Hasher {
    fn add(mut self, value: &Value) -> Self {
        self.0.update(to_python_sorted(value));
        self
    }

    fn text(self, text: &str) -> Self {
        self.add(&text.into())
    }

    fn add_if(self, value: Option<&Value>) -> Self {
        match value {
            Some(value) => self.add(value),
            None => self,
        }
    }

    fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// Id of an input. A reference to a pipeline without stages counts as the key `"null"`.
pub fn input_id(module: &str, origin: Origin, references: &[Reference], options: &Value) -> String {
    Hasher::default()
        .text(module)
        .text(origin.as_str())
        .add(&references_object(references))
        .add(options)
        .finish()
}

/// The references in object form.
pub(crate) fn references_object(references: &[Reference]) -> Value {
    let member = |reference: &Reference| {
        let key = reference.id.as_deref().unwrap_or("null");
        (Text::from(key), reference.options.clone())
    };
    references.iter().map(member).collect::<Object>().into()
}

/// Id of a device; `parent` is the id of the device it lies on.
pub fn device_id(module: &str, parent: Option<&str>, options: &Value) -> String {
    let parent = parent.map(Value::from);
    Hasher::default()
        .text(module)
        .add_if(parent.as_ref())
        .add(options)
        .finish()
}

/// Id of a mount; `device` is the id of its device. An empty target and partition 0 count as none.
pub fn mount_id(
    module: &str,
    device: Option<&str>,
    partition: Option<&Number>,
    target: Option<&str>,
    options: &Value,
) -> String {
    let device = device.map(Value::from);
    let partition = partition.cloned().map(Value::from).filter(Value::is_truthy);
    let target = target.map(Value::from).filter(Value::is_truthy);
    Hasher::default()
        .text(module)
        .add_if(device.as_ref())
        .add_if(partition.as_ref())
        .add_if(target.as_ref())
        .add(options)
        .finish()
}

/// What the id of a stage is made of.
#[derive(Clone, Copy, Debug)]
pub struct StageContent<'a> {
    /// Module name, as the manifest has it.
    pub module: &'a str,
    /// Id of the build pipeline; `""` when the manifest says so.
    pub build: Option<&'a str>,
    /// Id of the stage before it.
    pub base: Option<&'a str>,
    /// Options, an object.
    pub options: &'a Value,
    /// Source epoch of the pipeline.
    pub source_epoch: Option<i64>,
    /// (name, id) of each input.
    pub inputs: &'a [(&'a str, &'a str)],
    /// Id of each mount, in order.
    pub mounts: &'a [&'a str],
}

/// Id of a stage.
pub fn stage_id(stage: &StageContent<'_>) -> String {
    let epoch = stage.source_epoch.map(Value::from);
    let inputs: Object = stage
        .inputs
        .iter()
        .map(|(name, id)| ((*name).into(), (*id).into()))
        .collect();
    let inputs = Some(Value::Object(inputs)).filter(Value::is_truthy);
    let mounts: Vec<Value> = stage.mounts.iter().map(|id| (*id).into()).collect();
    let mounts = Some(Value::Array(mounts)).filter(Value::is_truthy);
    Hasher::default()
        .text(stage.module)
        .add(&stage.build.into())
        .add(&stage.base.into())
        .add(stage.options)
        .add_if(epoch.as_ref())
        .add_if(inputs.as_ref())
        .add_if(mounts.as_ref())
        .finish()
}

/// Id of a source; only monitors show it.
pub fn source_id(module: &str, items: &Value) -> String {
    Hasher::default().text(module).add(items).finish()
}
