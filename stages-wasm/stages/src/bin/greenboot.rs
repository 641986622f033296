//! Configure monitored services in etc/greenboot/greenboot.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::fields::word;
use osbuild_stage_common::lines;
use osbuild_stage_common::quoting::shell_quoted;
use serde::Deserialize;
use std::process::ExitCode;

const KEY: &str = "GREENBOOT_MONITOR_SERVICES";

#[derive(Deserialize)]
struct Options {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    monitor_services: Option<Vec<String>>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        const OPTION: &str = "config.monitor_services";
        let quoted = |service: &String| {
            word(OPTION, service)?;
            shell_quoted(OPTION, service)
        };
        let services = arguments.options.config.monitor_services;
        let services = services.map(|services| services.iter().map(quoted).collect());
        let services = services.transpose()?;
        lines::replace(&arguments.tree, "etc/greenboot/greenboot.conf", |text| {
            changed(text, services)
        })
    })
}

/// Services that the file does not have yet go in front of those it has.
fn changed(text: &str, services: Option<Vec<String>>) -> String {
    lines::set(
        text,
        services.into_iter().collect(),
        |services, line| {
            let (key, value) = lines::pair(line, "=")?;
            let old: Vec<&str> = value.trim_matches(['"', '\n']).split(' ').collect();
            let new = services.iter().map(String::as_str);
            let new = new.filter(|service| !old.contains(service));
            (key == KEY).then(|| assignment(new.chain(old.iter().copied())))
        },
        |services| assignment(services.iter().map(String::as_str)),
    )
}

fn assignment<'a>(services: impl Iterator<Item = &'a str>) -> String {
    format!("{KEY}=\"{}\"\n", services.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_services_go_before_the_old_ones() {
        let services = || Some(vec!["b".into(), "c".into()]);
        assert_eq!(
            changed(&format!("#{KEY}=\"x\"\n{KEY}=\"a b\"\n"), services()),
            format!("#{KEY}=\"x\"\n{KEY}=\"c a b\"\n")
        );
        assert_eq!(
            changed("A=b\n", services()),
            format!("A=b\n{KEY}=\"b c\"\n")
        );
    }
}
