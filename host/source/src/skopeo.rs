//! `org.osbuild.skopeo`: container images, by the ids they have in the end.

use crate::containers::{Image, fetch_each};
use crate::image::{Expected, IMAGE, NAMED, verify};
use crate::stored::check;
use crate::{FetchContext, Item};
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::reference::is_digest;
use osbuild_wasm_store::Store;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// Content type of the store: each image is a directory named by its id and by the digest of its manifest. Older programs had one
/// without digest, whose layers were not compared with the configuration.
const CONTAINERS: &str = "org.osbuild.containers.verified";

/// The most bytes of an image that is verified when it is used; it was fetched within the limits of its source.
const ANY_SIZE: u64 = u64::MAX;

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    fetch_each(source, context, async |key, value| {
        let fetched = image(&source.module, key, value, context).await;
        fetched.map_err(|problem| format!("cannot fetch the image {key}: {problem}"))
    })
}

/// Makes sure that the store has an image; true if it had it before.
async fn image(
    module: &str,
    id: &str,
    value: &Value,
    context: &FetchContext<'_>,
) -> Result<bool, String> {
    let (image, digest) = Image::read(value, None, context)?;
    let (key, store) = (entry_name(id, &digest), context.store);
    let there = store.has_source(CONTAINERS, &key);
    if there.map_err(|error| with_causes(&error))? {
        let entry = store
            .sources(CONTAINERS)
            .map_err(|error| with_causes(&error))?;
        let entry = entry.join(&key);
        if is_right(store, &entry, id, &digest, ANY_SIZE, &|| {
            context.is_cancelled()
        })? {
            return Ok(true);
        }
        osbuild_wasm_files::remove_tree(&entry).map_err(|error| with_causes(&error))?;
    }
    let scratch = store
        .scratch("container")
        .map_err(|error| with_causes(&error))?;
    let directory = scratch.path().join("container");
    let made = std::fs::DirBuilder::new().mode(0o755).create(&directory);
    made.map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
    let copy = directory.join(IMAGE);
    image.copy(context, module, &[], &copy).await?;
    let named = image.manifest(context, module, &copy, &digest).await?;
    let written = std::fs::write(directory.join(NAMED), named);
    written.map_err(|error| format!("cannot keep the manifest: {error}"))?;
    compare(&directory, id, &digest, context)
        .await
        .map_err(|problem| format!("Downloaded image {}@{digest} {problem}", image.name))?;
    store
        .put_source(CONTAINERS, &key, &directory)
        .map_err(|error| with_causes(&error))?;
    Ok(false)
}

/// To unpack layers takes long: others are fetched meanwhile.
async fn compare(
    directory: &Path,
    id: &str,
    digest: &str,
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let (directory, id, digest) = (directory.to_owned(), id.to_owned(), digest.to_owned());
    let bytes = context.allowance.bytes;
    let stop = DropFlag::default();
    let flag = stop.0.clone();
    let work = move || {
        let expected = Expected {
            id: &id,
            digest: &digest,
            bytes,
            cancelled: &|| flag.load(std::sync::atomic::Ordering::Relaxed),
        };
        verify(&directory, &expected)
    };
    spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())?
}

/// Ends work on another thread when its result is not awaited any more.
#[derive(Default)]
struct DropFlag(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

fn entry_name(id: &str, digest: &str) -> String {
    let [id, digest] = [id, digest].map(|text| text.trim_start_matches("sha256:"));
    format!("{id}-{digest}")
}

/// Whether an entry of the store is what its name says.
fn is_right(
    store: &Store,
    entry: &Path,
    id: &str,
    digest: &str,
    bytes: u64,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<bool, String> {
    let expected = Expected {
        id,
        digest,
        bytes,
        cancelled,
    };
    let key = entry_name(id, digest);
    check(store, CONTAINERS, &key, entry, || {
        let right = verify(entry, &expected).is_ok();
        if cancelled() {
            return Err("verifying it was interrupted".to_owned());
        }
        Ok(right)
    })
}

/// The directory of an image that a stage is about to get, in skopeo's own layout, verified once more. `item` is what the source
/// says about it.
///
/// # Errors
/// One line: it was not fetched, or was changed since.
pub fn stored_image(store: &Store, id: &str, item: &Value) -> Result<PathBuf, String> {
    let digest = item
        .get("image")
        .and_then(|image| image.get("digest")?.as_str());
    let digest = digest.filter(|digest| is_digest(digest) && is_digest(id));
    let digest = digest.ok_or_else(|| format!("the image {id} has no digest"))?;
    let directory = store
        .sources(CONTAINERS)
        .map_err(|error| with_causes(&error))?;
    let entry = directory.join(entry_name(id, digest));
    if !entry.is_dir() {
        return Err(format!("the image {id} was not fetched"));
    }
    match is_right(store, &entry, id, digest, ANY_SIZE, &|| false)? {
        true => Ok(entry.join(IMAGE)),
        false => Err(format!(
            "the image {id} was changed in the store after it had been fetched: run again, which fetches it anew"
        )),
    }
}
