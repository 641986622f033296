//! The Weldr API, as composer-cli and cockpit speak it: HTTP over a unix socket, without authentication; who has the socket may all.
//!
//! Paths, replies and errors are those of osbuild-composer's API in its versions 0 and 1. A handler takes the request apart, makes one
//! call of the service, and says its answer in the words of the API.
mod archive;
mod blueprints;
mod composes;
mod packages;
mod query;
mod reply;
mod sources;

use crate::service::{Caller, DeniedTypes, Service};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, Request, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use reply::{Json, Refusal};
use serde_json::json;

/// The largest body that is read: a blueprint with files in it.
const LARGEST_BODY: usize = 16 << 20;

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Weldr {
    service: Service,
    caller: Caller,
    version: Version,
    denied: DeniedTypes,
}

/// The version of the API that a request is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `/api/v0`
    V0,
    /// `/api/v1`
    V1,
}

/// The routes of the API over a service, without some image types.
pub fn router(service: Service, denied: DeniedTypes) -> Router {
    let state = |version| Weldr {
        service: service.clone(),
        caller: Caller::local(),
        version,
        denied: denied.clone(),
    };
    Router::new()
        .route("/api/status", get(status))
        .nest("/api/v0", routes().with_state(state(Version::V0)))
        .nest(
            "/api/v1",
            routes().merge(newer()).with_state(state(Version::V1)),
        )
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(typed))
}

/// What both versions have.
fn routes() -> Router<Weldr> {
    Router::new()
        .route("/blueprints/list", get(blueprints::list))
        .route("/blueprints/info/{names}", get(blueprints::info))
        .route("/blueprints/new", post(blueprints::push))
        .route("/blueprints/workspace", post(blueprints::workspace))
        .route(
            "/blueprints/workspace/{name}",
            delete(blueprints::drop_from_workspace),
        )
        .route("/blueprints/delete/{name}", delete(blueprints::remove))
        .route("/blueprints/depsolve/{names}", get(blueprints::depsolve))
        .route("/blueprints/freeze/{names}", get(blueprints::freeze))
        .route("/blueprints/changes/{names}", get(blueprints::changes))
        .route("/blueprints/diff/{name}/{from}/{to}", get(blueprints::diff))
        .route("/blueprints/undo/{name}/{commit}", post(blueprints::undo))
        .route("/blueprints/tag/{name}", post(blueprints::tag))
        .route("/projects/source/list", get(sources::list))
        .route("/projects/source/info/{ids}", get(sources::info))
        .route("/projects/source/new", post(sources::add))
        .route("/projects/source/delete/{id}", delete(sources::remove))
        .route("/projects/depsolve/{names}", get(packages::depsolve))
        .route("/projects/list", get(packages::projects))
        .route("/projects/list/", get(packages::projects))
        .route("/projects/info/{names}", get(packages::project_info))
        .route("/modules/list", get(packages::modules))
        .route("/modules/list/{globs}", get(packages::modules_matching))
        .route("/modules/info/{names}", get(packages::module_info))
        .route("/compose", post(composes::start))
        .route("/compose/types", get(composes::types))
        .route("/compose/queue", get(composes::queue))
        .route("/compose/finished", get(composes::finished))
        .route("/compose/failed", get(composes::failed))
        .route("/compose/status/{ids}", get(composes::status))
        .route("/compose/info/{id}", get(composes::info))
        .route("/compose/image/{id}", get(composes::image))
        .route("/compose/metadata/{id}", get(composes::metadata))
        .route("/compose/results/{id}", get(composes::results))
        .route("/compose/logs/{id}", get(composes::logs))
        .route("/compose/log/{id}", get(composes::log))
        .route("/compose/cancel/{id}", delete(composes::cancel))
        .route("/compose/delete/{ids}", delete(composes::remove))
        .method_not_allowed_fallback(not_allowed)
}

/// What only version 1 has. The routes for uploads are part of it, and no server implements them.
fn newer() -> Router<Weldr> {
    Router::new()
        .route("/distros/list", get(packages::distros))
        .route(
            "/blueprints/change/{name}/{commit}",
            get(blueprints::change),
        )
        .route(
            "/compose/uploads/schedule/{id}",
            post(reply::not_implemented),
        )
        .route("/upload/delete/{id}", delete(reply::not_implemented))
        .route("/upload/info/{id}", get(reply::not_implemented))
        .route("/upload/log/{id}", get(reply::not_implemented))
        .route("/upload/reset/{id}", post(reply::not_implemented))
        .route("/upload/cancel/{id}", delete(reply::not_implemented))
        .route("/upload/providers", get(reply::not_implemented))
        .route("/upload/providers/save", post(reply::not_implemented))
        .route(
            "/upload/providers/delete/{provider}/{profile}",
            delete(reply::not_implemented),
        )
}

async fn status() -> Json {
    Json(json!({
        "api": "1",
        "db_supported": true,
        "db_version": "0",
        "schema_version": "0",
        "backend": "osbuild-composer",
        "build": concat!("osbuild-wasm ", env!("CARGO_PKG_VERSION")),
        "msgs": [],
    }))
}

async fn unknown() -> Refusal {
    Refusal::not_found()
}

async fn not_allowed() -> axum::http::StatusCode {
    axum::http::StatusCode::METHOD_NOT_ALLOWED
}

/// Every reply has a type; those that name none are JSON. HEAD is a method like any other that a path does not have.
async fn typed(request: Request<axum::body::Body>, next: Next) -> Response {
    if request.method() == Method::HEAD {
        return axum::response::IntoResponse::into_response(not_allowed().await);
    }
    let mut response = next.run(request).await;
    let json = HeaderValue::from_static(reply::JSON);
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(json);
    response
}
