//! What is there before, what the stage is asked, what must come out.
use crate::tree::{self, Change, Entry};
use crate::{Ended, Stage};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A case cannot be read, prepared or run; what the stage itself does wrong is no such error.
#[derive(Debug, Error)]
pub enum CaseError {
    /// The file is not a case.
    #[error("{}: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A file or directory cannot be read or made.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The stage cannot be started.
    #[error("{0}")]
    Run(String),
}

impl CaseError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, cause }
    }
}

/// One case; the members of its JSON file have the names of the fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file's name without `.json`.
    #[serde(skip)]
    pub name: String,
    /// Module name; none: the plugin under test.
    #[serde(default)]
    pub stage: Option<String>,
    /// What is in the tree before.
    #[serde(default)]
    pub tree: BTreeMap<String, Entry>,
    /// Inputs by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, Input>,
    /// Members of the arguments document, at least `options`.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// What must come out.
    #[serde(default)]
    pub expect: Expect,
}

/// One input of a case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What is in its directory.
    #[serde(default)]
    pub tree: BTreeMap<String, Entry>,
    /// What its module says about that, if anything.
    #[serde(default)]
    pub data: Value,
}

/// What must come out of a case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Exit status of the stage.
    #[serde(default)]
    pub status: i32,
    /// The options do not fit the module's schema: a manifest with them is refused before anything runs.
    #[serde(default)]
    pub invalid: bool,
    /// A part of what the stage says.
    #[serde(default)]
    pub log: Option<String>,
    /// What is in the tree after; what is not named is not looked at.
    #[serde(default)]
    pub tree: BTreeMap<String, Entry>,
    /// What may not be there after.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Paths that a second run on the result may change once more, and everything below them.
    #[serde(default)]
    pub again: Vec<String>,
}

impl Case {
    /// Reads a case.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        // A pipe or a device might be waited for without end.
        if !std::fs::metadata(path)
            .map_err(CaseError::io(path))?
            .is_file()
        {
            return Err(CaseError::Malformed {
                path: path.to_owned(),
                cause: "it is no regular file".into(),
            });
        }
        let text = std::fs::read(path).map_err(CaseError::io(path))?;
        let mut case: Self =
            serde_json::from_slice(&text).map_err(|error| CaseError::Malformed {
                path: path.to_owned(),
                cause: error.to_string(),
            })?;
        case.name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(case)
    }

    /// Whether a second run may make this change.
    pub fn allows_again(&self, change: &Change) -> bool {
        let mut paths = self.expect.again.iter();
        paths.any(|path| change.path.starts_with(Path::new("/").join(path)))
    }

    /// The options of the arguments.
    pub fn options(&self) -> Value {
        let options = self.arguments.get("options").cloned();
        options.unwrap_or_else(|| json!({}))
    }

    /// The arguments document for a run on `tree`. Inputs are made beside that, unless an earlier run has them already.
    pub fn document(&self, tree: &Path) -> Result<Value, CaseError> {
        let mut document = json!({ "tree": tree, "inputs": {}, "devices": {}, "mounts": {}, "meta": { "id": "0".repeat(64) } });
        for (name, input) in &self.inputs {
            let directory = tree.with_file_name(format!("input-{name}"));
            if !directory.exists() {
                tree::make(&directory, &input.tree)?;
            }
            document["inputs"][name] = json!({ "path": directory });
            if !input.data.is_null() {
                document["inputs"][name]["data"] = input.data.clone();
            }
        }
        for (key, value) in &self.arguments {
            document[key] = value.clone();
        }
        Ok(document)
    }

    /// Makes the tree in `tree`, runs the stage on it, and says how that ended.
    pub fn run(&self, stage: &impl Stage, tree: &Path) -> Result<Ended, CaseError> {
        tree::make(tree, &self.tree)?;
        stage.run(self.stage.as_deref(), tree, &self.document(tree)?)
    }

    /// What differs from the expectations after a run on `tree`.
    pub fn judge(&self, ended: &Ended, tree: &Path) -> Vec<String> {
        let (Expect { status, log, .. }, said) = (&self.expect, ended.log.trim_end());
        let mut problems = Vec::new();
        match (self.expect.invalid, ended.status) {
            // A stage that is not asked through a manifest has to refuse such options itself.
            (true, 0) => problems.push("it accepts options that do not fit its schema".to_owned()),
            (false, found) if found != *status => {
                problems.push(format!("status {found}, not {status}: {said}"));
            }
            _ => {}
        }
        if let Some(part) = log.as_ref().filter(|part| !ended.log.contains(*part)) {
            problems.push(format!("the log lacks {part:?}: {said}"));
        }
        let wanted = self.expect.tree.iter();
        problems.extend(wanted.filter_map(|(name, entry)| tree::differs(tree, name, entry)));
        let absent = self.expect.absent.iter();
        problems.extend(absent.filter_map(|name| tree::present(tree, name)));
        problems
    }

    /// Runs the case in a directory of its own: what is wrong with the outcome.
    pub fn problems(&self, stage: &impl Stage) -> Result<Vec<String>, CaseError> {
        let scratch = tempfile::tempdir().map_err(CaseError::io(&std::env::temp_dir()))?;
        let tree = scratch.path().join("tree");
        let ended = self.run(stage, &tree)?;
        Ok(self.judge(&ended, &tree))
    }
}

/// All cases of a directory, sorted by name: its files `*.json`.
pub fn cases(directory: &Path) -> Result<Vec<Case>, CaseError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(CaseError::io(directory))? {
        let path = entry.map_err(CaseError::io(directory))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands in for a stage: writes its options into `etc/options`.
    struct Writer;

    impl Stage for Writer {
        fn run(&self, _: Option<&str>, tree: &Path, arguments: &Value) -> Result<Ended, CaseError> {
            let text = arguments["options"].to_string();
            let status = i32::from(std::fs::write(tree.join("etc/options"), text).is_err());
            let log = "written\n".to_owned();
            Ok(Ended {
                status,
                log,
                stopped: None,
            })
        }
    }

    fn problems(text: &str) -> Vec<String> {
        let case: Case = serde_json::from_str(text).unwrap();
        case.problems(&Writer).unwrap()
    }

    #[test]
    fn a_case_that_comes_out_as_it_says_has_no_problems() {
        let text = r#"{"tree": {"etc": {"dir": true}}, "arguments": {"options": {"a": 1}},
            "expect": {"log": "writ", "tree": {"/etc/options": {"content": "{\"a\":1}"}}, "absent": ["etc/other"]}}"#;
        assert_eq!(problems(text), Vec::<String>::new());
    }

    #[test]
    fn status_log_and_tree_are_judged() {
        let text =
            r#"{"tree": {}, "expect": {"log": "read", "tree": {"etc/options": {"content": ""}}}}"#;
        assert_eq!(
            problems(text),
            [
                "status 1, not 0: written",
                "the log lacks \"read\": written",
                "etc/options is missing"
            ]
        );
    }

    #[test]
    fn what_might_be_waited_for_without_end_is_no_case() {
        let scratch = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(scratch.path().join("a.json"))
            .status();
        assert!(made.unwrap().success());
        let error = cases(scratch.path()).unwrap_err();
        assert!(error.to_string().ends_with("a.json: it is no regular file"));
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        for text in [
            r#"{"exepct": {}}"#,
            r#"{"expect": {"stat": 1}}"#,
            r#"{"tree": {"a": {"text": ""}}}"#,
        ] {
            assert!(serde_json::from_str::<Case>(text).is_err(), "{text}");
        }
    }
}
