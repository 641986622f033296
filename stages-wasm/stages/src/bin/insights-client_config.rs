//! Set the proxy in the insights client configuration.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::fields::text;
use osbuild_stage_common::lines;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    config: Config,
    #[serde(default = "usual_path")]
    path: String,
}

fn usual_path() -> String {
    "etc/insights-client/insights-client.conf".into()
}

#[derive(Deserialize)]
struct Config {
    proxy: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, arguments.options);
        text(
            "config.proxy",
            options.config.proxy.as_deref().unwrap_or_default(),
        )?;
        let before = tree.read_if_exists(&options.path)?.unwrap_or_default();
        tree.write(
            &options.path,
            changed(&lines::unix(&before), options.config.proxy),
        )
    })
}

fn changed(text: &str, proxy: Option<String>) -> String {
    lines::set(
        text,
        proxy.into_iter().collect(),
        |proxy, line| match lines::pair(line, "=")? {
            ("proxy", old) if old == proxy => Some(line.into()),
            ("proxy", _) => Some(format!("proxy={proxy}\n")),
            _ => None,
        },
        |proxy| format!("proxy={proxy}\n"),
    )
}
