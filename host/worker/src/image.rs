//! The job that builds an image and sends it.
use crate::api::Job;
use crate::build::{Built, REPORTS};
use crate::say;
use crate::work::{Worker, failed};
use osbuild_wasm_manifest::runner::os_release_value;
use osbuild_wasm_tasks::{Failure, JobError};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The target that is the composer itself.
const COMPOSER: &str = "org.osbuild.worker.server";

impl Worker {
    /// Builds an image and sends it; the result of the job.
    pub(crate) async fn image(&self, job: &Job, progress: &watch::Sender<Value>) -> Value {
        let targets = job.args["targets"].as_array();
        let targets = targets.map_or(&[][..], Vec::as_slice);
        let mut result = match self.built(job, targets, progress).await {
            Ok(built) => {
                let mut result = self.sent(job, targets, &built).await;
                result["osbuild_output"] = built.ended.output;
                result
            }
            Err(error) => failed(&error),
        };
        result["arch"] = self.arch().into();
        result["host_os"] = host_os().into();
        result["osbuild_version"] = env!("CARGO_PKG_VERSION").into();
        result["image_boot_mode"] = job.args["image_boot_mode"].clone();
        result["pipeline_names"] = job.args["pipeline_names"].clone();
        result
    }

    async fn built(
        &self,
        job: &Job,
        targets: &[Value],
        progress: &watch::Sender<Value>,
    ) -> Result<Built, JobError> {
        let manifest = manifest(job)?;
        let exports = targets
            .iter()
            .filter_map(|target| target["osbuild_artifact"]["export_name"].as_str());
        let exports: Vec<&str> = exports.filter(|name| !name.is_empty()).collect();
        if exports.is_empty() {
            let reason = "no osbuild export specified for the job";
            return Err(JobError::new(Failure::InvalidTargetConfig, reason));
        }
        let built = self.builder().build(manifest, &exports, progress).await;
        built.map_err(|error| {
            let details = error.to_string().into();
            JobError::with(Failure::Build, "osbuild build failed", details)
        })
    }

    /// Sends a build to its targets; the result of the job without what the program told.
    async fn sent(&self, job: &Job, targets: &[Value], built: &Built) -> Value {
        for name in REPORTS {
            let path = built.report(name);
            // They are for people: a build is none the worse without them. One that failed early has none.
            if path.is_file()
                && let Err(error) = self.send_file(job, name, &path).await
            {
                say(&format!("job {}: {name} is not sent: {error}", job.id));
            }
        }
        if !built.ended.success {
            return failed(&build_failure(built));
        }
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for target in targets {
            let mut result =
                json!({ "name": target["name"], "osbuild_artifact": target["osbuild_artifact"] });
            if let Err(error) = self.send(job, target, built).await {
                result["target_error"] = error.to_value();
                errors.push(error.to_value());
            }
            results.push(result);
        }
        let mut result = json!({ "success": true, "upload_status": "success" });
        if !errors.is_empty() {
            let reason = "at least one target failed";
            result = failed(&JobError::with(Failure::Target, reason, errors.into()));
            result["upload_status"] = "failure".into();
        }
        result["target_results"] = results.into();
        result
    }

    /// Sends an image to one target, or says why not.
    async fn send(&self, job: &Job, target: &Value, built: &Built) -> Result<(), JobError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = text(&target["name"]);
        if name != COMPOSER {
            let reason = format!("this worker cannot upload to {name}");
            return Err(JobError::new(Failure::InvalidTarget, reason));
        }
        let artefact = &target["osbuild_artifact"];
        let path = built.artefact(
            &text(&artefact["export_name"]),
            &text(&artefact["export_filename"]),
        );
        let name = text(&target["image_name"]);
        let sent = self.send_file(job, &name, &path).await;
        sent.map_err(|error| {
            let reason = "the image cannot be sent to the composer";
            JobError::with(Failure::Upload, reason, error.to_string().into())
        })
    }
}

/// The manifest that a job brings, or that another job has made for it.
fn manifest(job: &Job) -> Result<&Value, JobError> {
    let Some(index) = job.args["manifest_dyn_args_idx"].as_u64() else {
        let manifest = Some(&job.args["manifest"]).filter(|manifest| manifest.is_object());
        return manifest.ok_or_else(no_manifest);
    };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let result = job.dynamic_args.get(index).ok_or_else(|| {
        let reason = "the result of the job that makes the manifest is not there";
        JobError::new(Failure::NoDynamicArgs, reason)
    })?;
    if let Some(error) = JobError::of_result(result) {
        let details = vec![error.to_value()].into();
        let reason = "Manifest dependency failed";
        return Err(JobError::with(Failure::ManifestDependency, reason, details));
    }
    match &result["data"] {
        Value::Null => Err(no_manifest()),
        manifest if manifest.is_object() => Ok(manifest),
        _ => {
            let reason = "the result of the job that makes the manifest has none";
            Err(JobError::new(Failure::ParsingDynamicArgs, reason))
        }
    }
}

fn no_manifest() -> JobError {
    JobError::new(Failure::EmptyManifest, "Job has no manifest")
}

fn build_failure(built: &Built) -> JobError {
    let stage = built.ended.output["error"]["details"]["stage"]["type"].as_str();
    let reason = stage.map_or_else(
        || "osbuild build failed".to_owned(),
        |stage| format!("osbuild build failed in stage: {stage:?}"),
    );
    let details = built.ended.messages.as_str().into();
    JobError::with(Failure::Build, reason, details)
}

/// What this machine says it is: `ID-VERSION_ID`.
fn host_os() -> String {
    let text = osbuild_wasm_files::os_release_of_host();
    let values = ["ID", "VERSION_ID"];
    let values = values.iter().filter_map(|key| os_release_value(&text, key));
    values.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::manifest;
    use crate::api::Job;
    use serde_json::{Value, json};

    fn refusal(args: Value, dynamic: Value) -> Option<(u32, Value)> {
        let job = json!({ "id": "x", "type": "osbuild", "location": "", "artifact_location": "", "args": args, "dynamic_args": dynamic });
        let job: Job = serde_json::from_value(job).unwrap();
        manifest(&job).err().map(|error| (error.id, error.details))
    }

    #[test]
    fn a_build_says_why_it_has_no_manifest() {
        let index = json!({ "manifest_dyn_args_idx": 0 });
        let error = json!({ "id": 5, "reason": "no", "details": [] });
        let failed = json!([{ "job_error": error }]);
        assert_eq!(refusal(json!({ "manifest": {} }), json!([])), None);
        assert_eq!(refusal(index.clone(), json!([{ "data": {} }])), None);
        for (args, dynamic, id, details) in [
            (json!({}), json!([]), 19, Value::Null),
            (index.clone(), json!([]), 1, Value::Null),
            (index.clone(), json!([{}]), 19, Value::Null),
            (index.clone(), json!([{ "data": "x" }]), 7, Value::Null),
            (index, failed, 9, json!([error])),
        ] {
            assert_eq!(refusal(args, dynamic), Some((id, details)), "{id}");
        }
    }
}
