//! Starting the solver, and asking it.
use crate::cache::{self, Ready};
use crate::error::{Kind, ResolveError, Result};
use crate::package::{self, Package, Packages};
use crate::repository::Repository;
use osbuild_wasm_events::Observer;
use osbuild_wasm_files::{companion_program, read_whole, with_causes};
use osbuild_wasm_source::{Allowance, Environment, FetchContext, LIBREPO, Logins};
use osbuild_wasm_store::Store;
use osbuild_wasm_sys::spawn::die_with_parent;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

/// The largest answer: all packages of a large distribution take less.
const LARGEST_ANSWER: u64 = 512 << 20;
/// How much of what a solver says beside is kept.
const KEPT: u64 = 1 << 20;

/// How packages are looked for.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Directory for metadata; only its owner can write to it.
    pub cache: &'a Path,
    /// Another solver that speaks the protocol; it gets metadata as files of this machine as well.
    pub solver: Option<&'a Path>,
    /// Proxies and certificates.
    pub environment: &'a Environment,
    /// Which servers may be asked for how much, by the kind of source that fetches what is found ([`LIBREPO`] and others).
    pub allowance: &'a dyn Fn(&'static str) -> Allowance<'a>,
    /// Hears of downloads.
    pub observer: &'a dyn Observer,
    /// Set to true from elsewhere, it ends downloads at once.
    pub cancel: &'a AtomicBool,
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("cache", &self.cache)
            .field("solver", &self.solver)
            .finish_non_exhaustive()
    }
}

/// Packages that are wished for together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Names, patterns, capabilities, files, `@groups` and `@modules:streams`.
    pub packages: Vec<String>,
    /// What is not to be installed.
    pub excludes: Vec<String>,
    /// Ids of the repositories that take part; none: all.
    pub repositories: Vec<String>,
    /// Streams of modules to enable.
    pub modules: Vec<String>,
    /// Whether recommended packages are installed as well.
    pub weak: bool,
}

/// For which system packages are looked for, and where.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Architecture, such as `x86_64`.
    pub arch: &'a str,
    /// Version of the distribution.
    pub releasever: &'a str,
    /// Platform of modules, such as `platform:f43`.
    pub platform: Option<&'a str>,
    /// Where packages come from.
    pub repositories: &'a [Repository],
}

/// Finds packages.
#[derive(Debug)]
pub struct Resolver<'a> {
    settings: Settings<'a>,
    store: Store,
}

impl<'a> Resolver<'a> {
    /// # Errors
    /// The cache cannot be used.
    pub fn new(settings: Settings<'a>) -> Result<Self> {
        cache::own(settings.cache)?;
        let path = settings.cache.join("downloads");
        let store = Store::open(&path)
            .map_err(|error| ResolveError::cache("use", &path, with_causes(&error)))?;
        Ok(Self { settings, store })
    }

    /// Finds the packages that fulfil transactions, each on top of those before; with a document of what they are made of, if `sbom`.
    ///
    /// # Errors
    /// One line: a repository is not to be had, something does not exist, or wishes exclude one another.
    pub fn depsolve(
        &self,
        wanted: &Wanted<'_>,
        transactions: &[Transaction],
        sbom: bool,
    ) -> Result<Packages> {
        let words = transactions
            .iter()
            .flat_map(|transaction| &transaction.packages);
        let is_path = |word: &String| word.starts_with('/') || word.starts_with("*/");
        let filelists = self.settings.solver.is_some() || words.clone().any(is_path);
        let mut arguments =
            json!({ "transactions": transactions.iter().map(transaction).collect::<Vec<_>>() });
        if sbom {
            arguments["sbom"] = json!({"type": "spdx"});
        }
        let mut reply = self.ask(wanted, "depsolve", &arguments, filelists);
        // Most packages need no file that the main list does not have; that one does is found out here.
        if let Err(error) = &reply
            && error.kind == Kind::Conflict
            && !filelists
            && error.to_string().contains("requires /")
        {
            reply = self.ask(wanted, "depsolve", &arguments, true);
        }
        let (mut reply, keys) = reply?;
        let transactions: Vec<Vec<Package>> = read(reply["transactions"].take())?;
        let modules = reply["modules"].take();
        let mut packages = transactions.iter().flatten();
        packages.try_for_each(|package| package.check(wanted.repositories))?;
        package::check_modules(&modules)?;
        Ok(Packages {
            keys,
            transactions,
            modules,
            sbom: reply.get_mut("sbom").map(Value::take),
        })
    }

    /// Finds packages by name: `*` at both ends asks for a part of it, elsewhere it makes a pattern.
    ///
    /// # Errors
    /// As [`Resolver::depsolve`].
    pub fn search(
        &self,
        wanted: &Wanted<'_>,
        words: &[String],
        latest: bool,
    ) -> Result<Vec<Package>> {
        let arguments = json!({"search": {"packages": words, "latest": latest}});
        let filelists = self.settings.solver.is_some();
        let (mut reply, _) = self.ask(wanted, "search", &arguments, filelists)?;
        read(reply["packages"].take())
    }

    /// How servers are asked for what that kind of source fetches.
    pub(crate) fn context(&self, source: &'static str) -> FetchContext<'_> {
        let allowance = (self.settings.allowance)(source);
        let time = allowance.time;
        FetchContext {
            store: &self.store,
            observer: self.settings.observer,
            cancel: self.settings.cancel,
            // Those of repositories come with these.
            logins: Logins::none(),
            environment: self.settings.environment,
            host_root: Path::new("/"),
            deadline: time.and_then(|time| Instant::now().checked_add(time)),
            allowance,
        }
    }

    fn ask(
        &self,
        wanted: &Wanted<'_>,
        command: &str,
        arguments: &Value,
        filelists: bool,
    ) -> Result<(Value, BTreeMap<String, Vec<String>>)> {
        let (cache, context) = (self.settings.cache, self.context(LIBREPO));
        let ready = cache::prepare(wanted.repositories, cache, filelists, &context)?;
        let mut arguments = arguments.clone();
        arguments["repos"] = ready
            .iter()
            .map(|(repository, ready)| describe(repository, ready))
            .collect();
        if filelists {
            arguments["optional-metadata"] = json!(["filelists"]);
        }
        let cachedir = self.settings.cache.join("solver");
        cache::own(&cachedir)?;
        let request = json!({
            "api_version": 2,
            "command": command,
            "arch": wanted.arch,
            "releasever": wanted.releasever,
            "module_platform_id": wanted.platform.unwrap_or_default(),
            "cachedir": cachedir,
            "proxy": "",
            "arguments": arguments,
        });
        let reply = self.run(&request)?;
        let reply = with_servers(reply, &ready);
        let keys = ready.into_iter();
        let keys = keys.map(|(repository, ready)| (repository.id.clone(), ready.keys));
        Ok((reply, keys.collect()))
    }

    fn program(&self) -> PathBuf {
        let other = self.settings.solver.map(Path::to_owned);
        other.unwrap_or_else(|| companion_program("osbuild-wasm-solver"))
    }

    fn run(&self, request: &Value) -> Result<Value> {
        let program = self.program();
        let broken = |problem: &dyn std::fmt::Display| {
            ResolveError::new(
                Kind::Solver,
                format!("the solver {} does not work: {problem}", program.display()),
            )
        };
        let child = start(&program).map_err(|error| broken(&error))?;
        let output = talk(child, &request.to_string()).map_err(|error| broken(&error))?;
        let document: Value = serde_json::from_slice(&output.answer).map_err(|_| {
            let said = String::from_utf8_lossy(&output.said);
            broken(&said.lines().next_back().unwrap_or("it gives no answer"))
        })?;
        match output.success {
            true => Ok(document),
            false => Err(failure(&document)),
        }
    }
}

fn start(program: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    die_with_parent(&mut command, pidfd_open(getpid(), PidfdFlags::empty())?);
    command.spawn()
}

/// What a solver answered, and what it said beside.
struct Output {
    success: bool,
    answer: Vec<u8>,
    said: Vec<u8>,
}

/// Writes the request while it reads the answer.
fn talk(mut child: Child, request: &str) -> io::Result<Output> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let said = thread::scope(|scope| {
        scope.spawn(move || {
            // Who does not read its request answers why.
            _ = stdin.map(|mut stdin| stdin.write_all(request.as_bytes()));
        });
        let said = scope.spawn(|| stderr.map_or(Ok(Vec::new()), beginning));
        let answer = child.stdout.take();
        let answer = answer.map_or(Ok(Vec::new()), |stdout| read_whole(stdout, LARGEST_ANSWER));
        if answer.is_err() {
            // Who is still writing ends here; who has ended cannot be killed.
            _ = child.kill();
        }
        let said = said.join().unwrap_or_else(|_| Ok(Vec::new()));
        Ok::<_, io::Error>((answer?, said?))
    });
    let status = child.wait()?;
    let (answer, said) = said?;
    Ok(Output {
        success: status.success(),
        answer,
        said,
    })
}

/// The beginning of a text that is read to its end.
fn beginning(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    from.by_ref().take(KEPT).read_to_end(&mut kept)?;
    io::copy(&mut from, &mut io::sink())?;
    Ok(kept)
}

/// The protocol's failure as an error.
fn failure(document: &Value) -> ResolveError {
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let kind = match text("kind").as_str() {
        "RepoError" | "NoReposError" | "GPGKeyReadError" | "NoRHSMSubscriptionsError" => {
            Kind::Repository
        }
        "MarkingErrors" => Kind::Missing,
        "DepsolveError" => Kind::Conflict,
        _ => Kind::Solver,
    };
    ResolveError::new(kind, plain(kind, &in_one_line(&text("reason"))))
}

/// What metadata brings along, such as a line break in a name, is no further line of our messages.
fn in_one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

/// A reason of the protocol without what it begins with, which says what our errors say anyhow: that a repository is meant, or all that was
/// wished for, which may be hundreds of names.
fn plain(kind: Kind, reason: &str) -> String {
    let (begin, ours) = match kind {
        Kind::Repository => (
            "There was a problem reading a repository: ",
            "the repository ",
        ),
        Kind::Missing => (
            "Error occurred when marking packages for installation: ",
            "",
        ),
        _ => ("There was a problem depsolving ", ""),
    };
    match (kind, reason.strip_prefix(begin)) {
        (Kind::Conflict, Some(rest)) => {
            let problem = rest.split_once(": ").map_or(rest, |(_, problem)| problem);
            problem.to_owned()
        }
        (_, Some(rest)) => format!("{ours}{rest}"),
        (_, None) => reason.to_owned(),
    }
}

fn transaction(transaction: &Transaction) -> Value {
    json!({
        "package-specs": transaction.packages,
        "exclude-specs": transaction.excludes,
        "repo-ids": transaction.repositories,
        "module-enable-specs": transaction.modules,
        "install_weak_deps": transaction.weak,
    })
}

/// A repository as the solver gets it: its metadata is on this machine.
fn describe(repository: &Repository, ready: &Ready) -> Value {
    let mut described = json!({
        "id": repository.id,
        "baseurl": [local(ready)],
        "gpgkey": ready.keys,
        "gpgcheck": repository.gpgcheck,
        // This was checked when the metadata came.
        "repo_gpgcheck": false,
        "module_hotfixes": repository.module_hotfixes,
        "priority": repository.priority,
        "cost": repository.cost,
    });
    if !repository.name.is_empty() {
        described["name"] = repository.name.clone().into();
    }
    described
}

fn local(ready: &Ready) -> String {
    format!("file://{}", ready.version.directory.display())
}

/// A reply with the servers in place of the directories that the solver was given.
fn with_servers(mut reply: Value, ready: &[(&Repository, Ready)]) -> Value {
    let places: Vec<_> = ready
        .iter()
        .map(|(_, ready)| {
            let base = ready.version.base.trim_end_matches('/');
            (local(ready), base.to_owned())
        })
        .collect();
    replace(&mut reply, &places);
    reply
}

fn replace(value: &mut Value, places: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (local, base) in places {
                if text.contains(local) {
                    *text = text.replace(local, base);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, places)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|value| replace(value, places)),
        _ => {}
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| {
        ResolveError::new(
            Kind::Solver,
            format!("the solver's answer is not that of the protocol: {error}"),
        )
    })
}
