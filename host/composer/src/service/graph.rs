//! The jobs of an image: lookups, then the manifest, then the build.
use super::workers::build_job;
use super::{Image, ImageWish};
use osbuild_wasm_jobs::{JobId, NewJob};
use osbuild_wasm_tasks::kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was found out while the image was asked for.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The results of the lookups, in the order of the questions.
    pub(super) answers: Vec<Value>,
    /// The result of the job that makes the manifest.
    pub(super) manifest: Value,
}

/// What the job that makes a manifest is told. It reads the results of the jobs that it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ManifestArgs {
    /// What is asked of the image.
    pub(super) wish: ImageWish,
    /// The kinds of the jobs whose results it reads, in their order.
    pub(super) lookups: Vec<String>,
}

/// The jobs of an image, the one that builds it at the end. Without anything known workers and the composer have all of them to do.
pub(super) fn jobs(
    channel: &str,
    wish: &ImageWish,
    image: &Image,
    known: Option<Known>,
) -> Vec<NewJob> {
    let (answers, manifest) = match known {
        Some(known) => (known.answers, Some(known.manifest)),
        None => (Vec::new(), None),
    };
    let job = |kind: String, args, needs, result| NewJob {
        id: JobId::random(),
        kind,
        channel: channel.to_owned(),
        args,
        needs,
        result,
    };
    let mut answers = answers.into_iter();
    let questions = image.questions.iter();
    let mut jobs: Vec<NewJob> = questions
        .map(|asked| {
            let kind = asked.kind().to_owned();
            job(kind, asked.args(), Vec::new(), answers.next())
        })
        .collect();
    let lookups = jobs.iter().map(|job| job.kind.clone()).collect();
    let args = ManifestArgs {
        wish: wish.clone(),
        lookups,
    };
    let needs = jobs.iter().map(|job| job.id).collect();
    let packages = jobs.iter().find(|job| job.kind == kind::DEPSOLVE);
    let packages = packages.map(|job| job.id);
    jobs.push(job(kind::MANIFEST.into(), json!(args), needs, manifest));
    let needs: Vec<JobId> = jobs.last().map(|job| job.id).into_iter().collect();
    let args = build_args(image, packages.is_some());
    let needs = needs.into_iter().chain(packages).collect();
    jobs.push(job(build_job(&wish.target.arch), args, needs, None));
    jobs
}

/// What the worker that builds an image is told: its image comes back to the composer.
fn build_args(image: &Image, has_packages: bool) -> Value {
    let mut args = json!({
        "manifest_dyn_args_idx": 0,
        "targets": [{
            "name": "org.osbuild.worker.server",
            "image_name": image.file,
            "osbuild_artifact": { "export_filename": image.file, "export_name": image.export },
        }],
        "pipeline_names": image.pipelines,
        "image_boot_mode": image.boot_mode,
    });
    if has_packages {
        args["depsolve_dyn_args_idx"] = 1.into();
    }
    args
}
