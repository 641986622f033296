//! Configure the subscription plugins of dnf and yum, and rhsm.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Error, IndexMap, Result, Tree, ini};
use osbuild_stage_common::ini_preserve::IniText;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Options {
    dnf_plugins: IndexMap<String, Plugin>,
    yum_plugins: IndexMap<String, Plugin>,
    subscription_manager: IndexMap<String, IndexMap<String, Value>>,
}

#[derive(Deserialize)]
struct Plugin {
    enabled: Option<bool>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        enable(tree, "etc/dnf/plugins", &options.dnf_plugins)?;
        enable(tree, "etc/yum/pluginconf.d", &options.yum_plugins)?;
        if options.subscription_manager.is_empty() {
            return Ok(());
        }
        edit(tree, "etc/rhsm/rhsm.conf", |file| {
            for (section, settings) in &options.subscription_manager {
                for (name, value) in settings {
                    file.set(section, name, &text(value)?)?;
                }
            }
            Ok(())
        })
    })
}

fn enable(tree: &Tree, directory: &str, plugins: &IndexMap<String, Plugin>) -> Result<()> {
    for (name, plugin) in plugins {
        if let Some(enabled) = plugin.enabled {
            edit(tree, &format!("{directory}/{name}.conf"), |file| {
                file.set_in("main", "enabled", &u8::from(enabled).to_string())
            })?;
        }
    }
    Ok(())
}

/// Changes a configuration file that must be there.
fn edit(tree: &Tree, path: &str, change: impl FnOnce(&mut IniText) -> Result<()>) -> Result<()> {
    let before = tree.read_if_exists(path)?;
    let before = before.ok_or_else(|| Error::new(format!("{path} is not in the tree")))?;
    let mut file = IniText::parse(&before).context(path)?;
    change(&mut file).context(path)?;
    tree.write(path, file.render())
}

fn text(value: &Value) -> Result<String> {
    match value {
        Value::Bool(value) => Ok(u8::from(*value).to_string()),
        value => ini::scalar(value),
    }
}
