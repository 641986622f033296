//! Sources of packages.
use super::Weldr;
use super::blueprints::has_ids;
use super::query::{Content, Format, Parameters, Path};
use super::reply::{Json, Refusal, entry, text};
use crate::service::{Error, Source, SourceKind};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use osbuild_wasm_generator::content::Repository;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) async fn list(State(weldr): State<Weldr>) -> Result<Json, Refusal> {
    let with_ids = has_ids(&weldr);
    let sources = weldr
        .service
        .sources(&weldr.caller)
        .await
        .map_err(refusal)?;
    let mut names: Vec<String> = sources
        .into_iter()
        .map(|source| if with_ids { source.id } else { source.name })
        .collect();
    names.sort();
    let system = weldr.service.system_sources().map_err(refusal)?;
    names.extend(system.into_iter().map(|repository| repository.name));
    Ok(Json(json!({ "sources": names })))
}

pub(super) async fn info(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (format, with_ids) = (parameters.format()?, has_ids(&weldr));
    let users = weldr
        .service
        .sources(&weldr.caller)
        .await
        .map_err(refusal)?;
    let system = weldr.service.system_sources().map_err(refusal)?;
    let mut known = Map::new();
    for source in &users {
        let key = if with_ids { &source.id } else { &source.name };
        known.insert(key.clone(), of_user(source, with_ids));
    }
    for repository in &system {
        known.insert(repository.name.clone(), of_system(repository, with_ids));
    }
    let (mut sources, mut errors) = (Map::new(), Vec::new());
    for asked in path.split(',').filter(|name| !name.is_empty()) {
        match (asked, known.get(asked)) {
            ("*", _) => sources = known.clone(),
            (_, Some(source)) => drop(sources.insert(asked.to_owned(), source.clone())),
            (_, None) => errors.push(entry(
                "UnknownSource",
                format!("{asked} is not a valid source"),
            )),
        }
    }
    if format == Format::Toml {
        let written =
            toml::to_string(&Value::Object(sources)).map_err(|error| Refusal::internal(&error))?;
        return Ok(text(written));
    }
    Ok(Json(json!({ "sources": sources, "errors": errors })).into_response())
}

pub(super) async fn add(
    State(weldr): State<Weldr>,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Json, Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], |kind| kind.as_bytes());
    let syntax: fn(&[u8]) -> Result<Given, String> = match kind {
        b"application/json" => {
            |body: &[u8]| serde_json::from_slice(body).map_err(|error| error.to_string())
        }
        b"text/x-toml" => of_toml,
        _ => return Err(Refusal::new("HTTPError", "malformed Content-Type header")),
    };
    if body.is_empty() {
        return Err(Refusal::new("ProjectsError", "Missing source"));
    }
    let given = syntax(&body);
    let source = given.and_then(|given: Given| given.source(has_ids(&weldr)));
    let source = source.map_err(|error| {
        Refusal::new(
            "ProjectsError",
            format!("Problem parsing POST body: {error}"),
        )
    })?;
    weldr
        .service
        .add_source(&weldr.caller, source)
        .await
        .map_err(|error| match error {
            Error::SystemSource(id) => Refusal::new(
                "SystemSource",
                format!("{id} is a system source, it cannot be changed."),
            ),
            error => refusal(error),
        })?;
    Ok(Json::done())
}

pub(super) async fn remove(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    let asked = path.split(',').next().unwrap_or_default();
    let sources = weldr
        .service
        .sources(&weldr.caller)
        .await
        .map_err(refusal)?;
    // By its name a source is asked for in the first version.
    let by_name = sources
        .iter()
        .find(|source| !has_ids(&weldr) && source.name == asked);
    let id = by_name.map_or(asked, |source| &source.id);
    weldr
        .service
        .delete_source(&weldr.caller, id)
        .await
        .map_err(|error| match error {
            Error::SystemSource(id) => Refusal::new(
                "SystemSource",
                format!("{id} is a system source, it cannot be deleted."),
            ),
            Error::NoSource(id) => {
                Refusal::new("UnknownSource", format!("{id} is not a valid source."))
            }
            error => refusal(error),
        })?;
    Ok(Json::done())
}

/// A source as clients write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    url: String,
    check_gpg: bool,
    check_ssl: bool,
    gpgkeys: Vec<String>,
    distros: Vec<String>,
    rhsm: bool,
    check_repogpg: bool,
    module_hotfixes: Option<bool>,
}

impl Given {
    fn source(self, with_ids: bool) -> Result<Source, String> {
        let empty = [
            ("id", with_ids && self.id.is_empty()),
            ("name", self.name.is_empty()),
            ("type", self.kind.is_empty()),
            ("url", self.url.is_empty()),
        ];
        if let Some((field, _)) = empty.into_iter().find(|(_, empty)| *empty) {
            return Err(format!("'{field}' field is missing from request"));
        }
        let kind = serde_json::from_value::<SourceKind>(self.kind.as_str().into());
        let kind = kind.map_err(|_| {
            format!("{:?} is no type of a source: there are yum-baseurl, yum-metalink and yum-mirrorlist", self.kind)
        })?;
        Ok(Source {
            id: if self.id.is_empty() {
                self.name.clone()
            } else {
                self.id
            },
            name: self.name,
            kind,
            url: self.url,
            check_gpg: self.check_gpg,
            check_ssl: self.check_ssl,
            gpgkeys: self.gpgkeys,
            distros: self.distros,
            rhsm: self.rhsm,
            check_repogpg: self.check_repogpg,
            module_hotfixes: self.module_hotfixes,
        })
    }
}

/// A source in TOML: a plain table, or a table of tables, of which the first counts and whose key is its id.
fn of_toml(body: &[u8]) -> Result<Given, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let table: toml::Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut tables: Vec<(&String, &toml::Value)> =
        table.iter().filter(|(_, value)| value.is_table()).collect();
    tables.sort_by_key(|(name, _)| name.as_str());
    let (key, value) = match tables.first() {
        Some((key, value)) => (Some((*key).clone()), (*value).clone()),
        None => (None, toml::Value::Table(table.clone())),
    };
    let mut given: Given = value
        .try_into()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    if let Some(key) = key.filter(|_| given.id.is_empty()) {
        given.id = key;
    }
    Ok(given)
}

fn of_user(source: &Source, with_ids: bool) -> Value {
    let mut value = json!({
        "name": source.name,
        "type": source.kind,
        "url": source.url,
        "check_gpg": source.check_gpg,
        "check_ssl": source.check_ssl,
        "system": false,
    });
    if !source.gpgkeys.is_empty() {
        value["gpgkeys"] = source.gpgkeys.clone().into();
    }
    if source.check_repogpg {
        value["check_repogpg"] = true.into();
    }
    if let Some(hotfixes) = source.module_hotfixes {
        value["module_hotfixes"] = hotfixes.into();
    }
    if with_ids {
        value["id"] = source.id.as_str().into();
        value["rhsm"] = source.rhsm.into();
        if !source.distros.is_empty() {
            value["distros"] = source.distros.clone().into();
        }
    }
    value
}

fn of_system(repository: &Repository, with_ids: bool) -> Value {
    let (kind, url) = match repository {
        Repository { metalink, .. } if !metalink.is_empty() => ("yum-metalink", metalink.clone()),
        Repository { mirrorlist, .. } if !mirrorlist.is_empty() => {
            ("yum-mirrorlist", mirrorlist.clone())
        }
        Repository { baseurls, .. } => ("yum-baseurl", baseurls.join(",")),
    };
    let mut value = json!({
        "name": repository.name,
        "type": kind,
        "url": url,
        "check_gpg": repository.check_gpg == Some(true),
        "check_ssl": repository.ignore_ssl != Some(true),
        "system": true,
    });
    if !repository.gpgkeys.is_empty() {
        value["gpgkeys"] = repository.gpgkeys.clone().into();
    }
    if with_ids {
        value["id"] = repository.name.as_str().into();
        value["rhsm"] = repository.rhsm.into();
    }
    value
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::SourceDistros(names) => Refusal::new(
            "ProjectsError",
            format!("Invalid distributions: {}", names.join(",")),
        ),
        Error::Source(message) => Refusal::new("ProjectsError", message),
        error => Refusal::internal(&error),
    }
}
