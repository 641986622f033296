//! The conformance kit: what every stage has to be good at, tried on the author's cases.
#[allow(
    clippy::disallowed_methods,
    reason = "the trees of a check are its own"
)]
mod adversarial;
mod rights;

use crate::error::{PluginError, Result};
use osbuild_stage_test::tree::{Change, Snapshot};
use osbuild_stage_test::{Case, Ended, Stage};
use osbuild_wasm_component::Module;
use osbuild_wasm_manifest::catalogue::{Catalogue, ModuleKind};
use osbuild_wasm_manifest::model::Version;
use osbuild_wasm_manifest::validate::validate_module;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The case.
    pub case: String,
    /// What was looked at.
    pub check: &'static str,
    /// How it came out.
    pub verdict: Verdict,
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed,
    /// Not so; what is wrong.
    Failed(String),
    /// It says nothing about this case; why.
    Skipped(&'static str),
}

impl Verdict {
    fn of(problems: Vec<String>) -> Self {
        if problems.is_empty() {
            Self::Passed
        } else {
            Self::Failed(problems.join("; "))
        }
    }
}

/// Tries `module` on the cases. `stage` runs it; trees are made below `scratch`.
pub fn check(
    module: &Module,
    cases: &[Case],
    stage: &impl Stage,
    scratch: &Path,
) -> Result<Vec<Check>> {
    let mut catalogue = Catalogue::builtin();
    let document =
        serde_json::to_value(&module.metadata).map_err(|error| PluginError::Document {
            path: "osbuild:module".into(),
            cause: error.to_string(),
        })?;
    catalogue
        .add(document.into())
        .map_err(|error| PluginError::Document {
            path: "osbuild:module".into(),
            cause: error.to_string(),
        })?;
    let kit = Kit {
        module,
        catalogue,
        stage,
        scratch,
    };
    let mut checks = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for (check, verdict) in kit.case(index, case)? {
            checks.push(Check {
                case: case.name.clone(),
                check,
                verdict,
            });
        }
    }
    Ok(checks)
}

struct Kit<'a, S> {
    module: &'a Module,
    catalogue: Catalogue,
    stage: &'a S,
    scratch: &'a Path,
}

/// A run of a case: what was there before and after.
struct Ran {
    tree: PathBuf,
    ended: Ended,
    before: Snapshot,
    after: Snapshot,
}

impl Ran {
    fn changes(&self) -> Vec<Change> {
        self.after.changes_since(&self.before)
    }
}

impl<S: Stage> Kit<'_, S> {
    fn case(&self, index: usize, case: &Case) -> Result<Vec<(&'static str, Verdict)>> {
        let mut checks = vec![("options fit the schema", self.schema(case))];
        if case.expect.invalid {
            return Ok(checks);
        }
        let place = |what: &str| self.scratch.join(format!("{index}-{what}"));
        let first = self.run(case, &place("first"))?;
        let problems = case.judge(&first.ended, &first.tree);
        checks.push(("comes out as the case says", Verdict::of(problems)));
        let second = self.run(case, &place("second"))?;
        checks.push(("twice gives the same tree", same(&first, &second)));
        checks.push(("a second run changes nothing", self.again(case, &first)?));
        checks.push((
            "touches what its rights declare",
            self.rights(case, &first)?,
        ));
        let success = case.expect.status == 0;
        for tree in adversarial::AdversarialTree::ALL {
            let verdict = if success {
                self.adversarial(case, &first, tree, &place(tree.name()))?
            } else {
                Verdict::Skipped("the case is one of failure")
            };
            checks.push((tree.check(), verdict));
        }
        Ok(checks)
    }

    fn schema(&self, case: &Case) -> Verdict {
        let metadata = &self.module.metadata;
        let kind = match metadata.kind.as_str() {
            "assembler" => ModuleKind::Assembler,
            _ => ModuleKind::Stage,
        };
        let document: Value = json!({ "type": metadata.name, "options": case.options() });
        let errors = validate_module(
            &self.catalogue,
            kind,
            &metadata.name,
            &document.into(),
            Version::V2,
        );
        match (case.expect.invalid, errors.is_empty()) {
            (true, true) => {
                Verdict::Failed("the schema accepts options that the case calls invalid".into())
            }
            (false, false) => {
                Verdict::of(errors.iter().map(|error| error.message.clone()).collect())
            }
            _ => Verdict::Passed,
        }
    }

    /// Runs the case in the new directory `place`.
    fn run(&self, case: &Case, place: &Path) -> Result<Ran> {
        let tree = place.join("tree");
        osbuild_stage_test::tree::make(&tree, &case.tree)?;
        self.run_on(case, tree)
    }

    /// Runs the case on a tree that is there.
    fn run_on(&self, case: &Case, tree: PathBuf) -> Result<Ran> {
        let before = Snapshot::of(&tree)?;
        let ended = self
            .stage
            .run(case.stage.as_deref(), &tree, &case.document(&tree)?)?;
        let after = Snapshot::of(&tree)?;
        Ok(Ran {
            tree,
            ended,
            before,
            after,
        })
    }

    fn again(&self, case: &Case, first: &Ran) -> Result<Verdict> {
        if first.ended.status != 0 {
            return Ok(Verdict::Skipped("the first run failed"));
        }
        let again = self.run_on(case, first.tree.clone())?;
        if again.ended.status != 0 {
            let said = last_line(&again.ended);
            return Ok(Verdict::Failed(format!("the second run fails: {said}")));
        }
        let changes = again
            .changes()
            .into_iter()
            .filter(|change| !case.allows_again(change));
        Ok(Verdict::of(
            changes.map(|change| change.to_string()).collect(),
        ))
    }

    fn rights(&self, case: &Case, ran: &Ran) -> Result<Verdict> {
        let Some(rights) = &self.module.metadata.rights else {
            return Ok(Verdict::Skipped(
                "its document has no `rights`: it may use every verb on every path it is given",
            ));
        };
        rights::undeclared(rights, &case.options(), ran).map(Verdict::of)
    }

    /// Whatever the tree is like, the stage works or says what is wrong, and what is outside stays as it is.
    fn adversarial(
        &self,
        case: &Case,
        usual: &Ran,
        adversarial_tree: adversarial::AdversarialTree,
        place: &Path,
    ) -> Result<Verdict> {
        let Some(tree) = adversarial_tree.make(case, &usual.changes(), place)? else {
            return Ok(Verdict::Skipped(
                "the case changes nothing that could be so",
            ));
        };
        let outside = place.join("outside");
        let before = Snapshot::of(&outside)?;
        let ran = self.run_on(case, tree)?;
        let mut problems = Vec::new();
        if let Some(stopped) = &ran.ended.stopped {
            problems.push(stopped.clone());
        } else if ran.ended.status != 0 && ran.ended.log.trim().is_empty() {
            problems.push("it fails without a word".into());
        }
        let escaped = Snapshot::of(&outside)?.changes_since(&before);
        problems.extend(
            escaped
                .iter()
                .map(|change| format!("outside of the tree, {change}")),
        );
        if let Some(rights) = &self.module.metadata.rights {
            problems.extend(rights::undeclared(rights, &case.options(), &ran)?);
        }
        Ok(Verdict::of(problems))
    }
}

fn same(first: &Ran, second: &Ran) -> Verdict {
    let changes = second.after.changes_since(&first.after);
    let mut problems: Vec<_> = changes
        .iter()
        .map(|change| format!("differs: {}", change.path.display()))
        .collect();
    if first.ended.status != second.ended.status {
        problems.push(format!(
            "status {}, then {}",
            first.ended.status, second.ended.status
        ));
    }
    Verdict::of(problems)
}

fn last_line(ended: &Ended) -> &str {
    ended
        .log
        .trim_end()
        .lines()
        .last()
        .unwrap_or("it says nothing")
}
