//! Metadata of repositories of RPM packages: the index, and the files that it names.
//!
//! Nobody vouches for an index beforehand but a metalink, or a signature; it vouches for its files.

use crate::checksum::Checksum;
use crate::download::places::{Mirrors, NamedBy, Places};
use crate::download::{self, Engine, Failure, Identity, Job, Limits, Security, refused};
use crate::items::{Item, Progress};
use crate::lists::{self, Hashes, REPOMD};
use crate::logins::BasicLogin;
use crate::secrets::{ClientCertificate, Subscriptions};
use crate::work;
use crate::{FetchContext, checksum::FILES};
use bytes::Bytes;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::origin::{ListKind, Remote};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::time::sleep;

/// The source that fetches packages; metadata is asked for as they are.
pub const LIBREPO: &str = "org.osbuild.librepo";
/// The largest index, signature or key; real ones have some kilobytes.
const LARGEST: u64 = 16 << 20;

/// A repository of RPM packages, and how its servers are talked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpmRepository {
    /// Base URLs, the preferred ones first.
    pub base: Vec<String>,
    /// URL of a metalink, which comes before a list of mirrors, and that before base URLs.
    pub metalink: Option<String>,
    /// URL of a list of mirrors.
    pub mirrorlist: Option<String>,
    /// Take any certificate of the servers.
    pub insecure: bool,
    /// File with certificate authorities of the server that is named.
    pub authority: Option<PathBuf>,
    /// Files with the key and the certificate that the server that is named gets to see.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Logins, each after the origin of the servers that are named; whom these lead to does not see them.
    pub logins: Vec<(String, BasicLogin)>,
    /// Show the client certificate of this machine's subscription for the server that is named.
    pub subscription: bool,
}

/// What a server calls the version of an index that it gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// Base URL of the server.
    pub base: String,
    /// The entity tag.
    pub tag: Option<String>,
    /// When it was changed, as the server writes dates.
    pub modified: Option<String>,
    /// SHA-256 of the index.
    pub digest: String,
}

/// An index.
#[derive(Debug, Clone)]
pub struct RepositoryIndex {
    /// The document.
    pub document: Vec<u8>,
    /// Its detached signature, if it was asked for.
    pub signature: Option<Vec<u8>>,
    /// Where it came from first, then the other mirrors.
    pub mirrors: Vec<Location>,
    /// What the server calls this version.
    pub validators: Validators,
}

/// An answer of a server to who may know the answer already.
enum Answer {
    Same,
    New(Vec<u8>, Validators),
}

/// Fetches the index of a repository from the first mirror that has it; none when the server says that the known version is still the
/// current one.
///
/// # Errors
/// One line: no mirror has an index, or none that the metalink vouches for.
pub fn repository_index(
    repository: &RpmRepository,
    known: Option<&Validators>,
    signed: bool,
    context: &FetchContext<'_>,
) -> Result<Option<RepositoryIndex>, String> {
    index_within(repository, known, signed, (context, &Limits::default()))
}

pub(crate) fn index_within(
    repository: &RpmRepository,
    known: Option<&Validators>,
    signed: bool,
    (context, limits): (&FetchContext<'_>, &Limits),
) -> Result<Option<RepositoryIndex>, String> {
    with_limits(LIBREPO, (context, limits), async |engine| {
        let security = repository.security(context)?;
        let (bases, hashes) = repository.bases(engine, &security).await?;
        let mut problem = "it names no server".to_owned();
        for (place, base) in bases.iter().enumerate() {
            match index_of(engine, base, &security, known, &hashes).await {
                Ok(Answer::Same) => return Ok(None),
                Ok(Answer::New(document, validators)) => {
                    let signature = signature_of(engine, base, &security, signed).await?;
                    let mut mirrors = bases.clone();
                    mirrors[..=place].rotate_right(1);
                    return Ok(Some(RepositoryIndex {
                        document,
                        signature,
                        mirrors,
                        validators,
                    }));
                }
                Err(failed) => problem = failed,
            }
        }
        Err(problem)
    })
}

/// Fetches files of a repository, each into a directory under its name: `wanted` has `ALGORITHM:DIGEST`, the path below the repository,
/// and the name.
///
/// # Errors
/// One line about the first file that no mirror has as its checksum says.
pub fn repository_files(
    repository: &RpmRepository,
    mirrors: &[Location],
    wanted: &[(String, String, String)],
    directory: &Path,
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let mirrors = Rc::new(Mirrors::new(mirrors.to_vec()));
    let security = repository.security(context)?;
    let (mut items, mut jobs) = (Vec::new(), Vec::new());
    for (index, (key, path, _)) in wanted.iter().enumerate() {
        items.push(Item {
            key: key.clone(),
            result: Err(format!("downloading {path} was interrupted")),
        });
        jobs.push(Job {
            index,
            checksum: Checksum::parse(key)?,
            places: Places::mirrored(&mirrors, path.clone(), NamedBy::Index)?,
            security: security.clone(),
            share: LIBREPO.to_owned(),
            parallel: Limits::default().per_host,
        });
    }
    let progress = Progress::new(context, LIBREPO, items.len());
    let items = RefCell::new(items);
    let limits = Limits::default();
    let waiting: Vec<_> = (0..wanted.len()).collect();
    download::run(
        Engine::new(LIBREPO, context, &limits),
        &waiting,
        &items,
        async |engine| {
            engine.download_all(jobs, &progress, &items).await;
        },
    );
    let stored = context
        .store
        .sources(FILES)
        .map_err(|error| with_causes(&error))?;
    for (item, (key, path, name)) in items.into_inner().into_iter().zip(wanted) {
        item.result?;
        let moved = fs::rename(stored.join(key), directory.join(name));
        moved.map_err(|error| format!("cannot store {path}: {error}"))?;
    }
    Ok(())
}

/// Fetches a small file without a checksum, such as a key.
///
/// # Errors
/// One line: it is not there.
pub fn repository_document(
    repository: &RpmRepository,
    url: &str,
    context: &FetchContext<'_>,
) -> Result<Vec<u8>, String> {
    let location = Location::parse(url)?;
    with_engine(LIBREPO, context, async |engine| {
        engine
            .document(&location, &repository.security(context)?)
            .await
    })
}

/// Does work of one result with an engine for a kind of source.
pub(crate) fn with_engine<T>(
    module: &str,
    context: &FetchContext<'_>,
    work: impl AsyncFnOnce(&Engine<'_>) -> Result<T, String>,
) -> Result<T, String> {
    with_limits(module, (context, &Limits::default()), work)
}

fn with_limits<T>(
    module: &str,
    (context, limits): (&FetchContext<'_>, &Limits),
    work: impl AsyncFnOnce(&Engine<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let engine = Engine::new(module, context, limits)?;
    work::one(context, work(&engine))
}

impl RpmRepository {
    /// The server that is named: certificates are for it alone.
    fn named(&self) -> Result<Location, String> {
        let lists = self.metalink.iter().chain(&self.mirrorlist);
        let named = lists.chain(&self.base).next();
        Location::parse(named.ok_or("it has no base URL, metalink or list of mirrors")?)
    }

    fn security(&self, context: &FetchContext<'_>) -> Result<Security, String> {
        let named = self.named()?;
        let authorities = self
            .authority
            .clone()
            .map(|file| (named.origin(), vec![file]));
        let certificate = self
            .certificate
            .clone()
            .map(|(key, certificate)| ClientCertificate {
                key,
                certificate,
                authority: None,
            });
        let certificate = match self.subscription {
            true => {
                let subscriptions = Subscriptions::of_host(context.host_root)?;
                let of_server = subscriptions.certificate(&named.without_credentials())?;
                Some(of_server.clone())
            }
            false => certificate,
        };
        Ok(Security {
            insecure: self.insecure,
            identity: certificate.map(|certificate| Identity::new(certificate, &named)),
            authorities,
            logins: self.logins.clone(),
        })
    }

    /// Its mirrors, and what their index has to be, if a metalink says so.
    async fn bases(
        &self,
        engine: &Engine<'_>,
        security: &Security,
    ) -> Result<(Vec<Location>, Hashes), String> {
        let list = match (&self.metalink, &self.mirrorlist) {
            (Some(url), _) => Some((url, ListKind::Metalink)),
            (None, Some(url)) => Some((url, ListKind::Mirrorlist)),
            (None, None) => None,
        };
        let Some((url, kind)) = list else {
            let bases: Result<Vec<_>, _> =
                self.base.iter().map(|url| Location::parse(url)).collect();
            return Ok((bases?, Hashes::default()));
        };
        let remote = Remote {
            location: Location::parse(url)?,
            list: Some(kind),
        };
        let found = lists::resolve_with_hashes(engine, &remote, security, &REPOMD).await;
        found.map_err(|problem| format!("cannot learn the servers{problem}"))
    }
}

/// The index at one mirror, if it is what a metalink expects.
async fn index_of(
    engine: &Engine<'_>,
    base: &Location,
    security: &Security,
    known: Option<&Validators>,
    hashes: &Hashes,
) -> Result<Answer, String> {
    let location = base.below("repodata/repomd.xml")?;
    let is_current = |known: &&Validators| {
        known.base == base.without_credentials() && hashes.allow_sha256(&known.digest)
    };
    let known = known.filter(is_current);
    let answer = fetch(engine, &location, security, known).await;
    let answer = answer.map_err(|problem| format!("{}: {problem}", location.shown()))?;
    match answer {
        Answer::New(document, mut validators) => {
            validators.digest = hex::encode(Sha256::digest(&document));
            if !hashes.allow(&document) {
                return Err(format!(
                    "{}: it is not what the metalink says",
                    location.shown()
                ));
            }
            validators.base = base.without_credentials();
            Ok(Answer::New(document, validators))
        }
        same => Ok(same),
    }
}

async fn signature_of(
    engine: &Engine<'_>,
    base: &Location,
    security: &Security,
    signed: bool,
) -> Result<Option<Vec<u8>>, String> {
    if !signed {
        return Ok(None);
    }
    let location = base.below("repodata/repomd.xml.asc")?;
    let answer = fetch(engine, &location, security, None).await;
    match answer
        .map_err(|problem| format!("{}: the signature is missing: {problem}", location.shown()))?
    {
        Answer::New(signature, _) => Ok(Some(signature)),
        Answer::Same => Ok(None),
    }
}

/// Asks until there is an answer, or no hope for one.
async fn fetch(
    engine: &Engine<'_>,
    location: &Location,
    security: &Security,
    known: Option<&Validators>,
) -> Result<Answer, String> {
    if let Some(path) = location.file() {
        return read(&path, engine.follows_links())
            .map(|document| Answer::New(document, Validators::default()));
    }
    let limits = engine.limits();
    let mut pause = limits.pause;
    for _ in 1..limits.calls {
        match ask(engine, location, security, known).await {
            Err(Failure::Passing { wait, problem }) => {
                engine.log(format!("{}: {problem}; trying again\n", location.shown()));
                sleep(wait.unwrap_or(pause).min(limits.longest_pause)).await;
                pause *= 2;
            }
            other => return other.map_err(|failure| failure.to_string()),
        }
    }
    let last = ask(engine, location, security, known).await;
    last.map_err(|failure| failure.to_string())
}

fn read(path: &Path, links: bool) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("cannot read the file: {error}");
    let file = download::open(path, links).map_err(unreadable)?;
    let file = file.ok_or("it is not a file")?;
    let mut document = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut document)
        .map_err(unreadable)?;
    Ok(document)
}

async fn ask(
    engine: &Engine<'_>,
    location: &Location,
    security: &Security,
    known: Option<&Validators>,
) -> Result<Answer, Failure> {
    let line = engine.line(security);
    let mut response = line.get(location, conditions(known)).await?;
    if response.status().as_u16() == 304 && known.is_some() {
        return Ok(Answer::Same);
    }
    if !response.status().is_success() {
        return Err(refused(&response));
    }
    let text = |name: HeaderName| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let validators = Validators {
        base: String::new(),
        tag: text(header::ETAG),
        modified: text(header::LAST_MODIFIED),
        digest: String::new(),
    };
    let mut document = Vec::new();
    let keep = async |chunk: Bytes| {
        document.extend_from_slice(&chunk);
        match document.len() as u64 > LARGEST {
            true => Err(Failure::Lasting(format!(
                "it has more than {LARGEST} bytes"
            ))),
            false => Ok(()),
        }
    };
    line.read(&mut response, keep).await?;
    Ok(Answer::New(document, validators))
}

/// Asks only for another version than the known one (RFC 9110, 13.1).
fn conditions(known: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: Option<&String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    if let Some(known) = known {
        set(header::IF_NONE_MATCH, known.tag.as_ref());
        set(header::IF_MODIFIED_SINCE, known.modified.as_ref());
    }
    headers
}
