//! Write a minimal nginx configuration.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default = "usual_path")]
    path: String,
    #[serde(default)]
    config: Config,
}

fn usual_path() -> String {
    "/etc/nginx/nginx.conf".into()
}

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    listen: String,
    root: String,
    pid: String,
    daemon: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "*:80".into(),
            root: "/usr/share/nginx/html".into(),
            pid: "/run/nginx.pid".into(),
            daemon: true,
        }
    }
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let target = path::normal(&tree.path(&options.path));
        if !target.starts_with(&format!("{}/", tree.root().trim_end_matches('/'))) {
            bail!("path {} not in tree", options.path);
        }
        tree.write(&options.path, text(&options.config)?)
    })
}

fn text(config: &Config) -> Result<String> {
    let daemon = if config.daemon { "on" } else { "off" };
    let Config { listen, root, .. } = config;
    // Words: an address with its parameters.
    if listen.contains([';', '{', '}', '#', '"', '\'', '\\']) {
        bail!("options.config.listen: {listen:?} would be more than an address to nginx");
    }
    if root.contains('$') {
        bail!("options.config.root: nginx would take a part of {root:?} for a variable");
    }
    Ok(format!(
        "events {{}}
http {{
  server {{
    listen {listen};
    root {};
  }}
}}

pid {};
daemon {daemon};
",
        value(root),
        value(&config.pid)
    ))
}

/// A value, in quotes where nginx would not take it for one.
fn value(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || ";{}#\"'\\".contains(c);
    match text.is_empty() || text.contains(special) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        false => text.into(),
    }
}
