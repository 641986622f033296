//! Rules between and about the fields of a blueprint, one file for each part of the model.

mod disk;
mod filesystem;
mod form;
mod head;
mod image;
mod installer;
mod repositories;
mod scripts;
mod services;
mod tree;
mod users;
mod volumes;

use crate::diagnostic::{Problem, dotted};
use crate::document::Syntax;
use crate::model::{Blueprint, Customizations};
use crate::parse::Options;
use crate::policy::PathPolicies;
use osbuild_wasm_manifest::problem::{Path, PathElement};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The path of a member of the customizations.
macro_rules! place {
    ($($step:expr),* $(,)?) => {
        vec![
            osbuild_wasm_manifest::problem::PathElement::from("customizations"),
            $(osbuild_wasm_manifest::problem::PathElement::from($step)),*
        ]
    };
}
pub use head::is_semantic;
pub(crate) use place;

/// What is found wrong with a blueprint whose shape is right.
#[derive(Debug)]
pub(crate) struct Rules<'b> {
    blueprint: &'b Blueprint,
    syntax: Syntax,
    paths: PathPolicies,
    services: bool,
    problems: Vec<Problem>,
}

impl<'b> Rules<'b> {
    /// Asks all rules.
    pub(crate) fn check(
        blueprint: &'b Blueprint,
        syntax: Syntax,
        options: Options,
    ) -> Vec<Problem> {
        let mut rules = Self {
            blueprint,
            syntax,
            paths: options.paths,
            services: options.services,
            problems: Vec::new(),
        };
        rules.head();
        rules.users();
        rules.services();
        rules.filesystem();
        rules.disk();
        rules.tree();
        rules.repositories();
        rules.image();
        rules.installer();
        rules.scripts();
        rules.problems
    }

    fn customizations(&self) -> &'b Customizations {
        &self.blueprint.customizations
    }

    fn error(
        &mut self,
        path: Path,
        message: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems
            .push(Problem::error(path, message, expected, hint));
    }

    fn warn(
        &mut self,
        path: Path,
        message: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::error(path, message, expected, hint);
        self.problems.push(problem.warning_if(true));
    }

    /// The value of a text does not have its form.
    fn malformed(&mut self, path: Path, value: &str, what: &str, hint: &str) {
        let message = format!("`{}` {value:?} is no {what}", dotted(&path));
        self.error(path, message, format!("expected a {what}"), hint);
    }
}

/// Values that may be there once.
#[derive(Debug)]
struct Once<K> {
    /// What such a value is called.
    what: &'static str,
    places: BTreeMap<K, Path>,
}

impl<K: Ord + Clone + std::fmt::Display> Once<K> {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            places: BTreeMap::new(),
        }
    }

    /// Notes a value; complains when it was there before.
    fn note(&mut self, rules: &mut Rules<'_>, key: K, path: Path) {
        match self.places.entry(key) {
            Entry::Vacant(place) => _ = place.insert(path),
            Entry::Occupied(first) => {
                let (key, first) = (first.key().clone(), dotted(first.get()));
                let message = format!("the {} {key} is given twice, first by `{first}`", self.what);
                let hint = "leave one of them out, or change one";
                rules.error(path, message, "given before", hint);
            }
        }
    }
}

/// A path with steps after it.
fn below<const N: usize>(path: &[PathElement], steps: [PathElement; N]) -> Path {
    path.iter().cloned().chain(steps).collect()
}
