//! Components, and what they can do, each looked at once.
use super::kind_of;
use crate::failure::{BuildError, Result};
use osbuild_wasm_capability::audit::Graph;
use osbuild_wasm_capability::{BUILT_IN, Profile};
use osbuild_wasm_component::{ComponentError, Kind, Module, Origin, Registry};
use osbuild_wasm_manifest::model::Stage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Components that were met already, by kind and name.
#[derive(Debug)]
pub(super) struct Profiles<'a> {
    registry: &'a Registry,
    known: BTreeMap<(Kind, String), (Arc<Module>, Profile)>,
}

impl<'a> Profiles<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self {
            registry,
            known: BTreeMap::new(),
        }
    }

    /// The component of a stage, or an error that says how to get one.
    pub(super) fn get(&mut self, stage: &Stage) -> Result<(Arc<Module>, Profile)> {
        let key = (kind_of(stage), stage.module.clone());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let missing = || BuildError::no_component(key.0, &key.1);
        let module = self.registry.get(key.0, &key.1).ok_or_else(missing)??;
        let profile = of(&module)?;
        self.known.insert(key, (module.clone(), profile.clone()));
        Ok((module, profile))
    }

    /// All that were met.
    pub(super) fn all(&self) -> impl Iterator<Item = &Profile> {
        self.known.values().map(|(_, profile)| profile)
    }
}

/// The profile of a component of the registry.
pub(super) fn of(module: &Module) -> Result<Profile> {
    let origin = match &module.origin {
        Origin::Builtin => BUILT_IN.to_owned(),
        Origin::File(path) => path.display().to_string(),
    };
    let graph = Graph::read(&module.bytes).map_err(|cause| ComponentError::NotAComponent {
        name: module.metadata.name.clone(),
        cause,
    })?;
    Ok(Profile {
        signers: module.signers.clone(),
        ..Profile::of(&module.bytes, &graph, Some(&module.metadata), &origin)
    })
}
