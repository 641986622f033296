//! Replies and errors of the worker API.
use super::Workers;
use crate::door::Denied;
use crate::operation;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What can be refused: its id, its status, what is said. osbuild-composer's catalogue; the first two are those of its cloud API, its workers' has none.
const CATALOGUE: [(u32, u16, &str); 28] = [
    (401, 401, "Account authentication could not be verified"),
    (2, 403, "Account is unauthorized to perform this action"),
    (3, 415, "Only 'application/json' content is supported"),
    (5, 404, "Token not found"),
    (6, 400, "Job is not running"),
    (7, 400, "Given job id is not a uuidv4"),
    (8, 400, "Given job id is not a uuidv4"),
    (
        9,
        400,
        "Invalid format for error id, it should be an integer as a string",
    ),
    (10, 400, "Malformed json, unable to decode body"),
    (11, 404, "Requested resource doesn't exist"),
    (12, 405, "Requested method isn't supported for resource"),
    (13, 406, "Only 'application/json' content is supported"),
    (14, 404, "Error with given id not found"),
    (15, 400, "Requested job type cannot be dequeued"),
    (16, 400, "Tenant not found in JWT claims"),
    (17, 400, "Given worker id is not a uuidv4"),
    (18, 400, "Given worker id doesn't exist"),
    (1000, 500, "Error discarding artifact"),
    (1001, 500, "Error creating artifact"),
    (1002, 500, "Error writing artifact"),
    (1003, 500, "Error resolving id from job token"),
    (1004, 500, "Error finishing job"),
    (1005, 500, "Error requesting job"),
    (1006, 500, "Error requesting job"),
    (1007, 500, "Unable to load openapi spec"),
    (1008, 500, "Unable to register the worker"),
    (1009, 500, "Unable update worker status"),
    (10000, 500, "Unspecified internal error "),
];

/// Where errors are, for all who ask.
const ERRORS: &str = "/api/worker/v1/errors";

/// Something that is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    id: u32,
    status: u16,
    reason: &'static str,
}

impl Refusal {
    /// The error of an id, which has to be in the catalogue.
    pub(super) fn of(id: u32) -> Self {
        Self::known(id).unwrap_or(Self {
            id: 10000,
            status: 500,
            reason: "Unspecified internal error ",
        })
    }

    /// The error of an id, if there is one.
    pub(super) fn known(id: u32) -> Option<Self> {
        let entry = CATALOGUE.iter().find(|entry| entry.0 == id)?;
        Some(Self {
            id: entry.0,
            status: entry.1,
            reason: entry.2,
        })
    }

    /// It as an object. The operation's id is what a log can be searched for.
    pub(super) fn body(&self) -> Value {
        json!({
            "href": format!("{ERRORS}/{}", self.id),
            "id": self.id.to_string(),
            "kind": "Error",
            "code": format!("IMAGE-BUILDER-WORKER-{}", self.id),
            "operation_id": operation::id().to_string(),
            "message": self.reason,
            "reason": self.reason,
        })
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::of(match denied {
            Denied::Unknown => 401,
            Denied::Forbidden => 2,
            Denied::NoTenant => 16,
        })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(self.body())).into_response()
    }
}

/// What every object begins with.
pub(super) fn object(workers: &Workers, path: &str, id: &str, kind: &str) -> Value {
    json!({ "href": format!("{}{path}", workers.options.base), "id": id, "kind": kind })
}

/// A reply with something new.
pub(super) fn created(body: Value) -> Response {
    (StatusCode::CREATED, axum::Json(body)).into_response()
}
