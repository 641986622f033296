//! Whether a schema of options lets there be something at a place.
use crate::pattern::key;
use serde_json::{Map, Value};

/// References of schemas that are followed one after the other; deeper ones count as leading anywhere.
const DEEPEST: usize = 32;

/// Keywords with schemas of which some or all hold too.
const COMBINED: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Whether options that fit the schema `options` can have a text or a number where `steps` lead; `*` stands for all members, and `~` for
/// all keys. Only what is declared counts: an option that a schema merely does not forbid is one that no stage knows. `whole` is
/// where definitions are.
pub(super) fn leads(whole: &Value, options: &Value, steps: &[&str]) -> bool {
    let walk = Walk {
        places: [whole, options],
    };
    walk.leads(options, steps, DEEPEST)
}

struct Walk<'a> {
    places: [&'a Value; 2],
}

impl Walk<'_> {
    fn leads(&self, schema: &Value, steps: &[&str], deepest: usize) -> bool {
        let map = match schema {
            Value::Bool(anything) => return *anything,
            Value::Object(map) => map,
            _ => return false,
        };
        let Some(deepest) = deepest.checked_sub(1) else {
            return true;
        };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let target = self.definition(reference);
            return target.is_none_or(|target| self.leads(target, steps, deepest));
        }
        let combined = COMBINED
            .iter()
            .filter_map(|word| map.get(*word)?.as_array());
        let mut combined = combined.flatten();
        if combined.any(|schema| self.leads(schema, steps, deepest)) {
            return true;
        }
        match steps {
            [] => is_leaf(map),
            [step, rest @ ..] => {
                self.member_leads(map, step, rest, deepest)
                    || self.item_leads(map, step, rest, deepest)
            }
        }
    }

    fn definition(&self, reference: &str) -> Option<&Value> {
        let name = reference.strip_prefix("#/definitions/")?;
        let mut places = self.places.iter();
        places.find_map(|place| place.get("definitions")?.get(name))
    }

    /// Whether a member of an object leads on.
    fn member_leads(
        &self,
        map: &Map<String, Value>,
        step: &str,
        rest: &[&str],
        deepest: usize,
    ) -> bool {
        if !may_be(map, &["object"]) {
            return false;
        }
        let properties = map.get("properties").and_then(Value::as_object);
        let patterns = map.get("patternProperties").and_then(Value::as_object);
        let others = map.get("additionalProperties");
        let leads = |schema: &Value| self.leads(schema, rest, deepest);
        let is_declared = properties.is_some() || patterns.is_some() || others.is_some();
        let by_others =
            || patterns.into_iter().flat_map(Map::values).any(leads) || others.is_some_and(leads);
        match step {
            _ if !is_declared => says_nothing_else(map),
            "~" => rest.is_empty(),
            "*" => properties.into_iter().flat_map(Map::values).any(leads) || by_others(),
            step => match properties.and_then(|properties| properties.get(&key(step))) {
                Some(property) => leads(property),
                None => by_others(),
            },
        }
    }

    /// Whether an item of an array leads on.
    fn item_leads(
        &self,
        map: &Map<String, Value>,
        step: &str,
        rest: &[&str],
        deepest: usize,
    ) -> bool {
        let index = step.parse::<usize>().ok();
        if !may_be(map, &["array"]) || (index.is_none() && step != "*") {
            return false;
        }
        match map.get("items") {
            None => says_nothing_else(map),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .filter(|(at, _)| index.is_none_or(|index| index == *at))
                .any(|(_, item)| self.leads(item, rest, deepest)),
            Some(items) => self.leads(items, rest, deepest),
        }
    }
}

fn is_leaf(map: &Map<String, Value>) -> bool {
    let values = map.get("enum").and_then(Value::as_array);
    match (values, map.get("const")) {
        (Some(values), _) => values.iter().any(is_text_or_number),
        (None, Some(value)) => is_text_or_number(value),
        (None, None) if map.contains_key("type") => may_be(map, &["string", "number", "integer"]),
        (None, None) => {
            !map.contains_key("properties") && !map.contains_key("items") && says_nothing_else(map)
        }
    }
}

fn is_text_or_number(value: &Value) -> bool {
    value.is_string() || value.is_number()
}

/// Whether the schema does not narrow further what it allows.
fn says_nothing_else(map: &Map<String, Value>) -> bool {
    !COMBINED.iter().any(|word| map.contains_key(*word)) && !map.contains_key("enum")
}

/// Whether the keyword `type`, if there is one, has one of these words.
fn may_be(map: &Map<String, Value>, words: &[&str]) -> bool {
    let fits = |value: &Value| value.as_str().is_some_and(|word| words.contains(&word));
    match map.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(fits),
        Some(one) => fits(one),
    }
}
