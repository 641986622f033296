//! Configure firewalld offline.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree, bail};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use std::process::ExitCode;

/// firewalld's status for a zone that does not exist.
const UNKNOWN_ZONE: i32 = 112;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    ports: Vec<String>,
    enabled_services: Vec<String>,
    disabled_services: Vec<String>,
    default_zone: String,
    zones: Vec<Zone>,
}

#[derive(Deserialize)]
struct Zone {
    name: String,
    #[serde(default)]
    sources: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        if !options.default_zone.is_empty() {
            firewall(tree)?
                .arg(format!("--set-default-zone={}", options.default_zone))
                .run()?;
        }
        let services = services(options);
        if !services.is_empty() {
            firewall(tree)?.args(services).run()?;
        }
        options.zones.iter().try_for_each(|zone| apply(tree, zone))
    })
}

fn firewall(tree: &Tree) -> Result<Command> {
    chroot::command(tree, "firewall-offline-cmd")
}

fn services(options: &Options) -> Vec<String> {
    let flags = [
        ("--port", &options.ports),
        ("--service", &options.enabled_services),
        ("--remove-service", &options.disabled_services),
    ];
    flags
        .into_iter()
        .flat_map(|(flag, values)| values.iter().map(move |value| format!("{flag}={value}")))
        .collect()
}

/// Makes the zone when it is new, and adds its sources.
fn apply(tree: &Tree, zone: &Zone) -> Result<()> {
    let name = &zone.name;
    if !name.is_empty() {
        let command = |flag| firewall(tree).map(|command| command.arg(format!("{flag}={name}")));
        let mut status = command("--info-zone")?.status()?;
        if status == UNKNOWN_ZONE {
            status = command("--new-zone")?.status()?;
        }
        if status != 0 {
            bail!("zone {name}: firewall-offline-cmd ended with status {status}");
        }
    }
    if zone.sources.is_empty() {
        return Ok(());
    }
    let sources = zone.sources.iter();
    firewall(tree)?
        .arg(format!("--zone={name}"))
        .args(sources.map(|source| format!("--add-source={source}")))
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_services_are_one_command() {
        let options: Options = serde_json::from_str(
            r#"{"disabled_services": ["d"], "ports": ["1:tcp"], "enabled_services": ["e", "f"]}"#,
        )
        .unwrap();
        assert_eq!(
            services(&options).join(" "),
            "--port=1:tcp --service=e --service=f --remove-service=d"
        );
    }
}
