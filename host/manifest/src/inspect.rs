//! The description of a manifest with its ids, as `osbuild --inspect` prints it.

use crate::ids::references_object;
use crate::json::{Object, Text, Value};
use crate::model::{Device, Input, Manifest, Mount, Pipeline, Stage, StageClass, Version};
use std::collections::HashMap;

/// Describes a manifest in the format of its document.
///
/// Like osbuild's, the description is for reading: it holds resolved ids and no longer loads as a manifest. [`crate::json::to_python`] writes it as osbuild does.
pub fn inspect(manifest: &Manifest) -> Value {
    match manifest.version {
        Version::V1 => inspect_v1(manifest),
        Version::V2 => inspect_v2(manifest),
    }
}

/// An object under construction.
#[derive(Default)]
struct Members(Object);

impl Members {
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(Text::from(key), value.into());
        self
    }

    /// Adds the member unless it is empty, zero or null.
    fn with_some(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.is_truthy() {
            self.with(key, value)
        } else {
            self
        }
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Value::Object(members.0)
    }
}

fn inspect_v2(manifest: &Manifest) -> Value {
    // The runner is shown where the manifest has it: on the pipeline that is built in.
    let runners: HashMap<&str, &str> = manifest
        .pipelines
        .iter()
        .filter_map(|pipeline| {
            Some((
                pipeline.build.as_deref()?,
                pipeline.runner.requested.as_str(),
            ))
        })
        .collect();
    let pipelines: Vec<Value> = manifest
        .pipelines
        .iter()
        .map(|pipeline| pipeline_v2(pipeline, &runners))
        .collect();
    let source = |source: &crate::model::Source| {
        let items = Members::default().with("items", source.items.clone());
        (Text::from(source.module.as_str()), items.into())
    };
    let sources: Object = manifest.sources.iter().map(source).collect();
    Members::default()
        .with("version", "2")
        .with("pipelines", pipelines)
        .with_some("metadata", manifest.metadata.clone())
        .with_some("sources", sources)
        .into()
}

fn pipeline_v2(pipeline: &Pipeline, runners: &HashMap<&str, &str>) -> Value {
    let runner = pipeline.id.as_deref().and_then(|id| runners.get(id));
    let stages: Vec<Value> = pipeline.stages.iter().map(stage_v2).collect();
    Members::default()
        .with("name", pipeline.name.as_str())
        .with_some("build", pipeline.build.as_deref())
        .with_some("runner", runner.copied())
        .with_some("stages", stages)
        .into()
}

fn stage_v2(stage: &Stage) -> Value {
    let devices: Object = stage
        .devices
        .iter()
        .map(|device| (device.name.as_str().into(), device_v2(device)))
        .collect();
    let mounts: Vec<Value> = stage.mounts.iter().map(mount_v2).collect();
    let inputs: Object = stage
        .inputs
        .iter()
        .map(|input| (input.name.as_str().into(), input_v2(input)))
        .collect();
    Members::default()
        .with("type", stage.requested_module())
        .with("id", stage.id.as_str())
        .with_some("options", stage.requested_options().clone())
        .with_some("devices", devices)
        .with_some("mounts", mounts)
        .with_some("inputs", inputs)
        .into()
}

fn device_v2(device: &Device) -> Value {
    Members::default()
        .with("type", device.module.as_str())
        .with_some("options", device.options.clone())
        .into()
}

fn input_v2(input: &Input) -> Value {
    Members::default()
        .with("type", input.module.as_str())
        .with("origin", input.origin.as_str())
        .with_some("options", input.options.clone())
        .with_some("references", references_object(&input.references))
        .into()
}

fn mount_v2(mount: &Mount) -> Value {
    Members::default()
        .with("name", mount.name.as_str())
        .with("type", mount.module.as_str())
        .with("target", mount.target.as_deref())
        .with_some("source", mount.source.as_deref())
        .with_some("options", mount.options.clone())
        .with_some("partition", mount.partition.clone())
        .into()
}

fn inspect_v1(manifest: &Manifest) -> Value {
    // Build pipelines come before the pipeline they serve, the deepest first; an assembler comes last.
    let is_assembler = |pipeline: &&Pipeline| {
        pipeline
            .stages
            .iter()
            .any(|stage| stage.class == StageClass::Assembler)
    };
    let mut description = Members::default();
    for pipeline in manifest
        .pipelines
        .iter()
        .filter(|pipeline| !is_assembler(pipeline))
    {
        let below = std::mem::take(&mut description);
        if pipeline.build.is_some() {
            let build = Members::default()
                .with("pipeline", below)
                .with("runner", pipeline.runner.requested.as_str());
            description = description.with("build", build);
        }
        description = description.with_some(
            "stages",
            pipeline.stages.iter().map(stage_v1).collect::<Vec<_>>(),
        );
    }
    let assembler = manifest
        .pipelines
        .iter()
        .find(is_assembler)
        .and_then(|pipeline| pipeline.stages.first());
    let description = description.with_some("assembler", assembler.map(stage_v1));
    Members::default()
        .with("pipeline", description)
        .with_some("sources", manifest.v1_sources.as_ref().map(sources_v1))
        .into()
}

fn stage_v1(stage: &Stage) -> Value {
    Members::default()
        .with("name", stage.requested_module())
        .with_some("options", stage.requested_options().clone())
        .with("id", stage.id.as_str())
        .into()
}

/// The sources as the document has them, with the old name of the curl source.
fn sources_v1(sources: &Object) -> Value {
    let renamed = |(name, source): (&Text, &Value)| {
        let name = if *name == "org.osbuild.curl" {
            Text::from("org.osbuild.files")
        } else {
            name.clone()
        };
        (name, source.clone())
    };
    sources.iter().map(renamed).collect::<Object>().into()
}
