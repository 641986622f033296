//! Composes: requests for images, from the blueprint to the file.
use super::blueprints::hide_passwords;
use super::graph::{self, Known};
use super::{Caller, DeniedTypes, Error, Image, ImageWish, Result, Service, Target};
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_generator::request::OstreeOptions;
use osbuild_wasm_jobs::{Compose, Job, JobId, State, Worker};
use osbuild_wasm_tasks::JobError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// The job that builds it.
    pub job: Job,
}

impl ComposeEntry {
    /// What the stages of its manifest said, pipeline by pipeline, and what went wrong.
    #[must_use]
    pub fn log(&self, manifest: &Value) -> String {
        let result = self.job.result.as_ref().unwrap_or(&Value::Null);
        let mut log = String::new();
        let pipelines = manifest["pipelines"].as_array();
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
    /// Queues what makes an image: lookups of its content, its manifest, its build. What is not to be had fails the compose.
    ///
    /// # Errors
    /// A password cannot be used; there is no such distribution or image type, or it cannot give what is wished for; the store failed.
    pub async fn start_compose(&self, caller: &Caller, request: ComposeRequest) -> Result<JobId> {
        let request = request.without_passwords()?;
        let image = self.image(&request.wish).await?;
        self.queue_jobs(caller, request, &image, None).await
    }

    /// Looks up all content of an image, and queues its build.
    ///
    /// # Errors
    /// As of [`Service::start_compose`]; its content is not to be had; no worker builds for the architecture.
    async fn start_known(&self, caller: &Caller, request: ComposeRequest) -> Result<JobId> {
        let request = request.without_passwords()?;
        // What will be refused is not looked up first.
        drop(self.admit(caller).await?);
        let image = self.image(&request.wish).await?;
        let mut answers = Vec::new();
        for question in image.questions.clone() {
            let answer = self.look_up(move |images, cancel| Ok(images.answer(&question, cancel)));
            let answer = answer.await?;
            match JobError::of_result(&answer) {
                Some(error) => return Err(error.into()),
                None => answers.push(answer),
            }
        }
        let known = image.answered(&answers);
        let manifest = self.manifest_of(request.wish.clone(), known).await?;
        let arch = &request.wish.target.arch;
        let workers = self.store().workers().await?;
        let builds = |worker: &Worker| worker.arch == *arch && worker.channel == caller.channel;
        if !workers.iter().any(builds) {
            return Err(Error::NoWorker(arch.clone()));
        }
        let known = Known { answers, manifest };
        self.queue_jobs(caller, request, &image, Some(known)).await
    }

    async fn image(&self, wish: &ImageWish) -> Result<Image> {
        let wish = wish.clone();
        self.look_up(move |images, _| images.image(&wish)).await
    }

    async fn queue_jobs(
        &self,
        caller: &Caller,
        request: ComposeRequest,
        image: &Image,
        known: Option<Known>,
    ) -> Result<JobId> {
        let damaged = || osbuild_wasm_jobs::Error::Damaged("compose");
        let jobs = graph::jobs(&caller.channel, &request.wish, image, known);
        let id = jobs.last().ok_or_else(damaged)?.id;
        let note = Note::of(request, image);
        let compose = Compose {
            id,
            channel: caller.channel.clone(),
            created: self.clock.now(),
            body: serde_json::to_value(note).map_err(|_| damaged())?,
            roots: vec![id],
        };
        let place = self.admit(caller).await?;
        self.store().add_compose(&compose, &jobs).await?;
        drop(place);
        info!(compose = %id, jobs = jobs.len(), "queued");
        Ok(id)
    }

    /// Starts a compose of a committed blueprint, with the sources that users added. Its content is looked up before it is taken.
    ///
    /// # Errors
    /// There is no such blueprint; the image type is denied; its content is not to be had; no worker builds for the architecture; as of
    /// [`Service::start_compose`].
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
        self.start_known(caller, ComposeRequest { wish, document })
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
            job,
        })
    }
}

impl ComposeRequest {
    /// The request with hashes in place of passwords.
    fn without_passwords(mut self) -> Result<Self> {
        hide_passwords(&mut self.wish.blueprint)?;
        Ok(self)
    }
}

impl Note {
    fn of(request: ComposeRequest, image: &Image) -> Self {
        let ComposeRequest { wish, document } = request;
        Self {
            api: wish.api,
            document,
            arch: wish.target.arch,
            distro: wish.target.distro,
            blueprint: wish.blueprint.to_value(),
            image_type: image.image_type.clone(),
            file: image.file.clone(),
            mime: image.mime.clone(),
        }
    }
}
