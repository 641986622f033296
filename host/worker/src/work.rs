//! What a worker does all day.
use crate::api::{ApiError, Composer, Job};
use crate::build::Builder;
use crate::say;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_tasks::{Failure, JobError, kind};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

/// How often the composer hears of an idle worker; it forgets one after an hour.
const WORKER_BEAT: Duration = Duration::from_secs(30);

/// The pauses after failures: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How long it is tried to tell of a result: the composer may be starting again.
const PATIENCE: Duration = Duration::from_secs(600);

/// The largest result that is told.
const LARGEST_RESULT: usize = 60 << 20;

/// Who a worker is for its composer.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// The architecture that it builds for.
    pub(crate) arch: String,
    /// How often the composer hears of a job, and the worker that it was canceled.
    pub(crate) beat: Duration,
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    composer: Composer,
    builder: Builder,
    habits: Habits,
    /// What the composer calls it, once it has registered.
    id: Mutex<Option<String>>,
}

impl Worker {
    pub(crate) fn new(composer: Composer, builder: Builder, habits: Habits) -> Self {
        Self {
            composer,
            builder,
            habits,
            id: Mutex::default(),
        }
    }

    pub(crate) fn builder(&self) -> &Builder {
        &self.builder
    }

    pub(crate) fn arch(&self) -> &str {
        &self.habits.arch
    }

    /// Does jobs until a signal ends it: at the first the present jobs are done first, at the second nothing is. Something is looked up
    /// while something is built, for those who wait for it.
    ///
    /// # Errors
    /// The composer refuses in a way that will not pass.
    pub(crate) async fn run(&self) -> Result<(), ApiError> {
        let (stop, stopped) = watch::channel(false);
        let jobs = async {
            let builds = self.jobs(&[kind::BUILD], stopped.clone());
            let lookups = self.jobs(&kind::LOOKUPS, stopped.clone());
            tokio::try_join!(builds, lookups)
        };
        tokio::select! {
            done = jobs => done.map(drop),
            () = two_signals(stop) => Ok(()),
        }
    }

    /// Does jobs of some kinds, one after the other.
    async fn jobs(
        &self,
        kinds: &[&str],
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), ApiError> {
        let mut pause = Pause::default();
        while !*stopped.borrow() {
            let job = tokio::select! {
                job = self.next_job(kinds) => job,
                _ = stopped.changed() => continue,
            };
            match job {
                Ok(None) => pause = Pause::default(),
                Ok(Some(job)) => {
                    pause = Pause::default();
                    self.job(&job).await;
                }
                Err(error) if error.is_unknown_worker() => *self.id.lock().await = None,
                Err(error) if error.is_passing() => {
                    say(&format!("warning: {}", with_causes(&error)));
                    pause.take().await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for a job, and tells from time to time that this worker is there.
    async fn next_job(&self, kinds: &[&str]) -> Result<Option<Job>, ApiError> {
        let id = self.id().await?;
        let alive = async {
            loop {
                sleep(WORKER_BEAT).await;
                if let Err(error) = self.composer.alive(&id).await {
                    return error;
                }
            }
        };
        tokio::select! {
            job = self.composer.job(kinds, self.arch(), &id) => job,
            error = alive => Err(error),
        }
    }

    async fn id(&self) -> Result<String, ApiError> {
        let mut known = self.id.lock().await;
        if let Some(id) = &*known {
            return Ok(id.clone());
        }
        let arch = self.arch();
        let id = self.composer.register(arch).await?;
        say(&format!("registered as worker {id} for {arch}"));
        Ok(known.insert(id).clone())
    }

    /// Does a job, and tells what came of it. Whatever happens, the composer is told, or another worker gets the job.
    async fn job(&self, job: &Job) {
        say(&format!("job {}: {}", job.id, job.kind));
        let (progress, told) = watch::channel(Value::Null);
        let result = tokio::select! {
            result = self.result(job, &progress) => result,
            reason = self.attend(job, told) => {
                say(&format!("job {}: given up: {reason}", job.id));
                return;
            }
        };
        match self.tell(job, result).await {
            Ok(None) => say(&format!("job {}: done", job.id)),
            Ok(Some(error)) => {
                let reason = error.reason;
                say(&format!("job {}: failed: {reason}", job.id));
            }
            Err(error) => say(&format!(
                "job {}: not told: {}",
                job.id,
                with_causes(&error)
            )),
        }
    }

    async fn result(&self, job: &Job, progress: &watch::Sender<Value>) -> Value {
        match &*job.kind {
            kind::BUILD => self.image(job, progress).await,
            kind if kind::LOOKUPS.contains(&kind) => self.lookup(job, progress).await,
            kind => {
                let reason = format!("this worker does no jobs of the kind {kind}");
                failed(&JobError::new(Failure::ParsingArgs, reason))
            }
        }
    }

    /// Looks something up; the result is the program's own.
    async fn lookup(&self, job: &Job, progress: &watch::Sender<Value>) -> Value {
        let found = self.builder.look_up(&job.kind, &job.args, progress).await;
        let problem = match found {
            Ok(ended) if ended.output.is_object() => return ended.output,
            Ok(ended) => ended.messages,
            Err(error) => error.to_string(),
        };
        let reason = "the program that looks content up broke";
        failed(&JobError::with(Failure::Panicked, reason, problem.into()))
    }

    /// Tells of a result; the error that it has, if it is one. What the composer does not take is a failure that it takes.
    async fn tell(&self, job: &Job, result: Value) -> Result<Option<JobError>, ApiError> {
        let told = match result.to_string().len() {
            0..=LARGEST_RESULT => self.update(job, &result).await,
            length => Err(ApiError::Odd(format!("it has {length} bytes"))),
        };
        let problem = match told {
            Err(error) if !error.is_passing() && !error.is_lost_job() => error,
            told => return told.map(|()| JobError::of_result(&result)),
        };
        let reason = "the result cannot be told to the composer";
        let error = JobError::with(Failure::Panicked, reason, with_causes(&problem).into());
        self.update(job, &failed(&error)).await?;
        Ok(Some(error))
    }

    async fn update(&self, job: &Job, result: &Value) -> Result<(), ApiError> {
        let update = json!({ "result": result });
        self.patiently(|| self.composer.update(job, &update)).await
    }

    /// Sends a file of a job.
    pub(crate) async fn send_file(
        &self,
        job: &Job,
        name: &str,
        path: &Path,
    ) -> Result<(), ApiError> {
        self.patiently(|| self.composer.send(job, name, path)).await
    }

    /// Tells of a running job, until there is a reason to give it up.
    async fn attend(&self, job: &Job, mut told: watch::Receiver<Value>) -> String {
        loop {
            sleep(self.habits.beat).await;
            match self.composer.is_canceled(job).await {
                Ok(true) => return "it was canceled".into(),
                Ok(false) => {}
                Err(error) if error.is_passing() => continue,
                Err(error) => return error.to_string(),
            }
            let progress = told.borrow_and_update().clone();
            if !progress.is_null() {
                // The next beat tells again.
                let partial = json!({ "partial": { "progress": progress } });
                let _ = self.composer.update(job, &partial).await;
            }
        }
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

/// The result of a job that failed.
pub(crate) fn failed(error: &JobError) -> Value {
    json!({ "success": false, "job_error": error.to_value() })
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
            say("ending after the present jobs; a second signal ends it now");
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
