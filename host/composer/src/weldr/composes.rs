//! Composes.
use super::blueprints::dependency;
use super::query::{Content, Parameters, Path, name};
use super::reply::{Json, Refusal, entry, text};
use super::{Weldr, archive};
use crate::service::{self, CommittedRequest, ComposeEntry, ComposeState, Error};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use osbuild_wasm_generator::request::OstreeOptions;
use osbuild_wasm_jobs::JobId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::str::FromStr;

/// The name of this interface, in images and in what is noted of composes.
const API: &str = "weldr";

/// A request for an image, as clients write it.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    blueprint_name: String,
    compose_type: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    ostree: Option<OstreeOptions>,
    #[serde(default)]
    upload: Option<Value>,
}

pub(super) async fn types(
    State(weldr): State<Weldr>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let target = parameters.target(&weldr)?;
    let types = weldr.service.images().image_types(&target);
    let types: Vec<Value> = types
        .iter()
        .filter(|name| !weldr.denied.has(&target.distro, name))
        .map(|name| json!({ "name": name, "enabled": true }))
        .collect();
    let types = if types.is_empty() {
        Value::Null
    } else {
        types.into()
    };
    Ok(Json(json!({ "types": types })))
}

pub(super) async fn start(
    State(weldr): State<Weldr>,
    parameters: Parameters,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Json, Refusal> {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    if kinds.next().is_none_or(|kind| kind != "application/json") || kinds.next().is_some() {
        return Err(Refusal::new("MissingPost", "blueprint must be json"));
    }
    let request: Request = serde_json::from_slice(&body).map_err(|_| Refusal::not_found())?;
    if request.upload.is_some() {
        return Err(Refusal::new(
            "ComposeError",
            "this composer cannot upload images yet: leave the upload away",
        ));
    }
    if parameters.get("test").is_some() {
        return Err(Refusal::new(
            "ComposeError",
            "this composer has no test composes yet: leave ?test away",
        ));
    }
    let request = CommittedRequest {
        blueprint: name(&request.blueprint_name)?.to_owned(),
        image_type: request.compose_type,
        size: request.size,
        ostree: request.ostree,
        api: API,
    };
    let id = weldr
        .service
        .start_committed(&weldr.caller, &request, &weldr.denied)
        .await;
    let id = id.map_err(|error| not_started(error, &request.image_type))?;
    Ok(Json(
        json!({ "build_id": id.to_string(), "status": true, "warnings": null }),
    ))
}

fn not_started(error: Error, image_type: &str) -> Refusal {
    let text = error.to_string();
    let internal = |id| Refusal::with(StatusCode::INTERNAL_SERVER_ERROR, id, text.clone());
    match error {
        Error::NoBlueprint(name) => Refusal::new(
            "UnknownBlueprint",
            format!("Unknown blueprint name: {name}"),
        ),
        Error::Distro { distro, arch } => Refusal::new(
            "DistroError",
            format!("Unknown distribution: {distro} for arch {arch}"),
        ),
        Error::ImageType(cause) => Refusal::new(
            "ComposeError",
            format!("Failed to get compose type {image_type:?}: {cause}"),
        ),
        Error::Manifest(cause) => Refusal::new(
            "ManifestCreationFailed",
            format!("failed to initialize osbuild manifest: {cause}"),
        ),
        Error::Quota(_) => Refusal::new("ComposeError", text),
        Error::Unsolvable(_) | Error::Packages(_) => internal("DepsolveError"),
        Error::Container(_) => internal("ContainerResolveError"),
        Error::Commit(_) => Refusal::new("OSTreeOptionsError", text),
        Error::NoWorker(arch) => Refusal::new(
            "ComposePushErrored",
            format!("No worker for arch '{arch}'  available"),
        ),
        Error::Store(_) => internal("ComposePushErrored"),
        error => Refusal::internal(&error),
    }
}

pub(super) async fn queue(State(weldr): State<Weldr>) -> Result<Json, Refusal> {
    let new = in_state(&weldr, ComposeState::Waiting).await?;
    let run = in_state(&weldr, ComposeState::Running).await?;
    Ok(Json(json!({ "new": new, "run": run })))
}

pub(super) async fn finished(State(weldr): State<Weldr>) -> Result<Json, Refusal> {
    Ok(Json(
        json!({ "finished": in_state(&weldr, ComposeState::Finished).await? }),
    ))
}

pub(super) async fn failed(State(weldr): State<Weldr>) -> Result<Json, Refusal> {
    Ok(Json(
        json!({ "failed": in_state(&weldr, ComposeState::Failed).await? }),
    ))
}

async fn in_state(weldr: &Weldr, state: ComposeState) -> Result<Vec<Value>, Refusal> {
    listed(weldr, |compose| compose.state == state).await
}

pub(super) async fn status(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let named = path.split(',').filter(|id| *id != "*");
    let asked: Vec<JobId> = named
        .map(|id| uuid(id, "a valid build uuid"))
        .collect::<Result<_, _>>()?;
    let all = path.split(',').any(|id| id == "*");
    let fits = |name, value: &str| parameters.get(name).is_none_or(|wanted| wanted == value);
    let is_asked = |compose: &ComposeEntry| {
        (all || asked.contains(&compose.id))
            && fits(
                "blueprint",
                compose.blueprint["name"].as_str().unwrap_or_default(),
            )
            && fits("status", &compose.state.to_string())
            && fits("type", &compose.image_type)
    };
    Ok(Json(json!({ "uuids": listed(&weldr, is_asked).await? })))
}

pub(super) async fn info(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    let invalid = || Refusal::new("UnknownUUID", format!("{path} is not a valid build uuid"));
    let id = JobId::from_str(&path).map_err(|_| invalid())?;
    let compose = weldr
        .service
        .compose(&weldr.caller, id)
        .await
        .map_err(|error| match error {
            Error::NoCompose(_) => invalid(),
            error => refusal(error, &path),
        })?;
    let mut packages = content(&weldr, &compose, &path).await?.packages;
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(json!({
        "id": path,
        "config": "",
        "blueprint": compose.blueprint,
        "commit": "",
        "deps": { "packages": packages.iter().map(dependency).collect::<Vec<_>>() },
        "compose_type": compose.image_type,
        "queue_status": compose.state.to_string(),
        "image_size": weldr.service.image_size(&compose).await,
    })))
}

pub(super) async fn image(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let compose = known_in(&weldr, &path, &[ComposeState::Finished]).await?;
    let inaccessible = |cause: String| {
        Refusal::new(
            "InternalServerError",
            format!("Error accessing image file for compose {path}: {cause}"),
        )
    };
    let file = weldr
        .service
        .image_file(&compose)
        .await
        .map_err(|error| inaccessible(error.to_string()))?;
    let size = file
        .metadata()
        .await
        .map_err(|error| inaccessible(error.to_string()))?
        .len();
    let headers = [
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename={path}-{}", compose.file),
        ),
        (header::CONTENT_TYPE, compose.mime.clone()),
        (header::CONTENT_LENGTH, size.to_string()),
    ];
    Ok((headers, Body::from_stream(archive::pieces(file))).into_response())
}

pub(super) async fn metadata(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let compose = known_in(
        &weldr,
        &path,
        &[ComposeState::Finished, ComposeState::Failed],
    )
    .await?;
    let members = vec![archive::Member::text(
        format!("{path}.json"),
        0o600,
        content(&weldr, &compose, &path).await?.manifest.to_string(),
    )];
    Ok(archive::download(&format!("{path}-metadata.tar"), members))
}

pub(super) async fn results(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let compose = known_in(
        &weldr,
        &path,
        &[ComposeState::Finished, ComposeState::Failed],
    )
    .await?;
    let manifest = content(&weldr, &compose, &path).await?.manifest;
    let mut members = vec![archive::Member::text(
        format!("{path}.json"),
        0o644,
        manifest.to_string(),
    )];
    if compose.job.result.is_some() {
        members.push(archive::Member::text(
            "logs/osbuild.log".into(),
            0o644,
            compose.log(&manifest),
        ));
    }
    // An image that is not there is left out.
    if let Ok(file) = weldr.service.image_file(&compose).await {
        members.push(archive::Member::file(format!("{path}-{}", compose.file), 0o644, file).await);
    }
    Ok(archive::download(&format!("{path}.tar"), members))
}

pub(super) async fn logs(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let compose = known(&weldr, &path).await?;
    if !compose.state.is_final() {
        let message = format!("Build {path} not in FINISHED or FAILED state.");
        return Err(Refusal::new("BuildInWrongState", message));
    }
    let members = vec![archive::Member::text(
        "logs/osbuild.log".into(),
        0o644,
        log_of(&weldr, &compose, &path).await?,
    )];
    Ok(archive::download(&format!("{path}-logs.tar"), members))
}

/// The log, or its last kilobytes. That there is none yet is told with status 200.
pub(super) async fn log(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let compose = known(&weldr, &path).await?;
    match compose.state {
        ComposeState::Waiting => {
            let message = format!("Build {path} has not started yet. No logs to view.");
            Ok(Refusal::with(StatusCode::OK, "BuildInWrongState", message).into_response())
        }
        ComposeState::Running => Ok(text(format!("Build {path} is still running.\n"))),
        ComposeState::Finished | ComposeState::Failed => {
            let kilobytes = parameters
                .get("size")
                .and_then(|size| size.parse::<usize>().ok());
            Ok(text(end_of(
                log_of(&weldr, &compose, &path).await?,
                kilobytes,
            )))
        }
    }
}

/// The last kilobytes of a text; all of it if none are named.
fn end_of(mut log: String, kilobytes: Option<usize>) -> String {
    let from = kilobytes.map_or(0, |size| {
        log.len().saturating_sub(size.saturating_mul(1024))
    });
    let from = (from..=log.len())
        .find(|&at| log.is_char_boundary(at))
        .unwrap_or(0);
    log.split_off(from)
}

pub(super) async fn cancel(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    let compose = known(&weldr, &path).await?;
    weldr
        .service
        .cancel_compose(&weldr.caller, compose.id)
        .await
        .map_err(|error| match error {
            Error::ComposeState { .. } => Refusal::new(
                "BuildInWrongState",
                format!("Build {path} is not in WAITING or RUNNING."),
            ),
            error => refusal(error, &path),
        })?;
    Ok(Json(json!({ "uuid": path, "status": true })))
}

pub(super) async fn remove(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for asked in path.split(',').filter(|id| !id.is_empty()) {
        let Ok(id) = JobId::from_str(asked) else {
            errors.push(entry("UnknownUUID", format!("{asked} is not a valid uuid")));
            continue;
        };
        match weldr.service.delete_compose(&weldr.caller, id).await {
            Ok(()) => deleted.push(json!({ "uuid": asked, "status": true })),
            Err(Error::NoCompose(_)) => {
                errors.push(entry(
                    "UnknownUUID",
                    format!("compose {asked} doesn't exist"),
                ));
            }
            Err(Error::ComposeState { .. }) => {
                let message = format!("Compose {asked} is not in FINISHED or FAILED.");
                errors.push(entry("BuildInWrongState", message));
            }
            Err(error) => errors.push(entry("ComposeError", error.to_string())),
        }
    }
    Ok(Json(json!({ "uuids": deleted, "errors": errors })))
}

/// The composes that are asked for, as lists have them.
async fn listed(
    weldr: &Weldr,
    is_asked: impl Fn(&ComposeEntry) -> bool,
) -> Result<Vec<Value>, Refusal> {
    let composes = weldr
        .service
        .composes(&weldr.caller)
        .await
        .map_err(|error| refusal(error, ""))?;
    let mut entries = Vec::new();
    let is_asked = |compose: &&ComposeEntry| compose.api == API && is_asked(compose);
    for compose in composes.iter().filter(is_asked) {
        let mut value = json!({
            "id": compose.id.to_string(),
            "blueprint": compose.blueprint["name"],
            "version": compose.blueprint["version"],
            "compose_type": compose.image_type,
            "image_size": weldr.service.image_size(compose).await,
            "queue_status": compose.state.to_string(),
            "job_created": seconds(compose.job.created),
        });
        for (key, time) in [
            ("job_started", compose.job.started),
            ("job_finished", compose.job.finished),
        ] {
            if let Some(time) = time {
                value[key] = seconds(time).into();
            }
        }
        entries.push(value);
    }
    Ok(entries)
}

/// Seconds since 1970 with their fraction.
fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// What a compose is made of.
async fn content(
    weldr: &Weldr,
    compose: &ComposeEntry,
    path: &str,
) -> Result<service::Content, Refusal> {
    let content = weldr.service.content(compose).await;
    content.map_err(|error| refusal(error, path))
}

async fn log_of(weldr: &Weldr, compose: &ComposeEntry, path: &str) -> Result<String, Refusal> {
    Ok(compose.log(&content(weldr, compose, path).await?.manifest))
}

async fn known(weldr: &Weldr, path: &str) -> Result<ComposeEntry, Refusal> {
    let id = uuid(path, "a valid uuid")?;
    weldr
        .service
        .compose(&weldr.caller, id)
        .await
        .map_err(|error| refusal(error, path))
}

/// A compose that has to stand in one of these states.
async fn known_in(
    weldr: &Weldr,
    path: &str,
    states: &[ComposeState],
) -> Result<ComposeEntry, Refusal> {
    let compose = known(weldr, path).await?;
    if states.contains(&compose.state) {
        return Ok(compose);
    }
    let message = format!("Build {path} is in wrong state: {}", compose.state);
    Err(Refusal::new("BuildInWrongState", message))
}

fn uuid(text: &str, what: &str) -> Result<JobId, Refusal> {
    JobId::from_str(text).map_err(|_| Refusal::new("UnknownUUID", format!("{text} is not {what}")))
}

fn refusal(error: Error, path: &str) -> Refusal {
    match error {
        Error::NoCompose(_) => Refusal::new("UnknownUUID", format!("Compose {path} doesn't exist")),
        error => Refusal::internal(&error),
    }
}
