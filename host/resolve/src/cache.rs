//! Metadata on this machine: for each repository a directory with its index and the files that this names.
//!
//! A version is made beside the one before, verified as a whole, and then becomes the current one by renaming one small file, so that the
//! cache has either or both, and never a part. Who uses a version holds a lock.
use crate::error::{Kind, ResolveError, Result};
use crate::index::{self, File as Named};
use crate::repository::Repository;
use crate::signature;
use osbuild_wasm_events::Event;
use osbuild_wasm_files::resolve::{is_writable_by_others, make_private_directory};
use osbuild_wasm_files::{open_lock_file, remove_tree, write_file};
use osbuild_wasm_manifest::location::{Location, redact};
use osbuild_wasm_source::{
    FetchContext, LIBREPO, RepositoryIndex, Validators, repository_document, repository_files,
    repository_index,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How names of versions begin that are not finished.
const UNFINISHED: &str = "new-";

/// How often it is looked whether a directory is free.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What is known of the current version.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    /// Name of its directory: SHA-256 of its index.
    version: String,
    /// When the server was asked last, in seconds since 1970.
    checked: u64,
    /// Base URL that packages are below.
    base: String,
    tag: Option<String>,
    modified: Option<String>,
}

/// Metadata that is on this machine, and stays as long as this is held.
#[derive(Debug)]
pub(crate) struct Version {
    /// The directory with `repodata`.
    pub(crate) directory: PathBuf,
    /// Base URL that packages are below.
    pub(crate) base: String,
    _lock: File,
}

/// What there is of a repository on this machine.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Its metadata, which another one of the same servers has, too.
    pub(crate) version: Rc<Version>,
    /// Texts of the keys.
    pub(crate) keys: Vec<String>,
}

/// The cache of one repository.
struct Place<'a> {
    repository: &'a Repository,
    directory: PathBuf,
    keys: Vec<String>,
    context: &'a FetchContext<'a>,
}

/// Makes a directory that others cannot write to, or refuses one that others own or lead to.
pub(crate) fn own(path: &Path) -> Result<()> {
    let made = make_private_directory(path);
    let made = made.map_err(|error| ResolveError::cache("make", path, error))?;
    let found = rustix::fs::fstat(&made);
    let found = found.map_err(|error| ResolveError::cache("read", path, error))?;
    let own = rustix::process::geteuid().as_raw();
    if found.st_uid != own || is_writable_by_others(&found) {
        return Err(ResolveError::new(
            Kind::Cache,
            format!(
                "cannot use {} as a cache: it is another user's, or others can write to it; name another directory",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// What a directory of the cache is of: servers, and whose word is taken for what comes from there. What came when less was asked for is
/// not there for who asks for more.
fn identity(repository: &Repository, keys: &[String]) -> String {
    let signers = keys.iter().map(|key| hex::encode(Sha256::digest(key)));
    let signers: Option<Vec<_>> = repository.is_signed().then(|| signers.collect());
    let (authority, insecure) = (&repository.sslcacert, repository.insecure);
    let servers = (
        &repository.baseurl,
        &repository.metalink,
        &repository.mirrorlist,
    );
    let identity = format!("{servers:?}{authority:?}{insecure}{signers:?}");
    hex::encode(&Sha256::digest(identity)[..16])
}

/// Brings the metadata of repositories up to date, each directory of the cache once, and in the order of their names: of two who need some of
/// them at the same time one waits for the other, and never both.
pub(crate) fn prepare<'a>(
    repositories: &'a [Repository],
    cache: &Path,
    filelists: bool,
    context: &'a FetchContext<'a>,
) -> Result<Vec<(&'a Repository, Ready)>> {
    let mut places = Vec::new();
    for repository in repositories {
        let place = Place::of(repository, cache, context);
        places.extend(or_without(repository, place, context)?);
    }
    let mut in_order: Vec<&Place<'_>> = places.iter().collect();
    in_order.sort_by_key(|place| &place.directory);
    let mut versions: BTreeMap<PathBuf, Rc<Version>> = BTreeMap::new();
    for place in in_order {
        if !versions.contains_key(&place.directory)
            && let Some(version) = or_without(place.repository, place.prepare(filelists), context)?
        {
            versions.insert(place.directory.clone(), Rc::new(version));
        }
    }
    let ready = places.into_iter().filter_map(|place| {
        let version = versions.get(&place.directory)?.clone();
        let keys = place.keys;
        Some((place.repository, Ready { version, keys }))
    });
    Ok(ready.collect())
}

/// None where a repository is not to be had and people can do without it.
fn or_without<T>(
    repository: &Repository,
    found: Result<T>,
    context: &FetchContext<'_>,
) -> Result<Option<T>> {
    match found {
        Err(error) if repository.skip_if_unavailable && error.kind == Kind::Repository => {
            context.observer.event(&Event::SourceLog {
                module: LIBREPO.to_owned(),
                text: format!("{error}; going on without it\n"),
            });
            Ok(None)
        }
        found => found.map(Some),
    }
}

impl<'a> Place<'a> {
    fn of(repository: &'a Repository, cache: &Path, context: &'a FetchContext<'a>) -> Result<Self> {
        let keys = keys(repository, context)?;
        let directory = cache.join("repositories").join(identity(repository, &keys));
        own(&directory)?;
        Ok(Self {
            repository,
            directory,
            keys,
            context,
        })
    }

    /// Brings the metadata up to date.
    fn prepare(&self, filelists: bool) -> Result<Version> {
        let lock_file = self.directory.join("lock");
        let broken = |error| ResolveError::cache("lock", &lock_file, error);
        let lock = open_lock_file(&lock_file).map_err(broken)?;
        loop {
            self.wait_for(&lock)?;
            self.remove_left();
            let state = self.update(filelists)?;
            // Others may use it as well now, but not change it.
            lock.lock_shared().map_err(broken)?;
            let directory = self.directory.join(&state.version);
            // In between somebody may have had it, who waited for it.
            if directory.join("repodata/repomd.xml").is_file() {
                return Ok(Version {
                    directory,
                    base: state.base,
                    _lock: lock,
                });
            }
        }
    }

    /// Waits until nobody else uses the directory, or the user has had enough.
    fn wait_for(&self, lock: &File) -> Result<()> {
        let broken =
            |error: &dyn std::fmt::Display| ResolveError::cache("lock", &self.directory, error);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(broken(&error)),
                Err(TryLockError::WouldBlock) if self.context.cancel.load(Ordering::Relaxed) => {
                    return Err(broken(
                        &"somebody else uses it, and the wait was interrupted",
                    ));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK_AGAIN),
            }
        }
    }
}

/// The texts of the keys of a repository, read or fetched.
fn keys(repository: &Repository, context: &FetchContext<'_>) -> Result<Vec<String>> {
    let remote = repository.remote();
    let read = |key: &String| {
        let armored = match key.trim_start().starts_with("-----BEGIN PGP") {
            true => signature::armored(key.as_bytes()),
            false => repository_document(&remote, key, context)
                .and_then(|content| signature::armored(&content)),
        };
        armored.map_err(|problem| {
            let first = key.lines().next().unwrap_or_default();
            let shown = Location::parse(key).map_or_else(|_| redact(first), |key| key.shown());
            ResolveError::repository(repository.shown(), format!("the key {shown}: {problem}"))
        })
    };
    repository.gpgkey.iter().map(read).collect()
}

impl Place<'_> {
    fn about(&self, problem: impl std::fmt::Display) -> ResolveError {
        ResolveError::repository(self.repository.shown(), problem)
    }

    /// Removes versions that nobody finished: whoever made one was killed, since the lock is ours.
    fn remove_left(&self) {
        let is_left = |name: &OsStr| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        self.remove(is_left);
    }

    /// Removes the directories whose names are of some kind.
    fn remove(&self, is_of_kind: impl Fn(&OsStr) -> bool) {
        let entries = fs::read_dir(&self.directory).into_iter();
        for entry in entries.flatten().flatten() {
            if entry.path().is_dir() && is_of_kind(&entry.file_name()) {
                // What is left takes room, and no more.
                _ = remove_tree(&entry.path());
            }
        }
    }

    /// Makes the current version one that is not too old, and has all files.
    fn update(&self, filelists: bool) -> Result<State> {
        let state = self.state();
        let remote = self.repository.remote();
        if let Some(state) = state.as_ref().filter(|state| self.is_fresh(state))
            && self.complete(state, filelists)?
        {
            return Ok(state.clone());
        }
        let known = state.as_ref().map(|state| Validators {
            base: state.base.clone(),
            tag: state.tag.clone(),
            modified: state.modified.clone(),
            digest: state.version.clone(),
        });
        let signed = self.repository.is_signed();
        let index = repository_index(&remote, known.as_ref(), signed, self.context);
        match (index.map_err(|problem| self.about(problem))?, state) {
            (None, Some(state)) => {
                let state = State {
                    checked: now(),
                    ..state
                };
                if !self.complete(&state, filelists)? {
                    return Err(
                        self.about("the server has another version than a moment ago: run again")
                    );
                }
                self.keep(state)
            }
            (Some(index), state) => self.take(&index, state, filelists),
            (None, None) => Err(self.about("the server sent no index")),
        }
    }

    fn state(&self) -> Option<State> {
        let text = fs::read(self.directory.join("state.json")).ok()?;
        let state: State = serde_json::from_slice(&text).ok()?;
        let is_name = state.version.bytes().all(|byte| byte.is_ascii_hexdigit());
        let there = is_name
            && self
                .directory
                .join(&state.version)
                .join("repodata/repomd.xml")
                .is_file();
        Some(state).filter(|_| there)
    }

    fn is_fresh(&self, state: &State) -> bool {
        let age = now().checked_sub(state.checked);
        let expire = self.repository.metadata_expire.unwrap_or_default();
        age.is_some_and(|age| age < expire.as_secs())
    }

    /// Whether the current version has all files that are needed; what it lacks is fetched.
    fn complete(&self, state: &State, filelists: bool) -> Result<bool> {
        let repodata = self.directory.join(&state.version).join("repodata");
        let document = fs::read(repodata.join("repomd.xml"));
        let document = document.map_err(|error| ResolveError::cache("read", &repodata, error))?;
        let files = index::files(&document, filelists).map_err(|problem| self.about(problem))?;
        let missing: Vec<_> = files
            .into_iter()
            .filter(|file| !repodata.join(&file.name).is_file())
            .collect();
        let base = Location::parse(&state.base).map_err(|problem| self.about(problem))?;
        Ok(missing.is_empty() || self.fetch(&missing, &[base], &repodata).is_ok())
    }

    /// Makes a version of what came.
    fn take(&self, index: &RepositoryIndex, old: Option<State>, filelists: bool) -> Result<State> {
        if let Some(signature) = &index.signature {
            signature::verify(&index.document, signature, &self.keys)
                .map_err(|problem| self.about(problem))?;
        }
        let files =
            index::files(&index.document, filelists).map_err(|problem| self.about(problem))?;
        let state = State {
            version: index.validators.digest.clone(),
            checked: now(),
            base: index.validators.base.clone(),
            tag: index.validators.tag.clone(),
            modified: index.validators.modified.clone(),
        };
        let target = self.directory.join(&state.version);
        if old.as_ref().is_some_and(|old| old.version == state.version)
            && self.complete(&state, filelists)?
        {
            return self.keep(state);
        }
        let made = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.directory);
        let made = made.map_err(|error| ResolveError::cache("write to", &self.directory, error))?;
        let repodata = made.path().join("repodata");
        let broken = |error| ResolveError::cache("write to", &repodata, error);
        fs::create_dir(&repodata).map_err(broken)?;
        self.reuse(&files, old.as_ref(), &repodata);
        let missing: Vec<_> = files
            .into_iter()
            .filter(|file| !repodata.join(&file.name).exists())
            .collect();
        self.fetch(&missing, &index.mirrors, &repodata)?;
        write_file(&repodata.join("repomd.xml"), &index.document).map_err(broken)?;
        if target.exists() {
            remove_tree(&target).map_err(|error| ResolveError::cache("remove", &target, error))?;
        }
        fs::rename(made.keep(), &target)
            .map_err(|error| ResolveError::cache("name", &target, error))?;
        self.keep(state)
    }

    /// Takes over files that did not change since the version before.
    fn reuse(&self, files: &[Named], old: Option<&State>, repodata: &Path) {
        let Some(old) = old.map(|old| self.directory.join(&old.version).join("repodata")) else {
            return;
        };
        let document = fs::read(old.join("repomd.xml")).unwrap_or_default();
        let known = index::files(&document, true).unwrap_or_default();
        for file in files.iter().filter(|file| known.contains(file)) {
            // What cannot be taken over is fetched.
            _ = fs::hard_link(old.join(&file.name), repodata.join(&file.name));
        }
    }

    fn fetch(&self, files: &[Named], mirrors: &[Location], repodata: &Path) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let wanted = files
            .iter()
            .map(|file| (file.checksum.clone(), file.path.clone(), file.name.clone()));
        let wanted: Vec<_> = wanted.collect();
        let fetched = repository_files(
            &self.repository.remote(),
            mirrors,
            &wanted,
            repodata,
            self.context,
        );
        fetched.map_err(|problem| self.about(problem))
    }

    /// Makes a version the current one, and removes others.
    fn keep(&self, state: State) -> Result<State> {
        let path = self.directory.join("state.json");
        let text = serde_json::to_vec(&state).unwrap_or_default();
        write_file(&path, &text).map_err(|error| ResolveError::cache("write", &path, error))?;
        self.remove(|name| name != &*state.version);
        Ok(state)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
