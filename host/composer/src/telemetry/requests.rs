//! What is done for every request: it gets an id, is a span of the log, and is counted.
use super::Metrics;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::Response;
use std::time::Instant;
use tracing::{Instrument, debug, info, info_span, warn};
use uuid::Uuid;

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
    let id = id_of(&request);
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let span = info_span!("request", request = id.to_str().unwrap_or_default());
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), begun.elapsed());
    metrics.answered(method, &route, status.as_u16(), took);
    let (status_number, milliseconds) = (status.as_u16(), took.as_millis());
    span.in_scope(|| {
        if status.is_server_error() {
            warn!("{method} {route}: {status_number} in {milliseconds} ms");
        } else if method == "GET" || status.is_success() && route.ends_with("/{token}") {
            debug!("{method} {route}: {status_number} in {milliseconds} ms");
        } else {
            info!("{method} {route}: {status_number} in {milliseconds} ms");
        }
    });
    response.headers_mut().insert(ID, id);
    response
}

/// The id that the client gave, if it can stand in a log; else a new one.
fn id_of(request: &Request) -> HeaderValue {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let given = request.headers().get(&ID).filter(|id| {
        let id = id.as_bytes();
        !id.is_empty() && id.len() <= LONGEST_ID && id.iter().all(is_letter)
    });
    given.cloned().unwrap_or_else(|| {
        let id = Uuid::new_v4().to_string();
        // A UUID has digits and dashes.
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static(NO_ROUTE))
    })
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
