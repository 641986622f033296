//! What a request leaves to the tree of an operating system: repositories of /etc/yum.repos.d, variables, keys.
use crate::failure::{Failure, Kind};
use crate::load::basearch;
use crate::protocol::{Repo, Request, Version};
use percent_encoding::percent_decode_str;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Directories with variables, one file each; later ones count.
const VARIABLES: [&str; 2] = ["etc/yum/vars", "etc/dnf/vars"];

/// The most that is read of a file.
const LARGEST: u64 = 16 << 20;

/// The tree of a system, which others made: paths and links of it lead nowhere else, and only regular files are read.
pub(crate) struct Root(OwnedFd);

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat2(&self.0, path, flags, Mode::empty(), resolve)?)
    }

    fn text(&self, path: &Path) -> io::Result<String> {
        let file = File::from(self.resolve(path, OFlags::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut text = String::new();
        match file.take(LARGEST + 1).read_to_string(&mut text)? as u64 {
            0..=LARGEST => Ok(text),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    /// What is in a directory, by its path in the tree and sorted; nothing in one that is not there.
    fn list(&self, directory: &str) -> Vec<PathBuf> {
        let opened = self.resolve(Path::new(directory), OFlags::DIRECTORY);
        let entries = opened.and_then(|opened| Ok(Dir::read_from(opened)?));
        let names = entries.into_iter().flatten().flatten();
        let mut paths: Vec<_> = names
            .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
            .filter(|name| name != "." && name != "..")
            .map(|name| Path::new(directory).join(name))
            .collect();
        paths.sort();
        paths
    }
}

/// The path that a `file` URL, or a path itself, names; none for what is elsewhere.
pub(crate) fn path_of(url: &str) -> Option<PathBuf> {
    if url.starts_with('/') {
        return Some(url.into());
    }
    let path = url.strip_prefix("file://")?;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let bytes = percent_decode_str(path).collect();
    path.starts_with('/')
        .then(|| OsString::from_vec(bytes).into())
}

/// The texts of keys: those that are texts, and those in files of this machine, if that is the root, or of a tree.
pub(crate) fn keys(keys: &[String], root: &Root) -> Result<Vec<String>, Failure> {
    let wrong = |reason: String| Failure::new(Kind::GPGKeyReadError, reason);
    let read = |key: &String| {
        if key.trim_start().starts_with("-----BEGIN PGP") {
            return Ok(key.clone());
        }
        if let Some(path) = path_of(key) {
            return root.text(&path).map_err(|error| {
                wrong(format!(
                    "error loading gpg key from {}: {error}",
                    path.display()
                ))
            });
        }
        match key.split_once("://") {
            Some(("http" | "https", _)) => Err(wrong(format!(
                "error reading remote gpg key at {key}: this solver has no network"
            ))),
            other => {
                let scheme = other.map_or("", |(scheme, _)| scheme);
                Err(wrong(format!(
                    "unknown url scheme for gpg key: {scheme} ({key})"
                )))
            }
        }
    };
    keys.iter().map(read).collect()
}

/// Repositories of a request, with variables filled in, and those of a tree.
pub(crate) fn with_repositories_of(
    root: &Root,
    mut repos: Vec<Repo>,
    request: &Request,
) -> Result<Vec<Repo>, Failure> {
    let variables = variables(root, request);
    let mut files = root.list("etc/yum.repos.d");
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "repo")
    });
    for path in files {
        let text = root.text(&path);
        let text =
            text.map_err(|error| Failure::repository(format!("{}: {error}", path.display())))?;
        for (id, options) in sections(&text) {
            let repo = describe(&id, &options);
            repos.push(Repo::parse(&repo, Version::Two)?);
        }
    }
    for repo in &mut repos {
        repo.baseurl
            .iter_mut()
            .for_each(|url| *url = substitute(url, &variables));
    }
    Ok(repos)
}

fn variables(root: &Root, request: &Request) -> BTreeMap<String, String> {
    let given = [
        ("arch", request.arch.as_str()),
        ("basearch", basearch(&request.arch)),
        ("releasever", &request.releasever),
    ];
    let mut variables: BTreeMap<_, _> = given
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    for directory in VARIABLES {
        for path in root.list(directory) {
            let name = path.file_name().and_then(OsStr::to_str);
            if let (Some(name), Ok(text)) = (name, root.text(&path)) {
                let value = text.lines().next().unwrap_or_default().trim();
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    variables
}

/// Fills in `$name` and `${name}`; what is not known stays.
fn substitute(text: &str, variables: &BTreeMap<String, String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let (name, after) = braced.unwrap_or_else(|| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest.split_at(end.unwrap_or(rest.len()))
        });
        match variables.get(name) {
            Some(value) => {
                filled.push_str(value);
                rest = after;
            }
            None => filled.push('$'),
        }
    }
    filled + rest
}

/// The sections of a file of options; a line that begins with a space goes on with the one before.
fn sections(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut sections: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut last = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(id) = trimmed
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            sections.push((id.to_owned(), BTreeMap::new()));
            continue;
        }
        let Some((_, options)) = sections.last_mut() else {
            continue;
        };
        match line.split_once('=') {
            _ if line.starts_with([' ', '\t']) => {
                let value = options.entry(last.clone()).or_default();
                *value += &format!(" {trimmed}");
            }
            Some((key, value)) => {
                key.trim().clone_into(&mut last);
                options.insert(last.clone(), value.trim().to_owned());
            }
            None => {}
        }
    }
    sections
}

/// A section as the protocol describes a repository.
fn describe(id: &str, options: &BTreeMap<String, String>) -> Value {
    let mut repo = Map::from_iter([("id".to_owned(), Value::from(id))]);
    for (key, value) in options {
        let words = || {
            value
                .split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(Value::from)
                .collect()
        };
        let is_true = matches!(&*value.to_lowercase(), "1" | "yes" | "true" | "on");
        let value = match key.as_str() {
            "baseurl" | "gpgkey" => Value::Array(words()),
            "gpgcheck"
            | "repo_gpgcheck"
            | "sslverify"
            | "module_hotfixes"
            | "enabled"
            | "skip_if_unavailable" => is_true.into(),
            "priority" | "cost" => value
                .parse::<i64>()
                .map_or_else(|_| value.clone().into(), Value::from),
            "name" | "metalink" | "mirrorlist" | "sslcacert" | "sslclientkey" | "sslclientcert"
            | "metadata_expire" => value.clone().into(),
            _ => continue,
        };
        repo.insert(key.clone(), value);
    }
    Value::Object(repo)
}
