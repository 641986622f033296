//! What is done for every request: it gets an id, is a span of the log, and is counted.
use super::Metrics;
use crate::operation;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::Response;
use std::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, debug, info, info_span, warn};

/// The header in which a client may name its request; it is given back.
const ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const LONGEST_ID: usize = 64;

/// What stands for the route of a request that has none.
const NO_ROUTE: &str = "none";

/// These routes, observed.
pub fn observed(router: Router, metrics: Metrics) -> Router {
    router.layer(middleware::from_fn_with_state(metrics, observe))
}

async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let operation = operation::id().to_string();
    let span = info_span!("request", request = operation, client_request = Empty);
    let given = given_id(&request);
    if let Some(Ok(id)) = given.as_ref().map(HeaderValue::to_str) {
        span.record("client_request", id);
    }
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    metrics.answered(method, &route, status, took);
    let milliseconds = took.as_millis();
    // Reads and signs of life are many.
    let is_frequent = method == "GET" || status < 400 && route.contains("{token}");
    span.in_scope(|| match status {
        500.. => warn!("{method} {route}: {status} in {milliseconds} ms"),
        _ if is_frequent => debug!("{method} {route}: {status} in {milliseconds} ms"),
        _ => info!("{method} {route}: {status} in {milliseconds} ms"),
    });
    // A UUID can stand in a header.
    if let Ok(id) = given.map_or_else(|| HeaderValue::from_str(&operation), Ok) {
        response.headers_mut().insert(ID, id);
    }
    response
}

/// The id that the client gave, if it can stand in a log.
fn given_id(request: &Request) -> Option<HeaderValue> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let given = request.headers().get(&ID).filter(|id| {
        let id = id.as_bytes();
        !id.is_empty() && id.len() <= LONGEST_ID && id.iter().all(is_letter)
    });
    given.cloned()
}

/// Clients can invent methods; the number of labels is bounded.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
