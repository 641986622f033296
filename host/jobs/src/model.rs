//! What is kept, as plain values.
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one, random (UUID version 4).
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

identifier!(
    /// A job, for its whole life; also a compose, which is known by an id of the same form.
    JobId
);
identifier!(
    /// One run of a job by one worker. It is a secret of the two: who knows it may finish the job.
    Token
);
identifier!(
    /// A worker that registered itself.
    WorkerId
);

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its dependencies or for a worker.
    Pending,
    /// A worker has it.
    Running,
    /// A result is there; it may tell of a failure.
    Finished,
    /// It was canceled before a result was there.
    Canceled,
}

impl State {
    /// Its word: `pending`, `running`, `finished` or `canceled`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Canceled => "canceled",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Finished, Self::Canceled]
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    /// Whether the job will not change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled)
    }
}

/// A job that is to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id; the caller draws it, so that a batch can name its own jobs.
    pub id: JobId,
    /// What is to be done, in the words of the worker API: `depsolve`, `osbuild:x86_64`.
    pub kind: String,
    /// Whose it is; empty without tenants.
    pub channel: String,
    /// What the worker is told.
    pub args: Value,
    /// The jobs whose results it reads, in the order in which it reads them.
    pub needs: Vec<JobId>,
    /// Its result, if it was done while it was asked for: nobody has to do it then.
    pub result: Option<Value>,
}

/// A job as it stands.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is done.
    pub kind: String,
    /// Whose it is.
    pub channel: String,
    /// What the worker is told.
    pub args: Value,
    /// The result, or the last partial one while it runs.
    pub result: Option<Value>,
    /// Where it stands.
    pub state: State,
    /// How often it went back to the queue because its worker fell silent.
    pub requeues: u32,
    /// When it was queued.
    pub created: Timestamp,
    /// When the present worker took it.
    pub started: Option<Timestamp>,
    /// When it was finished or canceled.
    pub finished: Option<Timestamp>,
    /// The jobs whose results it reads.
    pub needs: Vec<JobId>,
    /// The jobs that read its result.
    pub needed_by: Vec<JobId>,
}

/// A job in a list: without what it is told and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedJob {
    /// Its id.
    pub id: JobId,
    /// What is done.
    pub kind: String,
    /// Whose it is.
    pub channel: String,
    /// Where it stands.
    pub state: State,
    /// How often it went back to the queue.
    pub requeues: u32,
    /// When it was queued.
    pub created: Timestamp,
    /// When the present worker took it.
    pub started: Option<Timestamp>,
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The kinds of jobs that it can do.
    pub kinds: Vec<String>,
    /// The channels that it serves.
    pub channels: Channels,
    /// Who it is, when it registered.
    pub worker: Option<WorkerId>,
}

/// Whose jobs are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Those of everybody: the service's own jobs.
    All,
    /// Those of these channels.
    These(Vec<String>),
}

/// A job that a worker got.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// What the worker names it by from now on.
    pub token: Token,
    /// What is to be done.
    pub kind: String,
    /// Whose it is.
    pub channel: String,
    /// What the worker is told.
    pub args: Value,
    /// The results of the jobs that it needs, in their order; null of one that was canceled without any.
    pub results: Vec<Value>,
}

/// How a token stands to its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The job is this worker's.
    Held(JobId),
    /// The job was canceled: the worker is to stop.
    Canceled(JobId),
    /// No running job has this token: it is finished, or was given to another worker.
    Lost,
}

/// What one look for silent workers did: jobs with the tokens that are void now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Back in the queue.
    pub requeued: Vec<(JobId, Token)>,
    /// Went back too often, and have failed.
    pub failed: Vec<(JobId, Token)>,
}

/// How many jobs of a kind stand in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The kind of job.
    pub kind: String,
    /// Whose they are.
    pub channel: String,
    /// The state.
    pub state: State,
    /// How many.
    pub number: u64,
    /// When the oldest of them was queued.
    pub oldest: Timestamp,
}

/// A worker that said of itself that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// Whose jobs it takes.
    pub channel: String,
    /// The architecture it builds for.
    pub arch: String,
    /// When it last told of itself.
    pub seen: Timestamp,
}

/// A request for images, and the jobs that make them.
#[derive(Clone, Debug)]
pub struct Compose {
    /// Its id, which is also the name of its directory.
    pub id: JobId,
    /// Whose it is.
    pub channel: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// What the service noted of it.
    pub body: Value,
    /// The last job of each of its images.
    pub roots: Vec<JobId>,
}

/// Which composes a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Only those whose first image is pending or running.
    pub unfinished: bool,
    /// How many are passed over.
    pub offset: u64,
    /// How many there are at most.
    pub limit: u32,
}

/// A compose in a list: without what its jobs are told, and what they tell.
#[derive(Clone, Debug)]
pub struct ListedCompose {
    /// The compose; of its jobs only the one of the first image.
    pub compose: Compose,
    /// Where the job of the first image stands.
    pub state: State,
    /// Whether the result of that job says `"success": true`.
    pub success: bool,
    /// When a worker took it.
    pub started: Option<Timestamp>,
    /// When it was finished or canceled.
    pub finished: Option<Timestamp>,
}

/// A compose that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedCompose {
    /// Its id.
    pub id: JobId,
    /// The last job of each of its images.
    pub roots: Vec<JobId>,
    /// When the last of them was over.
    pub finished: Timestamp,
}

/// How many composes a tenant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Those that are not over.
    pub unfinished: u64,
    /// Those that were accepted since a certain time, and not deleted.
    pub recent: u64,
}

/// A named value of the service: a blueprint, a change of one, a source of packages.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its name, unique among those of its kind and channel.
    pub name: String,
    /// How often it was written.
    pub revision: u64,
    /// The value.
    pub body: Value,
}

/// What has to hold of a document for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    Any,
    /// It is not there.
    Absent,
    /// It was not written since this revision.
    Revision(u64),
}

/// One change of documents.
#[derive(Clone, Debug)]
pub enum Write {
    /// Makes or replaces a document.
    Put {
        /// The kind of document.
        kind: String,
        /// Its name.
        name: String,
        /// The value.
        body: Value,
        /// What has to hold before.
        expect: Expectation,
    },
    /// Removes a document, if it is there.
    Delete {
        /// The kind of document.
        kind: String,
        /// Its name.
        name: String,
    },
}
