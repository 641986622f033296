//! Create an EROFS image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Number, Result, ini};
use osbuild_stage_common::source;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    source: Option<String>,
    #[serde(default)]
    exclude_paths: Vec<String>,
    compression: Option<Compression>,
    #[serde(rename = "cluster-size")]
    cluster_size: Option<Number>,
    #[serde(default)]
    options: Vec<Value>,
}

#[derive(Deserialize)]
struct Compression {
    method: String,
    level: Option<Number>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let source = source::directory(&arguments, options.source.as_deref())?;
        let extended: Vec<String> = options
            .options
            .iter()
            .map(ini::scalar)
            .collect::<Result<_>>()?;
        let mut command = Command::new("mkfs.erofs")
            .arg(arguments.tree.path(&options.filename))
            .args([source.as_str(), "--quiet"])
            .option("-z", options.compression.as_ref().map(Compression::text))
            .option("-E", (!extended.is_empty()).then(|| extended.join(",")))
            .option("-C", given(options.cluster_size.as_ref()));
        for pattern in &options.exclude_paths {
            command = command.args(["--exclude-regex", pattern]);
        }
        command.run()
    })
}

/// The text of a number that is not 0.
fn given(number: Option<&Number>) -> Option<String> {
    let text = number?.to_string();
    (!matches!(text.as_str(), "0" | "0.0")).then_some(text)
}

impl Compression {
    fn text(&self) -> String {
        match given(self.level.as_ref()) {
            Some(level) => format!("{},{level}", self.method),
            None => self.method.clone(),
        }
    }
}
