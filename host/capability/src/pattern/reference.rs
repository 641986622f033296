//! References of patterns into the options of a stage, filled in.
use super::{Pattern, PatternError, name};
use crate::mounts::MountNames;
use serde_json::Value;
use std::borrow::Cow;

/// How much longer than the options the paths may be that patterns make of them. Patterns with one reference, and with several that stand
/// for one value each, come nowhere near; several lists in one pattern multiply, and a few dozen values would fill the memory.
const FACTOR: usize = 32;
/// What a value counts beside its own length, for what a pattern has around it.
const AROUND: usize = 64;

/// Fills the references of patterns in from the options of one stage.
#[derive(Debug)]
pub(crate) struct Expansion<'a> {
    options: &'a Value,
    mounts: MountNames,
    /// Bytes that the patterns may still come to.
    left: usize,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(options: &'a Value) -> Self {
        let left = weight(options).saturating_mul(FACTOR);
        Self {
            options,
            mounts: MountNames::default(),
            left,
        }
    }

    /// The same for a stage with these mounts, by whose names patterns go.
    pub(crate) fn on(self, mounts: &MountNames) -> Self {
        Self {
            mounts: mounts.clone(),
            ..self
        }
    }

    /// The patterns that `text` means for these options: one for each combination of what its references stand for.
    pub(crate) fn expand(&mut self, text: &str) -> Result<Vec<Pattern>, PatternError> {
        let error = |reason: String| PatternError {
            pattern: text.to_owned(),
            reason,
        };
        let mut literals = Vec::new();
        let mut values = Vec::new();
        let mut rest = text;
        while let Some((literal, reference)) = rest.split_once("${") {
            let (pointer, after) = reference
                .split_once('}')
                .ok_or_else(|| error("a reference ${...} is not closed".into()))?;
            literals.push(literal);
            values.push(resolve(pointer, self.options).map_err(&error)?);
            rest = after;
        }
        if values.is_empty() {
            let placed = self.mounts.placed(text);
            return Ok(vec![Pattern::parse(&placed).map_err(error)?]);
        }
        self.take(text.len(), &values).map_err(&error)?;
        let mut texts = vec![String::new()];
        for (literal, values) in literals.iter().zip(&values) {
            let with = |text: &String| {
                let start = format!("{text}{literal}");
                values.iter().map(move |value| format!("{start}{value}"))
            };
            texts = texts.iter().flat_map(with).collect();
        }
        let parsed = texts
            .iter()
            .map(|text| self.mounts.placed(&format!("{text}{rest}")))
            .map(|text| Pattern::parse(&text).map_err(&error));
        let mut patterns = parsed.collect::<Result<Vec<_>, _>>()?;
        let others: Vec<_> = patterns.iter().flat_map(Pattern::other_names).collect();
        patterns.extend(others);
        Ok(patterns)
    }

    /// Takes the bytes that all combinations of these values come to, each with `around` bytes, from what is left.
    fn take(&mut self, around: usize, values: &[Vec<String>]) -> Result<(), String> {
        let combinations = values
            .iter()
            .fold(1_usize, |count, values| count.saturating_mul(values.len()));
        let of_one = |values: &Vec<String>| {
            let length: usize = values.iter().map(String::len).sum();
            // Each value is in as many combinations as the others of its list.
            combinations.saturating_mul(length) / values.len().max(1)
        };
        let bytes = values.iter().map(of_one);
        let bytes = bytes.fold(combinations.saturating_mul(around), usize::saturating_add);
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            format!(
                "the options make {combinations} paths of it, more than a stage may have: let one pattern refer to one list, and use `*` or `**` for the rest"
            )
        })?;
        Ok(())
    }
}

/// The length of all texts and numbers, with something for each.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + AROUND,
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.len() + AROUND + weight(value))
            .sum(),
        Value::Number(_) => AROUND,
        Value::Null | Value::Bool(_) => 0,
    }
}

/// What a reference has between `${` and `}`, step by step.
pub(crate) fn steps(pointer: &str) -> Result<impl Iterator<Item = &str>, String> {
    let steps = pointer
        .strip_prefix('/')
        .ok_or_else(|| format!("${{{pointer}}} must begin with `/`"))?;
    Ok(steps.split('/'))
}

/// The key that a step of a pointer names (RFC 6901).
pub(crate) fn key(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The patterns that a reference stands for.
fn resolve(pointer: &str, options: &Value) -> Result<Vec<String>, String> {
    let mut found = vec![Cow::Borrowed(options)];
    for step in steps(pointer)? {
        let next = found.into_iter().map(|value| members(value, step));
        found = next.flatten().collect();
    }
    let text = |value: Cow<'_, Value>| match &*value {
        Value::String(text) => Some(name::escape(&meaning(text))),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(found.into_iter().filter_map(text).collect())
}

/// The members that a step leads to. Only keys are made anew, and nothing is below them.
fn members<'a>(value: Cow<'a, Value>, step: &str) -> Vec<Cow<'a, Value>> {
    let Cow::Borrowed(value) = value else {
        return Vec::new();
    };
    let borrowed = Cow::Borrowed;
    match (value, step) {
        (Value::Array(items), "*") => items.iter().map(borrowed).collect(),
        (Value::Object(map), "*") => map.values().map(borrowed).collect(),
        (Value::Object(map), "~") => {
            let keys = map.keys().cloned().map(Value::String);
            keys.map(Cow::Owned).collect()
        }
        (Value::Object(map), step) => map.get(&key(step)).map(borrowed).into_iter().collect(),
        (Value::Array(items), step) => {
            let item = step
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index));
            item.map(borrowed).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What a stage takes a path or a location for: `..` does not lead above the root, and locations are URLs.
fn meaning(value: &str) -> String {
    let (start, path) = match value.split_once("://") {
        None => (String::new(), value),
        Some((scheme, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let scheme = scheme.to_ascii_lowercase();
            // The tree has no name.
            let name = if scheme == "tree" { "" } else { name };
            (format!("{scheme}://{name}"), path)
        }
    };
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{start}{slash}{}", names.join("/"))
}
