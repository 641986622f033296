//! What a package's tag `License` says.

use spdx::Expression;
use std::collections::BTreeMap;

/// Licences of packages: expressions of SPDX identifiers, and texts in other words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum License<'a> {
    /// The package says nothing.
    Unknown,
    /// An SPDX expression.
    Expression(&'a str),
    /// The words of a time or a distribution before SPDX.
    Words(&'a str),
}

impl<'a> License<'a> {
    pub(super) fn of(tag: Option<&'a str>) -> Self {
        match tag.map(str::trim).filter(|tag| !tag.is_empty()) {
            None => Self::Unknown,
            // References to licences of another document would lead nowhere.
            Some(tag) if tag.contains("Ref-") => Self::Words(tag),
            Some(tag) if Expression::parse(tag).is_ok() => Self::Expression(tag),
            Some(tag) => Self::Words(tag),
        }
    }
}

/// Licences in other words get identifiers within the document.
#[derive(Debug, Default)]
pub(super) struct References<'a>(BTreeMap<&'a str, String>);

impl<'a> References<'a> {
    /// Numbers all texts in their order.
    pub(super) fn new(tags: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut texts: BTreeMap<_, _> = tags
            .filter_map(|tag| match License::of(tag) {
                License::Words(words) => Some((words, String::new())),
                _ => None,
            })
            .collect();
        for (number, reference) in texts.values_mut().enumerate() {
            *reference = format!("LicenseRef-rpm-{}", number + 1);
        }
        Self(texts)
    }

    /// The expression for a tag; none when the package says nothing.
    pub(super) fn expression<'b>(&'b self, tag: Option<&'b str>) -> Option<&'b str> {
        match License::of(tag) {
            License::Unknown => None,
            License::Expression(expression) => Some(expression),
            License::Words(words) => self.0.get(words).map(String::as_str),
        }
    }

    /// Texts and their identifiers.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(text, id)| (*text, id.as_str()))
    }
}
