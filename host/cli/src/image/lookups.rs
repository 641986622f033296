//! What servers are asked before there is a manifest: judged before the first question as the sources are that fetch what is found, and
//! noted.
use super::resolution::Purpose;
use crate::command_error::{CommandError, Result};
use crate::policy_file::PolicyFile;
use osbuild_wasm_build::Lookup;
use osbuild_wasm_capability::record::LookupRecord;
use osbuild_wasm_capability::{Limits, plan::Planned};
use osbuild_wasm_generator::content::{CommitRequest, ContainerRequest, FlatpakRequest};
use osbuild_wasm_generator::plan::Needs;
use osbuild_wasm_manifest::location::{Location, redact};
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::reference::ImageReference;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::jobs::Question;
use osbuild_wasm_resolve::{Repository, WantedCommit, remote};
use osbuild_wasm_source::{Allowance, CONTAINERS_STORAGE, CURL, LIBREPO, Logins, OSTREE, SKOPEO};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The sources whose content is looked up.
const SOURCES: [&str; 5] = [CONTAINERS_STORAGE, CURL, LIBREPO, OSTREE, SKOPEO];

/// The key of an item that is not known yet.
const UNKNOWN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Within which bounds servers are asked for each kind of source, and which were.
pub(crate) struct Lookups(Vec<Watch>);

struct Watch {
    module: &'static str,
    rule: String,
    may_ask: Box<dyn Fn(&str) -> bool + Sync>,
    asked: Arc<Mutex<BTreeSet<String>>>,
    links: bool,
    bytes: u64,
    time: Option<Duration>,
}

impl Lookups {
    /// Judges all that will be looked up.
    ///
    /// # Errors
    /// The policy denies some of it, or a URL cannot be read.
    pub(crate) fn judge(lookups: &[Lookup], policy: Option<&PolicyFile>) -> Result<Self> {
        if let Some(file) = policy {
            let judged = lookups
                .iter()
                .map(|lookup| lookup.judge(Some(&file.policy)));
            let judged: Vec<Planned> = judged.collect::<std::result::Result<_, _>>()?;
            if judged.iter().any(|planned| !planned.decision.granted()) {
                return Err(file.denied_lookups(&judged));
            }
        }
        let watches = SOURCES.map(|module| Watch::new(module, policy));
        Ok(Self(watches.into_iter().collect::<Result<_>>()?))
    }

    /// What may be asked for a kind of source.
    pub(crate) fn allowance(&self, module: &str) -> Allowance<'_> {
        let watch = self.0.iter().find(|watch| watch.module == module);
        watch.map_or(Allowance::EVERYTHING, |watch| Allowance {
            host: &*watch.may_ask,
            rule: &watch.rule,
            links: watch.links,
            bytes: watch.bytes,
            time: watch.time,
        })
    }

    /// Who was asked.
    pub(crate) fn records(&self) -> Vec<LookupRecord> {
        let record = |watch: &Watch| LookupRecord {
            module: watch.module.to_owned(),
            hosts: lock(&watch.asked).iter().cloned().collect(),
        };
        let records = self.0.iter().map(record);
        records.filter(|record| !record.hosts.is_empty()).collect()
    }
}

impl Watch {
    fn new(module: &'static str, policy: Option<&PolicyFile>) -> Result<Self> {
        let nothing = lookup(module, String::new(), Map::new(), Value::Null, Vec::new());
        let decision = nothing.judge(policy.map(|file| &file.policy))?.decision;
        let limits = Limits::from(decision.limits);
        let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let noted = Arc::clone(&asked);
        Ok(Self {
            module,
            rule: decision.rule.clone().unwrap_or_default(),
            may_ask: Box::new(move |host| {
                let may = decision.granted() && decision.may_reach(host);
                if may {
                    lock(&noted).insert(host.to_owned());
                }
                may
            }),
            asked,
            links: policy.is_none(),
            bytes: limits.written_bytes,
            time: limits.time,
        })
    }
}

fn lock(asked: &Mutex<BTreeSet<String>>) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lookup(
    module: &str,
    place: String,
    items: Map<String, Value>,
    options: Value,
    documents: Vec<Location>,
) -> Lookup {
    Lookup {
        place,
        source: Source {
            module: module.to_owned(),
            items: Value::Object(items).into(),
            options: options.into(),
            id: String::new(),
        },
        documents,
    }
}

fn item(value: Value) -> Map<String, Value> {
    Map::from_iter([(UNKNOWN.to_owned(), value)])
}

/// All repositories that packages come from.
fn repositories_of(needs: &Needs) -> Result<Vec<Repository>> {
    let transactions = needs.iter().flat_map(|(_, content)| &content.transactions);
    let repositories = transactions.flat_map(|transaction| &transaction.repositories);
    let mut all: Vec<Repository> = Vec::new();
    for named in repositories {
        let (_, remote) = remote(named)?;
        if !all.contains(&remote) {
            all.push(remote);
        }
    }
    Ok(all)
}

/// Everything that servers will be asked.
pub(super) fn lookups_of(needs: &Needs) -> Result<Vec<Lookup>> {
    let mut all: Vec<_> = repositories_of(needs)?.iter().map(repository).collect();
    for (_, content) in needs {
        all.extend(content.containers.iter().filter_map(image));
        all.extend(content.commits.iter().filter_map(commit));
        all.extend(content.flatpaks.iter().filter_map(flatpak));
    }
    Ok(all)
}

/// Everything that servers will be asked for a job.
///
/// # Errors
/// A URL cannot be read.
pub(crate) fn lookups_of_job(question: &Question) -> Result<Vec<Lookup>> {
    let mut all = lookups_of(&vec![(String::new(), question.content())])?;
    all.extend(question.files().iter().map(|url| file(url)));
    Ok(all)
}

/// The logins for mirrors of packages. A manifest that others build has no place for any.
pub(super) fn logins(needs: &Needs, purpose: Purpose) -> Result<Logins> {
    let mut logins = Logins::default();
    for repository in repositories_of(needs)? {
        if !repository.logins.is_empty() && purpose == Purpose::Document {
            let problem = format!(
                "the repository {} has a password in its URL, for which a manifest has no place",
                repository.shown()
            );
            let hint =
                "build the image in one go: `build` tells it to that server, and nobody else";
            return Err(CommandError::invalid(Diagnostic::new(problem).hint(hint)));
        }
        repository
            .logins_by_url()
            .for_each(|(url, login)| logins.add(url, login.clone()));
    }
    Ok(logins)
}

/// The metadata of a repository, and its keys.
fn repository(repository: &Repository) -> Lookup {
    let lists = [
        ("metalink", &repository.metalink),
        ("mirrorlist", &repository.mirrorlist),
    ];
    let list = lists
        .iter()
        .find_map(|(kind, url)| Some((*kind, url.as_ref()?)));
    let places = match list {
        Some(list) => vec![list],
        None => repository
            .baseurl
            .iter()
            .map(|url| ("baseurl", url))
            .collect(),
    };
    let mirror = |(index, (kind, url)): (usize, (&str, &String))| {
        (index.to_string(), json!({"url": url, "type": kind}))
    };
    let mirrors: Map<_, _> = places.into_iter().enumerate().map(mirror).collect();
    // What is no URL is the text of a key.
    let keys = repository
        .gpgkey
        .iter()
        .filter_map(|key| Location::parse(key).ok());
    lookup(
        LIBREPO,
        format!("the repository {}", repository.shown()),
        Map::new(),
        json!({"mirrors": mirrors}),
        keys.collect(),
    )
}

/// The manifest of an image; none where its name cannot be read.
fn image(wanted: &ContainerRequest) -> Option<Lookup> {
    let place = format!("the image {}", wanted.source);
    let reference = ImageReference::parse(&wanted.source).ok()?;
    let (module, item) = match wanted.local {
        true => (CONTAINERS_STORAGE, item(json!({}))),
        false => {
            let verify = wanted.tls_verify != Some(false);
            let image = json!({"name": reference.name, "tls-verify": verify});
            (SKOPEO, item(json!({"image": image})))
        }
    };
    Some(lookup(module, place, item, Value::Null, Vec::new()))
}

/// The commit of a ref; none where the ref is a checksum, of which nobody is asked.
fn commit(wanted: &CommitRequest) -> Option<Lookup> {
    let is_asked = !WantedCommit::is_checksum(&wanted.reference);
    is_asked.then(|| {
        let place = format!("the ref {} of OSTree", wanted.reference);
        let commit = item(json!({"remote": {"url": wanted.url}}));
        lookup(OSTREE, place, commit, Value::Null, Vec::new())
    })
}

/// A file of a web server.
fn file(url: &str) -> Lookup {
    let place = format!("the file {}", redact(url));
    lookup(CURL, place, item(url.into()), Value::Null, Vec::new())
}

/// The index of a registry with flatpaks; none where it is no registry, which is an error later.
fn flatpak(wanted: &FlatpakRequest) -> Option<Lookup> {
    let place = format!(
        "the flatpak {} of {}",
        wanted.reference,
        redact(&wanted.url)
    );
    let registry = Location::parse(wanted.url.strip_prefix("oci+")?).ok()?;
    Some(lookup(
        SKOPEO,
        place,
        Map::new(),
        Value::Null,
        vec![registry],
    ))
}
