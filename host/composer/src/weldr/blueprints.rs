//! Blueprints.
use super::query::{Content, Format, Parameters, Path, name, names};
use super::reply::{Json, Refusal, entry, text};
use super::{Version, Weldr};
use crate::service::{Change, Error, Packaged, Solved};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use osbuild_wasm_blueprint::{Blueprint, Options, Strictness, Syntax};
use serde_json::{Value, json};

/// What upstream says before the reason why a body cannot be read.
const NOT_UNDERSTOOD: &str = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand: ";

/// The number of changes that `changes` says it answers at most; it answers all of them.
const CHANGES_LIMIT: usize = 20;

pub(super) async fn list(
    State(weldr): State<Weldr>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let page = parameters.page()?;
    let names = weldr
        .service
        .blueprint_names(&weldr.caller)
        .await
        .map_err(refusal)?;
    let (part, offset, limit) = page.of(&names);
    Ok(Json(
        json!({ "total": names.len(), "offset": offset, "limit": limit, "blueprints": part }),
    ))
}

pub(super) async fn info(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (names, format) = asked(&path, &parameters)?;
    let (mut blueprints, mut changes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match weldr.service.blueprint(&weldr.caller, name).await {
            Ok(found) if format == Format::Toml => return Ok(text(found.blueprint.to_toml())),
            Ok(found) => {
                blueprints.push(found.blueprint.to_value());
                changes.push(json!({ "changed": found.changed, "name": name }));
            }
            Err(error @ Error::NoBlueprint(_)) if format == Format::Toml => {
                return Err(refusal(error));
            }
            Err(Error::NoBlueprint(_)) => {
                errors.push(entry("UnknownBlueprint", format!("{name}: ")))
            }
            Err(error) => return Err(refusal(error)),
        }
    }
    Ok(
        Json(json!({ "blueprints": blueprints, "changes": changes, "errors": errors }))
            .into_response(),
    )
}

pub(super) async fn push(
    State(weldr): State<Weldr>,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Json, Refusal> {
    let blueprint = read(&headers, &body)?;
    let arch = match &*blueprint.architecture {
        "" => weldr.service.images().host_arch().to_owned(),
        arch => arch.to_owned(),
    };
    weldr
        .service
        .push(&weldr.caller, blueprint)
        .await
        .map_err(|error| match error {
            Error::Distro { distro, .. } => {
                let message =
                    format!("'{distro}' is not a valid distribution (architecture '{arch}')");
                Refusal::new("BlueprintsError", message)
            }
            error => refusal(error),
        })?;
    Ok(Json::done())
}

pub(super) async fn workspace(
    State(weldr): State<Weldr>,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Json, Refusal> {
    let blueprint = read(&headers, &body)?;
    weldr
        .service
        .push_to_workspace(&weldr.caller, blueprint)
        .await
        .map_err(refusal)?;
    Ok(Json::done())
}

pub(super) async fn drop_from_workspace(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    let dropped = weldr
        .service
        .drop_from_workspace(&weldr.caller, name(&path)?)
        .await;
    dropped.map_err(unknown_to_write)?;
    Ok(Json::done())
}

pub(super) async fn remove(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    weldr
        .service
        .delete_blueprint(&weldr.caller, name(&path)?)
        .await
        .map_err(unknown_to_write)?;
    Ok(Json::done())
}

pub(super) async fn depsolve(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    let (mut blueprints, mut errors) = (Vec::new(), Vec::new());
    for name in names(&path)? {
        match weldr.service.packaged(&weldr.caller, name).await {
            Ok(Packaged {
                blueprint,
                packages,
            }) => {
                let packages = packages.unwrap_or_else(|error| {
                    errors.push(entry("BlueprintsError", format!("{name}: {error}")));
                    Vec::new()
                });
                let dependencies: Vec<Value> = packages.iter().map(dependency).collect();
                blueprints.push(
                    json!({ "blueprint": blueprint.to_value(), "dependencies": dependencies }),
                );
            }
            Err(Error::NoBlueprint(_)) => errors.push(entry(
                "UnknownBlueprint",
                format!("{name}: blueprint not found"),
            )),
            Err(error) => return Err(refusal(error)),
        }
    }
    Ok(Json(json!({ "blueprints": blueprints, "errors": errors })))
}

/// The first name that fails ends it, as upstream does: what comes after it is not answered.
pub(super) async fn freeze(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (names, format) = asked(&path, &parameters)?;
    let (mut blueprints, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        match weldr.service.frozen(&weldr.caller, name).await {
            Ok(blueprint) if format == Format::Toml => return Ok(text(blueprint.to_toml())),
            Ok(blueprint) => blueprints.push(json!({ "blueprint": blueprint.to_value() })),
            Err(Error::NoBlueprint(_)) => {
                errors.push(entry(
                    "UnknownBlueprint",
                    format!("{name}: blueprint not found"),
                ));
                break;
            }
            Err(error) => {
                errors.push(entry("BlueprintsError", format!("{name}: {error}")));
                break;
            }
        }
    }
    if format == Format::Toml {
        return Ok(text(String::new()));
    }
    Ok(Json(json!({ "blueprints": blueprints, "errors": errors })).into_response())
}

pub(super) async fn changes(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    parameters.page()?;
    let (mut blueprints, mut errors) = (Vec::new(), Vec::new());
    for name in names(&path)? {
        let changes = weldr
            .service
            .changes(&weldr.caller, name)
            .await
            .map_err(refusal)?;
        if changes.is_empty() {
            errors.push(entry("UnknownBlueprint", name));
            continue;
        }
        let listed: Vec<Value> = changes.iter().map(listed).collect();
        blueprints.push(json!({ "name": name, "total": listed.len(), "changes": listed }));
    }
    Ok(Json(
        json!({ "blueprints": blueprints, "errors": errors, "limit": CHANGES_LIMIT, "offset": 0 }),
    ))
}

pub(super) async fn change(
    State(weldr): State<Weldr>,
    Path((path, commit)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (name, commit, format) = (name(&path)?, name(&commit)?, parameters.format()?);
    let change = weldr
        .service
        .change(&weldr.caller, name, commit)
        .await
        .map_err(no_commit)?;
    let Some(blueprint) = change.blueprint else {
        return Err(Refusal::new(
            "BlueprintsError",
            format!("no blueprint found for commit {commit}"),
        ));
    };
    if format == Format::Json {
        return Ok(Json(blueprint).into_response());
    }
    let blueprint: Blueprint =
        serde_json::from_value(blueprint).map_err(|error| Refusal::internal(&error))?;
    Ok(text(blueprint.to_toml()))
}

pub(super) async fn diff(
    State(weldr): State<Weldr>,
    Path((path, from, to)): Path<(String, String, String)>,
) -> Result<Json, Refusal> {
    let name = name(&path)?;
    for (given, possible) in [(&from, "NEWEST"), (&to, "WORKSPACE")] {
        if given != possible {
            return Err(Refusal::new(
                "UnknownCommit",
                format!("ggit-error: revspec '{given}' not found (-3)"),
            ));
        }
    }
    let differences = weldr
        .service
        .differences(&weldr.caller, name)
        .await
        .map_err(|error| match error {
            Error::NoBlueprint(name) => Refusal::with(
                StatusCode::NOT_FOUND,
                "UnknownBlueprint",
                format!("Unknown blueprint name: {name}"),
            ),
            error => refusal(error),
        })?;
    let side = |package: &Option<_>| match package {
        Some(package) => json!({ "Package": package }),
        None => Value::Null,
    };
    let differences = differences
        .iter()
        .map(|difference| json!({ "new": side(&difference.new), "old": side(&difference.old) }));
    Ok(Json(json!({ "diff": differences.collect::<Vec<_>>() })))
}

pub(super) async fn undo(
    State(weldr): State<Weldr>,
    Path((path, commit)): Path<(String, String)>,
) -> Result<Json, Refusal> {
    weldr
        .service
        .undo(&weldr.caller, name(&path)?, name(&commit)?)
        .await
        .map_err(no_commit)?;
    Ok(Json::done())
}

pub(super) async fn tag(
    State(weldr): State<Weldr>,
    Path(path): Path<String>,
) -> Result<Json, Refusal> {
    weldr
        .service
        .tag(&weldr.caller, name(&path)?)
        .await
        .map_err(|error| match error {
            Error::NoBlueprint(_) => Refusal::new("BlueprintsError", "Unknown blueprint"),
            Error::NoCommits(_) => Refusal::new("BlueprintsError", "No commits for blueprint"),
            error => refusal(error),
        })?;
    Ok(Json::done())
}

/// A package in a list of what would be installed.
pub(super) fn dependency(package: &Solved) -> Value {
    let mut value = json!({
        "name": package.name,
        "epoch": package.epoch,
        "version": package.version,
        "release": package.release,
        "arch": package.arch,
    });
    // Of what an image has only the path in its repository is known.
    let is_url = package.location.contains("://");
    let texts = [
        (
            "remote_location",
            if is_url { &package.location } else { "" },
        ),
        ("checksum", &package.checksum),
        ("repo_id", &package.repository),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        value[name] = text.into();
    }
    if package.check_gpg {
        value["check_gpg"] = true.into();
    }
    value
}

/// A change in a list: its blueprint is asked for by itself.
fn listed(change: &Change) -> Value {
    json!({
        "commit": change.commit,
        "message": change.message,
        "revision": change.revision,
        "timestamp": change.timestamp,
    })
}

/// The blueprint of a body. Keys that are not known are left out, as upstream does: clients are newer or older than we are.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Blueprint, Refusal> {
    let error = |message: String| Refusal::new("BlueprintsError", message);
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Err(error("missing Content-Type header".into()));
    };
    if body.is_empty() {
        return Err(error("Missing blueprint".into()));
    }
    let syntax = match kind.as_bytes() {
        b"application/json" => Syntax::Json,
        b"text/x-toml" => Syntax::Toml,
        _ => {
            return Err(error(format!(
                "{NOT_UNDERSTOOD}blueprint must be in json or toml format"
            )));
        }
    };
    let text =
        std::str::from_utf8(body).map_err(|wrong| error(format!("{NOT_UNDERSTOOD}{wrong}")))?;
    let options = Options {
        strictness: Strictness::Lenient,
        ..Options::default()
    };
    let parsed = Blueprint::parse(text, syntax, options).map_err(|problems| {
        let problems: Vec<String> = problems
            .into_iter()
            .map(|problem| problem.message)
            .collect();
        error(format!("{NOT_UNDERSTOOD}{}", problems.join("; ")))
    })?;
    Ok(parsed.blueprint)
}

/// The blueprints that are asked for, and in which form: TOML has one of them.
fn asked<'p>(path: &'p str, parameters: &Parameters) -> Result<(Vec<&'p str>, Format), Refusal> {
    let (names, format) = (names(path)?, parameters.format()?);
    if format == Format::Toml && names.len() > 1 {
        let message = "toml format only supported when requesting one blueprint";
        return Err(Refusal::new("HTTPError", message));
    }
    Ok((names, format))
}

fn unknown_to_write(error: Error) -> Refusal {
    match error {
        Error::NoBlueprint(name) => {
            Refusal::new("BlueprintsError", format!("Unknown blueprint: {name}"))
        }
        error => refusal(error),
    }
}

fn no_commit(error: Error) -> Refusal {
    match error {
        Error::NoBlueprint(_) => Refusal::new("UnknownCommit", "Unknown blueprint"),
        Error::NoCommit { .. } => Refusal::new("UnknownCommit", "Unknown commit"),
        error => refusal(error),
    }
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::NoBlueprint(name) => Refusal::new("UnknownBlueprint", format!("{name}: ")),
        Error::Name(_) => Refusal::new("InvalidChars", "Invalid characters in API path"),
        Error::Blueprint(message) => Refusal::new("BlueprintsError", message),
        error => Refusal::internal(&error),
    }
}

/// Whether sources are known by their ids: in the first version they were by their names.
pub(super) fn has_ids(weldr: &Weldr) -> bool {
    weldr.version == Version::V1
}
