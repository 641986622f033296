//! Numbers for Prometheus. What happens in this process is counted here; what is in the database is read when it is asked for.
use jiff::Timestamp;
use osbuild_wasm_jobs::{Count, State, Worker};
use osbuild_wasm_tasks::is_users;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// What the names of all metrics begin with.
const PREFIX: &str = "osbuild_wasm_composer";

/// Bounds of the histogram of requests, in seconds: from a look into the database to a search for packages.
const LATENCIES: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0,
];

type Labels<const N: usize> = [(&'static str, String); N];

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was for.
    Success,
    /// What was asked for cannot be had: the user can mend it.
    UserError,
    /// A machine, a server or the program failed.
    ServiceError,
}

impl Outcome {
    /// What the result of a job says.
    #[must_use]
    pub fn of(result: &Value) -> Self {
        let error = &result["job_error"];
        match error["id"].as_u64().and_then(|id| id.try_into().ok()) {
            Some(id) if is_users(id) => Self::UserError,
            _ if result["success"] == false || !error.is_null() => Self::ServiceError,
            _ => Self::Success,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::UserError => "user_error",
            Self::ServiceError => "service_error",
        })
    }
}

#[derive(Clone, Debug)]
struct Latency;

impl MetricConstructor<Histogram> for Latency {
    fn new_metric(&self) -> Histogram {
        Histogram::new(LATENCIES)
    }
}

/// What is counted in this process. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Labels<3>, Counter>,
    latencies: Family<Labels<2>, Histogram, Latency>,
    ended: Family<Labels<3>, Counter>,
    requeues: Counter,
    deleted: Counter,
    freed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            latencies: Family::new_with_constructor(Latency),
            ended: Family::default(),
            requeues: Counter::default(),
            deleted: Counter::default(),
            freed: Counter::default(),
        }
    }
}

impl Metrics {
    /// A request was answered. `route` is a template, not a path.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let (method, route) = (("method", method.to_owned()), ("route", route.to_owned()));
        let status = ("status", status.to_string());
        self.requests
            .get_or_create(&[method.clone(), route.clone(), status])
            .inc();
        self.latencies
            .get_or_create(&[method, route])
            .observe(took.as_secs_f64());
    }

    /// A job ended.
    pub fn ended(&self, kind: &str, outcome: Outcome) {
        let [kind, arch] = kind_and_arch(kind);
        self.ended
            .get_or_create(&[kind, arch, ("outcome", outcome.to_string())])
            .inc();
    }

    /// Jobs went back to the queue, because their workers fell silent.
    pub fn requeued(&self, jobs: usize) {
        self.requeues.inc_by(jobs as u64);
    }

    /// A compose that was kept long enough was deleted.
    pub fn retired(&self, bytes: u64) {
        self.deleted.inc();
        self.freed.inc_by(bytes);
    }

    /// Everything in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self, jobs: &[Count], workers: &[Worker], now: Timestamp) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register(
            "requests",
            "Requests that were answered",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from a request to the head of its answer",
            Unit::Seconds,
            self.latencies.clone(),
        );
        registry.register("jobs_ended", "Jobs that workers ended", self.ended.clone());
        registry.register(
            "jobs_requeued",
            "Jobs that went back to the queue because their worker was silent",
            self.requeues.clone(),
        );
        registry.register(
            "composes_retired",
            "Composes that retention deleted",
            self.deleted.clone(),
        );
        registry.register_with_unit(
            "retired",
            "Size of the files that retention deleted",
            Unit::Bytes,
            self.freed.clone(),
        );
        queued(&mut registry, jobs, now);
        heard_of(&mut registry, workers, now);
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// The jobs that are not over, of all tenants together.
fn queued(registry: &mut Registry, jobs: &[Count], now: Timestamp) {
    let (pending, running) = (Family::<Labels<2>, Gauge>::default(), Family::default());
    let oldest = Family::<Labels<2>, Gauge>::default();
    for count in jobs {
        let labels = kind_and_arch(&count.kind);
        let of_state: &Family<Labels<2>, Gauge> = match count.state {
            State::Pending => {
                let age = oldest.get_or_create(&labels);
                age.set(age.get().max(seconds_since(count.oldest, now)));
                drop(age);
                &pending
            }
            State::Running => &running,
            State::Finished | State::Canceled => continue,
        };
        of_state
            .get_or_create(&labels)
            .inc_by(i64::try_from(count.number).unwrap_or(i64::MAX));
    }
    registry.register("jobs_pending", "Jobs that wait", pending);
    registry.register("jobs_running", "Jobs that workers have", running);
    registry.register_with_unit(
        "oldest_pending_job_age",
        "How long the oldest of the waiting jobs has been waiting",
        Unit::Seconds,
        oldest,
    );
}

/// The workers, and for how long they were silent.
fn heard_of(registry: &mut Registry, workers: &[Worker], now: Timestamp) {
    let (number, silence) = (Family::<Labels<1>, Gauge>::default(), Family::default());
    for worker in workers {
        let arch = [("arch", worker.arch.clone())];
        number.get_or_create(&arch).inc();
        let silent: &Gauge = &silence.get_or_create(&arch);
        silent.set(silent.get().max(seconds_since(worker.seen, now)));
    }
    registry.register("workers", "Workers that are registered", number);
    registry.register_with_unit(
        "longest_worker_silence",
        "Time since the most silent of the workers was heard of",
        Unit::Seconds,
        silence,
    );
}

fn seconds_since(time: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(time).as_secs().max(0)
}

/// `osbuild:x86_64` is a kind of job for an architecture; others are for none.
fn kind_and_arch(kind: &str) -> Labels<2> {
    let (kind, arch) = kind.split_once(':').unwrap_or((kind, ""));
    [("type", kind.to_owned()), ("arch", arch.to_owned())]
}
