//! Fetching what a manifest needs: one file per kind of source.
//!
//! A source is a map from keys to descriptions of where to get what has that key. Fetching puts each item into the
//! store under its key, after its content was verified, or says why that failed. Adding a kind of source is a file
//! with a function of type [`Fetcher`] and a line in [`MODULES`].
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "the directories of downloads are its own: they lie in the store"
)]

mod allowance;
mod checksum;
mod containers;
mod containers_storage;
mod curl;
mod download;
mod environment;
mod gateway;
mod image;
mod image_files;
mod inline;
mod items;
mod librepo;
mod lists;
mod logins;
mod lookup;
mod ostree;
mod program;
mod proxies;
mod recovery;
mod registries;
mod registry;
mod repository;
mod secrets;
mod skopeo;
mod skopeo_index;
mod stored;
mod summary;
mod work;

pub use allowance::Allowance;
pub use checksum::check_checksum;
pub use environment::Environment;
pub use image_files::{ImageFiles, ImagePlace, Look, image_files};
pub use items::Item;
pub use logins::{BasicLogin, Logins};
pub use lookup::{
    CONTAINERS_STORAGE, CURL, OSTREE, SKOPEO, flatpak_index, ostree_checksum, ostree_secrets,
    registry_manifest, remote_document, stored_image_id,
};
pub use ostree::{ostree_is_as_noted, ostree_repository};
pub use proxies::proxies;
pub use registries::{of_machine, registries_files};
pub use repository::{
    LIBREPO, RepositoryIndex, RpmRepository, Validators, repository_document, repository_files,
    repository_index,
};
pub use skopeo::stored_image;
pub use stored::verify_file;

use osbuild_wasm_events::{Event, Observer, SourceItem, SourceOutcome};
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_store::Store;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What fetching needs beside the source itself.
#[derive(Clone, Copy)]
pub struct FetchContext<'a> {
    /// Where items go, and where they may be already.
    pub store: &'a Store,
    /// Hears of progress ([`Event::SourceProgress`]) and of what happens on the way ([`Event::SourceLog`]).
    pub observer: &'a dyn Observer,
    /// Set to true from elsewhere, it ends the fetching at once; what is not there then has an error.
    pub cancel: &'a AtomicBool,
    /// Logins for mirrors of packages, which are in no manifest.
    pub logins: &'a Logins,
    /// Settings that osbuild takes from environment variables: proxies, certificates.
    pub environment: &'a Environment,
    /// Where the host's subscription files are looked for; `/` but in tests.
    pub host_root: &'a Path,
    /// What the policy leaves to the source.
    pub allowance: Allowance<'a>,
    /// When it must be done, if its time is limited.
    pub deadline: Option<Instant>,
}

impl std::fmt::Debug for FetchContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchContext")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl FetchContext<'_> {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.is_late()
    }

    /// Whether the time that the source may take is over.
    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    pub(crate) fn log(&self, module: &str, text: String) {
        self.observer.event(&Event::SourceLog {
            module: module.to_owned(),
            text,
        });
    }
}

/// Fetches all items of a source and tells for each how that went, in the order of the manifest.
pub type Fetcher = fn(&Source, &FetchContext<'_>) -> Vec<Item>;

/// Every kind of source there is, by module name.
pub const MODULES: &[(&str, Fetcher)] = &[
    ("org.osbuild.containers-storage", containers_storage::fetch),
    ("org.osbuild.curl", curl::fetch),
    ("org.osbuild.inline", inline::fetch),
    ("org.osbuild.librepo", librepo::fetch),
    ("org.osbuild.ostree", ostree::fetch),
    ("org.osbuild.skopeo", skopeo::fetch),
    ("org.osbuild.skopeo-index", skopeo_index::fetch),
];

/// Fetches a source. A failure is part of the outcome: what failed, and why, item by item.
///
/// The caller reports that a source begins and ends; this reports what happens between.
pub fn fetch(source: &Source, context: &FetchContext<'_>) -> SourceOutcome {
    let started = Instant::now();
    let fetcher = MODULES.iter().find(|(module, _)| *module == source.module);
    let (items, output) = match fetcher {
        Some((_, fetcher)) => match recovery::recover(context.store) {
            Ok(()) => {
                let mut items = fetcher(source, context);
                if context.is_late() {
                    say_why(&mut items, context.allowance.time);
                }
                items::report(items)
            }
            Err(error) => failed(error),
        },
        None => unsupported(&source.module),
    };
    SourceOutcome {
        module: source.module.clone(),
        id: source.id.clone(),
        success: items.iter().all(|item| item.error.is_none()),
        items,
        output,
        duration: started.elapsed(),
    }
}

/// What was interrupted by the end of its time says so.
fn say_why(items: &mut [Item], time: Option<Duration>) {
    let seconds = time.unwrap_or_default().as_secs_f64();
    for problem in items
        .iter_mut()
        .filter_map(|item| item.result.as_mut().err())
    {
        problem.push_str(&format!(
            "; the policy gives this source {seconds} s: `time` of its `limits`"
        ));
    }
}

fn unsupported(module: &str) -> (Vec<SourceItem>, String) {
    let known: Vec<_> = MODULES.iter().map(|(module, _)| *module).collect();
    failed(format!(
        "sources of kind {module} are not supported; supported are {}",
        known.join(", ")
    ))
}

/// The whole source has this error.
fn failed(error: String) -> (Vec<SourceItem>, String) {
    (
        vec![SourceItem {
            checksum: None,
            cached: None,
            error: Some(error.clone()),
        }],
        error,
    )
}

#[cfg(test)]
mod tests;
