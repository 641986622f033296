//! The jobs that the composer does itself: manifests, of what was looked up for them.
//!
//! They come out of the queue like those of workers, so a composer that is killed loses none, and of several composers one has each.
use super::graph::ManifestArgs;
use super::{Image, ImageWish, PipelineNames, Service};
use osbuild_wasm_jobs::{Channels, Claim, Claimed, Dequeue, Lease};
use osbuild_wasm_resolve::jobs::failed;
use osbuild_wasm_tasks::{Failure, JobError, kind};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

/// How often the queue hears of a job.
const BEAT: Duration = Duration::from_secs(5);

/// The pause after the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How many manifests are made at a time.
const AT_A_TIME: usize = 2;

impl Service {
    /// Makes manifests of all channels until the future is dropped.
    pub async fn make_manifests(self) {
        let claim = Claim {
            kinds: vec![kind::MANIFEST.into()],
            channels: Channels::All,
            worker: None,
        };
        let mut running = JoinSet::new();
        loop {
            while running.len() >= AT_A_TIME {
                running.join_next().await;
            }
            match self.queue.dequeue(&claim, None).await {
                Ok(Dequeue::Job(job)) => {
                    info!(job = %job.id, "a manifest is made");
                    running.spawn(self.clone().make_manifest(job));
                }
                Ok(Dequeue::TimedOut) => {}
                Err(error) => {
                    warn!("{}", osbuild_wasm_files::with_causes(&error));
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn make_manifest(self, job: Box<Claimed>) {
        let result = tokio::select! {
            result = self.manifest_result(&job) => result,
            () = self.attend(&job) => return,
        };
        // A database that is away comes back; whoever got the job meanwhile keeps it.
        let lease = loop {
            match self.queue.finish(job.token, &result).await {
                Ok(lease) => break lease,
                Err(error) => warn!(job = %job.id, "{}", osbuild_wasm_files::with_causes(&error)),
            }
            sleep(PAUSE).await;
        };
        if let Lease::Held(id) = lease {
            self.ended(id, &result).await;
        }
    }

    /// Tells the queue of the job, until it is canceled or another one's.
    async fn attend(&self, job: &Claimed) {
        loop {
            sleep(BEAT).await;
            match self.queue.heartbeat(job.token).await {
                Ok(Lease::Held(_)) | Err(_) => {}
                Ok(Lease::Canceled(_) | Lease::Lost) => return,
            }
        }
    }

    async fn manifest_result(&self, job: &Claimed) -> Value {
        let args = match ManifestArgs::deserialize(&job.args) {
            Ok(args) => args,
            Err(error) => {
                let reason = "the arguments are none of this kind of job";
                let details = error.to_string().into();
                return failed(&JobError::with(Failure::ParsingArgs, reason, details));
            }
        };
        if let Some(error) = failed_lookups(&args.lookups, &job.results) {
            return failed(&error);
        }
        let answers: Vec<_> = args.lookups.into_iter().zip(job.results.clone()).collect();
        match self.manifest_of(args.wish, answers).await {
            Ok(result) => result,
            Err(error) => failed(&error),
        }
    }

    /// The result of a job that makes a manifest: of a wish, and the results of lookups by their kinds.
    pub(super) async fn manifest_of(
        &self,
        wish: ImageWish,
        answers: Vec<(String, Value)>,
    ) -> Result<Value, JobError> {
        let made = self.look_up(move |images, _| {
            let pipelines = images.image(&wish)?.pipelines;
            Ok(images
                .manifest(&wish, &answers)
                .map(|data| manifest_result(&data, &pipelines)))
        });
        // A wish that was taken can be refused by a composer with other definitions.
        made.await.unwrap_or_else(|error| {
            let reason = osbuild_wasm_files::with_causes(&error);
            Err(JobError::new(Failure::ManifestGeneration, reason))
        })
    }
}

fn manifest_result(data: &Value, pipelines: &PipelineNames) -> Value {
    let info = json!({
        "osbuild_composer_version": env!("CARGO_PKG_VERSION"),
        "osbuild_composer_deps": [],
        "pipeline_names": pipelines,
    });
    json!({ "data": data, "info": info })
}

/// That what a manifest is made of could not be found: the first kind that failed, with the errors of all.
fn failed_lookups(lookups: &[String], results: &[Value]) -> Option<JobError> {
    let failure = |kind: &str| match kind {
        kind::DEPSOLVE => (Failure::DepsolveDependency, "packages cannot be chosen"),
        kind::CONTAINERS => (Failure::ContainerDependency, "a container is not to be had"),
        kind::COMMITS => (Failure::CommitDependency, "a commit is not to be had"),
        _ => (Failure::RemoteFile, "a file is not to be had"),
    };
    if lookups.len() != results.len() {
        let reason = "the results that the manifest is made of are not there";
        return Some(JobError::new(Failure::NoDynamicArgs, reason));
    }
    let errors = lookups.iter().zip(results);
    let errors: Vec<_> = errors
        .filter_map(|(kind, result)| Some((kind, JobError::of_result(result)?)))
        .collect();
    let (failure, reason) = failure(errors.first()?.0);
    let details = errors.iter().map(|(_, error)| error.to_value()).collect();
    Some(JobError::with(failure, reason, details))
}

impl Image {
    /// The questions' kinds with their answers.
    pub(super) fn answered(&self, answers: &[Value]) -> Vec<(String, Value)> {
        let kinds = self.questions.iter().map(|asked| asked.kind().to_owned());
        kinds.zip(answers.iter().cloned()).collect()
    }
}
