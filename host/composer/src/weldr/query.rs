//! Parameters of requests.
use super::Weldr;
use super::reply::Refusal;
use crate::service::{Error, Target, is_name};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::HashMap;

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
        let mut parameters = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            parameters
                .entry(name.into_owned())
                .or_insert_with(|| value.into_owned());
        }
        Ok(Self(parameters))
    }
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

/// Names of a path, separated by commas.
pub(super) fn names(text: &str) -> Result<Vec<&str>, Refusal> {
    let names: Vec<&str> = text.split(',').filter(|name| !name.is_empty()).collect();
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
        false => Err(Refusal::new(
            "InvalidChars",
            "Invalid characters in API path",
        )),
    }
}
