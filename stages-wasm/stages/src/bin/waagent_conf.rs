//! Set Azure agent options in etc/waagent.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap};
use osbuild_stage_common::lines;
use serde::Deserialize;
use std::process::ExitCode;

/// The options, in the order in which they are added.
const KEYS: [&str; 4] = [
    "Provisioning.UseCloudInit",
    "Provisioning.Enabled",
    "ResourceDisk.Format",
    "ResourceDisk.EnableSwap",
];

#[derive(Deserialize)]
struct Options {
    config: IndexMap<String, bool>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        lines::replace(&arguments.tree, "etc/waagent.conf", |text| {
            changed(text, &arguments.options.config)
        })
    })
}

fn changed(text: &str, config: &IndexMap<String, bool>) -> String {
    let word = |value: &bool| if *value { "y" } else { "n" };
    let settings = KEYS.into_iter();
    let settings = settings.filter_map(|key| Some((key, word(config.get(key)?))));
    lines::set(
        text,
        settings.collect(),
        |(key, value), line| {
            let (name, old) = lines::pair(line, "=")?;
            match name.eq_ignore_ascii_case(key) {
                true if old == *value => Some(line.into()),
                true => Some(format!("{name}={value}\n")),
                false => None,
            }
        },
        |(key, value)| format!("{key}={value}\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_in_any_case_and_keep_their_spelling() {
        let config = [(KEYS[1].into(), true), (KEYS[0].into(), false)].into();
        assert_eq!(
            changed(
                "# x\nprovisioning.enabled=n\nProvisioning.Enabled=n\n",
                &config
            ),
            "# x\nprovisioning.enabled=y\nProvisioning.Enabled=n\nProvisioning.UseCloudInit=n\n"
        );
    }
}
