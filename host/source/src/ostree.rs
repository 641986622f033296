//! `org.osbuild.ostree`: commits, pulled into one repository of the store.
//!
//! Each commit is pulled into a temporary repository that has the remote in its settings and takes what the store has
//! already from there; then the store's repository takes the rest over by hard links. So the latter never knows a
//! remote, however a run ends, and no secret is left in it.

use crate::containers::each;
use crate::inline::chain;
use crate::program::Program;
use crate::secrets::{ClientCertificate, mtls, provider};
use crate::{FetchContext, Item};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_store::Scratch;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CONTENT_TYPE: &str = "org.osbuild.ostree";
const REPOSITORY: &str = "repo";

/// Of the temporary repository; no other has it.
const REMOTE: &str = "source";

/// Pulls at a time; each makes several requests at a time itself.
const PARALLEL: usize = 2;

const OSTREE: Program = Program {
    name: "ostree",
    package: "ostree",
    limit: Duration::from_secs(2 * 60 * 60),
};

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    each(source, context, PARALLEL, async |key, value| {
        let fetched = commit(key, value, context).await;
        fetched.map_err(|problem| format!("cannot fetch the commit {key}: {problem}"))
    })
}

/// Makes sure that the store has a commit; true if it had it before.
async fn commit(key: &str, value: &Value, context: &FetchContext<'_>) -> Result<bool, String> {
    if key.len() != 64
        || !key
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(
            "it is not the checksum of a commit: write 64 lower-case hexadecimal digits".to_owned(),
        );
    }
    let store = repository(context).await?;
    if has(&store, key, context).await? {
        return Ok(true);
    }
    let remote = value.get("remote").ok_or("it has no \"remote\"")?;
    let scratch = context
        .store
        .scratch("ostree")
        .map_err(|error| chain(&error))?;
    let draft = scratch.path().join(REPOSITORY);
    init(&draft, context).await?;
    let parent = format!("--repo={}", draft.display());
    ostree(
        context,
        &[
            &parent,
            "config",
            "set",
            "core.parent",
            &store.display().to_string(),
        ],
        b"",
    )
    .await?;
    add_remote(&parent, remote, context).await?;
    ostree(
        context,
        &[&parent, "pull", "--disable-fsync", REMOTE, key],
        b"",
    )
    .await?;
    let target = format!("--repo={}", store.display());
    ostree(
        context,
        &[&target, "pull-local", &draft.display().to_string(), key],
        b"",
    )
    .await?;
    Ok(false)
}

/// The store's repository, made if it is missing.
async fn repository(context: &FetchContext<'_>) -> Result<PathBuf, String> {
    let path = context
        .store
        .sources(CONTENT_TYPE)
        .map_err(|error| chain(&error))?
        .join(REPOSITORY);
    if !context
        .store
        .has_source(CONTENT_TYPE, REPOSITORY)
        .map_err(|error| chain(&error))?
    {
        let scratch: Scratch = context
            .store
            .scratch("ostree")
            .map_err(|error| chain(&error))?;
        let new = scratch.path().join(REPOSITORY);
        init(&new, context).await?;
        context
            .store
            .put_source(CONTENT_TYPE, REPOSITORY, &new)
            .map_err(|error| chain(&error))?;
    }
    Ok(path)
}

async fn init(path: &Path, context: &FetchContext<'_>) -> Result<(), String> {
    let repository = format!("--repo={}", path.display());
    ostree(context, &[&repository, "init", "--mode=archive"], b"").await
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

/// Puts where a commit comes from, and with which keys, into the settings of a repository.
async fn add_remote(
    repository: &str,
    remote: &Value,
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let url = remote
        .get("url")
        .and_then(Value::as_str)
        .ok_or("its remote has no \"url\"")?;
    // The program knows no mark for the end of its options.
    if url.starts_with('-') {
        return Err(format!("its remote has a \"url\" that is none: {url:?}"));
    }
    let keys: Vec<_> = remote
        .get("gpgkeys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let mut arguments = vec![repository.to_owned(), "remote".to_owned(), "add".to_owned()];
    if keys.is_empty() {
        arguments.push("--no-gpg-verify".to_owned());
    }
    if let Some(contents) = remote.get("contenturl").and_then(Value::as_str) {
        arguments.push(format!("--contenturl={contents}"));
    }
    arguments.extend(
        connection(remote, context)?
            .into_iter()
            .map(|(name, value)| format!("--set={name}={value}")),
    );
    arguments.extend([REMOTE, url].map(str::to_owned));
    ostree(context, &arguments, b"").await?;
    for key in keys {
        let key = key.as_str().ok_or("a key in \"gpgkeys\" is not a text")?;
        ostree(
            context,
            &[repository, "remote", "gpg-import", "--stdin", REMOTE],
            key.as_bytes(),
        )
        .await?;
    }
    Ok(())
}

/// Settings of a remote that have to do with the connection (ostree.repo-config(5)).
fn connection(
    remote: &Value,
    context: &FetchContext<'_>,
) -> Result<Vec<(&'static str, String)>, String> {
    let certificate = match provider(remote) {
        Some("org.osbuild.mtls") => Some(mtls(context.environment, "OSBUILD_SOURCES_OSTREE")?),
        Some("org.osbuild.rhsm.consumer") => Some(consumer(context.host_root)?),
        Some(other) => {
            return Err(format!(
                "the provider of secrets {other:?} is not known; known are org.osbuild.mtls, org.osbuild.rhsm.consumer"
            ));
        }
        None => None,
    };
    let mut settings = Vec::new();
    if let Some(ClientCertificate {
        key,
        certificate,
        authority,
    }) = certificate
    {
        let authority = authority.map(|path| ("tls-ca-path", path));
        let files = [
            ("tls-client-key-path", key),
            ("tls-client-cert-path", certificate),
        ];
        let files = files.into_iter().chain(authority);
        settings.extend(files.map(|(name, path)| (name, path.display().to_string())));
    }
    let variable = |name| context.environment.get(name);
    settings
        .extend(variable("OSBUILD_SOURCES_OSTREE_PROXY").map(|proxy| ("proxy", proxy.to_owned())));
    if variable("OSBUILD_SOURCES_OSTREE_INSECURE").is_some_and(is_yes) {
        settings.push(("tls-permissive", "true".to_owned()));
    }
    Ok(settings)
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

async fn ostree<A: AsRef<str>>(
    context: &FetchContext<'_>,
    arguments: &[A],
    input: &[u8],
) -> Result<(), String> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let ran = OSTREE.run(context, &arguments, input).await;
    let verb = arguments.get(1).copied().unwrap_or_default();
    ran.map(drop)
        .map_err(|failed| format!("ostree {verb} failed: {}", failed.problem))
}
