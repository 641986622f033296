//! `org.osbuild.ostree`: commits, pulled into one repository of the store.
//!
//! Each commit is pulled into a temporary repository that has the remote in its settings and takes what the store has
//! already from there; then the store's repository takes the rest over by hard links. So the latter never knows a
//! remote, however a run ends, and no secret is left in it. The program has no server but a [`Gateway`]; every object has the
//! checksum that it is named by, also where it comes from a repository of this machine.

use crate::containers::each;
use crate::download::{Engine, Identity, Limits, Security};
use crate::gateway::repository::Gateway;
use crate::lists;
use crate::program::Program;
use crate::secrets::{ClientCertificate, mtls, provider};
use crate::{FetchContext, Item};
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::origin::Remote;
use osbuild_wasm_store::{Scratch, Store};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;

const CONTENT_TYPE: &str = "org.osbuild.ostree";

/// Older programs had another one, into which objects came from this machine as they were.
const REPOSITORY: &str = "verified";

/// What is noted of it, and looked at again.
const OBJECTS: &str = "verified/objects";

/// Of the temporary repository; no other has it.
const REMOTE: &str = "source";

/// Providers of secrets, and what the variables of the first begin with.
pub(crate) const MTLS: &str = "org.osbuild.mtls";
pub(crate) const CONSUMER: &str = "org.osbuild.rhsm.consumer";
pub(crate) const VARIABLES: &str = "OSBUILD_SOURCES_OSTREE";

/// Pulls at a time; each makes several requests at a time itself.
const PARALLEL: usize = 2;

const OSTREE: Program = Program {
    name: "ostree",
    package: "ostree",
    limit: Duration::from_secs(2 * 60 * 60),
};

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    let limits = Limits::default();
    let engine = Engine::new(&source.module, context, &limits);
    // The one server that the program asks is on this machine.
    let environment = context.environment.without_proxies();
    let programs = FetchContext {
        environment: &environment,
        ..*context
    };
    let ready = OnceCell::new();
    each(source, context, PARALLEL, async |key, value| {
        let fetched = async {
            let engine = engine.as_ref().map_err(String::clone)?;
            let store = ready.get_or_try_init(|| repository(&programs)).await?;
            commit(key, value, store, engine, &programs).await
        };
        fetched
            .await
            .map_err(|problem| format!("cannot fetch the commit {key}: {problem}"))
    })
}

/// The repository of a store that has all commits.
///
/// # Errors
/// The store cannot be used.
pub fn ostree_repository(store: &Store) -> Result<PathBuf, String> {
    let directory = store
        .sources(CONTENT_TYPE)
        .map_err(|error| with_causes(&error))?;
    Ok(directory.join(REPOSITORY))
}

/// Whether the objects of that repository look as they did when they were verified.
///
/// # Errors
/// They cannot be looked at.
pub fn ostree_is_as_noted(store: &Store) -> Result<bool, String> {
    let objects = ostree_repository(store)?.join("objects");
    let noted = store.is_as_noted(CONTENT_TYPE, OBJECTS, &objects);
    noted.map_err(|error| with_causes(&error))
}

/// Where a commit comes from, and who vouches for it.
struct Origin<'a> {
    contents: Option<Remote>,
    metadata: Remote,
    keys: Vec<&'a str>,
    security: Security,
}

impl<'a> Origin<'a> {
    fn read(value: &Value, keys: Vec<&'a str>, context: &FetchContext<'_>) -> Result<Self, String> {
        let remote = value.get("remote").ok_or("it has no \"remote\"")?;
        let text = |name: &str| remote.get(name).and_then(Value::as_str);
        let metadata = Remote::of_ostree(text("url").ok_or("its remote has no \"url\"")?)?;
        let contents = text("contenturl").map(Remote::of_ostree).transpose()?;
        Ok(Self {
            security: security(provider(remote), &metadata, context)?,
            contents,
            metadata,
            keys,
        })
    }
}

/// The keys, one of which must have signed a commit.
fn keys(value: &Value) -> Result<Vec<&str>, String> {
    let keys = value
        .get("remote")
        .and_then(|remote| remote.get("gpgkeys")?.as_array());
    let keys = keys.into_iter().flatten();
    keys.map(|key| {
        key.as_str()
            .ok_or("a key in \"gpgkeys\" is not a text".to_owned())
    })
    .collect()
}

/// Makes sure that the store has a commit; true if it had it before.
async fn commit(
    key: &str,
    value: &Value,
    store: &Path,
    engine: &Engine<'_>,
    context: &FetchContext<'_>,
) -> Result<bool, String> {
    if !is_checksum(key) {
        return Err(
            "it is not the checksum of a commit: write 64 lower-case hexadecimal digits".to_owned(),
        );
    }
    let keys = keys(value)?;
    if has(store, key, context).await? && is_signed(store, key, &keys, context).await? {
        return Ok(true);
    }
    let origin = Origin::read(value, keys, context)?;
    let scratch = scratch(context)?;
    let draft = scratch.path().join(REPOSITORY);
    init(&draft, context).await?;
    let parent = ["config", "set", "core.parent", &store.display().to_string()];
    ostree(&draft, &parent, b"", context).await?;
    pull(&draft, key, &origin, engine, context).await?;
    ostree(
        store,
        &["pull-local", &draft.display().to_string(), key],
        b"",
        context,
    )
    .await?;
    let noted = context.store.note(CONTENT_TYPE, &[OBJECTS]);
    noted.map_err(|error| with_causes(&error))?;
    Ok(false)
}

/// Pulls a commit from where it is, while its server is this program.
async fn pull(
    draft: &Path,
    key: &str,
    origin: &Origin<'_>,
    engine: &Engine<'_>,
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let mut gateway = Gateway::open(engine, origin.security.clone()).await?;
    let url = place(&mut gateway, &origin.metadata, engine, origin, context).await?;
    let contents = match &origin.contents {
        Some(contents) => Some(place(&mut gateway, contents, engine, origin, context).await?),
        None => None,
    };
    add_remote(draft, &url, contents.as_deref(), &origin.keys, context).await?;
    // The parts of a static delta are not named by the checksums of the objects in them.
    let arguments = [
        "pull",
        "--untrusted",
        "--disable-static-deltas",
        "--disable-fsync",
        REMOTE,
        key,
    ];
    let pulled = tokio::select! {
        pulled = watched(draft, &arguments, context) => pulled,
        () = gateway.serve() => Ok(()),
    };
    // What the program calls its server means nothing to others.
    let named = |problem: String| problem.replace(&url, &origin.metadata.location.shown());
    let reason = |problem| match gateway.problem() {
        Some(reason) => format!("{}; {reason}", named(problem)),
        None => named(problem),
    };
    pulled.map_err(reason)
}

/// The URL by which the program gets to a remote.
async fn place(
    gateway: &mut Gateway<'_>,
    remote: &Remote,
    engine: &Engine<'_>,
    origin: &Origin<'_>,
    context: &FetchContext<'_>,
) -> Result<String, String> {
    if let (Some(path), None) = (remote.location.file(), remote.list) {
        return local(&remote.location, &path, context);
    }
    let places = lists::resolve(engine, remote, &origin.security, &lists::SUMMARY).await;
    let places =
        places.map_err(|problem| format!("cannot learn the servers of its remote{problem}"))?;
    gateway
        .add(places)
        .map_err(|error| format!("cannot listen: {error}"))
}

/// A repository of this machine, which the program reads itself.
fn local(location: &Location, path: &Path, context: &FetchContext<'_>) -> Result<String, String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !context.allowance.links {
        openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .map_err(|error| format!("cannot use {}: {error}", path.display()))?;
    }
    Ok(location.url().to_string())
}

fn scratch(context: &FetchContext<'_>) -> Result<Scratch, String> {
    let scratch = context.store.scratch("ostree");
    scratch.map_err(|error| with_causes(&error))
}

/// The store's repository, made if it is missing. If it does not look as it did when its objects were verified, it is made anew of
/// the commits in it all of whose objects are right.
async fn repository(context: &FetchContext<'_>) -> Result<PathBuf, String> {
    let path = ostree_repository(context.store)?;
    let there = context.store.has_source(CONTENT_TYPE, REPOSITORY);
    let there = there.map_err(|error| with_causes(&error))?;
    if there && ostree_is_as_noted(context.store)? {
        return Ok(path);
    }
    let scratch = scratch(context)?;
    let (new, old) = (scratch.path().join(REPOSITORY), scratch.path().join("old"));
    init(&new, context).await?;
    if there {
        std::fs::rename(&path, &old)
            .map_err(|error| format!("cannot move {}: {error}", path.display()))?;
        for commit in commits(&old) {
            let arguments = [
                "pull-local",
                "--untrusted",
                &old.display().to_string(),
                &commit,
            ];
            // What has wrong objects, or not all, is fetched again when it is wanted.
            _ = ostree(&new, &arguments, b"", context).await;
        }
    }
    let put = context.store.put_source(CONTENT_TYPE, REPOSITORY, &new);
    let noted = put.and_then(|()| context.store.note(CONTENT_TYPE, &[OBJECTS]));
    noted.map_err(|error| with_causes(&error))?;
    Ok(path)
}

/// The commits whose objects a repository has.
fn commits(repository: &Path) -> Vec<String> {
    let directories = std::fs::read_dir(repository.join("objects")).into_iter();
    let directories = directories.flatten().flatten();
    let mut commits = Vec::new();
    for directory in directories {
        let begin = directory.file_name().to_string_lossy().into_owned();
        let files = std::fs::read_dir(directory.path())
            .into_iter()
            .flatten()
            .flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        let ends = names.filter_map(|name| name.strip_suffix(".commit").map(str::to_owned));
        let checksums = ends.map(|end| format!("{begin}{end}"));
        commits.extend(checksums.filter(|checksum| is_checksum(checksum)));
    }
    commits
}

/// Whether this is the checksum of an object.
pub(crate) fn is_checksum(text: &str) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}

async fn init(path: &Path, context: &FetchContext<'_>) -> Result<(), String> {
    ostree(path, &["init", "--mode=archive"], b"", context).await
}

/// Whether the store has all of a commit; ostree marks one of which something is missing.
async fn has(store: &Path, key: &str, context: &FetchContext<'_>) -> Result<bool, String> {
    if store
        .join("state")
        .join(format!("{key}.commitpartial"))
        .exists()
    {
        return Ok(false);
    }
    // The program must be there, but whether it fails is the answer.
    let repository = format!("--repo={}", store.display());
    Ok(OSTREE
        .run(context, &[repository.as_str(), "show", key], b"")
        .await
        .is_ok())
}

/// Whether one of the keys has signed a commit that the store has; another manifest may have brought it without keys.
async fn is_signed(
    store: &Path,
    key: &str,
    keys: &[&str],
    context: &FetchContext<'_>,
) -> Result<bool, String> {
    if keys.is_empty() {
        return Ok(true);
    }
    let scratch = scratch(context)?;
    let draft = scratch.path().join(REPOSITORY);
    init(&draft, context).await?;
    // Nothing is asked of that URL.
    add_remote(&draft, "http://127.0.0.1/", None, keys, context).await?;
    let remote = format!("--remote={REMOTE}");
    let store = store.display().to_string();
    let arguments = [
        "pull-local",
        "--gpg-verify",
        &remote,
        "--commit-metadata-only",
        &store,
        key,
    ];
    Ok(ostree(&draft, &arguments, b"", context).await.is_ok())
}

/// Puts where a commit comes from, and with which keys, into the settings of a repository (ostree.repo-config(5)). No other user
/// may read them, as they could a command line.
async fn add_remote(
    repository: &Path,
    url: &str,
    contents: Option<&str>,
    keys: &[&str],
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let contents = contents.map(|url| format!("contenturl={url}\n"));
    let settings = format!(
        "\n[remote \"{REMOTE}\"]\nurl={url}\n{}gpg-verify={}\ngpg-verify-summary=false\n",
        contents.unwrap_or_default(),
        !keys.is_empty()
    );
    let path = repository.join("config");
    let file = std::fs::File::options().append(true).open(&path);
    file.and_then(|mut file| file.write_all(settings.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    for key in keys {
        let import = ["remote", "gpg-import", "--stdin", REMOTE];
        ostree(repository, &import, key.as_bytes(), context).await?;
    }
    Ok(())
}

/// How a remote is talked to, whose member `secrets` names this provider.
pub(crate) fn security(
    provider: Option<&str>,
    remote: &Remote,
    context: &FetchContext<'_>,
) -> Result<Security, String> {
    let certificate = certificate(provider, context)?;
    let insecure = context.environment.get("OSBUILD_SOURCES_OSTREE_INSECURE");
    Ok(Security {
        insecure: insecure.is_some_and(is_yes),
        identity: certificate.map(|files| Identity::new(files, &remote.location)),
        ..Security::default()
    })
}

/// The client certificate that a provider of secrets has.
fn certificate(
    provider: Option<&str>,
    context: &FetchContext<'_>,
) -> Result<Option<ClientCertificate>, String> {
    match provider {
        Some(MTLS) => mtls(context.environment, VARIABLES).map(Some),
        Some(CONSUMER) => consumer(context.host_root).map(Some),
        Some(other) => Err(format!(
            "the provider of secrets {other:?} is not known; known are {MTLS}, {CONSUMER}"
        )),
        None => Ok(None),
    }
}

/// The certificate by which a host identifies itself to Red Hat's subscription service.
fn consumer(root: &Path) -> Result<ClientCertificate, String> {
    let directory = root.join("etc/pki/consumer");
    let found = ClientCertificate {
        key: directory.join("key.pem"),
        certificate: directory.join("cert.pem"),
        authority: None,
    };
    if found.key.exists() && found.certificate.exists() {
        return Ok(found);
    }
    Err(format!(
        "there are no key.pem and cert.pem in {}: register this host with subscription-manager",
        directory.display()
    ))
}

fn is_yes(value: &str) -> bool {
    ["true", "yes", "1"].contains(&value.to_lowercase().as_str())
}

/// Runs the program on a repository.
async fn ostree(
    repository: &Path,
    arguments: &[&str],
    input: &[u8],
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let all = with_repository(repository, arguments);
    let ran = OSTREE.run(context, &all, input).await;
    ran.map(drop)
        .map_err(|failed| told(arguments, &failed.problem))
}

/// Likewise, but no longer than the repository stays within the limit of the source.
async fn watched(
    repository: &Path,
    arguments: &[&str],
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let all = with_repository(repository, arguments);
    let ran = OSTREE.run_watched(context, &all, repository).await;
    ran.map(drop)
        .map_err(|failed| told(arguments, &failed.problem))
}

fn with_repository(repository: &Path, arguments: &[&str]) -> Vec<String> {
    let option = format!("--repo={}", repository.display());
    let arguments = arguments.iter().map(ToString::to_string);
    std::iter::once(option).chain(arguments).collect()
}

fn told(arguments: &[&str], problem: &str) -> String {
    let verb = arguments.first().copied().unwrap_or_default();
    format!("ostree {verb} failed: {problem}")
}
