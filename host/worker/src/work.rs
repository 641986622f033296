//! What a worker does all day.
use crate::api::{ApiError, Composer, Job};
use crate::build::{Builder, Built, REPORTS};
use crate::say;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// The kinds of jobs that this worker does.
const KINDS: [&str; 1] = ["osbuild"];

/// How often the composer hears of a job; it gives a job away after 120 seconds without a word.
const JOB_BEAT: Duration = Duration::from_secs(15);

/// How often the composer hears of an idle worker; it forgets one after an hour.
const WORKER_BEAT: Duration = Duration::from_secs(30);

/// The pauses after failures: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How long it is tried to tell of a result: the composer may be starting again.
const PATIENCE: Duration = Duration::from_secs(600);

/// Numbers of failures, as the worker API has them.
mod failure {
    pub(super) const INVALID_TARGET: u32 = 2;
    pub(super) const BUILD: u32 = 10;
    pub(super) const UPLOAD: u32 = 11;
    pub(super) const EMPTY_MANIFEST: u32 = 19;
    pub(super) const TARGET: u32 = 28;
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    composer: Composer,
    builder: Builder,
}

impl Worker {
    pub(crate) fn new(composer: Composer, builder: Builder) -> Self {
        Self { composer, builder }
    }

    /// Does jobs until a signal ends it: at the first the present job is done first, at the second nothing is.
    ///
    /// # Errors
    /// The composer refuses in a way that will not pass.
    pub(crate) async fn run(&self) -> Result<(), ApiError> {
        let (stop, stopped) = watch::channel(false);
        tokio::select! {
            done = self.jobs(stopped) => done,
            () = two_signals(stop) => Ok(()),
        }
    }

    async fn jobs(&self, mut stopped: watch::Receiver<bool>) -> Result<(), ApiError> {
        let mut pause = Pause::default();
        let mut worker = None;
        while !*stopped.borrow() {
            let job = tokio::select! {
                job = self.next_job(&mut worker) => job,
                _ = stopped.changed() => continue,
            };
            match job {
                Ok(None) => pause = Pause::default(),
                Ok(Some(job)) => {
                    pause = Pause::default();
                    self.job(&job).await;
                }
                Err(error) if error.is_unknown_worker() => worker = None,
                Err(error) if error.is_passing() => {
                    say(&format!(
                        "warning: {}",
                        osbuild_wasm_files::with_causes(&error)
                    ));
                    pause.take().await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for a job, and tells from time to time that this worker is there.
    async fn next_job(&self, worker: &mut Option<String>) -> Result<Option<Job>, ApiError> {
        let arch = std::env::consts::ARCH;
        let id = match worker {
            Some(id) => id.clone(),
            None => {
                let id = self.composer.register(arch).await?;
                say(&format!("registered as worker {id} for {arch}"));
                worker.insert(id).clone()
            }
        };
        let alive = async {
            loop {
                sleep(WORKER_BEAT).await;
                if let Err(error) = self.composer.alive(&id).await {
                    return error;
                }
            }
        };
        tokio::select! {
            job = self.composer.job(&KINDS, arch, &id) => job,
            error = alive => Err(error),
        }
    }

    /// Does a job, and tells what came of it. Whatever happens, the composer is told, or another worker gets the job.
    async fn job(&self, job: &Job) {
        say(&format!("job {}: {}", job.id, job.kind));
        let (progress, told) = watch::channel(Value::Null);
        let result = tokio::select! {
            result = self.image(job, &progress) => result,
            reason = self.attend(job, told) => {
                say(&format!("job {}: given up: {reason}", job.id));
                return;
            }
        };
        let success = result["success"] == true;
        match self
            .patiently(|| async {
                self.composer
                    .update(job, &json!({ "result": result }))
                    .await
            })
            .await
        {
            Ok(()) => say(&format!(
                "job {}: {}",
                job.id,
                if success { "done" } else { "failed" }
            )),
            Err(error) => say(&format!(
                "job {}: not told: {}",
                job.id,
                osbuild_wasm_files::with_causes(&error)
            )),
        }
    }

    /// Tells of a running job, until there is a reason to give it up.
    async fn attend(&self, job: &Job, mut told: watch::Receiver<Value>) -> String {
        loop {
            sleep(JOB_BEAT).await;
            match self.composer.is_canceled(job).await {
                Ok(true) => return "it was canceled".into(),
                Ok(false) => {}
                Err(error) if error.is_passing() => continue,
                Err(error) => return error.to_string(),
            }
            let progress = told.borrow_and_update().clone();
            if !progress.is_null() {
                // The next beat tells again.
                let _ = self
                    .composer
                    .update(job, &json!({ "partial": { "progress": progress } }))
                    .await;
            }
        }
    }

    /// Builds an image and sends it; the result of the job.
    async fn image(&self, job: &Job, progress: &watch::Sender<Value>) -> Value {
        let manifest = &job.args["manifest"];
        if !manifest.is_object() {
            return failed(failure::EMPTY_MANIFEST, "Job has no manifest", Value::Null);
        }
        let targets = job.args["targets"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let exports: Vec<&str> = targets
            .iter()
            .filter_map(|target| target["osbuild_artifact"]["export_name"].as_str())
            .collect();
        if exports.is_empty() {
            return failed(
                failure::INVALID_TARGET,
                "no osbuild export specified for the job",
                Value::Null,
            );
        }
        let built = match self.builder.build(manifest, &exports, progress).await {
            Ok(built) => built,
            Err(error) => {
                return failed(
                    failure::BUILD,
                    "osbuild build failed",
                    error.to_string().into(),
                );
            }
        };
        let mut result = self.sent(job, targets, &built).await;
        result["arch"] = std::env::consts::ARCH.into();
        result["osbuild_version"] = env!("CARGO_PKG_VERSION").into();
        result["image_boot_mode"] = job.args["image_boot_mode"].clone();
        result["osbuild_output"] = built.output;
        result
    }

    /// Sends a build to its targets; the result of the job without what the program told.
    async fn sent(&self, job: &Job, targets: &[Value], built: &Built) -> Value {
        for name in REPORTS {
            // They are for people. A build is none the worse without them.
            let _ = self.composer.send(job, name, &built.report(name)).await;
        }
        if !built.success {
            return build_failure(built);
        }
        let mut results = Vec::new();
        for target in targets {
            let mut result =
                json!({ "name": target["name"], "osbuild_artifact": target["osbuild_artifact"] });
            if let Err(error) = self.send(job, target, built).await {
                result["target_error"] = error;
            }
            results.push(result);
        }
        let mut result = json!({ "success": true, "upload_status": "success" });
        if results
            .iter()
            .any(|result| result["target_error"].is_object())
        {
            let errors: Vec<&Value> = results
                .iter()
                .map(|result| &result["target_error"])
                .collect();
            result = failed(failure::TARGET, "at least one target failed", json!(errors));
            result["upload_status"] = "failure".into();
        }
        result["target_results"] = results.into();
        result
    }

    /// Sends an image to one target, or says why not.
    async fn send(&self, job: &Job, target: &Value, built: &Built) -> Result<(), Value> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = text(&target["name"]);
        if name != "org.osbuild.worker.server" {
            let reason = format!("this worker cannot upload to {name}");
            return Err(job_error(failure::INVALID_TARGET, &reason, Value::Null));
        }
        let artefact = &target["osbuild_artifact"];
        let path = built.artefact(
            &text(&artefact["export_name"]),
            &text(&artefact["export_filename"]),
        );
        let name = text(&target["image_name"]);
        let sent = self
            .patiently(|| async { self.composer.send(job, &name, &path).await })
            .await;
        sent.map_err(|error| {
            job_error(
                failure::UPLOAD,
                "the image cannot be sent to the composer",
                error.to_string().into(),
            )
        })
    }

    /// Repeats a call as long as its failure is one that passes, up to [`PATIENCE`].
    async fn patiently<F: Future<Output = Result<(), ApiError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<(), ApiError> {
        let (mut pause, end) = (Pause::default(), Instant::now() + PATIENCE);
        loop {
            match call().await {
                Err(error) if error.is_passing() && Instant::now() < end => pause.take().await,
                done => return done,
            }
        }
    }
}

fn build_failure(built: &Built) -> Value {
    let stage = built.output["error"]["details"]["stage"]["type"].as_str();
    let reason = stage.map_or_else(
        || "osbuild build failed".to_owned(),
        |stage| format!("osbuild build failed in stage: {stage:?}"),
    );
    failed(failure::BUILD, &reason, built.messages.as_str().into())
}

fn failed(id: u32, reason: &str, details: Value) -> Value {
    json!({ "success": false, "job_error": job_error(id, reason, details) })
}

fn job_error(id: u32, reason: &str, details: Value) -> Value {
    json!({ "id": id, "reason": reason, "details": details })
}

/// Ends after the second signal; tells of the first.
async fn two_signals(stop: watch::Sender<bool>) {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return std::future::pending().await;
    };
    for told in [false, true] {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        if !told {
            say("ending after the present job; a second signal ends it now");
            stop.send_replace(true);
        }
    }
}

/// Pauses that become longer.
#[derive(Debug)]
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Pause {
    async fn take(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
    }
}
