//! The shape of a document: are its names known, and its values of the right types? The schema decides.

use crate::diagnostic::{Problem, dotted};
use crate::document::Syntax;
use crate::model::{Mode, Size};
use crate::parse::Strictness;
use crate::schema::schema;
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_manifest::problem::{Path, PathElement};
use serde_json::{Map, Value};

/// How many names are listed.
const MAX_LISTED: usize = 12;

/// A walk through a document along the schema.
#[derive(Debug)]
pub(crate) struct Shape {
    syntax: Syntax,
    strictness: Strictness,
    path: Path,
    problems: Vec<Problem>,
}

impl Shape {
    /// What is wrong with a document. Afterwards it has no `null`, no empty text that could be left out, no other names of members, and
    /// of what is not known nothing.
    pub(crate) fn check(
        document: &mut Value,
        syntax: Syntax,
        strictness: Strictness,
    ) -> Vec<Problem> {
        let mut shape = Self {
            syntax,
            strictness,
            path: Path::new(),
            problems: Vec::new(),
        };
        shape.value(schema(), document);
        shape.problems
    }

    fn value(&mut self, schema: &Value, value: &mut Value) {
        let schema = resolve(schema);
        if let Some(choices) = choices(schema) {
            return self.choice(&choices, value);
        }
        if let Some(kinds) = schema.get("oneOf").and_then(Value::as_array) {
            return self.tagged(schema, kinds, value);
        }
        if !self.is_of_type(schema, value) {
            return;
        }
        match value {
            Value::Object(members) => self.object(schema, members),
            Value::Array(items) => {
                let of_items = schema.get("items").unwrap_or(&Value::Null);
                for (index, item) in items.iter_mut().enumerate() {
                    self.step(index.into(), of_items, item);
                }
            }
            _ => self.scalar(schema, value),
        }
    }

    fn step(&mut self, step: PathElement, schema: &Value, value: &mut Value) {
        self.path.push(step);
        self.value(schema, value);
        self.path.pop();
    }

    fn object(&mut self, schema: &Value, members: &mut Map<String, Value>) {
        let no_members = Map::new();
        let known = schema.get("properties").and_then(Value::as_object);
        let known = known.unwrap_or(&no_members);
        let required: Vec<&str> = texts(schema.get("required")).collect();
        self.rename(known, members);
        members.retain(|_, member| !member.is_null());
        members.retain(|key, member| {
            let may_be_absent = !required.contains(&key.as_str());
            let counts = known
                .get(key)
                .is_none_or(|schema| schema.get("minLength").is_some());
            member != "" || counts || !may_be_absent
        });
        let unknown: Vec<String> = members
            .keys()
            .filter(|key| !known.contains_key(*key))
            .cloned()
            .collect();
        for key in unknown {
            members.shift_remove(&key);
            self.unknown(&key, known);
        }
        for key in required {
            if !members.contains_key(key) {
                self.missing(key, known);
            }
        }
        for (key, member) in members.iter_mut() {
            if let Some(schema) = known.get(key) {
                self.step(key.as_str().into(), schema, member);
            }
        }
    }

    /// Gives members their own names.
    fn rename(&mut self, known: &Map<String, Value>, members: &mut Map<String, Value>) {
        for (key, schema) in known {
            for alias in texts(schema.get("x-aliases")) {
                let Some(value) = members.shift_remove(alias) else {
                    continue;
                };
                if members.contains_key(key) {
                    let message = format!("`{alias}` and `{key}` are both given, but are the same");
                    let hint = format!("leave `{alias}` out");
                    self.complain_of_key(alias, message, "the same twice", hint);
                } else {
                    members.insert(key.clone(), value);
                }
            }
        }
    }

    fn unknown(&mut self, key: &str, known: &Map<String, Value>) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let place = match self.path.as_slice() {
            [] => "in a blueprint".to_owned(),
            path => format!("in `{}`", dotted(path)),
        };
        let hint = match nearest(key, names.iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", listed(&names)),
        };
        let message = format!("`{key}` is not known {place}");
        let problem = self.problem_of_key(key, message, "not known here", hint);
        let is_lenient = self.strictness == Strictness::Lenient;
        self.problems.push(problem.warning_if(is_lenient));
    }

    fn missing(&mut self, key: &str, known: &Map<String, Value>) {
        let message = match self.path.as_slice() {
            [] => format!("the blueprint has no `{key}`"),
            path => format!("`{}` has no `{key}`", dotted(path)),
        };
        let about = known.get(key).map(description).unwrap_or_default();
        let hint = format!("add `{key}`: {about}");
        self.complain(message, format!("`{key}` is missing here"), hint);
    }

    fn is_of_type(&mut self, schema: &Value, value: &Value) -> bool {
        let wanted: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            several => texts(several).collect(),
        };
        let fits = |wanted: &&str| match *wanted {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" | "number" => value.is_number(),
            _ => false,
        };
        if wanted.is_empty() || wanted.iter().any(fits) {
            return true;
        }
        let words: Vec<&str> = wanted.iter().map(|name| word(name)).collect();
        let words = words.join(" or ");
        let message = format!(
            "`{}` must be {words}, not {}",
            dotted(&self.path),
            word_of(value)
        );
        let hint = self.how_to_write(wanted[0], schema, value);
        self.complain(message, format!("expected {words}"), hint);
        false
    }

    /// How a value of that type is written, where another one was.
    fn how_to_write(&self, wanted: &str, schema: &Value, value: &Value) -> String {
        let key = match self.path.last() {
            Some(PathElement::Key(key)) => key,
            _ => "",
        };
        let is_toml = self.syntax == Syntax::Toml;
        match (wanted, value) {
            ("boolean", Value::String(_)) => "write true or false without quotes".to_owned(),
            ("integer", Value::String(_)) => "write the number without quotes".to_owned(),
            ("string", Value::Number(_) | Value::Bool(_)) => {
                format!("put it into quotes: \"{value}\"")
            }
            ("string", Value::Array(_)) => "give one text instead of a list".to_owned(),
            ("array", Value::Object(_)) if is_toml => {
                format!(
                    "write `[[{}]]` with two brackets: there may be several",
                    dotted(&self.path)
                )
            }
            ("object", Value::Array(_)) if is_toml => {
                format!(
                    "write `[{}]` with one bracket: there is only one",
                    dotted(&self.path)
                )
            }
            ("array", Value::String(_)) => format!("put it into brackets: [{value}]"),
            ("object", _) if is_toml && !key.is_empty() => {
                format!("write a table: `[{}]`", dotted(&self.path))
            }
            _ => description(schema),
        }
    }

    /// A value that is neither a list nor a table.
    fn scalar(&mut self, schema: &Value, value: &mut Value) {
        if value.is_number() {
            match self.integer(schema, value) {
                Ok(number) => *value = number.into(),
                Err((message, expected)) => {
                    let message = format!("`{}` {message}", dotted(&self.path));
                    let hint = description(schema);
                    return self.complain(message, expected, hint);
                }
            }
        }
        match (schema.get("format").and_then(Value::as_str), &*value) {
            (Some("size"), Value::String(text)) => {
                if let Err(reason) = Size::parse(text) {
                    let hint = match Size::near_unit(text) {
                        Some(unit) => format!("did you mean `{unit}`? The case of units matters"),
                        None => "units are kB MB GB TB (powers of 1000) and KiB MiB GiB TiB (powers of 1024), none is bytes".to_owned(),
                    };
                    let message = format!("`{}` is no size: {reason}", dotted(&self.path));
                    self.complain(message, "expected a size such as \"10 GiB\"", hint);
                }
            }
            (Some("mode"), Value::String(text)) => {
                if let Err(reason) = Mode::parse(text) {
                    let message = format!("`{}` is no mode: {reason}", dotted(&self.path));
                    let hint = "three digits from 0 to 7, which may have a 0 before them; bits such as setuid cannot be given";
                    self.complain(message, "expected permissions such as \"0644\"", hint);
                }
            }
            (_, Value::String(text)) if text.is_empty() && schema.get("minLength").is_some() => {
                let message = format!("`{}` is empty", dotted(&self.path));
                self.complain(message, "expected some text", description(schema));
            }
            _ => {}
        }
    }

    /// The integer, or what is wrong with it and what was expected.
    fn integer(&self, schema: &Value, value: &Value) -> Result<i64, (String, String)> {
        let may_be_float = self.syntax == Syntax::Json && schema.get("x-no-float").is_none();
        let written = match value.as_i64() {
            None if may_be_float => crate::model::integer(value).ok(),
            written => written,
        };
        let expected = || "expected an integer".to_owned();
        let number =
            written.ok_or_else(|| ("must be an integer of 64 bits".to_owned(), expected()))?;
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_i64);
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            return Err((
                format!("must not be below {least}"),
                format!("expected at least {least}"),
            ));
        }
        let most = match schema.get("format").and_then(Value::as_str) {
            Some("uint32") => Some(u32::MAX.into()),
            _ => limit("maximum"),
        };
        if let Some(most) = most.filter(|most| number > *most) {
            return Err((
                format!("must not be above {most}"),
                format!("expected at most {most}"),
            ));
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
    fn tagged(&mut self, schema: &Value, kinds: &[Value], value: &mut Value) {
        let name = |kind: &Value| {
            kind.pointer("/properties/type/const")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let is_default = |kind: &&Value| !texts(kind.get("required")).any(|key| key == "type");
        let Value::Object(members) = value else {
            let object =
                serde_json::json!({"type": "object", "description": schema.get("description")});
            self.is_of_type(&object, value);
            return;
        };
        if let Some(Value::String(given)) = members.get_mut("type")
            && schema.get("x-any-case").is_some()
        {
            *given = given.to_lowercase();
        }
        let given = members.get("type").filter(|given| !given.is_null());
        let kind = match given {
            None => kinds.iter().find(is_default),
            Some(given) => kinds
                .iter()
                .find(|kind| name(kind).as_deref() == given.as_str()),
        };
        if let Some(kind) = kind {
            return self.value(kind, value);
        }
        let names: Vec<Value> = kinds.iter().filter_map(name).map(Value::from).collect();
        match given {
            None => self.missing("type", &missing_type(&names)),
            Some(given) => {
                let given = given.clone();
                self.path.push("type".into());
                self.choice(&names.iter().collect::<Vec<_>>(), &given);
                self.path.pop();
            }
        }
    }

    fn complain(&mut self, message: String, expected: impl Into<String>, hint: impl Into<String>) {
        self.problems
            .push(Problem::error(self.path.clone(), message, expected, hint));
    }

    fn complain_of_key(&mut self, key: &str, message: String, expected: &str, hint: String) {
        let problem = self.problem_of_key(key, message, expected, hint);
        self.problems.push(problem);
    }

    fn problem_of_key(&self, key: &str, message: String, expected: &str, hint: String) -> Problem {
        let mut path = self.path.clone();
        path.push(key.into());
        Problem::error(path, message, expected, hint).of_key()
    }
}

/// Follows references.
fn resolve(of: &Value) -> &Value {
    let reference = of.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|reference| schema().pointer(reference.strip_prefix('#')?));
    target.map_or(of, resolve)
}

/// The values that a schema lists, if it does.
fn choices(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
        return Some(listed.iter().collect());
    }
    let kinds = schema.get("oneOf")?.as_array()?;
    kinds.iter().map(|kind| kind.get("const")).collect()
}

/// A schema of the missing `type`, for what is said of it.
fn missing_type(names: &[Value]) -> Map<String, Value> {
    let names: Vec<String> = names.iter().map(plain).collect();
    let schema = serde_json::json!({"description": format!("{}.", either(&names))});
    Map::from_iter([("type".to_owned(), schema)])
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str)
}

/// What the schema says of a value.
fn description(schema: &Value) -> String {
    let own = schema.get("description").and_then(Value::as_str);
    let text = own.or_else(|| resolve(schema).get("description")?.as_str());
    text.unwrap_or_default().replace('\n', " ")
}

fn word(type_name: &str) -> &'static str {
    match type_name {
        "object" => "a table",
        "array" => "a list",
        "string" => "a string",
        "boolean" => "true or false",
        _ => "an integer",
    }
}

fn word_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// A value as it is shown in a sentence.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => word_of(value).to_owned(),
        scalar => scalar.to_string(),
    }
}

/// A text without quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn either(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(MAX_LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(MAX_LISTED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(", ") + &more
}
