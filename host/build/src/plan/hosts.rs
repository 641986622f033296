//! What a manifest leads to outside of the store: hosts, and files of this machine.
use crate::proxy::hosts_of;
use osbuild_wasm_capability::policy::CONTAINER_STORAGE;
use osbuild_wasm_capability::{Profile, exactly};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::origin::LocalPlace;

/// The hosts that the proxy lets a stage's programs reach.
pub(super) fn of_stage(module: &Profile, options: &Value) -> Vec<String> {
    let hosts = match module.network {
        true => hosts_of(options),
        false => Default::default(),
    };
    hosts.into_iter().collect()
}

/// How policies name what a source reads of this machine.
pub(super) fn file_pattern(place: &LocalPlace) -> String {
    match place {
        LocalPlace::File(path) => exactly(&path.to_string_lossy(), false),
        LocalPlace::Below(path) => exactly(&path.to_string_lossy(), true),
        LocalPlace::ContainerStorage => CONTAINER_STORAGE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_this_machine_are_named_as_patterns() {
        for (place, pattern) in [
            (LocalPlace::File("/srv/a*".into()), "/srv/a[*]"),
            (LocalPlace::Below("/srv/os".into()), "/srv/os/**"),
            (LocalPlace::ContainerStorage, "containers-storage"),
        ] {
            assert_eq!(file_pattern(&place), pattern);
        }
    }

    #[test]
    fn the_sources_that_policies_know_are_those_that_can_be_fetched() {
        let mut modules: Vec<_> = osbuild_wasm_source::MODULES
            .iter()
            .map(|(name, _)| *name)
            .collect();
        modules.sort_unstable();
        assert_eq!(modules, osbuild_wasm_capability::policy::SOURCES);
    }
}
