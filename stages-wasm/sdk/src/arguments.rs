//! The arguments document that a stage reads on standard input.
use crate::{Context, Error, Result, Tree, location};
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::io::Read;

/// Everything a stage is told.
#[derive(Debug)]
pub struct Arguments<O> {
    /// The tree being built; for an assembler its output directory.
    pub tree: Tree,
    /// The stage's options.
    pub options: O,
    /// Inputs by name.
    pub inputs: IndexMap<String, Input>,
    /// Devices by name.
    pub devices: IndexMap<String, Device>,
    /// Mounts by name.
    pub mounts: IndexMap<String, Mount>,
    /// Where inputs, devices and mounts are.
    pub paths: Paths,
    /// Identity of the stage.
    pub meta: Meta,
}

/// Directories of the contract.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Paths {
    /// Usually `/dev`.
    pub devices: String,
    /// Usually `/run/osbuild/inputs`.
    pub inputs: String,
    /// Usually `/run/osbuild/mounts`.
    pub mounts: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            devices: "/dev".into(),
            inputs: "/run/osbuild/inputs".into(),
            mounts: "/run/osbuild/mounts".into(),
        }
    }
}

/// One input.
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    /// Contract path of its directory.
    pub path: String,
    /// What the input module says about its content.
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// One device.
#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    /// Contract path of its node.
    pub path: String,
    /// What else the device module says.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One mount.
#[derive(Debug, Clone, Deserialize)]
pub struct Mount {
    /// Contract path of its root; none when the module mounts elsewhere (binds).
    pub path: Option<String>,
}

/// Identity of the stage.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Meta {
    /// The id of the stage.
    #[serde(default)]
    pub id: String,
    /// Seconds since 1970 that outputs should show as their time.
    #[serde(rename = "source-epoch")]
    pub source_epoch: Option<i64>,
}

/// The document before its options have a type.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    #[serde(default = "usual_tree")]
    tree: String,
    #[serde(default)]
    options: Option<Value>,
    #[serde(default)]
    inputs: IndexMap<String, Input>,
    #[serde(default)]
    devices: IndexMap<String, Device>,
    #[serde(default)]
    mounts: IndexMap<String, Mount>,
    #[serde(default)]
    paths: Paths,
    #[serde(default)]
    meta: Meta,
}

fn usual_tree() -> String {
    "/run/osbuild/tree".into()
}

impl Document {
    /// Reads the document from standard input.
    pub(crate) fn read() -> Result<Self> {
        let mut text = Vec::new();
        std::io::stdin()
            .read_to_end(&mut text)
            .context("cannot read the arguments")?;
        serde_json::from_slice(&text)
            .context("the arguments on standard input are not the expected document")
    }

    /// The document, if all texts of its options are single lines; those below the members named in `scripts` may be anything.
    pub(crate) fn of_lines(self, scripts: &[&str]) -> Result<Self> {
        match self
            .options
            .as_ref()
            .map(|options| check_lines("options", options, scripts))
        {
            Some(Err(error)) => Err(error),
            _ => Ok(self),
        }
    }

    /// Gives the options their type. The error names the option that does not fit.
    pub(crate) fn typed<O: DeserializeOwned>(self) -> Result<Arguments<O>> {
        let options = self.options.unwrap_or_else(|| Value::Object(Map::new()));
        let options = serde_path_to_error::deserialize(options).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => Error::new(format!("options: {}", error.inner())),
                path => Error::new(format!("options.{path}: {}", error.inner())),
            }
        })?;
        Ok(Arguments {
            tree: Tree::new(self.tree),
            options,
            inputs: self.inputs,
            devices: self.devices,
            mounts: self.mounts,
            paths: self.paths,
            meta: self.meta,
        })
    }
}

fn check_lines(place: &str, value: &Value, scripts: &[&str]) -> Result<()> {
    // Readers that know Unicode also end a line at its separators.
    let ends = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}');
    let check = |place: &str, text: &str| match text.contains(ends) {
        true => Err(Error::new(format!(
            "{place}: {text:?} has a control character, and is to be one line"
        ))),
        false => Ok(()),
    };
    match value {
        Value::String(text) => check(place, text),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| {
                check_lines(&format!("{place}[{index}]"), item, scripts)
            })
        }
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            check(place, name)?;
            match scripts.contains(&name.as_str()) {
                true => Ok(()),
                false => check_lines(&format!("{place}.{name}"), member, scripts),
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

impl<O> Arguments<O> {
    /// The input of that name.
    pub fn input(&self, name: &str) -> Result<&Input> {
        self.inputs
            .get(name)
            .ok_or_else(|| Error::new(format!("the stage needs an input named `{name}`")))
    }

    /// Contract path of the device of that name.
    pub fn device(&self, name: &str) -> Result<&str> {
        let device = self
            .devices
            .get(name)
            .ok_or_else(|| Error::new(format!("the stage needs a device named `{name}`")))?;
        Ok(&device.path)
    }

    /// Contract path of the root of a mount.
    pub fn mount(&self, name: &str) -> Result<&str> {
        let mount = self
            .mounts
            .get(name)
            .ok_or_else(|| Error::new(format!("there is no mount named `{name}`")))?;
        mount
            .path
            .as_deref()
            .ok_or_else(|| Error::new(format!("mount `{name}` has no path of its own")))
    }

    /// Contract path of a location such as `tree:///etc`, `mount://root/boot` or `input://files/x`; see [`location`].
    pub fn locate(&self, text: &str) -> Result<String> {
        let location = location::parse(text)?;
        let root = match location.scheme {
            location::Scheme::Tree => self.tree.root(),
            location::Scheme::Mount if location.name.is_empty() => &self.paths.mounts,
            location::Scheme::Mount => self
                .mount(&location.name)
                .context(format!("location {text}"))?,
            location::Scheme::Input => {
                &self
                    .input(&location.name)
                    .context(format!("location {text}"))?
                    .path
            }
        };
        Ok(location.below(root))
    }
}

impl Input {
    /// The input's directory.
    pub fn tree(&self) -> Tree {
        Tree::new(self.path.clone())
    }

    /// Names of the input's files with what the manifest says about each, in the order of the manifest.
    pub fn files(&self) -> Result<&Map<String, Value>> {
        self.data
            .get("files")
            .and_then(Value::as_object)
            .ok_or_else(|| Error::new("the input has no `files`"))
    }

    /// Contract path of the input's only file.
    pub fn single_file(&self) -> Result<String> {
        let files = self.files()?;
        match files.keys().next() {
            Some(name) if files.len() == 1 => Ok(self.tree().path(name)),
            _ => Err(Error::new(format!(
                "the input must have exactly one file, not {}",
                files.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Result<Arguments<IndexMap<String, u32>>> {
        serde_json::from_str::<Document>(text)?.typed()
    }

    #[test]
    fn missing_parts_have_their_defaults() {
        let got = arguments(r#"{"tree": "/t"}"#).unwrap();
        assert_eq!(
            (
                got.tree.root(),
                got.paths.mounts.as_str(),
                got.options.len()
            ),
            ("/t", "/run/osbuild/mounts", 0)
        );
    }

    #[test]
    fn an_option_of_the_wrong_type_is_named() {
        let error = arguments(r#"{"tree": "/t", "options": {"a": 1, "b": "x"}}"#).unwrap_err();
        assert!(
            error.to_string().starts_with("options.b: invalid type"),
            "{error}"
        );
    }

    #[test]
    fn locations_resolve_against_tree_mounts_and_inputs() {
        let got = arguments(
            r#"{"tree": "/t", "inputs": {"i": {"path": "/in/i"}}, "mounts": {"m": {"path": "/mnt/."}, "b": {}}}"#,
        )
        .unwrap();
        for (text, path) in [
            ("tree:///a/b", "/t/a/b"),
            ("/a", "/t/a"),
            ("mount://m/x/", "/mnt/x/."),
            ("mount:///x", "/run/osbuild/mounts/x"),
            ("input://i/f", "/in/i/f"),
        ] {
            assert_eq!(got.locate(text).unwrap(), path, "{text}");
        }
        for text in [
            "mount://no/x",
            "input://no/x",
            "mount://b/x",
            "http://x/y",
            "a",
        ] {
            assert!(got.locate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_input_with_two_files_has_no_single_file() {
        let mut input: Input =
            serde_json::from_str(r#"{"path": "/i", "data": {"files": {"a": {}}}}"#).unwrap();
        assert_eq!(input.single_file().unwrap(), "/i/a");
        input.data["files"]["b"] = Value::Null;
        assert!(input.single_file().is_err());
    }
}
