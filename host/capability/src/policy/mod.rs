//! Policies: what modules may do, decided before anything runs. Default deny.
//!
//! A policy is a TOML file (schemas/policy.json, docs/security.md). Of the rules that match a module's name the most specific one decides,
//! alone: a name without wildcards before patterns, of patterns the one with more letters, and of equals the last in the file.
mod decision;
mod document;
mod learn;
mod remedy;
mod value;

pub use decision::{Decision, Denial};
pub use document::{Beyond, Links, Rule, RuleLimits, SOURCES, Tier};
pub use learn::learn;
pub use remedy::Remedy;
pub use value::{Bytes, CONTAINER_STORAGE, FilePattern, HostPattern, NamePattern, Sha256, Time};

use thiserror::Error;

/// A policy.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    limits: RuleLimits,
    rules: Vec<Rule>,
}

/// What is wrong with a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In bytes, from 0.
    pub offset: usize,
    /// One line.
    pub message: String,
    /// The word that is not known.
    pub unknown: Option<String>,
    /// The words that are known in its place.
    pub known: Vec<String>,
}

impl PolicyError {
    fn at(text: &str, offset: usize, message: String) -> Self {
        let before = text.get(..offset).unwrap_or_default();
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Self {
            line: document::line_of(text, offset),
            column,
            offset,
            message,
            unknown: None,
            known: Vec::new(),
        }
    }

    /// The words of an unknown key or variant are in serde's message, in backticks.
    fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let mut words = message.split('`').skip(1).step_by(2).map(str::to_owned);
        let unknown = words.next().filter(|_| message.starts_with("unknown "));
        let known = if unknown.is_some() {
            words.collect()
        } else {
            Vec::new()
        };
        Self {
            unknown,
            known,
            ..Self::at(text, offset, message)
        }
    }
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        document::parse(text)
    }

    /// A text that is the same as long as the policy gives a module the same.
    pub fn effect(&self, module: &str) -> &str {
        self.rule(module).map_or("", |rule| &rule.effect)
    }

    /// The rule that decides about a module.
    pub fn rule(&self, module: &str) -> Option<&Rule> {
        let specificity = |rule: &Rule| {
            let matching = rule
                .modules
                .iter()
                .filter(|pattern| pattern.matches(module));
            matching.map(NamePattern::specificity).max()
        };
        let matching = self
            .rules
            .iter()
            .filter_map(|rule| Some((specificity(rule)?, rule)));
        // Of equals, `max_by_key` takes the last.
        matching
            .max_by_key(|(specificity, _)| *specificity)
            .map(|(_, rule)| rule)
    }
}
