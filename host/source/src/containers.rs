//! What both kinds of container sources have in common: copying with `skopeo`, several at a time, again if need be.

use crate::inline::chain;
use crate::items::{Progress, entries};
use crate::program::{Failed, Program};
use crate::work::{self, unless_cancelled};
use crate::{FetchContext, Item};
use futures_util::future::join_all;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use sha2::Digest;
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

/// Copies at a time; each transfers several layers at a time itself.
const PARALLEL: usize = 3;

/// How often a copy is tried when the network fails, with a pause that doubles from the first one.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Images of several GiB over a slow network take long, but not for ever.
const LONGEST_COPY: Duration = Duration::from_secs(2 * 60 * 60);

/// What skopeo says when a repetition may help.
const PASSING: [&str; 16] = [
    "connection refused",
    "connection reset",
    "i/o timeout",
    "TLS handshake timeout",
    "deadline exceeded",
    "Client.Timeout",
    "unexpected EOF",
    ": EOF",
    "network is unreachable",
    "no route to host",
    "temporary failure in name resolution",
    "toomanyrequests",
    "too many requests",
    "status 50",
    "status code 50",
    "StatusCode: 50",
];

/// The program; `skopeo` is its package everywhere.
pub(crate) const SKOPEO: Program = Program {
    name: "skopeo",
    package: "skopeo",
    limit: LONGEST_COPY,
};

/// Where an image or a list is.
pub(crate) struct Image<'a> {
    pub(crate) name: &'a str,
    /// `docker://NAME@DIGEST` or `containers-storage:[overlay@LOCATION]NAME@DIGEST`.
    location: String,
    verify_tls: bool,
}

impl<'a> Image<'a> {
    /// Reads the member `image` of an item. `digest` is that of the manifest or of the list.
    pub(crate) fn read(item: &'a Value, digest: Option<&str>) -> Result<(Self, String), String> {
        let image = item.get("image").ok_or("it has no \"image\"")?;
        let text = |name: &str| image.get(name).and_then(Value::as_str);
        let name = text("name").ok_or("its image has no \"name\"")?;
        let digest = digest
            .or_else(|| text("digest"))
            .ok_or("its image has no \"digest\"")?;
        if !is_digest(digest) {
            return Err(format!(
                "{digest:?} is not a digest: write sha256:, then 64 lower-case hexadecimal digits"
            ));
        }
        let location = match (
            text("containers-transport").unwrap_or("docker"),
            text("storage-location"),
        ) {
            ("docker", _) => format!("docker://{name}@{digest}"),
            ("containers-storage", None) => format!("containers-storage:{name}@{digest}"),
            ("containers-storage", Some(storage)) => {
                format!("containers-storage:[overlay@{storage}]{name}@{digest}")
            }
            (other, _) => {
                return Err(format!(
                    "the transport {other:?} is not known; known are docker, containers-storage"
                ));
            }
        };
        let verify_tls = image.get("tls-verify").and_then(Value::as_bool) != Some(false);
        Ok((
            Self {
                name,
                location,
                verify_tls,
            },
            digest.to_owned(),
        ))
    }

    /// Copies it to a directory in skopeo's own layout, in which nothing is changed.
    pub(crate) async fn copy(
        &self,
        context: &FetchContext<'_>,
        module: &str,
        options: &[&str],
        to: &Path,
    ) -> Result<(), String> {
        let mut arguments = vec!["copy"];
        arguments.extend(options);
        if !self.verify_tls {
            arguments.push("--src-tls-verify=false");
        }
        let target = format!("dir:{}", to.display());
        arguments.extend([self.location.as_str(), &target]);
        let mut pause = PAUSE;
        for attempt in 1.. {
            let Err(Failed { problem }) = SKOPEO.run(context, &arguments, b"").await else {
                break;
            };
            if attempt == ATTEMPTS || !PASSING.iter().any(|sign| problem.contains(sign)) {
                return Err(format!("unable to copy image: {problem}"));
            }
            let seconds = pause.as_secs();
            context.log(
                module,
                format!(
                    "{}: {problem}; trying again in {seconds} s\n",
                    self.location
                ),
            );
            tokio::time::sleep(pause).await;
            pause *= 2;
            osbuild_wasm_files::remove_tree(to).map_err(|error| chain(&error))?;
        }
        Ok(())
    }
}

/// Whether this is a SHA-256 digest as container tools write it.
pub(crate) fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The id of an image: the digest of its configuration, byte by byte as it is.
pub(crate) async fn image_id(context: &FetchContext<'_>, location: &str) -> Result<String, Failed> {
    let inspected = SKOPEO
        .run(context, &["inspect", "--raw", "--config", location], b"")
        .await?;
    Ok(format!(
        "sha256:{}",
        hex::encode(sha2::Sha256::digest(inspected))
    ))
}

/// Fetches the items that the store lacks, several at a time.
pub(crate) fn fetch_each(
    source: &Source,
    context: &FetchContext<'_>,
    content_type: &str,
    fetch: impl AsyncFn(&str, &Value) -> Result<(), String>,
) -> Vec<Item> {
    each(source, context, PARALLEL, async |key, value| {
        if !is_digest(key) {
            return Err(format!(
                "{key:?} is not an id: write sha256:, then 64 lower-case hexadecimal digits"
            ));
        }
        let there = context.store.has_source(content_type, key);
        if there.map_err(|error| format!("cannot look for {key}: {}", chain(&error)))? {
            return Ok(true);
        }
        fetch(key, value).await.map(|()| false)
    })
}

/// Does something with each item, with some of them at a time.
pub(crate) fn each(
    source: &Source,
    context: &FetchContext<'_>,
    parallel: usize,
    fetch: impl AsyncFn(&str, &Value) -> Result<bool, String>,
) -> Vec<Item> {
    let interrupted = |key: String| Item {
        result: Err(format!("fetching {key} was interrupted")),
        key,
    };
    let items: Vec<_> = entries(source).map(|(key, _)| interrupted(key)).collect();
    let progress = Progress::new(context, &source.module, items.len());
    let items = RefCell::new(items);
    let queue = RefCell::new(entries(source).enumerate());
    let worker = async || {
        loop {
            let Some((index, (key, value))) = queue.borrow_mut().next() else {
                break;
            };
            let result = fetch(&key, value).await;
            items.borrow_mut()[index].result = result;
            progress.add(1, 0);
        }
    };
    let workers = async { drop(join_all((0..parallel).map(|_| worker())).await) };
    if let Err(error) = work::run(unless_cancelled(context, workers)) {
        items
            .borrow_mut()
            .iter_mut()
            .for_each(|item| item.result = Err(error.clone()));
    }
    items.into_inner()
}
