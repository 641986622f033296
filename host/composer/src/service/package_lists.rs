//! Lists of packages in blueprints: in what two differ, and what they have led to.
use super::packages::matches;
use super::{Difference, Error, Result, Solved};
use osbuild_wasm_blueprint::model::Package;

/// What was changed or added in the order of the new list, then what was removed.
pub(super) fn compare(old: &[Package], new: &[Package]) -> Vec<Difference> {
    let of =
        |list: &[Package], name: &str| list.iter().find(|package| package.name == name).cloned();
    let changed = new.iter().map(|package| Difference {
        new: Some(package.clone()),
        old: of(old, &package.name),
    });
    let removed = old
        .iter()
        .filter(|package| of(new, &package.name).is_none());
    let removed = removed.map(|package| Difference {
        new: None,
        old: Some(package.clone()),
    });
    changed
        .chain(removed)
        .filter(|difference| difference.new != difference.old)
        .collect()
}

/// Wishes with the versions that were found: a name keeps its place's version, a pattern becomes all that match it.
pub(super) fn freeze(wishes: &[Package], found: &[Solved]) -> Result<Vec<Package>> {
    let mut frozen: Vec<(&str, String)> = Vec::new();
    for wish in wishes {
        let matching = found
            .iter()
            .filter(|package| matches(&wish.name, &package.name));
        let before = frozen.len();
        frozen.extend(matching.map(|package| (&*package.name, package.evra())));
        if frozen.len() == before && !wish.name.contains(['*', '?']) {
            return Err(Error::NotFound(wish.name.clone()));
        }
    }
    frozen.sort();
    frozen.dedup();
    let frozen = frozen.into_iter().map(|(name, version)| Package {
        name: name.to_owned(),
        version: Some(version),
    });
    Ok(frozen.collect())
}
