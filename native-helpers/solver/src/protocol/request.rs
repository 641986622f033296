//! What is asked for.
use super::fields::{Result, flag, get, optional_texts, required, text, texts};
use super::repo::Repo;
use crate::failure::Failure;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) version: Version,
    pub(crate) command: Command,
    pub(crate) arch: String,
    pub(crate) releasever: String,
    pub(crate) module_platform_id: Option<String>,
    pub(crate) cachedir: PathBuf,
    pub(crate) repos: Vec<Repo>,
    pub(crate) root_dir: Option<PathBuf>,
    /// Whether all files of packages are read.
    pub(crate) filelists: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Finds packages for each transaction.
    Depsolve {
        transactions: Vec<Transaction>,
        /// Whether a document says what the packages are made of.
        sbom: bool,
    },
    /// Finds packages by name.
    Search { packages: Vec<String>, latest: bool },
    /// All packages.
    Dump,
}

/// Packages that are wished for together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) packages: Vec<String>,
    pub(crate) excludes: Vec<String>,
    /// Repositories that take part; none named: all.
    pub(crate) repos: Vec<String>,
    pub(crate) modules: Vec<String>,
    pub(crate) weak: bool,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the protocol.
    pub(crate) fn parse(document: &[u8]) -> Result<Self> {
        let document: Value = serde_json::from_slice(document)
            .map_err(|error| Failure::invalid(format!("The request is not valid JSON: {error}")))?;
        let object = document
            .as_object()
            .ok_or_else(|| Failure::invalid("The request must be a dict"))?;
        let version = match object.get("api_version") {
            None => Version::One,
            Some(value) if value.as_i64() == Some(1) => Version::One,
            Some(value) if value.as_i64() == Some(2) => Version::Two,
            Some(other) => return Err(Failure::invalid(format!("Invalid API version: {other}"))),
        };
        let command = required(object, "command")?;
        let command = command
            .as_str()
            .map_or_else(|| command.to_string(), str::to_owned);
        for name in ["arch", "releasever", "cachedir", "arguments"] {
            required(object, name)?;
        }
        if !["depsolve", "dump", "search"].contains(&&*command) {
            return Err(Failure::invalid(format!(
                "Invalid command '{command}': must be one of depsolve, dump, search"
            )));
        }
        let arguments = object["arguments"].as_object();
        let arguments =
            arguments.ok_or_else(|| Failure::invalid("Field 'arguments' must be a dict"))?;
        let command = parse_command(&command, arguments, version)?;
        let repos = parse_repos(arguments, version)?;
        let root_dir = text(arguments, "root_dir")?.filter(|path| !path.is_empty());
        let not_empty = |name: &str| {
            let value = text(object, name)?.filter(|value| !value.is_empty());
            value.ok_or_else(|| Failure::invalid(format!("Field '{name}' is required")))
        };
        let (arch, cachedir) = (not_empty("arch")?, not_empty("cachedir")?);
        if repos.is_empty() && root_dir.is_none() {
            return Err(Failure::invalid("No 'repos' or 'root_dir' specified"));
        }
        let optional = optional_texts(arguments, "optional-metadata")?;
        Ok(Self {
            version,
            command,
            arch,
            releasever: text(object, "releasever")?.unwrap_or_default(),
            module_platform_id: text(object, "module_platform_id")?.filter(|id| !id.is_empty()),
            cachedir: cachedir.into(),
            repos,
            root_dir: root_dir.map(PathBuf::from),
            filelists: optional.iter().any(|kind| kind == "filelists"),
        })
    }
}

fn parse_repos(arguments: &Map<String, Value>, version: Version) -> Result<Vec<Repo>> {
    let Some(repos) = get(arguments, "repos") else {
        return Ok(Vec::new());
    };
    let repos = repos.as_array();
    let repos = repos.ok_or_else(|| Failure::invalid("Field 'repos' must be a list"))?;
    repos
        .iter()
        .map(|repo| Repo::parse(repo, version))
        .collect()
}

fn parse_command(name: &str, arguments: &Map<String, Value>, version: Version) -> Result<Command> {
    if version == Version::Two {
        refuse_others(name, arguments)?;
    }
    match name {
        "depsolve" => Ok(Command::Depsolve {
            transactions: transactions(arguments)?,
            sbom: sbom(arguments)?,
        }),
        "search" => search(arguments),
        _ => Ok(Command::Dump),
    }
}

/// What belongs to another command is an error.
fn refuse_others(name: &str, arguments: &Map<String, Value>) -> Result<()> {
    let refused = match name {
        "depsolve" if get(arguments, "search").is_some() => {
            "Search arguments are only supported with 'search' command"
        }
        "search" | "dump" if get(arguments, "transactions").is_some() => {
            "Depsolve arguments are only supported with 'depsolve' command"
        }
        "search" | "dump" if get(arguments, "sbom").is_some() => {
            "Field 'sbom' is only supported with 'depsolve' command"
        }
        "dump" if get(arguments, "search").is_some() => {
            "Search arguments are only supported with 'search' command"
        }
        _ => return Ok(()),
    };
    Err(Failure::invalid(refused))
}

fn transactions(arguments: &Map<String, Value>) -> Result<Vec<Transaction>> {
    let Some(list) = get(arguments, "transactions") else {
        return Err(Failure::invalid("Depsolve command requires arguments"));
    };
    let list = list.as_array();
    let list = list.ok_or_else(|| Failure::invalid("Field 'transactions' must be a list"))?;
    if list.is_empty() {
        return Err(Failure::invalid(
            "Depsolve command must contain at least one transaction",
        ));
    }
    list.iter().map(transaction).collect()
}

fn transaction(value: &Value) -> Result<Transaction> {
    let wrong = |problem| {
        Failure::invalid(format!(
            "Invalid depsolve transaction: Depsolve transaction must {problem}"
        ))
    };
    let object = value.as_object().ok_or_else(|| wrong("be a dict"))?;
    let packages = optional_texts(object, "package-specs")?;
    if packages.is_empty() {
        return Err(wrong("contain at least one package specification"));
    }
    Ok(Transaction {
        packages,
        excludes: optional_texts(object, "exclude-specs")?,
        repos: optional_texts(object, "repo-ids")?,
        modules: optional_texts(object, "module-enable-specs")?,
        weak: flag(object, "install_weak_deps")?.unwrap_or(false),
    })
}

fn sbom(arguments: &Map<String, Value>) -> Result<bool> {
    let Some(sbom) = get(arguments, "sbom") else {
        return Ok(false);
    };
    let sbom = sbom
        .as_object()
        .ok_or_else(|| Failure::invalid("Field 'sbom' must be a dict"))?;
    let kind = sbom
        .get("type")
        .ok_or_else(|| Failure::invalid("Missing required field 'type' in 'sbom'"))?;
    match kind.as_str() {
        Some("spdx") => Ok(true),
        other => {
            let kind = other.map_or_else(|| kind.to_string(), str::to_owned);
            Err(Failure::invalid(format!(
                "Unsupported SBOM type '{kind}'. Supported types: spdx"
            )))
        }
    }
}

fn search(arguments: &Map<String, Value>) -> Result<Command> {
    let Some(search) = get(arguments, "search") else {
        return Err(Failure::invalid("Search command requires arguments"));
    };
    let search = search
        .as_object()
        .ok_or_else(|| Failure::invalid("Field 'search' must be a dict"))?;
    let missing = || Failure::invalid("Missing required field 'packages' in 'search' dict");
    let packages = texts(search.get("packages").ok_or_else(missing)?, "packages")?;
    if packages.is_empty() {
        return Err(Failure::invalid(
            "Search command must contain at least one package specification",
        ));
    }
    Ok(Command::Search {
        packages,
        latest: flag(search, "latest")?.unwrap_or(false),
    })
}
