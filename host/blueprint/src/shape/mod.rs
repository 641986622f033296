//! The shape of a document: are its names known, and its values of the right types? The schema decides.

mod field;
mod words;

pub(crate) use field::Field;

use crate::diagnostic::{Problem, Severity, dotted};
use crate::document::Syntax;
use crate::model::{Mode, Size};
use crate::parse::{MAX_PROBLEMS, Strictness};
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_manifest::problem::{Path, PathElement};
use serde_json::{Map, Value};
use words::{either, listed, plain, shown};

/// The table that most fields are in.
const CUSTOMIZATIONS: &str = "customizations";

/// A walk through a document along its schema.
#[derive(Debug)]
pub(crate) struct Shape<'s> {
    document: Field<'s>,
    syntax: Syntax,
    strictness: Strictness,
    path: Path,
    problems: Vec<Problem>,
    errors: usize,
}

impl<'s> Shape<'s> {
    /// What is wrong with a document, as far as it is told: after so many errors nothing more is looked at. Else it then
    /// has no `null`, no empty text that could be left out, no other names of members, and of what is not known nothing.
    pub(crate) fn check(
        schema: &'s Value,
        document: &mut Value,
        syntax: Syntax,
        strictness: Strictness,
    ) -> Vec<Problem> {
        let mut shape = Self {
            document: Field::root(schema),
            syntax,
            strictness,
            path: Path::new(),
            problems: Vec::new(),
            errors: 0,
        };
        shape.value(shape.document, document);
        shape.problems
    }

    fn value(&mut self, field: Field<'s>, value: &mut Value) {
        if self.errors >= MAX_PROBLEMS {
            return;
        }
        if let Some(choices) = field.choices() {
            return self.choice(&choices, value);
        }
        if let Some(kinds) = field.kinds() {
            return self.tagged(field, kinds, value);
        }
        if !self.is_of_type(field, &field.types(), value) {
            return;
        }
        match value {
            Value::Object(members) => self.object(field, members),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.step(index.into(), field.items(), item);
                }
            }
            _ => self.scalar(field, value),
        }
    }

    fn step(&mut self, step: PathElement, field: Field<'s>, value: &mut Value) {
        self.path.push(step);
        self.value(field, value);
        self.path.pop();
    }

    fn object(&mut self, field: Field<'s>, members: &mut Map<String, Value>) {
        let required = field.required();
        self.rename(field, members);
        members.retain(|key, value| {
            let is_needed = required.contains(&key.as_str());
            let member = field.member(key);
            let empty_counts = is_needed || member.is_none_or(|member| member.has("minLength"));
            !value.is_null() && (empty_counts || value != "")
        });
        let is_unknown = |key: &&String| field.member(key).is_none();
        let unknown: Vec<String> = members.keys().filter(is_unknown).cloned().collect();
        members.retain(|key, _| field.member(key).is_some());
        for key in unknown.iter().take(MAX_PROBLEMS) {
            self.unknown(key, field);
        }
        for key in required {
            if let (false, Some(member)) = (members.contains_key(key), field.member(key)) {
                self.missing(key, &member.description());
            }
        }
        for (key, value) in members.iter_mut() {
            if let Some(member) = field.member(key) {
                self.step(key.as_str().into(), member, value);
            }
        }
    }

    /// Gives members their own names.
    fn rename(&mut self, field: Field<'s>, members: &mut Map<String, Value>) {
        for (key, member) in field.members() {
            for alias in member.aliases() {
                let Some(value) = members.shift_remove(alias) else {
                    continue;
                };
                if members.contains_key(key) {
                    let message = format!("`{alias}` and `{key}` are both given, but are the same");
                    let hint = format!("leave `{alias}` out");
                    let problem = self.problem_of_key(alias, message, "the same twice", hint);
                    self.note(problem);
                } else {
                    members.insert(key.to_owned(), value);
                }
            }
        }
    }

    fn unknown(&mut self, key: &str, field: Field<'s>) {
        let names: Vec<&str> = field.members().map(|(name, _)| name).collect();
        let place = match self.path.as_slice() {
            [] => "here".to_owned(),
            path => format!("in `{}`", dotted(path)),
        };
        let near = nearest(key, names.iter())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| self.elsewhere(key));
        let hint = near.unwrap_or_else(|| format!("known here: {}", listed(&names)));
        let message = format!("`{key}` is not known {place}");
        let problem = self.problem_of_key(key, message, "not known here", hint);
        let is_lenient = self.strictness == Strictness::Lenient;
        self.note(problem.warning_if(is_lenient));
    }

    /// Where a key that is not known here is known: what stands outside of the customizations and what inside is easily mistaken.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let inner = self.document.member(CUSTOMIZATIONS)?.members();
        let inner: Vec<&str> = inner.map(|(name, _)| name).collect();
        let outer = self.document.members().map(|(name, _)| name);
        let near = nearest(key, outer.chain(inner.iter().copied()))?;
        Some(if inner.contains(&near.as_str()) {
            format!("did you mean `{CUSTOMIZATIONS}.{near}`?")
        } else {
            format!("did you mean `{near}`, outside of `{CUSTOMIZATIONS}`?")
        })
    }

    fn missing(&mut self, key: &str, about: &str) {
        let message = match self.path.as_slice() {
            [] => format!("there is no `{key}`"),
            path => format!("`{}` has no `{key}`", dotted(path)),
        };
        let hint = format!("add `{key}`: {about}");
        self.complain(message, format!("`{key}` is missing here"), hint);
    }

    fn is_of_type(&mut self, field: Field<'s>, wanted: &[&str], value: &Value) -> bool {
        let fits = |wanted: &&str| match *wanted {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_number(),
            _ => false,
        };
        let Some(first) = wanted.first().filter(|_| !wanted.iter().any(fits)) else {
            return true;
        };
        let names: Vec<&str> = wanted.iter().map(|name| words::of_type(name)).collect();
        let names = names.join(" or ");
        let subject = match self.path.as_slice() {
            [] => "the document".to_owned(),
            path => format!("`{}`", dotted(path)),
        };
        let message = format!("{subject} must be {names}, not {}", words::of_value(value));
        let hint = self.how_to_write(first, field, value);
        self.complain(message, format!("expected {names}"), hint);
        false
    }

    /// How a value of that type is written, where another one was.
    fn how_to_write(&self, wanted: &str, field: Field<'s>, value: &Value) -> String {
        let is_toml = self.syntax == Syntax::Toml;
        let place = dotted(&self.path);
        match (wanted, value) {
            ("string", _) if field.format() == Some("mode") => {
                "write octal digits in quotes: \"0644\"".to_owned()
            }
            ("boolean", Value::String(_)) => "write true or false without quotes".to_owned(),
            ("integer", Value::String(_)) => "write the number without quotes".to_owned(),
            ("string", Value::Number(_) | Value::Bool(_)) => {
                format!("put it into quotes: \"{value}\"")
            }
            ("string", Value::Array(_)) => "give one text instead of a list".to_owned(),
            ("array", Value::Object(_)) if is_toml => {
                format!("write `[[{place}]]` with two brackets: there may be several")
            }
            ("object", Value::Array(_)) if is_toml && !place.is_empty() => {
                format!("write `[{place}]` with one bracket: there is only one")
            }
            ("array", Value::String(_)) => format!("put it into brackets: [{value}]"),
            ("object", Value::String(_)) if field.member("name").is_some() => match is_toml {
                true => format!("write {{ name = {value} }}"),
                false => format!("write {{\"name\": {value}}}"),
            },
            _ => format!("what it is: {}", field.description()),
        }
    }

    /// A value that is neither a list nor a table.
    fn scalar(&mut self, field: Field<'s>, value: &mut Value) {
        let place = dotted(&self.path);
        match value {
            Value::Number(_) => match self.integer(field, value) {
                Ok(number) => *value = number.into(),
                Err((message, expected)) => {
                    let hint = format!("what it is: {}", field.description());
                    self.complain(format!("`{place}` {message}"), expected, hint);
                }
            },
            Value::String(text) => self.text(field, text),
            _ => {}
        }
    }

    fn text(&mut self, field: Field<'s>, text: &str) {
        let place = dotted(&self.path);
        match field.format() {
            Some("size") => {
                let Err(reason) = Size::parse(text) else {
                    return;
                };
                let hint = match Size::near_unit(text) {
                    Some(unit) => format!("did you mean `{unit}`? The case of units matters"),
                    None => "units are kB MB GB TB (powers of 1000) and KiB MiB GiB TiB (powers of 1024), none is bytes".to_owned(),
                };
                let message = format!("`{place}` is no size: {reason}");
                self.complain(message, "expected a size such as \"10 GiB\"", hint);
            }
            Some("mode") => {
                let Err(reason) = Mode::parse(text) else {
                    return;
                };
                let message = format!("`{place}` is no mode: {reason}");
                let hint = "three digits from 0 to 7, which may have a 0 before them; bits such as setuid cannot be given";
                self.complain(message, "expected permissions such as \"0644\"", hint);
            }
            _ if text.is_empty() && field.has("minLength") => {
                let hint = format!("what it is: {}", field.description());
                self.complain(format!("`{place}` is empty"), "expected some text", hint);
            }
            _ => {}
        }
    }

    /// The integer, or what is wrong with it and what was expected.
    fn integer(&self, field: Field<'s>, value: &Value) -> Result<i64, (String, String)> {
        let may_be_float = self.syntax == Syntax::Json && !field.has("x-no-float");
        let written = match value.as_i64() {
            None if may_be_float => crate::model::integer(value).ok(),
            written => written,
        };
        let number = written.ok_or_else(|| {
            let message = "must be an integer of 64 bits".to_owned();
            (message, "expected an integer".to_owned())
        })?;
        if let Some(least) = field.limit("minimum").filter(|least| number < *least) {
            let message = format!("must not be below {least}");
            return Err((message, format!("expected at least {least}")));
        }
        if let Some(most) = field.limit("maximum").filter(|most| number > *most) {
            let message = format!("must not be above {most}");
            return Err((message, format!("expected at most {most}")));
        }
        Ok(number)
    }

    fn choice(&mut self, choices: &[&Value], value: &Value) {
        if choices.contains(&value) {
            return;
        }
        let names: Vec<String> = choices.iter().map(|choice| plain(choice)).collect();
        let expected = format!("expected {}", either(&names));
        let message = format!("`{}` cannot be {}", dotted(&self.path), shown(value));
        let near = value
            .as_str()
            .and_then(|given| nearest(given, names.iter()));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {}", either(&names)),
        };
        self.complain(message, expected, hint);
    }

    /// A table whose members depend on its `type`.
    fn tagged(
        &mut self,
        field: Field<'s>,
        mut kinds: impl Iterator<Item = Field<'s>> + Clone,
        value: &mut Value,
    ) {
        let Value::Object(members) = value else {
            self.is_of_type(field, &["object"], value);
            return;
        };
        if let Some(Value::String(given)) = members.get_mut("type")
            && field.has("x-any-case")
        {
            *given = given.to_lowercase();
        }
        let names: Vec<Value> = kinds
            .clone()
            .filter_map(Field::kind)
            .map(Value::from)
            .collect();
        let given = members.get("type").filter(|given| !given.is_null());
        let kind = match given {
            None => kinds.find(|kind| !kind.required().contains(&"type")),
            Some(given) => kinds.find(|kind| kind.kind() == given.as_str()),
        };
        match (kind, given) {
            (Some(kind), _) => self.value(kind, value),
            (None, None) => {
                let names: Vec<String> = names.iter().map(plain).collect();
                self.missing("type", &either(&names));
            }
            (None, Some(given)) => {
                self.path.push("type".into());
                self.choice(&names.iter().collect::<Vec<_>>(), given);
                self.path.pop();
            }
        }
    }

    fn complain(&mut self, message: String, expected: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::error(self.path.clone(), message, expected, hint);
        self.note(problem);
    }

    fn note(&mut self, problem: Problem) {
        self.errors += usize::from(problem.severity == Severity::Error);
        self.problems.push(problem);
    }

    fn problem_of_key(&self, key: &str, message: String, expected: &str, hint: String) -> Problem {
        let mut path = self.path.clone();
        path.push(key.into());
        Problem::error(path, message, expected, hint).of_key()
    }
}
