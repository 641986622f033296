//! How large a schema is when its references are followed: what checks a value takes as long as that.
use super::SchemaError;
use crate::json::Value;
use std::collections::HashMap;

/// The most parts of a schema. The largest of osbuild's modules has some thousands.
const MOST: u64 = 100_000;

/// Refuses a schema that a few references make larger than any document needs.
///
/// # Errors
/// It is.
pub(super) fn check(schema: &Value) -> Result<(), SchemaError> {
    let mut parts = Parts {
        schema,
        known: HashMap::new(),
    };
    match parts.count(schema, 0) {
        Some(0..=MOST) => Ok(()),
        _ => Err(SchemaError(format!(
            "it has more than {MOST} parts when its references are followed"
        ))),
    }
}

/// Parts of what references lead to; none while they are being counted, for a reference to itself adds nothing.
struct Parts<'s> {
    schema: &'s Value,
    known: HashMap<String, Option<u64>>,
}

impl Parts<'_> {
    /// The parts of a value, if they can be counted.
    fn count(&mut self, value: &Value, depth: usize) -> Option<u64> {
        // Deeper nesting than documents may have comes from references only.
        if depth > 1000 {
            return None;
        }
        let inner = match value {
            Value::Object(members) => {
                let reference = members.get("$ref").and_then(Value::as_str);
                let mut sum = match reference {
                    Some(reference) => self.referred(reference, depth)?,
                    None => 0,
                };
                // Definitions count where they are used.
                for (name, member) in members.iter() {
                    if name != "definitions" {
                        sum = sum.saturating_add(self.count(member, depth + 1)?);
                    }
                }
                sum
            }
            Value::Array(items) => {
                let mut sum = 0_u64;
                for item in items.iter() {
                    sum = sum.saturating_add(self.count(item, depth + 1)?);
                }
                sum
            }
            _ => 0,
        };
        Some(inner.saturating_add(1))
    }

    fn referred(&mut self, reference: &str, depth: usize) -> Option<u64> {
        if let Some(known) = self.known.get(reference) {
            return Some(known.unwrap_or(0));
        }
        let Some(found) = reference
            .strip_prefix('#')
            .and_then(|pointer| lookup(self.schema, pointer))
        else {
            return Some(0);
        };
        self.known.insert(reference.to_owned(), None);
        let parts = self.count(found, depth + 1)?;
        self.known.insert(reference.to_owned(), Some(parts));
        Some(parts)
    }
}

/// What a JSON pointer (RFC 6901) leads to.
fn lookup<'s>(value: &'s Value, pointer: &str) -> Option<&'s Value> {
    let steps = pointer.split('/').skip(1);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .try_fold(value, |value, step| match value {
            Value::Object(members) => members.get(step.as_str()),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::json;

    fn refused(schema: &str) -> bool {
        check(&json::parse(schema.as_bytes()).unwrap()).is_err()
    }

    #[test]
    fn references_that_double_at_each_step_are_refused() {
        let definition = |number: usize| {
            let next = number + 1;
            format!(
                r##""a{number}": {{"allOf": [{{"$ref": "#/definitions/a{next}"}}, {{"$ref": "#/definitions/a{next}"}}]}}"##
            )
        };
        let of = |levels: usize| {
            let definitions: Vec<_> = (0..levels).map(definition).collect();
            let definitions = definitions.join(", ");
            format!(
                r##"{{"definitions": {{{definitions}, "a{levels}": {{}}}}, "$ref": "#/definitions/a0"}}"##
            )
        };
        assert!(!refused(&of(8)));
        assert!(refused(&of(28)));
        assert!(refused(&of(60)));
    }

    #[test]
    fn a_schema_may_refer_to_itself() {
        assert!(!refused(
            r##"{"properties": {"a": {"$ref": "#"}, "b": {"items": {"$ref": "#/properties/a"}}}}"##
        ));
    }
}
