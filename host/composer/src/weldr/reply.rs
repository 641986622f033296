//! Replies and errors of the API.
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The type of every reply but downloads, TOML included: so the API has it.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// A reply: one document and a line end.
#[derive(Debug)]
pub(crate) struct Json(pub(super) Value);

impl Json {
    /// What a write answers.
    pub(super) fn done() -> Self {
        Self(json!({ "status": true }))
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        (
            [(header::CONTENT_TYPE, JSON)],
            Body::from(format!("{}\n", self.0)),
        )
            .into_response()
    }
}

/// A text instead of a document.
pub(super) fn text(text: String) -> Response {
    ([(header::CONTENT_TYPE, JSON)], text).into_response()
}

/// What the API refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: Value,
}

impl Refusal {
    /// A refusal of a request that is wrong.
    pub(super) fn new(id: &str, message: impl Into<String>) -> Self {
        Self::with(StatusCode::BAD_REQUEST, id, message)
    }

    /// A refusal with another status.
    pub(super) fn with(status: StatusCode, id: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            error: entry(id, message),
        }
    }

    /// What is answered to a path that does not exist.
    pub(super) fn not_found() -> Self {
        let error = json!({ "code": 404, "id": "HTTPError", "msg": "Not Found" });
        Self {
            status: StatusCode::NOT_FOUND,
            error,
        }
    }

    /// A failure of ours. What exactly failed is no one's business; the log has it.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        Self::with(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            error.to_string(),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(json!({ "status": false, "errors": [self.error] })),
        )
            .into_response()
    }
}

/// An error in a list of errors.
pub(super) fn entry(id: &str, message: impl Into<String>) -> Value {
    json!({ "id": id, "msg": message.into() })
}

/// What the API has a path for, and no server implements.
pub(super) async fn not_implemented() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}
