//! What a document of the right form says that cannot be built, as far as the document alone shows it.
use crate::json::Value;
use crate::location::Location;
use crate::model::{Manifest, Source, Stage};
use crate::problem::{Path, PathElement, ValidationError};

/// Locations of stages that name an input or a mount that the stage does not have, and URLs that are none, in the order of the manifest.
/// Places are those of a version 2 document.
pub fn unbuildable(manifest: &Manifest) -> Vec<ValidationError> {
    let mut problems = Vec::new();
    for (at, pipeline) in manifest.pipelines.iter().enumerate() {
        for (number, stage) in pipeline.stages.iter().enumerate() {
            let mut path: Path = vec![
                "pipelines".into(),
                at.into(),
                "stages".into(),
                number.into(),
                "options".into(),
            ];
            locations(stage, stage.requested_options(), &mut path, &mut problems);
        }
    }
    manifest
        .sources
        .iter()
        .for_each(|source| urls(source, &mut problems));
    problems
}

/// Looks through all texts of a value.
fn locations(stage: &Stage, value: &Value, path: &mut Path, problems: &mut Vec<ValidationError>) {
    let mut below = |element: PathElement, value: &Value| {
        path.push(element);
        locations(stage, value, path, problems);
        path.pop();
    };
    if let Some(items) = value.as_array() {
        for (at, item) in items.iter().enumerate() {
            below(at.into(), item);
        }
    } else if let Some(members) = value.as_object() {
        for (key, member) in members {
            below(key.to_string_lossy().into_owned().into(), member);
        }
    } else if let Some(message) = value.as_str().and_then(|text| unknown(stage, text)) {
        problems.push(ValidationError::new(path, message));
    }
}

/// What is wrong with a location.
fn unknown(stage: &Stage, text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let name = rest.split_once('/')?.0;
    let known = match scheme {
        "input" => stage.inputs.iter().any(|input| input.name == name),
        "mount" => name.is_empty() || stage.mounts.iter().any(|mount| mount.name == name),
        _ => true,
    };
    (!known).then(|| format!("the stage has no {scheme} `{}`", name.escape_debug()))
}

/// The URLs of files that are downloaded.
fn urls(source: &Source, problems: &mut Vec<ValidationError>) {
    if source.module != "org.osbuild.curl" {
        return;
    }
    for (key, item) in source.items.as_object().into_iter().flatten() {
        let url = item.as_str().or_else(|| item.get("url")?.as_str());
        if let Some(Err(problem)) = url.map(Location::parse) {
            let start = ["sources", source.module.as_str(), "items"];
            let start = start.into_iter().map(PathElement::from);
            let path: Path = start
                .chain([key.to_string_lossy().into_owned().into()])
                .collect();
            problems.push(ValidationError::new(&path, problem));
        }
    }
}
