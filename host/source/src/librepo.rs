//! `org.osbuild.librepo`: files of repositories, from whichever mirror has them.

use crate::checksum::Checksum;
use crate::download::places::{Mirrors, NamedBy, Places};
use crate::download::{self, Engine, Identity, Job, Limits, Security};
use crate::items::{Progress, entries};
use crate::lists;
use crate::secrets::Providers;
use crate::stored::has_file;
use crate::work::unless_cancelled;
use crate::{FetchContext, Item};
use futures_util::future::join_all;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::origin::Remote;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What osbuild's library does with a single mirror; with several each of them is tried at least once.
const ATTEMPTS: u32 = 4;

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    let limits = Limits {
        attempts: ATTEMPTS,
        ..Limits::default()
    };
    fetch_within(source, context, &limits)
}

/// A file that the store lacks.
struct Wanted {
    /// Its place among the items.
    index: usize,
    checksum: Checksum,
    path: String,
}

/// A mirror as the source's options have it.
struct Mirror {
    name: String,
    remote: Remote,
    /// Downloads at a time.
    parallel: usize,
    fastest_first: bool,
    security: Security,
}

pub(crate) fn fetch_within(
    source: &Source,
    context: &FetchContext<'_>,
    limits: &Limits,
) -> Vec<Item> {
    let providers = Providers::new(context);
    let mut items = Vec::new();
    let mut by_mirror: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
    for (index, (key, value)) in entries(source).enumerate() {
        let mut result = Err(format!("downloading {key} was interrupted"));
        match prepare(index, &key, value, context) {
            Ok(Some((mirror, wanted))) => by_mirror.entry(mirror).or_default().push(wanted),
            Ok(None) => result = Ok(true),
            Err(error) => result = Err(error),
        }
        items.push(Item { key, result });
    }
    let waiting: Vec<usize> = by_mirror
        .values()
        .flatten()
        .map(|wanted| wanted.index)
        .collect();
    let progress = Progress::new(context, &source.module, items.len());
    progress.add((items.len() - waiting.len()) as u64, 0);
    if waiting.is_empty() {
        return items;
    }
    let items = RefCell::new(items);
    let engine = Engine::new(&source.module, context, limits);
    download::run(engine, &waiting, &items, async |engine| {
        let jobs = RefCell::new(Vec::new());
        let each =
            by_mirror.into_iter().map(async |(name, wanted)| {
                let mirror = read_mirror(source, &name, (&providers, context), limits);
                match resolve(&engine, mirror).await {
                    Ok((mirror, mirrors)) => wanted.into_iter().for_each(|wanted| {
                        match job(&wanted, &mirror, &mirrors) {
                            Ok(job) => jobs.borrow_mut().push(job),
                            Err(problem) => fail(&[wanted], &problem, &items),
                        }
                    }),
                    Err(problem) => fail(&wanted, &problem, &items),
                }
            });
        unless_cancelled(context, async { drop(join_all(each).await) }).await;
        engine.download_all(jobs.take(), &progress, &items).await;
    });
    items.into_inner()
}

/// What is to be fetched for an item, and from which mirror; `None` if it is there.
fn prepare(
    index: usize,
    key: &str,
    value: &Value,
    context: &FetchContext<'_>,
) -> Result<Option<(String, Wanted)>, String> {
    let checksum = Checksum::parse(key)?;
    if has_file(context.store, &checksum)? {
        return Ok(None);
    }
    let text = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| format!("cannot download {key}: it has no {name:?}"))
    };
    let wanted = Wanted {
        index,
        checksum,
        path: text("path")?,
    };
    Ok(Some((text("mirror")?, wanted)))
}

fn fail(wanted: &[Wanted], problem: &str, items: &RefCell<Vec<Item>>) {
    for wanted in wanted {
        items.borrow_mut()[wanted.index].result =
            Err(format!("error downloading {}: {problem}", wanted.path));
    }
}

fn job(wanted: &Wanted, mirror: &Mirror, mirrors: &Rc<Mirrors>) -> Result<Job, String> {
    Ok(Job {
        index: wanted.index,
        checksum: wanted.checksum.clone(),
        places: Places::mirrored(mirrors, wanted.path.clone(), NamedBy::Manifest)?,
        security: mirror.security.clone(),
        share: mirror.name.clone(),
        parallel: mirror.parallel,
    })
}

fn read_mirror(
    source: &Source,
    name: &str,
    (providers, context): (&Providers<'_>, &FetchContext<'_>),
    limits: &Limits,
) -> Result<Mirror, String> {
    let mirrors = source
        .options
        .get("mirrors")
        .ok_or("the source has no option `mirrors` that says where mirrors are")?;
    let value = mirrors.get(name).ok_or_else(|| {
        format!("Missing mirror: {name}; define it in the source's option `mirrors`")
    })?;
    let wrong = |problem: String| format!("the mirror {name}: {problem}");
    let flag = |member: &str| value.get(member).and_then(Value::as_bool) == Some(true);
    let remote = Remote::of_mirror(value).map_err(wrong)?;
    let parallel = match value
        .get("max-parallels")
        .map(|number| number.as_f64().unwrap_or_default())
    {
        None => limits.per_host,
        Some(number) if number >= 1.0 => number as usize,
        Some(_) => return Err(wrong("max-parallels must be 1 or more".to_owned())),
    };
    let certificate = providers.certificate(value, &remote.location);
    let certificate = certificate.map_err(wrong)?;
    let url = value.get("url").and_then(Value::as_str).unwrap_or_default();
    let logins = context.logins.of(url, &remote.location);
    Ok(Mirror {
        name: name.to_owned(),
        parallel,
        fastest_first: flag("fastest-mirror"),
        security: Security {
            insecure: flag("insecure"),
            identity: certificate.map(|files| Identity::new(files, &remote.location)),
            logins,
            ..Security::default()
        },
        remote,
    })
}

/// Finds out which servers a mirror consists of.
async fn resolve(
    engine: &Engine<'_>,
    mirror: Result<Mirror, String>,
) -> Result<(Mirror, Rc<Mirrors>), String> {
    let mirror = mirror?;
    let name = format!("the mirror {}", mirror.name);
    let bases = lists::resolve(engine, &mirror.remote, &mirror.security, &lists::REPOMD).await;
    let mut bases =
        bases.map_err(|problem| format!("cannot learn the servers of {name}{problem}"))?;
    if mirror.fastest_first && bases.len() > 1 {
        bases = engine.fastest_first(bases, &mirror.security).await;
    }
    Ok((mirror, Rc::new(Mirrors::new(bases))))
}
