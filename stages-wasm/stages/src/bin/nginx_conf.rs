//! Write a minimal nginx configuration.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, bail, path};
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
        for value in [
            &options.config.listen,
            &options.config.root,
            &options.config.pid,
        ] {
            if value.contains([';', '{', '}', '#', '"', '\'', '\\']) {
                bail!("options.config: {value:?} would be more than a value to nginx");
            }
        }
        tree.write(&options.path, text(&options.config))
    })
}

fn text(config: &Config) -> String {
    let daemon = if config.daemon { "on" } else { "off" };
    format!(
        "events {{}}
http {{
  server {{
    listen {};
    root {};
  }}
}}

pid {};
daemon {daemon};
",
        config.listen, config.root, config.pid
    )
}
