//! Documents that are read when they are needed, once.
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::OnceLock;

#[derive(Debug)]
enum Said {
    Text(Cow<'static, str>),
    Value(Value),
}

/// A document, and what it says, read at the first use.
#[derive(Debug)]
pub struct Lazy<T> {
    said: Said,
    read: OnceLock<Result<T, String>>,
}

impl<T> Lazy<T> {
    fn new(said: Said) -> Self {
        Self {
            said,
            read: OnceLock::new(),
        }
    }

    /// A JSON text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Said::Text(text.into()))
    }

    /// A member of the document, where it is one of a document.
    pub fn member(&self, name: &str) -> Option<&Value> {
        match &self.said {
            Said::Value(value) => value.get(name),
            Said::Text(_) => None,
        }
    }
}

impl<T: DeserializeOwned> Lazy<T> {
    /// What it says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn get(&self) -> Result<&T, String> {
        let read = self.read.get_or_init(|| self.read());
        read.as_ref().map_err(Clone::clone)
    }

    /// What it says, to be changed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self) -> Result<T, String> {
        match &self.said {
            Said::Text(text) => serde_json::from_str(text),
            Said::Value(value) => T::deserialize(value),
        }
        .map_err(|error| error.to_string())
    }
}

impl<'de, T> Deserialize<'de> for Lazy<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::new(Said::Value(value)))
    }
}
