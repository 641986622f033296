//! A value together with where it is, so that every complaint has a path.

use super::{LoadError, Loaded};
use crate::json::{Object, Text, Value, python_repr};
use crate::problem::{Path, PathElement, join};

/// A value of the document and its path.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub value: &'a Value,
    pub path: Path,
}

impl<'a> Cursor<'a> {
    pub fn root(value: &'a Value) -> Self {
        Cursor {
            value,
            path: Path::new(),
        }
    }

    pub fn fail<T>(&self, message: impl Into<String>) -> Loaded<T> {
        Err(LoadError::new(&self.path, message))
    }

    fn wrong_type<T>(&self, wanted: &str) -> Loaded<T> {
        self.fail(format!(
            "{} is not of type '{wanted}'",
            python_repr(self.value)
        ))
    }

    /// The member `key`; `null` counts as absent.
    pub fn member(&self, key: &str) -> Option<Cursor<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Cursor {
            value,
            path: join(&self.path, key),
        })
    }

    pub fn required(&self, key: &str) -> Loaded<Cursor<'a>> {
        match self.member(key) {
            Some(member) => Ok(member),
            None if self.value.as_object().is_none() => self.wrong_type("object"),
            None => self.fail(format!("'{key}' is a required property")),
        }
    }

    pub fn text(&self) -> Loaded<&'a str> {
        match self.value.as_text().map(Text::as_str) {
            Some(Some(text)) => Ok(text),
            Some(None) => self.fail("the text has half of a surrogate pair"),
            None => self.wrong_type("string"),
        }
    }

    pub fn optional_text(&self, key: &str) -> Loaded<Option<&'a str>> {
        self.member(key).map(|member| member.text()).transpose()
    }

    pub fn object(&self) -> Loaded<&'a Object> {
        match self.value.as_object() {
            Some(object) => Ok(object),
            None => self.wrong_type("object"),
        }
    }

    /// The elements of the array `key`; none when it is absent.
    pub fn elements(&self, key: &str) -> Loaded<Vec<Cursor<'a>>> {
        let Some(member) = self.member(key) else {
            return Ok(Vec::new());
        };
        let Some(items) = member.value.as_array() else {
            return member.wrong_type("array");
        };
        let at = |(index, value)| Cursor {
            value,
            path: join(&member.path, PathElement::Index(index)),
        };
        Ok(items.iter().enumerate().map(at).collect())
    }

    /// The members of the object `key` with their names; none when it is absent.
    pub fn members(&self, key: &str) -> Loaded<Vec<(&'a str, Cursor<'a>)>> {
        let Some(member) = self.member(key) else {
            return Ok(Vec::new());
        };
        member.entries()
    }

    /// The members of this object with their names.
    pub fn entries(&self) -> Loaded<Vec<(&'a str, Cursor<'a>)>> {
        let mut entries = Vec::new();
        for (name, value) in self.object()? {
            let Some(key) = name.as_str() else {
                return self.fail(format!("the name {name:?} has half of a surrogate pair"));
            };
            entries.push((
                key,
                Cursor {
                    value,
                    path: join(&self.path, key),
                },
            ));
        }
        Ok(entries)
    }

    /// The object `key`, `{}` when it is absent.
    pub fn options(&self, key: &str) -> Loaded<Value> {
        match self.member(key) {
            None => Ok(Value::object()),
            Some(member) => member.object().map(|_| member.value.clone()),
        }
    }
}
