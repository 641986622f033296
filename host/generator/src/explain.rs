//! What each member of a blueprint does to a manifest. Nothing is looked up in a table: the manifest is made without the
//! member, and what then differs is what the member does.
use crate::GeneratorError;
use crate::content::{Content, Repository};
use crate::mock;
use crate::plan::Plan;
use crate::request::Request;
use osbuild_wasm_blueprint::Blueprint;
use serde_json::{Map, Value};

/// What one member of a blueprint does.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The member, dotted: `customizations.kernel.append`.
    pub member: String,
    /// What it changes, in the order of the manifest; empty: nothing.
    pub changes: Vec<Change>,
}

/// What a member changes in a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Pipeline.
    pub pipeline: String,
    /// What it is.
    pub kind: ChangeKind,
}

/// A change of one pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// Packages are asked for besides.
    Packages(Vec<String>),
    /// A stage is there because of the member: its name, its options.
    Added(String, Value),
    /// A stage has other options because of the member: its name, and the options that differ.
    Changed(String, Value),
    /// A stage is not there because of the member: its name.
    Removed(String),
}

/// What each member of the request's blueprint does, in the order of the document.
///
/// # Errors
/// No manifest can be made of the whole blueprint.
pub fn explain(request: &Request<'_>) -> Result<Vec<Effect>, GeneratorError> {
    let repositories = [anywhere()];
    let request = &Request {
        repositories: &repositories,
        ..*request
    };
    let whole = outcome(request, request.blueprint)?;
    let document = request.blueprint.to_value();
    let mut effects = Vec::new();
    for path in members(&document) {
        let reduced = without(&document, &path);
        let Some(blueprint) = serde_json::from_value::<Blueprint>(reduced).ok() else {
            continue;
        };
        let Ok(reduced) = outcome(request, &blueprint) else {
            continue;
        };
        effects.push(Effect {
            member: path.join("."),
            changes: changes(&reduced, &whole),
        });
    }
    Ok(effects)
}

/// Makes the manifest of invented content, to see whether there is one.
///
/// # Errors
/// There is none.
pub fn rehearse(request: &Request<'_>) -> Result<(), GeneratorError> {
    let request = Request {
        repositories: &[anywhere()],
        ..*request
    };
    outcome(&request, request.blueprint).map(drop)
}

/// Content is invented, and where it comes from makes no difference.
fn anywhere() -> Repository {
    Repository {
        id: "any".into(),
        ..Repository::default()
    }
}

/// What a blueprint leads to: content that is asked for, and stages, by pipeline.
struct Outcome {
    pipelines: Vec<(String, Content, Vec<Value>)>,
}

fn outcome(request: &Request<'_>, blueprint: &Blueprint) -> Result<Outcome, GeneratorError> {
    let plan = Plan::new(Request {
        blueprint,
        ..*request
    })?;
    let needs = plan.content();
    let resolved = mock::resolve_all(&needs, request.arch, blueprint);
    let manifest = plan.manifest(&resolved)?;
    let stages = |name: &str| -> Vec<Value> {
        let pipelines = manifest["pipelines"].as_array().into_iter().flatten();
        let found = pipelines.filter(|pipeline| pipeline["name"] == name);
        found
            .filter_map(|pipeline| pipeline["stages"].as_array())
            .flatten()
            .cloned()
            .collect()
    };
    let pipelines = needs.into_iter().map(|(name, content)| {
        let stages = stages(&name);
        (name, content, stages)
    });
    Ok(Outcome {
        pipelines: pipelines.collect(),
    })
}

/// Paths of the members that are explained: everything that is no table, and packages and containers as lists.
fn members(document: &Value) -> Vec<Vec<String>> {
    const HEAD: [&str; 5] = ["name", "description", "version", "distro", "architecture"];
    let mut found = Vec::new();
    let top = document.as_object().into_iter().flatten();
    for (key, value) in top.filter(|(key, _)| !HEAD.contains(&key.as_str())) {
        collect(vec![key.clone()], value, &mut found);
    }
    found
}

fn collect(path: Vec<String>, value: &Value, found: &mut Vec<Vec<String>>) {
    // The members of a disk describe one thing together.
    let is_whole =
        path.len() == 2 && ["disk", "openscap", "fdo", "ignition"].contains(&path[1].as_str());
    match value {
        Value::Object(members) if !is_whole => {
            for (key, value) in members {
                let mut path = path.clone();
                path.push(key.clone());
                collect(path, value, found);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        _ => found.push(path),
    }
}

fn without(document: &Value, path: &[String]) -> Value {
    let mut document = document.clone();
    if let Some((last, above)) = path.split_last() {
        let parent = above
            .iter()
            .try_fold(&mut document, |value, key| value.get_mut(key));
        if let Some(parent) = parent.and_then(Value::as_object_mut) {
            parent.remove(last);
        }
    }
    document
}

fn changes(before: &Outcome, after: &Outcome) -> Vec<Change> {
    let mut changes = Vec::new();
    for (pipeline, content, stages) in &after.pipelines {
        let old = before
            .pipelines
            .iter()
            .find(|(name, _, _)| name == pipeline);
        let (old_content, old_stages) = old.map_or((None, &[][..]), |(_, content, stages)| {
            (Some(content), stages)
        });
        let change = |kind| Change {
            pipeline: pipeline.clone(),
            kind,
        };
        let packages = added_packages(old_content, content);
        if !packages.is_empty() {
            changes.push(change(ChangeKind::Packages(packages)));
        }
        changes.extend(stage_changes(old_stages, stages).into_iter().map(change));
    }
    changes
}

fn added_packages(before: Option<&Content>, after: &Content) -> Vec<String> {
    let names = |content: &Content| -> Vec<String> {
        content
            .transactions
            .iter()
            .flat_map(|transaction| transaction.include.iter().cloned())
            .collect()
    };
    let before = before.map(names).unwrap_or_default();
    let mut added: Vec<String> = names(after)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    added.dedup();
    added
}

/// What differs between two lists of stages: those in common, in order, stay; of the rest, the ones with the same name
/// at the same place have changed.
fn stage_changes(before: &[Value], after: &[Value]) -> Vec<ChangeKind> {
    let comparable = |stages: &[Value]| -> Vec<(String, Value)> {
        stages.iter().filter_map(comparable).collect()
    };
    let (before, after) = (comparable(before), comparable(after));
    let mut changes = Vec::new();
    let (mut old, mut new) = (0, 0);
    for (next_old, next_new) in common(&before, &after)
        .into_iter()
        .chain([(before.len(), after.len())])
    {
        changes.extend(gap(&before[old..next_old], &after[new..next_new]));
        (old, new) = (next_old + 1, next_new + 1);
    }
    changes
}

/// Name and options of a stage, without what is drawn from the seed; none for packages, which are told apart.
fn comparable(stage: &Value) -> Option<(String, Value)> {
    let name = stage["type"].as_str()?.to_string();
    let options = stage.get("options").cloned().unwrap_or(Value::Null);
    (name != "org.osbuild.rpm").then(|| (name, without_ids(options)))
}

/// Identifiers drawn from the seed are others as soon as one more is drawn before them.
fn without_ids(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(
            text.split(' ')
                .map(without_id)
                .collect::<Vec<_>>()
                .join(" "),
        ),
        Value::Array(items) => items.into_iter().map(without_ids).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key, without_ids(value)))
            .collect(),
        other => other,
    }
}

fn without_id(word: &str) -> String {
    let is_id = |text: &str| {
        text.len() == 36
            && text
                .chars()
                .enumerate()
                .all(|(index, character)| match index {
                    8 | 13 | 18 | 23 => character == '-',
                    _ => character.is_ascii_hexdigit() && !character.is_ascii_uppercase(),
                })
    };
    let cut = word.rfind(['=', '/']).map_or(0, |at| at + 1);
    if is_id(&word[cut..]) {
        format!("{}UUID", &word[..cut])
    } else {
        word.to_string()
    }
}

/// Pairs of places of the longest common subsequence.
fn common(before: &[(String, Value)], after: &[(String, Value)]) -> Vec<(usize, usize)> {
    let mut lengths = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for old in (0..before.len()).rev() {
        for new in (0..after.len()).rev() {
            lengths[old][new] = match before[old] == after[new] {
                true => lengths[old + 1][new + 1] + 1,
                false => lengths[old + 1][new].max(lengths[old][new + 1]),
            };
        }
    }
    let (mut old, mut new) = (0, 0);
    let mut pairs = Vec::new();
    while old < before.len() && new < after.len() {
        if before[old] == after[new] {
            pairs.push((old, new));
            (old, new) = (old + 1, new + 1);
        } else if lengths[old + 1][new] >= lengths[old][new + 1] {
            old += 1;
        } else {
            new += 1;
        }
    }
    pairs
}

fn gap(before: &[(String, Value)], after: &[(String, Value)]) -> Vec<ChangeKind> {
    let mut left: Vec<&(String, Value)> = before.iter().collect();
    let mut changes = Vec::new();
    for (name, options) in after {
        match left.iter().position(|(old, _)| old == name) {
            Some(at) => {
                let (_, old) = left.remove(at);
                changes.push(ChangeKind::Changed(name.clone(), difference(old, options)));
            }
            None => changes.push(ChangeKind::Added(name.clone(), options.clone())),
        }
    }
    changes.extend(
        left.into_iter()
            .map(|(name, _)| ChangeKind::Removed(name.clone())),
    );
    changes
}

/// The members of the new options that the old ones have not, or have otherwise.
fn difference(before: &Value, after: &Value) -> Value {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let differs = |(key, value): (&String, &Value)| match before.get(key) {
                Some(old) if old == value => None,
                Some(old) => Some((key.clone(), difference(old, value))),
                None => Some((key.clone(), value.clone())),
            };
            Value::Object(after.iter().filter_map(differs).collect::<Map<_, _>>())
        }
        _ => after.clone(),
    }
}
