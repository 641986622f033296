//! Extended attributes in `trusted.*`, which the kernel shows to a helper alone: copies take them along, and where nothing changes they
//! are listed and read like others.
use super::Result;
use crate::run::State;
use osbuild_wasm_capability::Access;
use osbuild_wasm_files::name_to_text;
use osbuild_wasm_protocol::TrustedValue;
use std::collections::BTreeMap;

/// The class.
const CLASS: &str = "trusted.";

/// Where the directories of a run are. What else is granted is the build root's, which the helper does not have.
const OF_RUN: &str = "/run/osbuild/";

/// Those of directories that are granted for reading only, by path; found out when the first of them is asked for.
pub(crate) type Known = BTreeMap<String, BTreeMap<String, Vec<(String, Vec<u8>)>>>;

impl State {
    /// The attributes of an object in a directory that is granted for reading only, which stay as they are.
    fn trusted_of(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let located = self.roots.locate(path)?;
        if located.access != Access::Read || !located.contract.starts_with(OF_RUN) {
            return Ok(Vec::new());
        }
        let root = located.contract.into_owned();
        if !self.trusted.contains_key(&root) {
            let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
            let object = self.roots.itself(&root)?;
            for TrustedValue { below, name, value } in self.helpers.trusted(&object)? {
                let place = joined(&root, &below.0);
                known.entry(place).or_default().push((name, value.0));
            }
            self.trusted.insert(root.clone(), known);
        }
        let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
        let place = format!("/{}", names.collect::<Vec<_>>().join("/"));
        let known = self.trusted.get(&root).and_then(|known| known.get(&place));
        Ok(known.cloned().unwrap_or_default())
    }

    /// Names beside those that this process sees.
    pub(super) fn trusted_names(&mut self, path: &str) -> Result<Vec<String>> {
        let trusted = self.trusted_of(path)?.into_iter();
        Ok(trusted.map(|(name, _)| name).collect())
    }

    /// A value that this process does not see.
    pub(super) fn trusted_value(&mut self, path: &str, name: &str) -> Result<Option<Vec<u8>>> {
        if !name.starts_with(CLASS) {
            return Ok(None);
        }
        let mut trusted = self.trusted_of(path)?.into_iter();
        Ok(trusted.find_map(|(own, value)| (own == name).then_some(value)))
    }

    /// What a copy of `source` takes along.
    pub(super) fn trusted_below(
        &mut self,
        source: &str,
        follow: bool,
    ) -> Result<Vec<TrustedValue>> {
        let located = self.roots.locate(source);
        let is_of_run = located.is_ok_and(|located| located.contract.starts_with(OF_RUN));
        match self.roots.examined(source, follow) {
            Ok(object) if is_of_run => self.helpers.trusted(&object),
            // The copy says why.
            _ => Ok(Vec::new()),
        }
    }

    /// Gives it to the copy, which is at `to`, as far as the rights allow.
    pub(super) fn give_trusted(&mut self, to: &str, trusted: Vec<TrustedValue>) -> Result<()> {
        for TrustedValue { below, name, value } in trusted {
            let place = joined(to, &below.0);
            let Self { roots, helpers, .. } = self;
            let by_helper = |object: &super::Passed| helpers.set_xattr(object, &name, &value.0);
            roots.record_result(roots.set_xattr(&place, (&name, &value.0), false, by_helper))?;
        }
        Ok(())
    }
}

fn joined(root: &str, below: &[u8]) -> String {
    match below {
        [] => root.to_owned(),
        below => format!("{}/{}", root.trim_end_matches('/'), name_to_text(below)),
    }
}
