//! What names mean now: images of registries and of this machine, flatpaks, and refs of OSTree. They are asked for where, and how, sources
//! fetch what was found.

use crate::containers::Image;
use crate::download::{Engine, Security};
use crate::lists::{self, SUMMARY};
use crate::ostree::{CONSUMER, MTLS, VARIABLES, is_checksum, security};
use crate::repository::with_engine;
use crate::{Environment, FetchContext, containers_storage, summary, work};
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_manifest::origin::Remote;
use osbuild_wasm_manifest::reference::ImageReference;

/// The source that fetches images of registries.
pub const SKOPEO: &str = "org.osbuild.skopeo";
/// The source that fetches commits.
pub const OSTREE: &str = "org.osbuild.ostree";
/// The source that fetches files.
pub const CURL: &str = "org.osbuild.curl";
/// The source that takes images of this machine.
pub const CONTAINERS_STORAGE: &str = "org.osbuild.containers-storage";

/// How many names of refs are told.
const SHOWN: usize = 5;

/// The most bytes of a manifest or of a list of them; registries take as many.
const LARGEST_MANIFEST: usize = 4 << 20;

/// The manifest, or the list of manifests, that a reference names in its registry, byte by byte.
///
/// # Errors
/// One line: it is not there, or the registry cannot be asked.
pub fn registry_manifest(
    reference: &ImageReference,
    verify_tls: bool,
    context: &FetchContext<'_>,
) -> Result<Vec<u8>, String> {
    let manifest = work::one(context, async {
        let image = Image::referred(reference, verify_tls, context)?;
        image.raw_manifest(context, SKOPEO).await
    })?;
    match manifest.len() {
        0..=LARGEST_MANIFEST => Ok(manifest),
        _ => Err(format!(
            "its manifest has more than {LARGEST_MANIFEST} bytes"
        )),
    }
}

/// A document of moderate size of a web server, of which no checksum is known.
///
/// # Errors
/// One line: the URL cannot be read, nothing is there, or it is too large.
pub fn remote_document(url: &str, context: &FetchContext<'_>) -> Result<Vec<u8>, String> {
    document(CURL, &Location::parse(url)?, context)
}

fn document(
    module: &str,
    location: &Location,
    context: &FetchContext<'_>,
) -> Result<Vec<u8>, String> {
    with_engine(module, context, async |engine| {
        let document = engine.document(location, &Security::default()).await;
        document.map_err(|problem| format!("{}: {problem}", location.shown()))
    })
}

/// The index of the flatpaks that a registry has.
///
/// # Errors
/// One line: it is not there, or is too large.
pub fn flatpak_index(location: &Location, context: &FetchContext<'_>) -> Result<Vec<u8>, String> {
    document(SKOPEO, location, context)
}

/// The id of an image of this machine's container storage, and the digest of its manifest.
///
/// # Errors
/// One line: it is not there, or the storage cannot be read.
pub fn stored_image_id(
    reference: &ImageReference,
    context: &FetchContext<'_>,
) -> Result<(String, String), String> {
    let name = format!("{}{}", reference.name, reference.which());
    work::one(context, containers_storage::look_up(&name, context))
}

/// The provider of secrets for a repository of OSTree: that of the subscription with `rhsm`, else that of the client certificate that
/// the environment names, which is for secured connections.
pub fn ostree_secrets(url: &str, rhsm: bool, environment: &Environment) -> Option<&'static str> {
    if rhsm {
        return Some(CONSUMER);
    }
    let remote = Remote::of_ostree(url).ok()?;
    let certificate = environment.get(&format!("{VARIABLES}_SSL_CLIENT_CERT"));
    certificate
        .filter(|_| remote.location.is_https())
        .map(|_| MTLS)
}

/// The checksum of the commit that a ref names in a repository: an address, or `metalink=` or `mirrorlist=` and that of such a list.
///
/// # Errors
/// One line: the repository cannot be asked, or has no such ref.
pub fn ostree_checksum(
    url: &str,
    reference: &str,
    secrets: Option<&str>,
    context: &FetchContext<'_>,
) -> Result<String, String> {
    with_engine(OSTREE, context, async |engine| {
        let remote = Remote::of_ostree(url)?;
        let security = security(secrets, &remote, context)?;
        let places = lists::resolve(engine, &remote, &security, &SUMMARY).await;
        let places =
            places.map_err(|problem| format!("cannot learn the servers of its remote{problem}"))?;
        let mut problem = "its list names no server".to_owned();
        for place in &places {
            match head(engine, place, reference, &security).await {
                Ok(checksum) => return Ok(checksum),
                Err(failed) => problem = failed,
            }
        }
        Err(problem)
    })
}

/// That a repository has no such ref, if its summary says so, with names that it has.
async fn missing(
    engine: &Engine<'_>,
    place: &Location,
    reference: &str,
    security: &Security,
) -> Option<String> {
    let location = place.below("summary").ok()?;
    let is_there = match location.file() {
        Some(file) => file.exists(),
        None => engine.answers(&location, security).await,
    };
    if !is_there {
        return None;
    }
    let summary = engine.document(&location, security).await.ok()?;
    let names = summary::refs(&summary);
    if names.is_empty() || names.iter().any(|name| name == reference) {
        return None;
    }
    let hint = match nearest(reference, names.iter()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it has {}", few(&names)),
    };
    Some(format!("{} has no ref of that name: {hint}", place.shown()))
}

/// Some of the names, and how many more there are.
fn few(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a branch of one repository leads to: its file has a line with the checksum.
async fn head(
    engine: &Engine<'_>,
    place: &Location,
    reference: &str,
    security: &Security,
) -> Result<String, String> {
    let location = place.below(&format!("refs/heads/{reference}"))?;
    let failed = |problem| format!("{}: {problem}", location.shown());
    let content = match engine.document(&location, security).await {
        Ok(content) => content,
        Err(problem) => {
            let missing = missing(engine, place, reference, security).await;
            return Err(missing.unwrap_or_else(|| failed(problem)));
        }
    };
    let checksum = String::from_utf8_lossy(&content).trim().to_owned();
    match is_checksum(&checksum) {
        true => Ok(checksum),
        false => Err(failed(
            "it is no ref: its content is not a checksum".to_owned(),
        )),
    }
}
