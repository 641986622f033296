//! Answers.
use super::package::{describe, found as describe_found, solved};
use super::request::Version;
use super::sbom;
use crate::sack::Sack;
use osbuild_wasm_solver_sys::Package;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// The name of this solver: it decides as dnf does.
const SOLVER: &str = "dnf";

/// Repositories that brought packages, by id.
fn repos(sack: &Sack, packages: &[Package], version: Version) -> Value {
    let used = packages.iter().filter_map(|package| sack.repo(*package));
    let used: BTreeMap<_, _> = used
        .map(|repo| (repo.id.clone(), repo.reply(version)))
        .collect();
    Value::Object(used.into_iter().collect::<Map<_, _>>())
}

/// A set of packages, each with why it is there.
pub(crate) type Solved = BTreeMap<Package, &'static str>;

/// The answer to `depsolve`: the packages of each transaction, all of those before included.
pub(crate) fn depsolved(
    sack: &mut Sack,
    version: Version,
    sets: &[Solved],
    modules: Value,
    with_sbom: bool,
) -> Value {
    let last = sets.last().cloned().unwrap_or_default();
    let all = sorted(sack, last.keys().copied());
    let mut reply = json!({ "solver": SOLVER });
    match version {
        Version::One => {
            reply["packages"] = all.iter().map(|package| solved(sack, *package)).collect();
        }
        Version::Two => reply["transactions"] = transactions(sack, sets),
    }
    reply["repos"] = repos(sack, &all, version);
    reply["modules"] = modules;
    if with_sbom {
        reply["sbom"] = sbom::document(sack, &all);
    }
    reply
}

/// What each transaction has that none before had.
fn transactions(sack: &Sack, sets: &[Solved]) -> Value {
    let mut seen = BTreeSet::new();
    let transactions = sets.iter().map(|set| {
        let new = set.keys().copied().filter(|package| seen.insert(*package));
        let new = sorted(sack, new.collect::<Vec<_>>());
        let described = new
            .into_iter()
            .map(|package| describe(sack, package, set.get(&package).copied()));
        Value::from(described.collect::<Vec<_>>())
    });
    transactions.collect()
}

/// Packages in the order of their names with versions, as plain text.
pub(crate) fn sorted(sack: &Sack, packages: impl IntoIterator<Item = Package>) -> Vec<Package> {
    let mut packages: Vec<_> = packages.into_iter().collect();
    packages.sort_by_cached_key(|package| sack.nevra(*package));
    packages
}

/// The answer to `search` and, as it is small, to a `dump` of little.
pub(crate) fn found(sack: &Sack, version: Version, packages: &[Package]) -> Value {
    let described = packages
        .iter()
        .map(|package| describe_found(sack, *package, version));
    let described: Vec<_> = described.collect();
    match version {
        Version::One => described.into(),
        Version::Two => {
            json!({"solver": SOLVER, "packages": described, "repos": repos(sack, packages, version)})
        }
    }
}

/// Writes the answer to `dump` piece by piece: a distribution has more packages than fit into memory as text.
pub(crate) fn write_found(
    sack: &Sack,
    version: Version,
    packages: &[Package],
    mut to: impl Write,
) -> io::Result<()> {
    match version {
        Version::One => to.write_all(b"[")?,
        Version::Two => write!(to, "{{\"solver\": \"{SOLVER}\", \"packages\": [")?,
    }
    for (number, package) in packages.iter().enumerate() {
        if number > 0 {
            to.write_all(b", ")?;
        }
        serde_json::to_writer(&mut to, &describe_found(sack, *package, version))?;
    }
    match version {
        Version::One => to.write_all(b"]"),
        Version::Two => write!(to, "], \"repos\": {}}}", repos(sack, packages, version)),
    }
}
