//! The process that takes the request: it finds the files, lets another process read them, and keeps what that one wrote.
use crate::confined::MEMORY;
use crate::failure::{Failure, Kind};
use crate::protocol::{Repo, Request};
use crate::root::{self, Root};
use crate::work::{CONFINED, Header, Opened, Work};
use osbuild_wasm_sys::spawn::die_with_parent;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use tempfile::{Builder, TempPath};

/// The longest request, and index of a repository.
const LONGEST: u64 = 64 << 20;
/// The longest line that says how it went, and the longest failure.
const LONGEST_FAILURE: u64 = 1 << 20;
/// The most files that the directory of a repository has: those of some versions, each with two forms of a dozen kinds.
const MOST_FILES: usize = 256;
/// How names of files begin that are still written.
const UNFINISHED: &str = ".solv-";
/// Changes when .solv files are made in another way.
const FORMAT: &str = "1";

/// Answers the request on standard input.
pub(crate) fn run() -> ExitCode {
    match answer() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            let document = serde_json::to_string(&failure).unwrap_or_default();
            // Who does not listen cannot be told.
            _ = writeln!(io::stdout(), "{document}");
            _ = writeln!(io::stderr(), "{}", failure.reason);
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Result<bool, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| Failure::invalid(format!("The request cannot be read: {error}")))?;
    let request = Request::parse(text.as_bytes())?;
    let mut repos = request.repos.clone();
    let root = request.root_dir.as_deref().unwrap_or(Path::new("/"));
    let opened = Root::open(root);
    let opened = opened
        .map_err(|error| Failure::repository(format!("the tree {}: {error}", root.display())))?;
    if request.root_dir.is_some() {
        repos = root::with_repositories_of(&opened, repos, &request)?;
    }
    repos.retain(|repo| repo.enabled);
    if repos.is_empty() {
        let reason = "There was a problem finding repositories: There are no enabled repositories";
        return Err(Failure::new(Kind::NoReposError, reason));
    }
    make_cache(&request.cachedir)?;
    remove_left(&request.cachedir);
    let (mut repositories, mut caches) = (Vec::new(), Vec::new());
    for mut repo in repos {
        repo.gpgkey = root::keys(&repo.gpgkey, &opened)?;
        let skip = repo.skip_if_unavailable;
        match open(repo, &request) {
            Ok((opened, cache)) => {
                repositories.push(opened);
                caches.push(cache);
            }
            Err(_) if skip => {}
            Err(failure) => return Err(failure),
        }
    }
    let work = Work {
        request: text,
        repositories,
    };
    hand_over(&work, caches)
}

fn make_cache(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        Failure::new(
            Kind::SolverError,
            format!("cannot make the cache {}: {error}", path.display()),
        )
    })
}

/// A file of the cache that is being written, and its name when it is.
struct Cache {
    temporary: TempPath,
    _lock: File,
    path: PathBuf,
    /// What earlier files of this repository begin with.
    prefix: String,
}

/// Finds the files of a repository: the first base URL that has them.
fn open(repo: Repo, request: &Request) -> Result<(Opened, Option<Cache>), Failure> {
    let about = |problem: String| Failure::repository(format!("{}: {problem}", repo.id));
    let mut problem =
        "it has no base URL; metalinks and mirrorlists are for who downloads".to_owned();
    for url in &repo.baseurl {
        let Some(directory) = root::path_of(url) else {
            problem = format!(
                "{url} is not on this machine: this solver has no network; `osbuild-wasm depsolve` downloads first"
            );
            continue;
        };
        let directory = directory.join("repodata");
        match names(&directory) {
            Ok(names) => {
                let (cached, cache) = cache(&repo, &directory, request).map_err(&about)?;
                let temporary = cache.as_ref().map(|cache| cache.temporary.to_path_buf());
                let opened = Opened {
                    repo,
                    directory,
                    names,
                    cached,
                    cache: temporary,
                };
                return Ok((opened, cache));
            }
            Err(error) => problem = format!("{}: {error}", directory.display()),
        }
    }
    Err(about(problem))
}

/// Names of the files of a directory.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
            names.extend(entry.file_name().into_string());
        }
        if names.len() > MOST_FILES {
            return Err(io::Error::other(format!(
                "it has more than {MOST_FILES} files"
            )));
        }
    }
    match names.iter().any(|name| name == "repomd.xml") {
        true => Ok(names),
        false => Err(io::Error::other("it has no repomd.xml")),
    }
}

/// The .solv file of what a repository has now, if it is there, else one to be written.
fn cache(
    repo: &Repo,
    directory: &Path,
    request: &Request,
) -> Result<(Option<PathBuf>, Option<Cache>), String> {
    let mut repomd = Vec::new();
    let read = File::open(directory.join("repomd.xml"))
        .and_then(|file| file.take(LONGEST).read_to_end(&mut repomd));
    read.map_err(|error| format!("repomd.xml: {error}"))?;
    let short = |bytes: &[u8]| hex::encode(&Sha256::digest(bytes)[..16]);
    let kind = if request.filelists { "files" } else { "main" };
    let identity = format!("{FORMAT}\n{kind}\n{}\n{}", repo.id, directory.display());
    let prefix = format!("{}-{kind}-", short(identity.as_bytes()));
    let path = request
        .cachedir
        .join(format!("{prefix}{}.solv", short(&repomd)));
    if is_own(&path) {
        return Ok((Some(path), None));
    }
    let temporary = new_file(&request.cachedir);
    let (temporary, lock) = temporary.map_err(|error| {
        format!(
            "cannot write to the cache {}: {error}",
            request.cachedir.display()
        )
    })?;
    Ok((
        None,
        Some(Cache {
            temporary,
            _lock: lock,
            path,
            prefix,
        }),
    ))
}

/// A new file under a name of its own, locked as long as somebody works on it.
fn new_file(directory: &Path) -> io::Result<(TempPath, File)> {
    loop {
        let made = Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
        let (lock, path) = made.into_parts();
        lock.lock()?;
        // Somebody who came between took it for one that was left.
        if path.exists() {
            return Ok((path, lock));
        }
    }
}

/// Removes the files of processes that were killed while they wrote them.
fn remove_left(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let is_unfinished = entry
            .file_name()
            .as_bytes()
            .starts_with(UNFINISHED.as_bytes());
        if !is_unfinished || !is_own(&entry.path()) {
            continue;
        }
        let file = File::open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            // What is left takes room, and no more.
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file is there that no other user could have written.
fn is_own(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_file()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.mode() & 0o022 == 0
    })
}

/// Gives the cache's files their names that were written as a whole, and removes those that they replace.
fn keep(caches: Vec<Option<Cache>>, written: &[usize]) {
    for (place, cache) in caches.into_iter().enumerate() {
        let Some(cache) = cache.filter(|_| written.contains(&place)) else {
            continue;
        };
        // A cache that cannot be written is only slow.
        let synced = File::open(&cache.temporary).and_then(|file| file.sync_all());
        if synced.is_ok() && cache.temporary.persist(&cache.path).is_ok() {
            remove_others(&cache.path, &cache.prefix);
        }
    }
}

fn remove_others(path: &Path, prefix: &str) {
    let entries = path
        .parent()
        .and_then(|directory| fs::read_dir(directory).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(prefix) && Some(&*name) != path.file_name() {
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Lets the confined process answer. False: with a failure.
fn hand_over(work: &Work, caches: Vec<Option<Cache>>) -> Result<bool, Failure> {
    let broken = |error: io::Error| {
        Failure::new(
            Kind::SolverError,
            format!("cannot start the solver: {error}"),
        )
    };
    let mut child = start().map_err(broken)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ended early says why below.
        _ = serde_json::to_writer(&mut stdin, work);
    }
    let mut output = BufReader::new(
        child
            .stdout
            .take()
            .ok_or_else(|| broken(io::ErrorKind::BrokenPipe.into()))?,
    );
    let mut line = String::new();
    let mut first = output.by_ref().take(LONGEST_FAILURE);
    first.read_line(&mut line).map_err(broken)?;
    let header: Option<Header> = serde_json::from_str(&line).ok();
    let Some(header) = header else {
        // What says something else is not waited for.
        drop(output);
        let status = child.wait().map_err(broken)?;
        return Err(ended(status));
    };
    keep(caches, &header.written);
    if header.success {
        let copied = io::copy(&mut output, &mut io::stdout().lock());
        let status = child.wait().map_err(broken)?;
        return match (copied, status.success()) {
            (Ok(_), true) => Ok(true),
            (Err(error), _) => Err(Failure::new(
                Kind::SolverError,
                format!("cannot write the reply: {error}"),
            )),
            (_, false) => Err(ended(status)),
        };
    }
    let failure = serde_json::from_reader(output.take(LONGEST_FAILURE));
    child.wait().map_err(broken)?;
    Err(failure.map_err(|error| broken(error.into()))?)
}

/// The process that ended without an answer: mostly for want of memory.
fn ended(status: ExitStatus) -> Failure {
    let how = match status.signal() {
        Some(signal) => format!("it was ended by signal {signal}"),
        None => format!("it ended with {status}"),
    };
    let memory = MEMORY >> 20;
    Failure::new(
        Kind::SolverError,
        format!(
            "the solver gave no answer ({how}): the metadata is broken, or needs more than {memory} MiB of memory"
        ),
    )
}

fn start() -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(CONFINED)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    die_with_parent(&mut command, pidfd_open(getpid(), PidfdFlags::empty())?);
    command.spawn()
}
