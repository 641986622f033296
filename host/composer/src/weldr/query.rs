//! Parameters of requests.
use super::Weldr;
use super::reply::Refusal;
use crate::service::{Error, Target, is_name};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};

/// The parts of a path. One that is no text has characters that no name has.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(parts)| Self(parts))
            .map_err(|_| invalid_characters())
    }
}

/// The body of a request. Clients take any status but 400, 404 and 500 for success, so one that is too large is refused with 400.
#[derive(Debug)]
pub(super) struct Content(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Content {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await;
        body.map(Self).map_err(|error| {
            let message = format!("BadRequest: the body cannot be read: {}", error.body_text());
            Refusal::new("HTTPError", message)
        })
    }
}

/// The parameters behind `?`. One that is given twice counts as it was given first.
#[derive(Debug)]
pub(super) struct Parameters(HashMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some(broken) = query.split('&').find(|pair| pair.contains(';')) {
            let message =
                format!("invalid query string: invalid semicolon separator in {broken:?}");
            return Err(Refusal::new("InvalidChars", message));
        }
        if let Some(broken) = query.split('&').find(|pair| !is_escaped(pair)) {
            let message = format!("invalid query string: invalid URL escape in {broken:?}");
            return Err(Refusal::new("InvalidChars", message));
        }
        let mut parameters = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            parameters
                .entry(name.into_owned())
                .or_insert_with(|| value.into_owned());
        }
        Ok(Self(parameters))
    }
}

/// Whether every `%` is followed by the two digits of a byte.
fn is_escaped(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The form in which blueprints and sources are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    offset: usize,
    limit: usize,
}

impl Parameters {
    /// A parameter that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The part of a list: the first 20 if nothing else is asked for.
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let number = |name, usual| match self.get(name) {
            None => Ok(usual),
            // A sign is no digit.
            Some(text) if text.starts_with('+') => Err(Refusal::new(
                "BadLimitOrOffset",
                format!("BadRequest: {name} {text:?} is no number"),
            )),
            Some(text) => text.parse().map_err(|error| {
                Refusal::new(
                    "BadLimitOrOffset",
                    format!("BadRequest: {name} {text:?} is no number: {error}"),
                )
            }),
        };
        Ok(Page {
            offset: number("offset", 0)?,
            limit: number("limit", 20)?,
        })
    }

    /// The form of the answer.
    pub(super) fn format(&self) -> Result<Format, Refusal> {
        match self.get("format") {
            None | Some("json") => Ok(Format::Json),
            Some("toml") => Ok(Format::Toml),
            Some(other) => Err(Refusal::new(
                "InvalidChars",
                format!("invalid format parameter: {other}"),
            )),
        }
    }

    /// The system that is asked about: this machine's if nothing else is said.
    pub(super) fn target(&self, weldr: &Weldr) -> Result<Target, Refusal> {
        weldr
            .service
            .target(self.get("distro"), self.get("arch"))
            .map_err(|error| match error {
                Error::Distro { distro, .. } => {
                    Refusal::new("DistroError", format!("Invalid distro: {distro}"))
                }
                error => Refusal::internal(&error),
            })
    }
}

impl Page {
    /// The part of a list, with the offset and the limit that were possible.
    pub(super) fn of<T>(self, list: &[T]) -> (&[T], usize, usize) {
        let offset = self.offset.min(list.len());
        let limit = self.limit.min(list.len() - offset);
        (&list[offset..offset + limit], offset, limit)
    }
}

/// Names of a path, separated by commas. One that is given again is answered once: a short path makes no long answer.
pub(super) fn names(text: &str) -> Result<Vec<&str>, Refusal> {
    let mut seen = HashSet::new();
    let names = text.split(',').filter(|name| !name.is_empty());
    let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
    if names.is_empty() {
        return Err(Refusal::not_found());
    }
    names.iter().try_for_each(|&each| name(each).map(drop))?;
    Ok(names)
}

/// A name of a path.
pub(super) fn name(text: &str) -> Result<&str, Refusal> {
    match is_name(text) {
        true => Ok(text),
        false => Err(invalid_characters()),
    }
}

fn invalid_characters() -> Refusal {
    Refusal::new("InvalidChars", "Invalid characters in API path")
}
