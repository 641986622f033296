//! A package as replies have it.
use super::request::Version;
use crate::sack::Sack;
use jiff::Timestamp;
use osbuild_wasm_solver_sys::{Dependency, Id, Number, Package, Relation, Text};
use serde_json::{Value, json};

/// All that is known of a package; `reason` says why it is installed.
pub(crate) fn describe(sack: &Sack, package: Package, reason: Option<&str>) -> Value {
    let pool = &sack.pool;
    let (epoch, version, release) = evr(sack, package);
    let text = |key| pool.lookup(package, key);
    let relations = |relation, pre| listed(sack, pool.relations(package, relation, pre));
    let (pre, regular) = (
        relations(Relation::Requires, true),
        relations(Relation::Requires, false),
    );
    let mut requires: Vec<_> = pre.iter().chain(&regular).cloned().collect();
    requires.sort_by_key(key);
    requires.dedup();
    let checksum = pool
        .checksum(package)
        .filter(|(algorithm, _)| is_known(algorithm));
    let location = pool.location(package).unwrap_or_default();
    json!({
        "name": pool.name(package),
        "epoch": epoch,
        "version": version,
        "release": release,
        "arch": pool.arch(package),
        "repo_id": sack.repo(package).map(|repo| &repo.id),
        "location": location,
        "remote_locations": remote_location(sack, package).into_iter().collect::<Vec<_>>(),
        "checksum": checksum.map(|(algorithm, value)| json!({"algorithm": algorithm, "value": value})),
        "header_checksum": null,
        "license": text(Text::License),
        "summary": text(Text::Summary),
        "description": text(Text::Description),
        "url": text(Text::Url),
        "vendor": pool.vendor(package),
        "packager": text(Text::Packager),
        "build_time": time(pool.number(package, Number::BuildTime)),
        "download_size": pool.number(package, Number::DownloadSize),
        "install_size": pool.number(package, Number::InstallSize),
        "group": text(Text::Group),
        "source_rpm": pool.source_package(package),
        "reason": reason,
        "provides": relations(Relation::Provides, false).iter().map(dependency).collect::<Vec<_>>(),
        "requires": requires.iter().map(dependency).collect::<Vec<_>>(),
        "requires_pre": pre.iter().map(dependency).collect::<Vec<_>>(),
        "conflicts": relations(Relation::Conflicts, false).iter().map(dependency).collect::<Vec<_>>(),
        "obsoletes": relations(Relation::Obsoletes, false).iter().map(dependency).collect::<Vec<_>>(),
        "regular_requires": regular.iter().map(dependency).collect::<Vec<_>>(),
        "recommends": relations(Relation::Recommends, false).iter().map(dependency).collect::<Vec<_>>(),
        "suggests": relations(Relation::Suggests, false).iter().map(dependency).collect::<Vec<_>>(),
        "enhances": relations(Relation::Enhances, false).iter().map(dependency).collect::<Vec<_>>(),
        "supplements": relations(Relation::Supplements, false).iter().map(dependency).collect::<Vec<_>>(),
        "files": pool.files(package),
    })
}

/// A found package of version 1.
pub(crate) fn summary(sack: &Sack, package: Package) -> Value {
    let pool = &sack.pool;
    let (epoch, version, release) = evr(sack, package);
    json!({
        "name": pool.name(package),
        "summary": pool.lookup(package, Text::Summary),
        "description": pool.lookup(package, Text::Description),
        "url": pool.lookup(package, Text::Url),
        "repo_id": sack.repo(package).map(|repo| &repo.id),
        "epoch": epoch,
        "version": version,
        "release": release,
        "arch": pool.arch(package),
        "buildtime": time(pool.number(package, Number::BuildTime)),
        "license": pool.lookup(package, Text::License),
    })
}

/// A solved package of version 1.
pub(crate) fn solved(sack: &Sack, package: Package) -> Value {
    let pool = &sack.pool;
    let (epoch, version, release) = evr(sack, package);
    let checksum = pool.checksum(package);
    json!({
        "name": pool.name(package),
        "epoch": epoch,
        "version": version,
        "release": release,
        "arch": pool.arch(package),
        "repo_id": sack.repo(package).map(|repo| &repo.id),
        "path": pool.location(package).unwrap_or_default(),
        "remote_location": remote_location(sack, package),
        "checksum": checksum.map(|(algorithm, value)| format!("{algorithm}:{value}")),
    })
}

/// A package as a version of the protocol has those that were found.
pub(crate) fn found(sack: &Sack, package: Package, version: Version) -> Value {
    match version {
        Version::One => summary(sack, package),
        Version::Two => describe(sack, package, None),
    }
}

/// Epoch, version and release.
pub(crate) fn evr(sack: &Sack, package: Package) -> (u64, String, String) {
    let evr = sack.pool.evr(package);
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", &evr));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (
        epoch.parse().unwrap_or_default(),
        version.to_owned(),
        release.to_owned(),
    )
}

/// Where a package is downloaded from: its own base or that of its repository, and its location.
pub(crate) fn remote_location(sack: &Sack, package: Package) -> Option<String> {
    let base = sack
        .pool
        .lookup(package, Text::Base)
        .filter(|base| !base.is_empty());
    let base = base.or_else(|| sack.repo(package)?.baseurl.first().cloned())?;
    let location = sack.pool.location(package)?;
    Some(format!(
        "{}/{}",
        base.trim_end_matches('/'),
        location.trim_start_matches('/')
    ))
}

/// Seconds since 1970 as the protocol writes times.
pub(crate) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn is_known(algorithm: &str) -> bool {
    matches!(
        algorithm,
        "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512"
    )
}

/// Dependencies in the order of their texts.
fn listed(sack: &Sack, ids: Vec<Id>) -> Vec<Dependency> {
    let mut dependencies: Vec<_> = ids.into_iter().map(|id| sack.pool.dependency(id)).collect();
    dependencies.sort_by_key(key);
    dependencies
}

fn key(dependency: &Dependency) -> String {
    match &dependency.version {
        Some((relation, version)) => format!("{} {relation} {version}", dependency.name),
        None => dependency.name.clone(),
    }
}

fn dependency(dependency: &Dependency) -> Value {
    match &dependency.version {
        Some((relation, version)) => {
            json!({"name": dependency.name, "relation": relation, "version": version})
        }
        None => json!({"name": dependency.name}),
    }
}
