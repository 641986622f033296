//! Evaluate and remediate the tree with OpenSCAP.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree, bail, path};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    data_dir: Option<String>,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    profile_id: String,
    datastream: String,
    datastream_id: Option<String>,
    xccdf_id: Option<String>,
    tailoring: Option<String>,
    arf_results: Option<String>,
    /// The older name of `arf_results`.
    xml_results: Option<String>,
    xccdf_results: Option<String>,
    html_report: Option<String>,
    verbose_log: Option<String>,
    verbose_level: Option<String>,
    #[serde(default)]
    compress_results: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let data = arguments.options.data_dir.as_deref().unwrap_or("root");
        let data = data.trim_start_matches('/');
        arguments.tree.create_dir_all(data)?;
        let scan = Scan {
            tree: &arguments.tree,
            data,
            config: &arguments.options.config,
        };
        scan.evaluate()?;
        scan.generate_fix()?;
        scan.remediate()?;
        scan.report()?;
        scan.compress()
    })
}

/// One evaluation with its files in the directory `data` of the tree.
struct Scan<'a> {
    tree: &'a Tree,
    data: &'a str,
    config: &'a Config,
}

impl Scan<'_> {
    fn evaluate(&self) -> Result<()> {
        let mut more = self.selection();
        if let Some(results) = self.arf_results() {
            more.extend(["--results-arf".into(), results]);
        }
        more.extend(["--results".into(), self.results()]);
        more.push(self.config.datastream.clone());
        self.oscap(&["eval"], "eval", more)
    }

    fn generate_fix(&self) -> Result<()> {
        let mut more = self.selection();
        more.extend(["--fix-type", "bash", "--output"].map(String::from));
        more.extend([self.script(), self.results()]);
        self.oscap(&["generate", "fix"], "generate-fix", more)
    }

    /// The script mends what it can; what it could not shows in the report.
    fn remediate(&self) -> Result<()> {
        let bash = chroot::command(self.tree, "bash")?;
        let bash = match &self.config.verbose_log {
            None => bash.arg(self.script()),
            Some(log) => bash
                .args(["-c", "exec bash \"$1\" 2>\"$2\"", "bash"])
                .args([self.script(), self.file(&format!("{log}.remediation"))]),
        };
        bash.status().map(drop)
    }

    fn report(&self) -> Result<()> {
        let Some(report) = &self.config.html_report else {
            return Ok(());
        };
        let mut more = vec!["--skip-signature-validation".into()];
        more.extend(self.selection());
        more.extend(["--report".into(), self.file(report)]);
        more.push(self.config.datastream.clone());
        self.oscap(&["eval"], "eval-remediated", more)
    }

    fn compress(&self) -> Result<()> {
        if !self.config.compress_results {
            return Ok(());
        }
        let files = self.arf_results().into_iter().chain([self.results()]);
        let files = files.map(|file| self.tree.path(&file));
        Command::new("xz").args(files).status().map(drop)
    }

    /// Runs oscap in the tree; its status 2 says that rules failed.
    fn oscap(&self, what: &[&str], suffix: &str, more: Vec<String>) -> Result<()> {
        let mut command = chroot::command(self.tree, "oscap")?
            .arg("xccdf")
            .args(what.iter().copied())
            .args(self.verbose(suffix))
            .args(more);
        if what == ["eval"] {
            command = command
                .env("OSCAP_PROBE_ROOT", "")
                .env("OSCAP_CONTAINER_VARS", "container=bwrap-osbuild");
        }
        match command.status()? {
            0 | 2 => Ok(()),
            status => bail!("oscap xccdf {} ended with status {status}", what.join(" ")),
        }
    }

    fn selection(&self) -> Vec<String> {
        let config = self.config;
        let flags = [
            ("--profile", &Some(config.profile_id.clone())),
            ("--datastream-id", &config.datastream_id),
            ("--xccdf-id", &config.xccdf_id),
            ("--tailoring-file", &config.tailoring),
        ];
        let pair = |(flag, value): (&str, &Option<String>)| Some([flag.to_owned(), value.clone()?]);
        flags.into_iter().filter_map(pair).flatten().collect()
    }

    fn verbose(&self, suffix: &str) -> Vec<String> {
        let log = self.config.verbose_log.as_ref();
        let level = self.config.verbose_level.as_deref();
        let level = level.or(log.map(|_| "INFO"));
        let mut arguments: Vec<String> = level
            .iter()
            .flat_map(|level| ["--verbose", level])
            .map(Into::into)
            .collect();
        if let Some(log) = log {
            arguments.extend([
                "--verbose-log-file".into(),
                self.file(&format!("{log}.{suffix}")),
            ]);
        }
        arguments
    }

    fn arf_results(&self) -> Option<String> {
        let name = self
            .config
            .arf_results
            .as_ref()
            .or(self.config.xml_results.as_ref());
        name.map(|name| self.file(name))
    }

    fn results(&self) -> String {
        let name = self.config.xccdf_results.as_deref();
        self.file(name.unwrap_or("oscap_eval_xccdf_results.xml"))
    }

    fn script(&self) -> String {
        self.file("oscap_remediation.bash")
    }

    /// A file of the data directory, relative to the root of the tree, where oscap runs.
    fn file(&self, name: &str) -> String {
        path::join(self.data, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_arguments() {
        let config = serde_json::from_str(
            r#"{"profile_id": "p", "datastream": "/ds", "xccdf_id": "x", "tailoring": "/t",
                "verbose_log": "v.log", "xml_results": "arf"}"#,
        )
        .unwrap();
        let scan = Scan {
            tree: &Tree::new("/t"),
            data: "d",
            config: &config,
        };
        assert_eq!(
            scan.selection().join(" "),
            "--profile p --xccdf-id x --tailoring-file /t"
        );
        assert_eq!(
            scan.verbose("eval").join(" "),
            "--verbose INFO --verbose-log-file d/v.log.eval"
        );
        assert_eq!(scan.arf_results().unwrap(), "d/arf");
    }
}
