//! Objects member by member.

use osbuild_wasm_manifest::json::{Object, Text, Value};

/// An object under construction; members keep their order.
#[derive(Clone, Default)]
pub(crate) struct Members(Object);

impl Members {
    /// Adds a member.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(Text::from(key), value.into());
        self
    }

    /// Adds a member when there is a value.
    pub(crate) fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Value::Object(members.0)
    }
}
