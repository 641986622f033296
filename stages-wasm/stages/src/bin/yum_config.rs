//! Set options in yum.conf and in the configuration of yum's plugins.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Result, Tree, ini};
use osbuild_stage_common::ini_preserve::{self, IniText};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

const PLUGINS: &str = "etc/yum/pluginconf.d";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    config: IndexMap<String, Value>,
    plugins: IndexMap<String, Plugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plugin {
    locales: Option<Vec<String>>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        if !options.config.is_empty() {
            let settings = options.config.iter();
            let settings: Vec<(&str, String)> = settings
                .map(|(name, value)| Ok((name.as_str(), ini::scalar(value)?)))
                .collect::<Result<_>>()?;
            set(tree, "etc/yum.conf", &settings)?;
        }
        for (plugin, config) in &options.plugins {
            tree.create_dir_all(PLUGINS)?;
            let locales = config.locales.iter();
            let settings: Vec<(&str, String)> = locales
                .map(|locales| ("langpack_locales", locales.join(", ")))
                .collect();
            set(tree, &format!("{PLUGINS}/{plugin}.conf"), &settings)?;
        }
        Ok(())
    })
}

/// Sets options of the section main; a missing file is made.
fn set(tree: &Tree, path: &str, settings: &[(&str, String)]) -> Result<()> {
    let before = ini_preserve::read(tree, path)?;
    tree.write(path, edited(&before, settings).context(path)?)
}

fn edited(text: &str, settings: &[(&str, String)]) -> Result<String> {
    let mut file = IniText::parse(text)?;
    file.add_section("main");
    for (name, value) in settings {
        file.set("main", name, value)?;
    }
    Ok(file.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_main_are_set_in_new_and_old_files() {
        let settings = [("http_caching", "none".into())];
        assert_eq!(
            edited("", &settings).unwrap(),
            "[main]\nhttp_caching = none"
        );
        assert_eq!(
            edited("[main]\nhttp_caching=all\n", &settings).unwrap(),
            "[main]\nhttp_caching=none\n"
        );
    }
}
