//! `osbuild-wasm depsolve`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::commands::packages::{PackagesArguments, bytes, check_output};
use crate::format::json;
use crate::output_file;
use crate::print::{print_rows, say, say_json};
use crate::style::Style;
use clap::Args;
use osbuild_wasm_resolve::{Dependency, Package, Transaction};
use std::collections::HashMap;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # What would be installed on a distribution
  osbuild-wasm depsolve --distro fedora-43 @core tmux

  # What would be installed, why, from where, how large
  osbuild-wasm depsolve --repo http://localhost:8000/repo bash coreutils

  # As programs read it: names, checksums and URLs
  osbuild-wasm depsolve --repo /etc/yum.repos.d --json @core | jq -r '.[].checksum.value'

Packages are named and chosen as by dnf: by name, version and architecture, patterns of these,
what they provide, files, @group, @module:stream/profile.

Exit status: 0 solved, 1 a repository is not to be had or wishes exclude one another,
2 something does not exist.";

/// Find the packages that fulfil wishes, from repositories of RPM packages; install nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DepsolveArguments {
    #[command(flatten)]
    packages: PackagesArguments,
    /// Packages that are not to be installed; may be repeated
    #[arg(long, value_name = "SPEC")]
    exclude: Vec<String>,
    /// Stream of a module to enable; may be repeated
    #[arg(long, value_name = "NAME:STREAM")]
    enable_module: Vec<String>,
    /// Also what packages recommend
    #[arg(long)]
    weak_deps: bool,
    /// Write what the packages are made of as SPDX 2.3
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Print packages as JSON
    #[arg(long)]
    json: bool,
    /// What is wished for
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,
}

impl Command for DepsolveArguments {
    fn style(&self) -> Style {
        Style::own(self.json)
    }

    fn run(self) -> Result {
        check_output(self.sbom.as_deref())?;
        let transaction = Transaction {
            packages: self.specs,
            excludes: self.exclude,
            repositories: Vec::new(),
            modules: self.enable_module,
            weak: self.weak_deps,
        };
        let with_sbom = self.sbom.is_some();
        let found = self
            .packages
            .ask(|resolver, wanted| resolver.depsolve(wanted, &[transaction], with_sbom))?;
        if let (Some(path), Some(sbom)) = (&self.sbom, &found.sbom) {
            output_file::write(path, json(sbom).as_bytes())?;
        }
        let packages: Vec<_> = found.transactions.into_iter().flatten().collect();
        match self.json {
            true => say_json(&json(&packages)),
            false => show(&packages),
        }
        Ok(Exit::Done)
    }
}

fn show(packages: &[Package]) {
    let reasons = Reasons::new(packages);
    let header = ["package", "why", "repository", "download", "installed"].map(str::to_owned);
    let row = |package: &Package| {
        let (download, installed) = (bytes(package.download_size), bytes(package.install_size));
        vec![
            package.label(),
            reasons.of(package),
            package.repo_id.clone(),
            download,
            installed,
        ]
    };
    print_rows(
        [header.to_vec()]
            .into_iter()
            .chain(packages.iter().map(row)),
    );
    let sum =
        |size: fn(&Package) -> u64| bytes(packages.iter().map(size).fold(0, u64::saturating_add));
    let (count, noun) = (
        packages.len(),
        if packages.len() == 1 {
            "package"
        } else {
            "packages"
        },
    );
    say(&format!(
        "\n{count} {noun}: {} to download, {} installed\n",
        sum(|package| package.download_size),
        sum(|package| package.install_size)
    ));
}

/// Who needs what, for telling why a package is there.
struct Reasons<'a> {
    /// The first package that requires, or recommends, a capability.
    requiring: HashMap<&'a str, &'a str>,
    recommending: HashMap<&'a str, &'a str>,
}

impl<'a> Reasons<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let mut reasons = Self {
            requiring: HashMap::new(),
            recommending: HashMap::new(),
        };
        for package in packages {
            note(&mut reasons.requiring, &package.requires, &package.name);
            note(
                &mut reasons.recommending,
                &package.recommends,
                &package.name,
            );
        }
        reasons
    }

    fn of(&self, package: &Package) -> String {
        let by = |who: &HashMap<&str, &'a str>| self.who(who, package);
        match package.reason.as_deref() {
            Some("user") => "asked for".to_owned(),
            Some("group") => "part of a group".to_owned(),
            Some("weak-dependency") => match by(&self.recommending) {
                Some(name) => format!("recommended by {name}"),
                None => "goes with others".to_owned(),
            },
            _ => match by(&self.requiring) {
                Some(name) => format!("needed by {name}"),
                None => "needed by others".to_owned(),
            },
        }
    }

    fn who(&self, who: &HashMap<&str, &'a str>, package: &Package) -> Option<&'a str> {
        let provides = package
            .provides
            .iter()
            .map(|provided| provided.name.as_str());
        let mut names = provides.chain(package.files.iter().map(String::as_str));
        names.find_map(|name| {
            who.get(name)
                .copied()
                .filter(|other| *other != package.name)
        })
    }
}

/// Notes who names capabilities, those in rich dependencies too.
fn note<'a>(who: &mut HashMap<&'a str, &'a str>, dependencies: &'a [Dependency], name: &'a str) {
    for dependency in dependencies {
        let words = match dependency.name.starts_with('(') {
            true => dependency.name.split([' ', '(', ')'].as_ref()).collect(),
            false => vec![dependency.name.as_str()],
        };
        for word in words {
            who.entry(word).or_insert(name);
        }
    }
}
