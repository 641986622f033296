//! `osbuild-wasm search`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::commands::packages::PackagesArguments;
use crate::print::{print_rows, say_json};
use crate::style::Style;
use clap::Args;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::Package;
use std::collections::BTreeSet;

const EXAMPLES: &str = "\
Examples:
  # The newest version of all packages whose name begins with tmux
  osbuild-wasm search --repo http://localhost:8000/repo 'tmux*'

A `*` at both ends and nowhere else asks for a part of the name.
Exit status: 0 found, 1 not found, or a repository is not to be had.";

/// Find packages of repositories by their names
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    packages: PackagesArguments,
    /// All versions, not only the newest
    #[arg(long)]
    all_versions: bool,
    /// Print packages as JSON
    #[arg(long)]
    json: bool,
    /// Name, or a pattern of names with `*`
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,
}

impl Command for SearchArguments {
    fn style(&self) -> Style {
        Style::own(self.json)
    }

    fn run(self) -> Result {
        let (words, latest) = (&self.patterns, !self.all_versions);
        let found = self
            .packages
            .ask(|resolver, wanted| resolver.search(wanted, words, latest))?;
        show(found, words, self.json)
    }
}

/// Shows what was found by words.
pub(crate) fn show(mut found: Vec<Package>, words: &[String], json: bool) -> Result {
    // What two patterns find is one package.
    let mut seen = BTreeSet::new();
    found.retain(|package| seen.insert((package.label(), package.repo_id.clone())));
    found.sort_by_key(|package| (package.label(), package.repo_id.clone()));
    if json {
        say_json(&crate::format::json(&found));
    } else {
        print_rows(found.iter().map(|package| {
            vec![
                package.label(),
                package.repo_id.clone(),
                package.summary.clone().unwrap_or_default(),
            ]
        }));
    }
    if found.is_empty() {
        let problem = format!("no package is called {}", words.join(" or "));
        let mut diagnostic = Diagnostic::new(problem);
        if let Some(word) = words.iter().find(|word| !word.contains('*')) {
            diagnostic = diagnostic.hint(format!("'*{word}*' finds parts of names"));
        }
        return Err(crate::command_error::CommandError::failed(diagnostic));
    }
    Ok(Exit::Done)
}
