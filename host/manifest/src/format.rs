//! Which format a document has, and how the earliest one becomes v1.

use crate::json::{Object, Text, Value};

/// The formats of a manifest document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A pipeline at top level, as the first releases of osbuild took it: `name`, `build`, `stages`, `assembler`, all but `stages` optional.
    Earliest,
    /// `pipeline` and `sources`.
    V1,
    /// `"version": "2"`, `pipelines` and `sources`.
    V2,
}

/// The document's `version` is none that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unsupported manifest format")]
pub struct UnsupportedFormat {
    /// The `version` of the document, as JSON.
    pub version: String,
}

/// Tells the format of a document. One that is no object counts as v1, whose validation says what is wrong.
pub fn detect(document: &Value) -> Result<Format, UnsupportedFormat> {
    match document.get("version") {
        Some(version) => match version.as_str() {
            Some("1") => Ok(Format::V1),
            Some("2") => Ok(Format::V2),
            _ => Err(UnsupportedFormat {
                version: crate::json::to_python(version),
            }),
        },
        None if document.get("stages").is_some() && document.get("pipeline").is_none() => {
            Ok(Format::Earliest)
        }
        None => Ok(Format::V1),
    }
}

/// Turns a document of the earliest form into v1: what is at top level goes into `pipeline`, but for `sources`, and the
/// pipelines lose the `name` that v1 does not know.
pub fn earliest_to_v1(document: &Value) -> Value {
    let mut sources = Object::new();
    let mut pipeline = Object::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        let target = if *key == "sources" {
            &mut sources
        } else {
            &mut pipeline
        };
        target.insert(key.clone(), value.clone());
    }
    let mut v1 = Object::new();
    v1.insert(
        Text::from("pipeline"),
        without_names(Value::Object(pipeline)),
    );
    v1.extend(sources);
    Value::Object(v1)
}

/// Drops the (textual) `name` of a pipeline and of the build pipelines in it.
fn without_names(mut pipeline: Value) -> Value {
    let mut current = &mut pipeline;
    while let Value::Object(members) = current {
        if members
            .get("name")
            .is_some_and(|name| name.as_text().is_some())
        {
            members.shift_remove("name");
        }
        let Some(Value::Object(build)) = members.get_mut("build") else {
            break;
        };
        match build.get_mut("pipeline") {
            Some(inner) => current = inner,
            None => break,
        }
    }
    pipeline
}
