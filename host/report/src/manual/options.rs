//! The options of a module as rows, read from its JSON schema.
use osbuild_wasm_manifest::catalogue::ModuleKind;
use serde_json::Value;

/// Schemas that refer to themselves end somewhere.
const DEEPEST: usize = 8;

/// One option, or a member of one.
#[derive(Debug)]
pub(super) struct OptionRow {
    /// Its place, e.g. `filesystems[].uuid`.
    pub(super) path: String,
    /// What it holds, e.g. `string`, `one of "a", "b"`.
    pub(super) holds: String,
    pub(super) required: bool,
    pub(super) default: Option<String>,
    pub(super) text: String,
}

/// The options of a module, in the order of its document.
pub(super) fn of(kind: ModuleKind, document: &Value) -> Vec<OptionRow> {
    let Some(root) = ["schema", "schema_2"]
        .into_iter()
        .find_map(|key| document.get(key))
    else {
        return Vec::new();
    };
    let whole = document.get("schema").is_none();
    let stage = matches!(kind, ModuleKind::Stage | ModuleKind::Assembler);
    let mut reader = Reader {
        root,
        rows: Vec::new(),
    };
    // The second form of a stage's schema has the options beside what the stage is given.
    match root.get("options") {
        Some(options) if whole && stage => reader.members(options, "", 0),
        _ if whole && stage => {}
        _ => reader.members(root, "", 0),
    }
    reader.rows
}

/// The members of a document, in the order of its schema.
pub(super) fn of_schema(root: &Value) -> Vec<OptionRow> {
    let mut reader = Reader {
        root,
        rows: Vec::new(),
    };
    reader.members(root, "", 0);
    reader.rows
}

fn member_of(above: &str, name: &str) -> String {
    match above {
        "" => name.to_owned(),
        above => format!("{above}.{name}"),
    }
}

struct Reader<'a> {
    root: &'a Value,
    rows: Vec<OptionRow>,
}

impl<'a> Reader<'a> {
    /// What a schema is when its reference is followed.
    fn followed(&self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let found = reference.and_then(|name| self.root.pointer(name.strip_prefix('#')?));
        found.unwrap_or(schema)
    }

    fn members(&mut self, schema: &'a Value, above: &str, depth: usize) {
        let schema = self.followed(schema);
        if depth > DEEPEST {
            return;
        }
        let required: Vec<_> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, member) in properties.into_iter().flatten() {
            let is_required = required.iter().any(|word| word.as_str() == Some(name));
            self.row(member, member_of(above, name), is_required, depth);
        }
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let patterns = patterns.into_iter().flat_map(|members| members.values());
        for member in patterns.chain(others.filter(|member| member.is_object())) {
            self.row(member, member_of(above, "NAME"), false, depth);
        }
        self.alternatives(schema, above, depth);
    }

    /// Members that only some forms of a value have. What another form has too holds what either says.
    fn alternatives(&mut self, schema: &'a Value, above: &str, depth: usize) {
        let forms = ["oneOf", "anyOf", "allOf"].into_iter();
        let forms = forms.filter_map(|key| schema.get(key)?.as_array());
        for form in forms.flatten() {
            let known = self.rows.len();
            self.members(form, above, depth + 1);
            for row in self.rows.split_off(known) {
                self.merge(row);
            }
        }
    }

    fn merge(&mut self, mut row: OptionRow) {
        match self.rows.iter_mut().find(|old| old.path == row.path) {
            Some(old) if !old.holds.contains(&row.holds) => {
                old.holds = format!("{} or {}", old.holds, row.holds);
            }
            Some(_) => {}
            None => {
                row.required = false;
                self.rows.push(row);
            }
        }
    }

    fn row(&mut self, member: &'a Value, path: String, required: bool, depth: usize) {
        let schema = self.followed(member);
        let text = |value: &'a Value| value.get("description").and_then(Value::as_str);
        self.rows.push(OptionRow {
            path: path.clone(),
            holds: self.holds(schema),
            required,
            default: schema.get("default").map(Value::to_string),
            text: text(member).or(text(schema)).unwrap_or_default().to_owned(),
        });
        self.below(schema, &path, depth);
    }

    fn below(&mut self, schema: &'a Value, path: &str, depth: usize) {
        self.members(schema, path, depth + 1);
        if let Some(items @ Value::Object(_)) = schema.get("items")
            && depth <= DEEPEST
        {
            self.below(self.followed(items), &format!("{path}[]"), depth + 1);
        }
    }

    fn holds(&self, schema: &'a Value) -> String {
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let values: Vec<_> = values.iter().map(Value::to_string).collect();
            return match values.as_slice() {
                [one] => one.clone(),
                several => format!("one of {}", several.join(", ")),
            };
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Array(kinds)) => {
                let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
                kinds.join(" or ")
            }
            _ => return self.forms(schema),
        };
        match (kind.as_str(), schema.get("items")) {
            ("array", Some(items @ Value::Object(_))) => {
                format!("list of {}", self.holds(self.followed(items)))
            }
            ("array", _) => "list".to_owned(),
            _ => kind,
        }
    }

    fn forms(&self, schema: &'a Value) -> String {
        let forms = ["oneOf", "anyOf"]
            .into_iter()
            .find_map(|key| schema.get(key)?.as_array());
        let mut kinds: Vec<String> = Vec::new();
        for form in forms.into_iter().flatten() {
            let kind = self.holds(self.followed(form));
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        match kinds.as_slice() {
            [] if schema.get("properties").is_some() => "object".to_owned(),
            [] => "anything".to_owned(),
            kinds => kinds.join(" or "),
        }
    }
}
