//! The worker API: workers register, take jobs, tell of them, and send results and files.
mod reply;

use crate::door::{Gate, guarded};
use crate::service::{Caller, Error, JobRequest, Service, WorkerJob};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use osbuild_wasm_jobs::{Token, WorkerId};
use reply::{Refusal, created, object};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;

/// The largest result that is read: a manifest with its log.
const LARGEST_BODY: usize = 64 << 20;

/// How the API is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The path below which its routes are.
    pub base: String,
    /// How long a request for a job waits; without one, until there is a job.
    pub patience: Option<Duration>,
    /// Whether files of jobs are taken.
    pub artefacts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: "/api/worker/v1".into(),
            patience: None,
            artefacts: true,
        }
    }
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Workers {
    service: Service,
    options: Options,
}

/// The routes of the API over a service, for those whom the gate lets in.
pub fn router(service: Service, options: Options, gate: Gate) -> Router {
    let base = options.base.clone();
    let workers = Workers { service, options };
    let routes = Router::new()
        .route("/status", get(status))
        .route("/workers", post(register))
        .route("/workers/{id}/status", post(alive))
        .route("/jobs", post(request_job))
        .route("/jobs/{token}", get(job_status).patch(update_job))
        .route("/jobs/{token}/artifacts/{name}", put(artefact))
        .route("/errors/{id}", get(error_of_id))
        .method_not_allowed_fallback(async || Refusal::of(12))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    let router = Router::new()
        .nest(&base, routes)
        .fallback(async || Refusal::of(11))
        .with_state(workers);
    guarded::<Refusal>(router, gate)
}

async fn status(State(workers): State<Workers>) -> Response {
    let mut body = object(&workers, "/status", "status", "Status");
    body["status"] = "OK".into();
    axum::Json(body).into_response()
}

#[derive(Debug, Deserialize)]
struct Registration {
    arch: String,
}

async fn register(
    State(workers): State<Workers>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let registration: Registration = read(&headers, body).await?;
    let registered = workers
        .service
        .register_worker(&caller, &registration.arch)
        .await;
    let worker = registered.map_err(|_| Refusal::of(1008))?.to_string();
    let mut body = object(&workers, "/workers", &worker, "WorkerID");
    body["worker_id"] = worker.into();
    Ok(created(body))
}

async fn alive(
    State(workers): State<Workers>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let _: Value = read(&headers, body).await?;
    let worker = WorkerId::from_str(&id).map_err(|_| Refusal::of(17))?;
    workers
        .service
        .worker_is_alive(&caller, worker)
        .await
        .map_err(|error| match error {
            Error::NoWorkerId => Refusal::of(18),
            _ => Refusal::of(1009),
        })?;
    Ok(axum::Json(object(
        &workers,
        "/workers",
        &id,
        "UpdateWorkerStatusResponse",
    ))
    .into_response())
}

#[derive(Debug, Deserialize)]
struct Asked {
    types: Vec<String>,
    arch: String,
    #[serde(default)]
    worker_id: Option<String>,
}

async fn request_job(
    State(workers): State<Workers>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let asked: Asked = read(&headers, body).await?;
    let worker = asked.worker_id.filter(|id| !id.is_empty());
    let worker = worker
        .map(|id| WorkerId::from_str(&id).map_err(|_| Refusal::of(17)))
        .transpose()?;
    let request = JobRequest {
        kinds: asked.types,
        arch: asked.arch,
        worker,
    };
    let job = workers
        .service
        .next_job(&caller, &request, workers.options.patience)
        .await;
    let job = job.map_err(|error| match error {
        Error::JobKind(_) => Refusal::of(15),
        Error::NoWorkerId => Refusal::of(18),
        _ => Refusal::of(1005),
    })?;
    match job {
        Some(job) => Ok(created(told(&workers, &job))),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// A job, for the worker that does it.
fn told(workers: &Workers, job: &WorkerJob) -> Value {
    let location = format!("{}/jobs/{}", workers.options.base, job.token);
    let mut body = object(workers, "/jobs", &job.id.to_string(), "RequestJob");
    body["type"] = job.kind.as_str().into();
    body["artifact_location"] = format!("{location}/artifacts/").into();
    body["location"] = location.into();
    body["args"] = job.args.clone();
    if !job.dynamic_args.is_empty() {
        body["dynamic_args"] = job.dynamic_args.clone().into();
    }
    body
}

async fn job_status(
    State(workers): State<Workers>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let canceled = workers
        .service
        .is_canceled(&caller, token(&path)?)
        .await
        .map_err(of_job)?;
    let mut body = object(&workers, &format!("/jobs/{path}"), &path, "JobStatus");
    body["canceled"] = canceled.into();
    Ok(axum::Json(body).into_response())
}

/// The end of a job, or how far it is.
#[derive(Debug, Deserialize)]
struct Update {
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    partial: Option<Value>,
}

async fn update_job(
    State(workers): State<Workers>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let token = token(&path)?;
    let done = match read(&headers, body).await? {
        Update {
            result: Some(result),
            ..
        } => workers.service.finish_job(&caller, token, &result).await,
        Update {
            partial: Some(partial),
            ..
        } => workers.service.job_progress(&caller, token, &partial).await,
        Update {
            result: None,
            partial: None,
        } => return Err(Refusal::of(10)),
    };
    done.map_err(of_job)?;
    Ok(axum::Json(object(
        &workers,
        &format!("/jobs/{path}"),
        &path,
        "UpdateJobResponse",
    ))
    .into_response())
}

/// A file that belongs to a job. It is written piece by piece: images are large.
async fn artefact(
    State(workers): State<Workers>,
    Extension(caller): Extension<Caller>,
    Path((path, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    if !workers.options.artefacts {
        return Ok(StatusCode::BAD_REQUEST);
    }
    let mut file = workers
        .service
        .new_artefact(&caller, token(&path)?, &name)
        .await
        .map_err(|error| match error {
            Error::Artefact { .. } => Refusal::of(1001),
            error => of_job(error),
        })?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.try_next().await.map_err(|_| Refusal::of(1002))? {
        file.write(&piece).await.map_err(|_| Refusal::of(1002))?;
    }
    file.finish().await.map_err(|_| Refusal::of(1002))?;
    Ok(StatusCode::OK)
}

async fn error_of_id(Path(id): Path<String>) -> Result<Response, Refusal> {
    let id: u32 = id.parse().map_err(|_| Refusal::of(9))?;
    match Refusal::known(id) {
        Some(refusal) => Ok(axum::Json(refusal.body()).into_response()),
        None => Err(Refusal::of(14)),
    }
}

fn token(text: &str) -> Result<Token, Refusal> {
    Token::from_str(text).map_err(|_| Refusal::of(7))
}

fn of_job(error: Error) -> Refusal {
    match error {
        Error::NoToken => Refusal::of(5),
        Error::Canceled => Refusal::of(6),
        Error::Artefact { .. } => Refusal::of(1004),
        _ => Refusal::of(1003),
    }
}

/// The JSON of a body of this type.
async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Refusal> {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    if kinds.next().is_none_or(|kind| kind != "application/json") || kinds.next().is_some() {
        return Err(Refusal::of(3));
    }
    let body = http_body_util::Limited::new(body, LARGEST_BODY)
        .collect()
        .await
        .map_err(|_| Refusal::of(10))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|_| Refusal::of(10))
}
