//! JSON Schema draft 4 with osbuild's (that is Python's) reading of it: the only place that sees the `jsonschema` crate.
//!
//! The crate does the work; around it: regular expressions mean what Python's `re.search` means, values are judged as Python reads them, and an error
//! says what osbuild's says.

mod advice;
mod instance;
mod message;
mod pattern;
mod size;

use crate::json::{Text, Value};
use crate::problem::{Path, PathElement, ValidationError};
use jsonschema::paths::{Location, LocationSegment};
use std::collections::HashMap;

/// A schema ready for use.
#[derive(Debug)]
pub struct Schema {
    /// As written: messages quote it.
    source: Value,
    validator: jsonschema::Validator,
    /// Patterns as the validator has them -> as written.
    patterns: HashMap<String, String>,
}

/// A document is no usable schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid JSON schema (draft 4): {0}")]
pub struct SchemaError(String);

impl Schema {
    /// Compiles a schema. `$ref` may point into the schema itself only.
    pub fn compile(source: Value) -> Result<Schema, SchemaError> {
        size::check(&source)?;
        let mut patterns = HashMap::new();
        let rewritten = pattern::rewrite(&source, &mut patterns);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft4)
            .should_validate_formats(false)
            .offline()
            .build(&serde_json::Value::from(&rewritten))
            .map_err(|error| SchemaError(error.to_string()))?;
        Ok(Schema {
            source,
            validator,
            patterns,
        })
    }

    /// Adds what is wrong with `document`, which lies at `place`.
    pub fn check(
        &self,
        document: &Value,
        place: &[PathElement],
        errors: &mut Vec<ValidationError>,
    ) {
        let instance = instance::to_instance(document);
        for error in self.validator.iter_errors(&instance) {
            let inner = path_of(error.instance_path());
            let at = lookup_instance(document, &inner);
            let message = message::describe(self, &error, at);
            let path: Path = place.iter().cloned().chain(inner).collect();
            let mut problem = ValidationError::new(&path, message);
            advice::advise(self, &error, at, document, &mut problem);
            errors.push(problem);
        }
    }

    /// The part of the schema (as written) that a path into the compiled one points to.
    fn at<'s>(&'s self, segments: &[LocationSegment<'_>]) -> Option<&'s Value> {
        segments
            .iter()
            .try_fold(&self.source, |value, segment| match (value, segment) {
                (Value::Array(items), LocationSegment::Index(index)) => items.get(*index),
                (Value::Object(members), LocationSegment::Property(key)) => members
                    .get(key.as_ref())
                    .or_else(|| members.get(self.patterns.get(key.as_ref())?.as_str())),
                (Value::Object(members), LocationSegment::Index(index)) => {
                    members.get(index.to_string().as_str())
                }
                _ => None,
            })
    }
}

fn path_of(location: &Location) -> Path {
    let element = |segment| match segment {
        LocationSegment::Property(key) => PathElement::Key(key.into_owned()),
        LocationSegment::Index(index) => PathElement::Index(index),
    };
    location.iter().map(element).collect()
}

/// The value at a path, where the path can be followed (a key with a lone surrogate has none).
fn lookup_instance<'v>(document: &'v Value, path: &[PathElement]) -> Option<&'v Value> {
    path.iter()
        .try_fold(document, |value, element| match (value, element) {
            (Value::Object(members), PathElement::Key(key)) => members.get(key.as_str()),
            (Value::Object(members), PathElement::Index(index)) => {
                members.get(&Text::from(index.to_string()))
            }
            (Value::Array(items), PathElement::Index(index)) => items.get(*index),
            _ => None,
        })
}
