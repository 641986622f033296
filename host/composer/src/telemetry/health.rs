//! Whether the service lives, whether it can work, and its numbers: on a listener of their own, for those who watch over it.
use crate::service::Service;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tracing::warn;

/// The type of the text format of OpenMetrics.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/healthz`: the process answers; `/readyz`: its database and the directory for images can be used; `/metrics`.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(service)
}

async fn alive() -> axum::Json<Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// Why something failed is in the log only.
async fn ready(State(service): State<Service>) -> Response {
    let readiness = service.readiness().await;
    let word = |name: &str, checked: crate::service::Result<()>| match checked {
        Ok(()) => "ok",
        Err(error) => {
            warn!("{name}: {}", osbuild_wasm_files::with_causes(&error));
            "failed"
        }
    };
    let (database, artefacts) = (
        word("database", readiness.database),
        word("artefacts", readiness.artefacts),
    );
    let (status, text) = match (database, artefacts) {
        ("ok", "ok") => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let body = json!({ "status": text, "database": database, "artefacts": artefacts });
    (status, axum::Json(body)).into_response()
}

async fn metrics(State(service): State<Service>) -> Response {
    match service.metrics_text().await {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => {
            warn!("metrics: {}", osbuild_wasm_files::with_causes(&error));
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
