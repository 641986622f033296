//! What both kinds of container sources have in common: copying with `skopeo`, several at a time, again if need be.

use crate::download::{Engine, Limits};
use crate::gateway::registry::Gateway;
use crate::image;
use crate::items::{Progress, entries};
use crate::program::{Failed, Program};
use crate::registries::{REGISTRIES_CONF, options, registries_files};
use crate::registry::Registry;
use crate::work::{self, unless_cancelled};
use crate::{Allowance, FetchContext, Item};
use futures_util::future::join_all;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::origin::ImageOrigin;
use osbuild_wasm_manifest::reference::{ImageReference, is_digest};
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
pub(crate) struct Image {
    pub(crate) name: String,
    /// `docker://NAME@DIGEST` or `containers-storage:[overlay@LOCATION]NAME@DIGEST`.
    location: String,
    registry: Option<Registry>,
}

/// A run of `skopeo` on an image.
struct Call<'a> {
    command: &'a [&'a str],
    /// What the options of the connection begin with.
    prefix: &'a str,
    /// Where it writes to, if it does.
    to: Option<&'a Path>,
}

impl Image {
    /// Reads the member `image` of an item. `digest` is that of the manifest or of the list.
    pub(crate) fn read(
        item: &Value,
        digest: Option<&str>,
        context: &FetchContext<'_>,
    ) -> Result<(Self, String), String> {
        let image = item.get("image").ok_or("it has no \"image\"")?;
        let text = |name: &str| image.get(name).and_then(Value::as_str);
        let digest = digest
            .or_else(|| text("digest"))
            .ok_or("its image has no \"digest\"")?;
        if !is_digest(digest) {
            return Err(format!(
                "{digest:?} is not a digest: write sha256:, then 64 lower-case hexadecimal digits"
            ));
        }
        let origin = ImageOrigin::read(image)?;
        let image = match &origin {
            ImageOrigin::Registry { host, name } => {
                let verify_tls = image.get("tls-verify").and_then(Value::as_bool) != Some(false);
                Self::of_registry(host, name, &format!("@{digest}"), verify_tls, context)?
            }
            ImageOrigin::Storage { location, name } => {
                let storage = location.as_deref().map(storage_specifier).transpose()?;
                let storage = storage.unwrap_or_default();
                Self {
                    name: name.clone(),
                    location: format!("containers-storage:{storage}{name}@{digest}"),
                    registry: None,
                }
            }
        };
        Ok((image, digest.to_owned()))
    }

    /// An image of a storage of this machine.
    pub(crate) fn stored(name: &str, location: String) -> Self {
        Self {
            name: name.to_owned(),
            location,
            registry: None,
        }
    }

    /// What a reference names, in its registry.
    pub(crate) fn referred(
        reference: &ImageReference,
        verify_tls: bool,
        context: &FetchContext<'_>,
    ) -> Result<Self, String> {
        let ImageReference { host, name, .. } = reference;
        Self::of_registry(host, name, &reference.which(), verify_tls, context)
    }

    /// `which` is `:TAG` or `@DIGEST`.
    fn of_registry(
        host: &str,
        name: &str,
        which: &str,
        verify_tls: bool,
        context: &FetchContext<'_>,
    ) -> Result<Self, String> {
        let registry = Registry::new(host, name, verify_tls)?;
        context.allowance.check(&registry.named)?;
        Ok(Self {
            name: name.to_owned(),
            location: format!("docker://{name}{which}"),
            registry: Some(registry),
        })
    }

    /// The manifest that the digest of the item names, of an image that was copied to `copy`: that of the copy, or one that a
    /// storage keeps, or a list.
    pub(crate) async fn manifest(
        &self,
        context: &FetchContext<'_>,
        module: &str,
        copy: &Path,
        digest: &str,
    ) -> Result<Vec<u8>, String> {
        let manifest = image::document(&copy.join("manifest.json"))?;
        if image::digest(&manifest) == digest {
            return Ok(manifest);
        }
        self.raw_manifest(context, module).await
    }

    /// The manifest or the list that its location names, byte by byte as it is.
    pub(crate) async fn raw_manifest(
        &self,
        context: &FetchContext<'_>,
        module: &str,
    ) -> Result<Vec<u8>, String> {
        let call = Call {
            command: &["inspect", "--raw"],
            prefix: "",
            to: None,
        };
        let inspected = self.run_again(context, module, &call).await;
        inspected.map_err(|problem| format!("unable to inspect image: {problem}"))
    }

    /// Copies it to a directory in skopeo's own layout, in which nothing is changed.
    pub(crate) async fn copy(
        &self,
        context: &FetchContext<'_>,
        module: &str,
        more: &[&str],
        to: &Path,
    ) -> Result<(), String> {
        let call = Call {
            command: &[&["copy"], more].concat(),
            prefix: "src-",
            to: Some(to),
        };
        let copied = self.run_again(context, module, &call).await;
        copied
            .map(drop)
            .map_err(|problem| format!("unable to copy image: {problem}"))
    }

    /// Runs `skopeo`, several times where a repetition may help.
    async fn run_again(
        &self,
        context: &FetchContext<'_>,
        module: &str,
        call: &Call<'_>,
    ) -> Result<Vec<u8>, String> {
        let (mut pause, mut attempt) = (PAUSE, 1);
        loop {
            let problem = match self.run(context, module, call).await {
                Ok(output) => return Ok(output),
                Err(Failed { problem }) => problem,
            };
            if attempt == ATTEMPTS || !PASSING.iter().any(|sign| problem.contains(sign)) {
                return Err(problem);
            }
            let (place, seconds) = (&self.location, pause.as_secs());
            context.log(
                module,
                format!("{place}: {problem}; trying again in {seconds} s\n"),
            );
            tokio::time::sleep(pause).await;
            (pause, attempt) = (pause * 2, attempt + 1);
            if let Some(to) = call.to {
                osbuild_wasm_files::remove_tree(to).map_err(|error| with_causes(&error))?;
            }
        }
    }

    /// Runs `skopeo`, whose only server for a registry is this program.
    async fn run(
        &self,
        context: &FetchContext<'_>,
        module: &str,
        call: &Call<'_>,
    ) -> Result<Vec<u8>, Failed> {
        let failed = |problem| Failed { problem };
        let Some(registry) = &self.registry else {
            return self
                .call(context, options(context.environment), &[], call)
                .await;
        };
        let host = |host: &str| registry.may_be_asked(host, context.allowance.host);
        let allowance = Allowance {
            host: &host,
            ..context.allowance
        };
        let judged = FetchContext {
            allowance,
            ..*context
        };
        let limits = Limits::default();
        let engine = Engine::new(module, &judged, &limits).map_err(failed)?;
        let gateway = Gateway::open(&engine, registry, &judged, module).await;
        let gateway = gateway.map_err(failed)?;
        let environment = context
            .environment
            .with_proxy(&gateway.proxy().map_err(failed)?);
        let programs = FetchContext {
            environment: &environment,
            ..*context
        };
        let work = async {
            // Files of this machine that lead elsewhere are in the plan, and are what `skopeo` goes by.
            if registries_files(context.environment).is_empty() {
                let settings = gateway.settings().display().to_string();
                let none = format!("--{}no-creds", call.prefix);
                return self
                    .call(
                        &programs,
                        [REGISTRIES_CONF.to_owned(), settings],
                        &[none],
                        call,
                    )
                    .await;
            }
            let credentials = registry
                .credentials(context, module)
                .await
                .map_err(failed)?;
            let connection = registry.connection(call.prefix, credentials.as_ref());
            self.call(&programs, options(context.environment), &connection, call)
                .await
        };
        let ran = tokio::select! {
            ran = work => ran,
            () = gateway.serve() => Ok(Vec::new()),
        };
        ran.map_err(|Failed { problem }| failed(gateway.told(&problem)))
    }

    async fn call(
        &self,
        context: &FetchContext<'_>,
        settings: [String; 2],
        connection: &[String],
        call: &Call<'_>,
    ) -> Result<Vec<u8>, Failed> {
        let mut arguments = Vec::from(settings);
        arguments.extend(call.command.iter().map(ToString::to_string));
        arguments.extend_from_slice(connection);
        arguments.push(self.location.clone());
        match call.to {
            Some(to) => {
                arguments.push(format!("dir:{}", to.display()));
                SKOPEO.run_watched(context, &arguments, to).await
            }
            None => SKOPEO.run(context, &arguments, b"").await,
        }
    }
}

/// How a storage is named to skopeo. It would make one that is not there.
fn storage_specifier(location: &Path) -> Result<String, String> {
    if !location.join("overlay-images").is_dir() {
        return Err(format!(
            "{} is no container storage with the driver overlay",
            location.display()
        ));
    }
    Ok(format!("[overlay@{}]", location.display()))
}

/// The configuration of an image, byte by byte as it is; its digest is the id.
pub(crate) async fn config(context: &FetchContext<'_>, location: &str) -> Result<Vec<u8>, Failed> {
    SKOPEO
        .run(context, &["inspect", "--raw", "--config", location], b"")
        .await
}

/// Fetches items whose keys are digests, several at a time.
pub(crate) fn fetch_each(
    source: &Source,
    context: &FetchContext<'_>,
    fetch: impl AsyncFn(&str, &Value) -> Result<bool, String>,
) -> Vec<Item> {
    each(source, context, PARALLEL, async |key, value| {
        if !is_digest(key) {
            return Err(format!(
                "{key:?} is not an id: write sha256:, then 64 lower-case hexadecimal digits"
            ));
        }
        fetch(key, value).await
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
