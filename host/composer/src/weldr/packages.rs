//! Packages: as "projects" with their builds, and as "modules", which are nothing else.
use super::Weldr;
use super::blueprints::dependency;
use super::query::{Parameters, Path};
use super::reply::{Json, Refusal};
use crate::service::{Error, PackageInfo, Target, Wish};
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) async fn distros(State(weldr): State<Weldr>, parameters: Parameters) -> Json {
    let images = weldr.service.images();
    let arch = parameters.get("arch").unwrap_or_else(|| images.host_arch());
    Json(json!({ "distros": images.distros(arch) }))
}

pub(super) async fn modules(weldr: State<Weldr>, parameters: Parameters) -> Result<Json, Refusal> {
    listed_modules(weldr, &[], parameters).await
}

pub(super) async fn modules_matching(
    weldr: State<Weldr>,
    Path(globs): Path<String>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    listed_modules(weldr, &split(&globs), parameters).await
}

async fn listed_modules(
    State(weldr): State<Weldr>,
    globs: &[String],
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let (page, target) = (parameters.page()?, parameters.target(&weldr)?);
    let found = weldr
        .service
        .search(&weldr.caller, &target, None, globs)
        .await
        .map_err(|error| of("ModulesError", error))?;
    let mut names: Vec<&str> = found.iter().map(|info| &*info.package.name).collect();
    names.dedup();
    if names.is_empty() && !globs.is_empty() {
        return Err(Refusal::new(
            "UnknownModule",
            "No packages have been found.",
        ));
    }
    let (part, offset, limit) = page.of(&names);
    let modules: Vec<Value> = part
        .iter()
        .map(|name| json!({ "name": name, "group_type": "rpm" }))
        .collect();
    Ok(Json(
        json!({ "total": names.len(), "offset": offset, "limit": limit, "modules": modules }),
    ))
}

pub(super) async fn projects(
    State(weldr): State<Weldr>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let (page, target) = (parameters.page()?, parameters.target(&weldr)?);
    let found = weldr
        .service
        .search(&weldr.caller, &target, None, &[])
        .await
        .map_err(|error| of("ProjectsError", error))?;
    let projects = grouped(&found);
    let (part, offset, limit) = page.of(&projects);
    Ok(Json(
        json!({ "total": projects.len(), "offset": offset, "limit": limit, "projects": part }),
    ))
}

pub(super) async fn project_info(
    State(weldr): State<Weldr>,
    Path(names): Path<String>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let words = Words {
        unknown: "UnknownProject",
        failed: "ProjectsError",
    };
    let (projects, _) = described(&weldr, &names, &parameters, &words).await?;
    Ok(Json(json!({ "projects": projects })))
}

pub(super) async fn module_info(
    State(weldr): State<Weldr>,
    Path(names): Path<String>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let words = Words {
        unknown: "UnknownModule",
        failed: "ModulesError",
    };
    let (mut modules, target) = described(&weldr, &names, &parameters, &words).await?;
    for module in &mut modules {
        let name = module["name"].as_str().unwrap_or_default().to_owned();
        let wish = Wish {
            packages: vec![name.clone()],
            modules: Vec::new(),
        };
        let solved = weldr
            .service
            .depsolve(&weldr.caller, &target, None, &wish)
            .await;
        let solved = solved.map_err(|error| {
            Refusal::new(
                "ModulesError",
                format!("Cannot depsolve package {name}: {error}"),
            )
        })?;
        module["dependencies"] = solved.iter().map(dependency).collect::<Vec<_>>().into();
    }
    Ok(Json(json!({ "modules": modules })))
}

pub(super) async fn depsolve(
    State(weldr): State<Weldr>,
    Path(names): Path<String>,
    parameters: Parameters,
) -> Result<Json, Refusal> {
    let (packages, target) = (split(&names), parameters.target(&weldr)?);
    if packages.is_empty() {
        return Err(Refusal::new("UnknownProject", "No packages specified."));
    }
    let wish = Wish {
        packages,
        modules: Vec::new(),
    };
    let solved = weldr
        .service
        .depsolve(&weldr.caller, &target, None, &wish)
        .await
        .map_err(|error| match error {
            Error::Unsolvable(_) | Error::Packages(_) => {
                Refusal::new("ProjectsError", format!("BadRequest: {error}"))
            }
            error => Refusal::internal(&error),
        })?;
    Ok(Json(
        json!({ "projects": solved.iter().map(dependency).collect::<Vec<_>>() }),
    ))
}

/// The ids of errors: they are called otherwise for projects and for modules.
struct Words {
    unknown: &'static str,
    failed: &'static str,
}

/// Packages of names with their builds.
async fn described(
    weldr: &Weldr,
    names: &str,
    parameters: &Parameters,
    words: &Words,
) -> Result<(Vec<Value>, Target), Refusal> {
    let (names, target) = (split(names), parameters.target(weldr)?);
    if names.is_empty() {
        return Err(Refusal::new(words.unknown, "No packages specified."));
    }
    let found = weldr
        .service
        .search(&weldr.caller, &target, None, &names)
        .await
        .map_err(|error| of(words.failed, error))?;
    if found.is_empty() {
        return Err(Refusal::new(words.unknown, "No packages have been found."));
    }
    Ok((grouped(&found), target))
}

/// One entry for each name, with a build for each version.
fn grouped(found: &[PackageInfo]) -> Vec<Value> {
    let groups = found.chunk_by(|one, other| one.package.name == other.package.name);
    let project = |group: &[PackageInfo]| {
        let first = &group[0];
        json!({
            "name": first.package.name,
            "summary": first.summary,
            "description": first.description,
            "homepage": first.homepage,
            "upstream_vcs": "UPSTREAM_VCS",
            "builds": group.iter().map(build).collect::<Vec<_>>(),
        })
    };
    groups.map(project).collect()
}

/// A version of a package. The words in capitals are upstream's: clients show what is there.
fn build(info: &PackageInfo) -> Value {
    let time = Timestamp::from_second(info.build_time).unwrap_or(Timestamp::UNIX_EPOCH);
    json!({
        "arch": info.package.arch,
        "build_time": time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        "epoch": info.package.epoch,
        "release": info.package.release,
        "source": {
            "license": info.license,
            "version": info.package.version,
            "source_ref": "SOURCE_REF",
            "metadata": {},
        },
        "changelog": "CHANGELOG_NEEDED",
        "build_config_ref": "BUILD_CONFIG_REF",
        "build_env_ref": "BUILD_ENV_REF",
        "metadata": {},
    })
}

fn split(names: &str) -> Vec<String> {
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn of(id: &str, error: Error) -> Refusal {
    match error {
        Error::Unsolvable(_) | Error::Packages(_) => Refusal::new(id, format!("msg: {error}")),
        error => Refusal::internal(&error),
    }
}
