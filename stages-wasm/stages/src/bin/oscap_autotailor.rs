//! Create an OpenSCAP tailoring file.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, Result, Tree, ini};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filepath: String,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    datastream: String,
    tailored_profile_id: Option<String>,
    /// The older name of `tailored_profile_id`.
    new_profile: Option<String>,
    tailoring_file: Option<String>,
    profile_id: Option<String>,
    #[serde(default)]
    selected: Vec<String>,
    #[serde(default)]
    unselected: Vec<String>,
    #[serde(default)]
    overrides: Vec<Override>,
}

#[derive(Deserialize)]
struct Override {
    var: String,
    value: Value,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        Command::new("autotailor")
            .args(["--output", &tree.path(&options.filepath)])
            .args(options.config.arguments(tree)?)
            .run()
    })
}

impl Config {
    fn arguments(&self, tree: &Tree) -> Result<Vec<String>> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if self.new_profile.is_some() {
            eprintln!("warning: `new_profile` is deprecated, write `tailored_profile_id`");
        }
        let id = given(&self.tailored_profile_id).or_else(|| given(&self.new_profile));
        let id = id.ok_or_else(|| Error::new("options.config: `tailored_profile_id` is needed"))?;
        let mut arguments = vec!["--new-profile-id".into(), id];
        if let Some(file) = given(&self.tailoring_file) {
            arguments.extend(["--json-tailoring".into(), tree.path(&file)]);
            arguments.push(self.datastream.clone());
            return Ok(arguments);
        }
        let profile = given(&self.profile_id).ok_or_else(|| {
            Error::new("options.config: one of `profile_id` and `tailoring_file` is needed")
        })?;
        for (flag, rules) in [
            ("--select", &self.selected),
            ("--unselect", &self.unselected),
        ] {
            arguments.extend(rules.iter().flat_map(|rule| [flag.into(), rule.clone()]));
        }
        for Override { var, value } in &self.overrides {
            let value = ini::scalar(value)?;
            arguments.extend(["--var-value".into(), format!("{var}={value}")]);
        }
        arguments.extend([self.datastream.clone(), profile]);
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(config: &str) -> Result<String> {
        let config: Config = serde_json::from_str(config).unwrap();
        Ok(config.arguments(&Tree::new("/t"))?.join(" "))
    }

    #[test]
    fn a_profile_is_tailored_by_options_or_by_a_file() {
        assert_eq!(
            arguments(
                r#"{"profile_id": "p", "datastream": "/ds", "new_profile": "n", "selected": ["a"],
                    "unselected": ["b"], "overrides": [{"var": "v", "value": 5}]}"#
            )
            .unwrap(),
            "--new-profile-id n --select a --unselect b --var-value v=5 /ds p"
        );
        assert_eq!(
            arguments(
                r#"{"datastream": "/ds", "tailored_profile_id": "n", "tailoring_file": "/f"}"#
            )
            .unwrap(),
            "--new-profile-id n --json-tailoring /t/f /ds"
        );
        assert!(arguments(r#"{"datastream": "/ds", "profile_id": "p"}"#).is_err());
        assert!(arguments(r#"{"datastream": "/ds", "new_profile": "n"}"#).is_err());
    }
}
