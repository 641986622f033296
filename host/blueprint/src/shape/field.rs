//! What the schema says of one value.

use serde_json::{Map, Value};

/// The schema of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'s> {
    /// The whole schema, which references point into.
    root: &'s Value,
    /// As it stands where the value is a member.
    own: &'s Value,
    /// The same after references were followed.
    schema: &'s Value,
}

impl<'s> Field<'s> {
    /// The schema of a document.
    pub(crate) fn root(root: &'s Value) -> Self {
        Self::new(root, root)
    }

    fn new(root: &'s Value, own: &'s Value) -> Self {
        let mut schema = own;
        while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference
                .strip_prefix('#')
                .and_then(|pointer| root.pointer(pointer));
            match target {
                Some(target) => schema = target,
                None => break,
            }
        }
        Self { root, own, schema }
    }

    fn of(self, own: &'s Value) -> Self {
        Self::new(self.root, own)
    }

    /// A keyword, as it stands at the member or else at what it refers to.
    fn keyword(self, name: &str) -> Option<&'s Value> {
        self.own.get(name).or_else(|| self.schema.get(name))
    }

    /// Whether a keyword is there.
    pub(crate) fn has(self, name: &str) -> bool {
        self.keyword(name).is_some()
    }

    /// The value of a keyword that is a number.
    pub(crate) fn limit(self, name: &str) -> Option<i64> {
        self.keyword(name)?.as_i64()
    }

    /// The format of a text or number.
    pub(crate) fn format(self) -> Option<&'s str> {
        self.keyword("format")?.as_str()
    }

    /// What the value is.
    pub(crate) fn description(self) -> String {
        let text = self.keyword("description").and_then(Value::as_str);
        text.unwrap_or_default().replace('\n', " ")
    }

    /// The types that the value may have; none for any.
    pub(crate) fn types(self) -> Vec<&'s str> {
        match self.schema.get("type") {
            Some(Value::String(one)) => vec![one],
            several => texts(several).collect(),
        }
    }

    /// The values that it may have, if these are listed.
    pub(crate) fn choices(self) -> Option<Vec<&'s Value>> {
        if let Some(listed) = self.schema.get("enum").and_then(Value::as_array) {
            return Some(listed.iter().collect());
        }
        let kinds = self.schema.get("oneOf")?.as_array()?;
        kinds.iter().map(|kind| kind.get("const")).collect()
    }

    /// The kinds of tables that it may be.
    pub(crate) fn kinds(self) -> Option<impl Iterator<Item = Self> + Clone> {
        let kinds = self.schema.get("oneOf")?.as_array()?;
        Some(kinds.iter().map(move |kind| self.of(kind)))
    }

    /// The value of the member `type` that makes a table this kind.
    pub(crate) fn kind(self) -> Option<&'s str> {
        self.schema.pointer("/properties/type/const")?.as_str()
    }

    /// The members of a table.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'s str, Self)> {
        let members = self.schema.get("properties").and_then(Value::as_object);
        let members = members.into_iter().flat_map(Map::iter);
        members.map(move |(name, schema)| (name.as_str(), self.of(schema)))
    }

    /// A member of a table.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        let schema = self.schema.get("properties")?.get(name)?;
        Some(self.of(schema))
    }

    /// The members that a table must have.
    pub(crate) fn required(self) -> Vec<&'s str> {
        texts(self.schema.get("required")).collect()
    }

    /// Other names of a member.
    pub(crate) fn aliases(self) -> impl Iterator<Item = &'s str> {
        texts(self.keyword("x-aliases"))
    }

    /// The items of a list.
    pub(crate) fn items(self) -> Self {
        self.of(self.schema.get("items").unwrap_or(&Value::Null))
    }
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str)
}
