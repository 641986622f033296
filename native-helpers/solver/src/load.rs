//! Reading repositories: packages from .solv files where these are, else from XML.
use crate::failure::Failure;
use crate::metadata::{Comps, Files, Repomd, Result, Streams, filelists, primary};
use crate::protocol::{Command, Request};
use crate::sack::{Hidden, Sack};
use crate::work::Opened;
use osbuild_wasm_solver_sys::{Pool, Repository};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// A repository whose files are open.
#[derive(Debug)]
pub(crate) struct Source {
    opened: Opened,
    files: Files,
    cached: Option<File>,
    cache: Option<File>,
}

impl Source {
    /// Opens the files of a repository.
    pub(crate) fn open(opened: Opened) -> std::io::Result<Self> {
        let about = |path: &Path, error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let mut files = BTreeMap::new();
        for name in &opened.names {
            let path = opened.directory.join(name);
            let file = File::open(&path).map_err(|error| about(&path, error))?;
            files.insert(name.clone(), file);
        }
        let cached = opened
            .cached
            .as_ref()
            .and_then(|path| File::open(path).ok());
        let write = |path: &std::path::PathBuf| {
            File::options()
                .write(true)
                .open(path)
                .map_err(|error| about(path, error))
        };
        let cache = opened.cache.as_ref().map(write).transpose()?;
        Ok(Self {
            opened,
            files: Files(files),
            cached,
            cache,
        })
    }
}

/// Reads all repositories; returns also the places of those whose .solv file was written.
pub(crate) fn load(
    request: &Request,
    sources: Vec<Source>,
) -> std::result::Result<(Sack, Vec<usize>), Failure> {
    let pool = Pool::new(&request.arch).map_err(Failure::repository)?;
    let mut sack = Sack {
        pool,
        repos: Vec::new(),
        comps: Comps::default(),
        streams: Vec::new(),
        hidden: Hidden::default(),
        basearch: basearch(&request.arch).to_owned(),
        obsoletes: None,
    };
    let mut written = Vec::new();
    // The order decides between equal packages: dnf reads them by precedence and cost.
    let mut sources: Vec<_> = sources.into_iter().enumerate().collect();
    sources.sort_by_key(|(_, source)| (source.opened.repo.priority, source.opened.repo.cost));
    for (place, mut source) in sources {
        let repo = source.opened.repo.clone();
        match load_one(&mut sack, request, &mut source) {
            Ok(was_written) => written.extend(was_written.then_some(place)),
            Err(_) if repo.skip_if_unavailable => {}
            Err(problem) => return Err(Failure::repository(format!("{}: {problem}", repo.id))),
        }
    }
    sack.pool.prepare();
    Ok((sack, written))
}

fn load_one(sack: &mut Sack, request: &Request, source: &mut Source) -> Result<bool> {
    let repo = &source.opened.repo;
    let repomd = Repomd::parse(&source.files.repomd()?)?;
    let mut streams = Streams::default();
    if let Some(entry) = repomd.modules() {
        streams
            .add(&source.files.text(entry)?)
            .map_err(|problem| format!("repodata/{}: {problem}", entry.file_name()))?;
    }
    if let Some(entry) = repomd.comps().filter(|_| wants_groups(request)) {
        sack.comps
            .add(&source.files.text(entry)?)
            .map_err(|problem| format!("repodata/{}: {problem}", entry.file_name()))?;
    }
    let negated = |number: i32| number.checked_neg().unwrap_or(i32::MAX);
    let repository = sack
        .pool
        .add_repository(&repo.id, negated(repo.priority), negated(repo.cost));
    let repository = repository.map_err(|error| error.to_string())?;
    sack.repos.push(repo.clone());
    sack.streams.push(streams);
    if let Some(file) = source.cached.take()
        && sack.pool.read(repository, file).is_ok()
    {
        return Ok(false);
    }
    let read = read_packages(
        &mut sack.pool,
        repository,
        &source.files,
        &repomd,
        request.filelists,
    );
    if let Err(problem) = read {
        // Who goes on without the repository has nothing of it.
        sack.pool
            .empty(repository)
            .map_err(|error| error.to_string())?;
        return Err(problem);
    }
    let Some(file) = source.cache.take() else {
        return Ok(false);
    };
    // Without it the next request reads the XML again.
    Ok(sack.pool.write(repository, file).is_ok())
}

fn read_packages(
    pool: &mut Pool,
    repository: Repository,
    files: &Files,
    repomd: &Repomd,
    with_filelists: bool,
) -> Result<()> {
    let lists = repomd.filelists().filter(|_| with_filelists);
    let mut filler = pool.fill(repository).map_err(|error| error.to_string())?;
    let packages = files.read(repomd.primary()?, |source| {
        primary(source, &mut filler, lists.is_none())
    })?;
    match lists {
        Some(entry) => files.read(entry, |source| filelists(source, &mut filler, &packages)),
        None => Ok(()),
    }
}

/// Groups are read only for those who ask for one.
fn wants_groups(request: &Request) -> bool {
    let Command::Depsolve { transactions, .. } = &request.command else {
        return false;
    };
    let mut words = transactions
        .iter()
        .flat_map(|transaction| transaction.packages.iter().chain(&transaction.excludes));
    words.any(|word| word.starts_with('@'))
}

/// The architecture that others belong to, as dnf calls it.
pub(crate) fn basearch(arch: &str) -> &str {
    match arch {
        "i386" | "i486" | "i586" | "i686" | "athlon" | "geode" => "i386",
        "amd64" | "ia32e" | "x86_64_v2" | "x86_64_v3" | "x86_64_v4" => "x86_64",
        "armv7l" | "armv7hl" | "armv7hnl" | "armv8hl" => "armhfp",
        other => other,
    }
}
