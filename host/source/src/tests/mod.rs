mod changed;
mod commits;
mod curl;
mod images;
mod inline;
mod librepo;
mod limits;
mod ostree;
mod program;
mod recovery;
mod redirects;
mod registry;
mod repository;
mod server;
mod skopeo;
mod tls;
mod tools;

use crate::curl::fetch_within;
use crate::download::Limits;
use crate::{Allowance, Environment, FetchContext, Item, fetch};
use osbuild_wasm_events::{Event, Observer, SourceOutcome};
use osbuild_wasm_manifest::json::parse;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_store::Store;
use sha2::Digest;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Observer for Recorder {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A store and everything else that fetching needs.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    recorder: Recorder,
    cancel: AtomicBool,
    environment: Environment,
}

impl World {
    fn new() -> Self {
        Self::with([("", ""); 0])
    }

    fn with<'a>(environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let environment = environment.into_iter().collect();
        Self {
            dir,
            store,
            recorder: Recorder::default(),
            cancel: AtomicBool::new(false),
            environment,
        }
    }

    fn context(&self) -> FetchContext<'_> {
        self.context_with(Allowance::EVERYTHING)
    }

    fn context_with<'a>(&'a self, allowance: Allowance<'a>) -> FetchContext<'a> {
        FetchContext {
            store: &self.store,
            observer: &self.recorder,
            cancel: &self.cancel,
            logins: crate::Logins::none(),
            environment: &self.environment,
            host_root: self.dir.path(),
            allowance,
            deadline: None,
        }
    }

    fn fetch(&self, source: &Source) -> SourceOutcome {
        fetch(source, &self.context())
    }

    /// Downloads with the patience of a test.
    fn download(&self, items: &[(String, String)]) -> Vec<Item> {
        self.download_with(items, &quick())
    }

    fn download_with(&self, items: &[(String, String)], limits: &Limits) -> Vec<Item> {
        fetch_within(&curl(items), &self.context(), limits)
    }

    /// Downloads one item and gives its error.
    fn error(&self, key: &str, url: &str) -> String {
        let items = self.download(&[(key.to_owned(), format!("{url:?}"))]);
        let error = items[0].result.clone().unwrap_err();
        assert!(!error.contains('\n'), "{error}");
        assert!(!self.file(key).exists());
        error
    }

    fn file(&self, key: &str) -> PathBuf {
        self.dir
            .path()
            .join("store/sources/org.osbuild.files")
            .join(key)
    }

    /// What is left over in the store when nothing runs.
    fn scratch(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("store/scratch")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with("run-")).collect()
    }

    fn logs(&self) -> String {
        let events = self.recorder.0.lock().unwrap();
        let text = |event: &Event| match event {
            Event::SourceLog { text, .. } => Some(text.clone()),
            _ => None,
        };
        events.iter().filter_map(text).collect()
    }
}

fn quick() -> Limits {
    Limits {
        attempts: 3,
        pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(40),
        low_speed_time: Duration::from_millis(300),
        ..Limits::default()
    }
}

fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(content)))
}

fn source(module: &str, items: &str) -> Source {
    with_options(module, items, "{}")
}

fn with_options(module: &str, items: &str, options: &str) -> Source {
    Source {
        module: module.to_owned(),
        items: parse(items.as_bytes()).unwrap(),
        options: parse(options.as_bytes()).unwrap(),
        id: "id".to_owned(),
    }
}

/// A source of keys and descriptions, the latter as JSON.
fn curl(items: &[(String, String)]) -> Source {
    let members: Vec<_> = items
        .iter()
        .map(|(key, value)| format!("{key:?}: {value}"))
        .collect();
    source("org.osbuild.curl", &format!("{{{}}}", members.join(", ")))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn a_kind_of_source_that_is_not_there_fails_with_the_names_of_those_that_are() {
    let world = World::new();
    let outcome = world.fetch(&source("org.osbuild.nonesuch", "{}"));
    assert!(!outcome.success);
    assert!(
        outcome
            .output
            .contains("org.osbuild.nonesuch are not supported"),
        "{}",
        outcome.output
    );
    assert!(outcome.output.contains("org.osbuild.curl"));
    assert_eq!(outcome.items[0].error.as_ref(), Some(&outcome.output));
}

#[test]
fn keys_that_are_not_wholly_a_checksum_are_refused() {
    let digits = "0".repeat(64);
    let keys = [
        format!("zzsha256:{digits}"),
        format!("sha256:{digits}0"),
        format!("sha256:{}", &digits[1..]),
        format!("sha256:{}/", &digits[1..]),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha224:{digits}"),
        format!("../sha256:{digits}"),
        format!("sha256:{digits}/../../x"),
        "sha256".to_owned(),
        String::new(),
    ];
    let world = World::new();
    for key in keys {
        for (module, value) in [
            ("org.osbuild.curl", "\"http://127.0.0.1:1/\""),
            (
                "org.osbuild.inline",
                r#"{"encoding": "base64", "data": ""}"#,
            ),
        ] {
            let outcome = world.fetch(&source(module, &format!("{{{key:?}: {value}}}")));
            let error = outcome.items[0].error.clone().unwrap();
            assert!(error.contains("is not a checksum"), "{error}");
        }
    }
    assert!(!exists(&world.dir.path().join("store/sources/x")));
}
