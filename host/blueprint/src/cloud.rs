//! The customizations of a request to the cloud API, which has other names for some of them.
//!
//! The document is brought into the form of a blueprint and goes on as one; what is wrong is told with the names and places of the
//! document. What a blueprint can say beyond the cloud API inside of a customization is taken as well.

use crate::diagnostic::{Diagnostic, Problem, dotted};
use crate::document::{Document, Syntax};
use crate::model::Blueprint;
use crate::parse::{Options, Parsed, Strictness, examine, tell};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_manifest::problem::{Path, PathElement};
use serde_json::{Map, Value, json};

const CUSTOMIZATIONS: &str = "customizations";

/// Members of the request that a blueprint has outside of its customizations.
const OUTER: [&str; 3] = ["containers", "enabled_modules", "packages"];
/// Members that are customizations of the same name.
const SAME: [&str; 20] = [
    "cacerts",
    "directories",
    "disk",
    "fdo",
    "files",
    "filesystem",
    "fips",
    "firewall",
    "hostname",
    "ignition",
    "installation_device",
    "installer",
    "kernel",
    "locale",
    "openscap",
    "partitioning_mode",
    "rhsm",
    "rpm",
    "services",
    "timezone",
];
/// Members that are customizations of another name.
const OTHER: [(&str, &str); 3] = [
    ("custom_repositories", "repositories"),
    ("groups", "group"),
    ("users", "user"),
];
/// Members of the items of a customization, and their names in a blueprint.
const INNER: [(&str, &str, &str); 6] = [
    ("filesystem", "min_size", "minsize"),
    ("custom_repositories", "baseurl", "baseurls"),
    ("custom_repositories", "gpgkey", "gpgkeys"),
    ("custom_repositories", "check_gpg", "gpgcheck"),
    ("custom_repositories", "check_repo_gpg", "repo_gpgcheck"),
    ("custom_repositories", "ssl_verify", "sslverify"),
];
/// Members that are options of the request, and no part of a blueprint.
const OPTIONS: [&str; 2] = ["payload_repositories", "subscription"];

impl Blueprint {
    /// Reads the member `customizations` of a request to the cloud API. The blueprint has no name; `payload_repositories` and
    /// `subscription` are options of the request, left to whoever reads that.
    ///
    /// # Errors
    /// As [`Blueprint::from_json`].
    pub fn from_cloud(text: &str, options: Options) -> Result<Parsed, Vec<Diagnostic>> {
        let document = Document::parse(text, Syntax::Json).map_err(|error| vec![error])?;
        let (value, mut problems) = document.values();
        let value = match value {
            Value::Object(members) => as_blueprint(members, options.strictness, &mut problems),
            // It is as wrong as it would be as a blueprint.
            other => other,
        };
        let known = problems.len();
        // That a name is missing is no news.
        let options = Options {
            services: false,
            ..options
        };
        let blueprint = examine(value, Syntax::Json, options, &mut problems);
        let new = problems.split_off(known).into_iter();
        problems.extend(new.map(in_request));
        tell(&document, blueprint, problems)
    }
}

/// The members of the request as those of a blueprint.
fn as_blueprint(
    members: Map<String, Value>,
    strictness: Strictness,
    problems: &mut Vec<Problem>,
) -> Value {
    let mut blueprint = Map::new();
    let (mut customizations, mut parents) = (Map::new(), Vec::new());
    for (key, mut value) in members {
        if value.is_null() || OPTIONS.contains(&key.as_str()) {
            continue;
        }
        let other = OTHER.iter().find(|(name, _)| *name == key);
        rename_inner(&key, &mut value);
        match key.as_str() {
            "packages" => _ = blueprint.insert(key, packages(value)),
            "fips" => _ = customizations.insert(key, fips(value)),
            "files" => {
                parents = decode_files(&mut value, problems);
                customizations.insert(key, value);
            }
            name if OUTER.contains(&name) => _ = blueprint.insert(key, value),
            name if SAME.contains(&name) => _ = customizations.insert(key, value),
            _ => match other {
                Some((_, name)) => _ = customizations.insert((*name).to_owned(), value),
                None => problems.push(unknown(&key).warning_if(strictness == Strictness::Lenient)),
            },
        }
    }
    make_parents(parents, &mut customizations);
    blueprint.insert(CUSTOMIZATIONS.to_owned(), customizations.into());
    blueprint.into()
}

fn unknown(key: &str) -> Problem {
    let names = OUTER.iter().chain(&SAME).chain(&OPTIONS);
    let names = names.chain(OTHER.iter().map(|(name, _)| name));
    let hint = match nearest(key, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "known here: {}",
            names
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let message = format!("`{key}` is not known in the customizations of a request");
    Problem::error(vec![key.into()], message, "not known here", hint).of_key()
}

fn rename_inner(key: &str, value: &mut Value) {
    let items = value.as_array_mut().into_iter().flatten();
    for item in items.filter_map(Value::as_object_mut) {
        for (_, name, new) in INNER.iter().filter(|(outer, ..)| *outer == key) {
            if let Some(value) = item.shift_remove(*name) {
                item.insert((*new).to_owned(), value);
            }
        }
    }
}

/// Names become packages.
fn packages(value: Value) -> Value {
    let package = |item: Value| match item {
        Value::String(_) => json!({"name": item}),
        other => other,
    };
    match value {
        Value::Array(items) => items.into_iter().map(package).collect(),
        other => other,
    }
}

/// `{"enabled": true}` becomes `true`.
fn fips(value: Value) -> Value {
    match value {
        Value::Object(mut members) if members.len() == 1 => {
            members.remove("enabled").unwrap_or_else(|| members.into())
        }
        other => other,
    }
}

/// Directories that files want to be made with all above them.
fn make_parents(parents: Vec<String>, customizations: &mut Map<String, Value>) {
    if parents.is_empty() {
        return;
    }
    let directories = customizations
        .entry("directories")
        .or_insert_with(|| json!([]));
    // What is no list is told as such.
    let Some(directories) = directories.as_array_mut() else {
        return;
    };
    for parent in parents {
        let mut given = directories.iter_mut();
        match given.find(|directory| directory["path"] == parent.as_str()) {
            Some(directory) => directory["ensure_parents"] = true.into(),
            None => directories.push(json!({"path": parent, "ensure_parents": true})),
        }
    }
}

/// The directory of a file whose path is in order.
fn parent(path: &Value) -> Option<String> {
    let (parent, _) = path.as_str()?.rsplit_once('/')?;
    let parts = parent.strip_prefix('/')?.split('/');
    let is_plain = parts
        .into_iter()
        .all(|part| !matches!(part, "" | "." | ".."));
    is_plain.then(|| parent.to_owned())
}

/// What files of a request have and those of a blueprint have not: content in base64 becomes text. Returns the directories that are to be
/// made for files, with all above them.
fn decode_files(value: &mut Value, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut parents = Vec::new();
    let items = value.as_array_mut().into_iter().flatten().enumerate();
    for (index, file) in items.filter_map(|(index, file)| Some((index, file.as_object_mut()?))) {
        let place = |key: &str| vec!["files".into(), index.into(), key.into()];
        let encoding = file.shift_remove("data_encoding").unwrap_or_default();
        let is_base64 = encoding == "base64";
        if !is_base64 && !encoding.is_null() && encoding != "plain" {
            let message = format!("`files[{index}].data_encoding` cannot be {encoding}");
            let expected = "expected `plain` or `base64`";
            problems.push(Problem::error(
                place("data_encoding"),
                message,
                expected,
                "leave it out for a plain text",
            ));
        }
        if let (true, Some(Value::String(data))) = (is_base64, file.get_mut("data")) {
            let bytes = BASE64_STANDARD.decode(data.as_bytes()).ok();
            match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => *data = text,
                None => {
                    let message = format!("`files[{index}].data` is not a text in base64");
                    let hint = "only texts can be the content of files of a blueprint; put other content into a package";
                    problems.push(Problem::error(
                        place("data"),
                        message,
                        "expected a text in base64",
                        hint,
                    ));
                }
            }
        }
        match file.shift_remove("ensure_parents").unwrap_or_default() {
            Value::Bool(true) => parents.extend(file.get("path").and_then(parent)),
            Value::Bool(false) | Value::Null => {}
            _ => {
                let message = format!("`files[{index}].ensure_parents` must be a boolean");
                problems.push(Problem::error(
                    place("ensure_parents"),
                    message,
                    "expected true or false",
                    "it makes the directories above the file",
                ));
            }
        }
    }
    parents
}

/// A problem with the names and the place of the request.
fn in_request(mut problem: Problem) -> Problem {
    let before = dotted(&problem.path);
    problem.path = path_in_request(&problem.path);
    let message = problem.message.replace(&before, &dotted(&problem.path));
    let rename = |message: String, (name, own): &(&str, &str)| {
        message.replace(&format!("{CUSTOMIZATIONS}.{own}"), name)
    };
    let message = OTHER.iter().fold(message, rename);
    problem.message = message.replace(&format!("{CUSTOMIZATIONS}."), "");
    problem
}

fn path_in_request(path: &[PathElement]) -> Path {
    let key = |index: usize| match path.get(index) {
        Some(PathElement::Key(key)) => key.as_str(),
        _ => "",
    };
    match (key(0), key(1)) {
        ("packages", _) if key(2) == "name" => return path[..2].to_vec(),
        (CUSTOMIZATIONS, "fips") => return vec!["fips".into(), "enabled".into()],
        (CUSTOMIZATIONS, _) => {}
        _ => return path.to_vec(),
    }
    let mut path = path[1..].to_vec();
    let Some(PathElement::Key(first)) = path.first_mut() else {
        return path;
    };
    if let Some((name, _)) = OTHER.iter().find(|(_, own)| own == first) {
        *first = (*name).to_owned();
    }
    let outer = first.clone();
    if let Some(PathElement::Key(inner)) = path.get_mut(2) {
        let is_it = |(of, _, own): &&(&str, &str, &str)| *of == outer && own == inner;
        if let Some((_, name, _)) = INNER.iter().find(is_it) {
            *inner = (*name).to_owned();
        }
    }
    path
}
