//! What a document of the right form says that cannot be built, as far as the document alone shows it.
use crate::json::{Object, Text, Value};
use crate::model::{Manifest, Source, Stage};
use crate::origin::{ImageOrigin, Remote, url};
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
        .for_each(|source| problems.extend(misread(source)));
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

/// The items and mirrors of a source whose place cannot be read, each with its path in a document of version 2 and what is wrong: nothing
/// of it can be shown, judged or fetched.
pub fn misread(source: &Source) -> Vec<ValidationError> {
    let module = source.module.as_str();
    let each = |steps: &[&'static str], members: Option<&Object>, read: Read| {
        let wrong = |(key, value): (&Text, &Value)| {
            let problem = read(value).err()?;
            let steps = ["sources", module].into_iter().chain(steps.iter().copied());
            let key = key.to_string_lossy().into_owned();
            let path: Path = steps.map(PathElement::from).chain([key.into()]).collect();
            Some(ValidationError::new(&path, problem))
        };
        members.into_iter().flatten().filter_map(wrong).collect()
    };
    let items = |read| each(&["items"], source.items.as_object(), read);
    match module {
        "org.osbuild.curl" => items(|item| url(item).map(drop)),
        "org.osbuild.ostree" => items(remotes),
        "org.osbuild.skopeo" | "org.osbuild.skopeo-index" => items(|item| {
            let image = item.get("image");
            image.map_or(Ok(()), |image| ImageOrigin::read(image).map(drop))
        }),
        "org.osbuild.librepo" => {
            let mirrors = source.options.get("mirrors").and_then(Value::as_object);
            each(&["options", "mirrors"], mirrors, |mirror| {
                Remote::of_mirror(mirror).map(drop)
            })
        }
        _ => Vec::new(),
    }
}

/// Reads a place, only to see whether that can be done.
type Read = fn(&Value) -> Result<(), String>;

/// The remotes of a commit.
fn remotes(item: &Value) -> Result<(), String> {
    let remote = item.get("remote");
    let texts = ["url", "contenturl"].map(|member| remote?.get(member)?.as_str());
    let mut texts = texts.into_iter().flatten();
    texts.try_for_each(|text| Remote::of_ostree(text).map(drop))
}
