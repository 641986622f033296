//! What grew and what shrank between two components, audits, lock files or plans.
mod beyond;
mod facts;

use crate::audit::{Audit, audit};
use crate::lock::Lock;
use crate::plan::Plan;
use facts::{Facts, Subject, of_audit, of_audited, of_lock, of_plan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Something that can be compared.
#[derive(Debug, Clone)]
pub enum Document {
    /// A component itself.
    Component(Box<crate::audit::Audited>),
    /// An audit of components.
    Audit(Audit),
    /// A lock file.
    Lock(Box<Lock>),
    /// A plan.
    Plan(Plan),
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// What is possible now and was not.
    pub grew: Vec<Change>,
    /// What was possible and is not any more.
    pub shrank: Vec<Change>,
    /// What the manifest has done otherwise, while no stage may do more: other options, contents, an order, a stage that is gone.
    pub effects: Vec<Change>,
    /// What differs without being more or less, such as a digest.
    pub changed: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whom it is about.
    pub subject: String,
    /// What differs, in words.
    pub what: String,
}

impl Document {
    /// Reads a component or a JSON document, told apart by their content; `name` is for messages. Errors are one line.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, String> {
        if bytes.starts_with(b"\0asm") {
            let audited = audit(name, name, bytes).map_err(|error| error.to_string())?;
            return Ok(Self::Component(Box::new(audited)));
        }
        let unreadable = |error: serde_json::Error| format!("{name}: {error}");
        let kinds = [Audit::TYPE, Lock::TYPE, Plan::TYPE];
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| {
            format!("{name} is neither a component nor a JSON document of an audit, a lock file or a plan")
        })?;
        let known = if value["type"] == Lock::TYPE {
            Lock::FORMAT
        } else {
            1
        };
        if value["version"] != known && kinds.iter().any(|kind| value["type"] == *kind) {
            return Err(format!(
                "{name}: version {} of this format is not known here, which is {known}: write it again",
                value["version"]
            ));
        }
        match value["type"].as_str() {
            Some(Audit::TYPE) => serde_json::from_value(value).map(Self::Audit),
            Some(Lock::TYPE) => {
                serde_json::from_value(value).map(|lock| Self::Lock(Box::new(lock)))
            }
            Some(Plan::TYPE) => serde_json::from_value(value).map(Self::Plan),
            _ => return Err(format!("{name} has none of the types {kinds:?}")),
        }
        .map_err(unreadable)
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Component(_) => "a component",
            Self::Audit(_) => "an audit",
            Self::Lock(_) => "a lock file",
            Self::Plan(_) => "a plan",
        }
    }
}

impl Diff {
    /// Compares two documents of one kind.
    pub fn of(old: &Document, new: &Document) -> Result<Self, String> {
        Ok(match (old, new) {
            // Two versions of a component may have different names.
            (Document::Component(old), Document::Component(new)) => {
                let subject = new.profile.name.clone();
                let mut diff = Self::default();
                diff.compare(&subject, &of_audited(old), &of_audited(new));
                diff
            }
            (Document::Audit(old), Document::Audit(new)) => {
                Self::between(&of_audit(old), &of_audit(new))
            }
            (Document::Lock(old), Document::Lock(new)) => {
                Self::between(&of_lock(old), &of_lock(new))
            }
            (Document::Plan(old), Document::Plan(new)) => {
                Self::between(&of_plan(old), &of_plan(new))
            }
            (old, new) => {
                return Err(format!(
                    "{} cannot be compared with {}",
                    old.kind(),
                    new.kind()
                ));
            }
        })
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.is_harmless() && self.shrank.is_empty() && self.changed.is_empty()
    }

    /// Whether no right grew and the manifest has the same effects.
    pub fn is_harmless(&self) -> bool {
        self.grew.is_empty() && self.effects.is_empty()
    }

    fn between(old: &BTreeMap<Subject, Facts>, new: &BTreeMap<Subject, Facts>) -> Self {
        let mut diff = Self::default();
        let subjects: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for subject in subjects {
            match (old.get(subject), new.get(subject)) {
                (Some(old), Some(new)) => diff.compare(subject, old, new),
                (None, Some(facts)) => diff.grew.push(whole(subject, "new", facts)),
                (Some(facts), None) if facts.has_effect => {
                    diff.effects.push(whole(subject, "gone", facts));
                }
                (Some(facts), None) => diff.shrank.push(whole(subject, "gone", facts)),
                (None, None) => {}
            }
        }
        diff
    }

    fn compare(&mut self, subject: &str, old: &Facts, new: &Facts) {
        let change = |what: String| Change {
            subject: subject.to_owned(),
            what,
        };
        self.grew.extend(new.beyond(old).into_iter().map(change));
        self.shrank.extend(old.beyond(new).into_iter().map(change));
        self.effects
            .extend(old.effects(new).into_iter().map(change));
        for (name, value) in &new.identity {
            if let Some(before) = old.identity.get(name).filter(|before| *before != value) {
                self.changed
                    .push(change(format!("{name}: {before} -> {value}")));
            }
        }
    }
}

/// A subject that only one side has.
fn whole(subject: &str, word: &str, facts: &Facts) -> Change {
    let words = facts.telling();
    let what = match words.is_empty() {
        true => word.to_owned(),
        false => format!("{word}: {}", words.join(", ")),
    };
    Change {
        subject: subject.to_owned(),
        what,
    }
}
