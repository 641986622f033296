//! Composes: requests for images, from the blueprint to the file.
use super::blueprints::hide_passwords;
use super::workers::build_job;
use super::{Caller, DeniedTypes, Error, ImageWish, Manifest, Result, Service, Solved, Target};
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_generator::request::OstreeOptions;
use osbuild_wasm_jobs::{Compose, Job, JobId, NewJob, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use tokio::fs::File;
use tracing::info;

/// A request for an image.
#[derive(Clone, Debug)]
pub struct ComposeRequest {
    /// What is asked of the image.
    pub wish: ImageWish,
    /// The request as its client wrote it, without secrets; null if nobody asks for it later.
    pub document: Value,
}

/// A request for an image of a committed blueprint.
#[derive(Clone, Debug)]
pub struct CommittedRequest {
    /// The name of the blueprint.
    pub blueprint: String,
    /// The image type, or an alias of it.
    pub image_type: String,
    /// Size of the disk in bytes; 0: the type's.
    pub size: u64,
    /// The commit to make, or to deploy.
    pub ostree: Option<OstreeOptions>,
    /// By which interface it came.
    pub api: &'static str,
}

/// Where a compose stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComposeState {
    /// No worker has begun.
    Waiting,
    /// A worker builds it.
    Running,
    /// The image is there.
    Finished,
    /// There will be no image.
    Failed,
}

impl ComposeState {
    /// Whether it will not change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }

    fn of(job: &Job) -> Self {
        let result = job.result.as_ref();
        Self::new(
            job.state,
            result.is_some_and(|result| result["success"] == true),
        )
    }

    /// The state of a compose whose job stands so, with a result that tells of a success or not.
    pub(super) fn new(job: State, success: bool) -> Self {
        match job {
            State::Pending => Self::Waiting,
            State::Running => Self::Running,
            State::Finished if success => Self::Finished,
            State::Finished | State::Canceled => Self::Failed,
        }
    }
}

impl fmt::Display for ComposeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
        })
    }
}

/// What is noted of a compose.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    api: String,
    #[serde(default)]
    document: Value,
    #[serde(default)]
    arch: String,
    #[serde(default)]
    distro: String,
    pub(super) blueprint: Value,
    pub(super) image_type: String,
    pub(super) file: String,
    mime: String,
    packages: Vec<Solved>,
}

/// A compose as it stands.
#[derive(Clone, Debug)]
pub struct ComposeEntry {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: ComposeState,
    /// By which interface it was asked for; clients of another one do not see it there.
    pub api: String,
    /// The request as its client wrote it, without secrets; null if it was not kept.
    pub document: Value,
    /// For which system it is.
    pub target: Target,
    /// The blueprint as it was.
    pub blueprint: Value,
    /// The image type.
    pub image_type: String,
    /// The name of the image's file.
    pub file: String,
    /// The media type of the image.
    pub mime: String,
    /// The packages of the system in the image.
    pub packages: Vec<Solved>,
    /// The job that builds it.
    pub job: Job,
}

impl ComposeEntry {
    /// The manifest that is built.
    #[must_use]
    pub fn manifest(&self) -> &Value {
        &self.job.args["manifest"]
    }

    /// What the stages said, pipeline by pipeline, and what went wrong.
    #[must_use]
    pub fn log(&self) -> String {
        let result = self.job.result.as_ref().unwrap_or(&Value::Null);
        let mut log = String::new();
        let pipelines = self.manifest()["pipelines"].as_array();
        for pipeline in pipelines.into_iter().flatten() {
            let told =
                &result["osbuild_output"]["log"][pipeline["name"].as_str().unwrap_or_default()];
            if let Some(told) = told.as_array() {
                log_pipeline(&mut log, pipeline, told);
            }
        }
        if let Some(reason) = result["job_error"]["reason"].as_str() {
            log.push_str(reason);
            log.push('\n');
        }
        log
    }
}

/// What the stages of a pipeline said, under their types and options.
fn log_pipeline(log: &mut String, pipeline: &Value, told: &[Value]) {
    log.push_str(&format!(
        "Pipeline: {}\n",
        pipeline["name"].as_str().unwrap_or_default()
    ));
    for (at, stage) in told.iter().enumerate() {
        let options = pipeline["stages"]
            .get(at)
            .and_then(|stage| stage.get("options"));
        let options = options.map_or_else(|| "{}".to_owned(), Value::to_string);
        log.push_str(&format!(
            "Stage: {} {options}\n",
            stage["type"].as_str().unwrap_or_default()
        ));
        log.push_str(stage["output"].as_str().unwrap_or_default());
        log.push('\n');
    }
}

impl Service {
    /// Looks up all content, and queues the build.
    ///
    /// # Errors
    /// A password cannot be used; there is no such distribution or image type; its content is not to be had; no worker builds for the architecture; the store
    /// failed.
    pub async fn start_compose(&self, caller: &Caller, request: ComposeRequest) -> Result<JobId> {
        let ComposeRequest { mut wish, document } = request;
        hide_passwords(&mut wish.blueprint)?;
        // What will be refused is not looked up first.
        drop(self.admit(caller).await?);
        let (target, blueprint, api) = (
            wish.target.clone(),
            wish.blueprint.to_value(),
            wish.api.to_owned(),
        );
        let manifest = self.look_up(move |images| images.manifest(&wish)).await?;
        if !self
            .store()
            .workers()
            .await?
            .iter()
            .any(|worker| worker.arch == target.arch && worker.channel == caller.channel)
        {
            return Err(Error::NoWorker(target.arch));
        }
        let id = JobId::random();
        let note = Note {
            api,
            document,
            arch: target.arch.clone(),
            distro: target.distro.clone(),
            blueprint,
            image_type: manifest.image_type.clone(),
            file: manifest.file.clone(),
            mime: manifest.mime.clone(),
            packages: manifest.packages.clone(),
        };
        let job = NewJob {
            id: JobId::random(),
            kind: build_job(&target.arch),
            channel: caller.channel.clone(),
            args: build_args(manifest),
            needs: Vec::new(),
        };
        let compose = Compose {
            id,
            channel: caller.channel.clone(),
            created: self.clock.now(),
            body: serde_json::to_value(note)
                .map_err(|_| osbuild_wasm_jobs::Error::Damaged("compose"))?,
            roots: vec![job.id],
        };
        let of_job = job.id;
        let place = self.admit(caller).await?;
        self.store().add_compose(&compose, &[job]).await?;
        drop(place);
        info!(compose = %id, job = %of_job, "queued");
        Ok(id)
    }

    /// Starts a compose of a committed blueprint, with the sources that users added.
    ///
    /// # Errors
    /// There is no such blueprint; the image type is denied; as of [`Service::start_compose`].
    pub async fn start_committed(
        &self,
        caller: &Caller,
        request: &CommittedRequest,
        denied: &DeniedTypes,
    ) -> Result<JobId> {
        let blueprint = self.committed(caller, &request.blueprint).await?;
        let target = self.target_of(&blueprint)?;
        let name = &request.image_type;
        let image_type = self.images.image_type(&target, name);
        if image_type.is_some_and(|image_type| denied.has(&target.distro, &image_type)) {
            return Err(Error::ImageType(format!("invalid image type: {name}")));
        }
        let wish = ImageWish {
            payload_repositories: self.user_repositories(caller, &target).await?,
            image_type: request.image_type.clone(),
            size: request.size,
            ostree: request.ostree.clone(),
            ..ImageWish::new(target, blueprint, request.api)
        };
        let document = Value::Null;
        self.start_compose(caller, ComposeRequest { wish, document })
            .await
    }

    /// A compose.
    ///
    /// # Errors
    /// There is none of that id; the store failed.
    pub async fn compose(&self, caller: &Caller, id: JobId) -> Result<ComposeEntry> {
        match self.store().compose(&caller.channel, id).await? {
            Some(compose) => self.entry(compose).await,
            None => Err(Error::NoCompose(id)),
        }
    }

    /// The composes, sorted by id.
    ///
    /// # Errors
    /// The store failed.
    pub async fn composes(&self, caller: &Caller) -> Result<Vec<ComposeEntry>> {
        let mut entries = Vec::new();
        for compose in self.store().composes(&caller.channel).await? {
            entries.push(self.entry(compose).await?);
        }
        Ok(entries)
    }

    /// Cancels a compose.
    ///
    /// # Errors
    /// There is none of that id, or it is over; the store failed.
    pub async fn cancel_compose(&self, caller: &Caller, id: JobId) -> Result<()> {
        let compose = self.compose(caller, id).await?;
        let canceled = self.queue.cancel(compose.job.id).await?;
        if canceled.is_empty() {
            return Err(Error::ComposeState {
                id,
                state: compose.state,
            });
        }
        canceled.into_iter().for_each(|job| self.changed(job));
        Ok(())
    }

    /// Deletes a compose with its files.
    ///
    /// # Errors
    /// There is none of that id, or it is not over; the store failed.
    pub async fn delete_compose(&self, caller: &Caller, id: JobId) -> Result<()> {
        let compose = self.compose(caller, id).await?;
        if !compose.state.is_final() {
            return Err(Error::ComposeState {
                id,
                state: compose.state,
            });
        }
        let jobs = self.store().delete_compose(&caller.channel, id).await?;
        for job in jobs.ok_or(Error::NoCompose(id))? {
            self.artefacts.remove(job).await?;
        }
        Ok(())
    }

    /// Cancels a compose if it is not over, and deletes it with its files.
    ///
    /// # Errors
    /// There is none of that id; the store failed.
    pub async fn remove_compose(&self, caller: &Caller, id: JobId) -> Result<()> {
        match self.cancel_compose(caller, id).await {
            Ok(()) | Err(Error::ComposeState { .. }) => {}
            Err(error) => return Err(error),
        }
        self.delete_compose(caller, id).await
    }

    /// The file of a finished compose's image.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn image_file(&self, compose: &ComposeEntry) -> Result<File> {
        self.artefacts.read(compose.job.id, &compose.file).await
    }

    /// The bytes of a finished compose's image; 0 as long as there is none.
    pub async fn image_size(&self, compose: &ComposeEntry) -> u64 {
        if compose.state != ComposeState::Finished {
            return 0;
        }
        match self.image_file(compose).await {
            Ok(file) => file.metadata().await.map_or(0, |metadata| metadata.len()),
            Err(_) => 0,
        }
    }

    /// The system that a blueprint is for.
    fn target_of(&self, blueprint: &Blueprint) -> Result<Target> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (distro, arch) = (some(&blueprint.distro), some(&blueprint.architecture));
        self.target(distro.as_deref(), arch.as_deref())
    }

    async fn entry(&self, compose: Compose) -> Result<ComposeEntry> {
        let damaged = || Error::from(osbuild_wasm_jobs::Error::Damaged("compose"));
        let root = compose.roots.first().copied().ok_or_else(damaged)?;
        let job = self.store().job(root).await?.ok_or_else(damaged)?;
        let note: Note = serde_json::from_value(compose.body).map_err(|_| damaged())?;
        Ok(ComposeEntry {
            id: compose.id,
            state: ComposeState::of(&job),
            api: note.api,
            document: note.document,
            target: Target {
                distro: note.distro,
                arch: note.arch,
            },
            blueprint: note.blueprint,
            image_type: note.image_type,
            file: note.file,
            mime: note.mime,
            packages: note.packages,
            job,
        })
    }
}

/// What the worker that builds an image is told: its image comes back to the composer.
fn build_args(manifest: Manifest) -> Value {
    json!({
        "manifest": manifest.manifest,
        "targets": [{
            "name": "org.osbuild.worker.server",
            "image_name": manifest.file,
            "osbuild_artifact": { "export_filename": manifest.file, "export_name": manifest.export },
        }],
        "image_boot_mode": manifest.boot_mode,
    })
}
