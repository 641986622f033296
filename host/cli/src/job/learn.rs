//! `run --learn`: from what a run did to the narrowest policy that allows it.
use super::Job;
use crate::exit::{Exit, fail};
use osbuild_wasm_build::{PlanRequest, plan};
use osbuild_wasm_capability::plan::Plan;
use osbuild_wasm_capability::policy::learn;
use osbuild_wasm_capability::record::StageRecord;
use osbuild_wasm_component::Registry;
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

/// A policy in the making.
pub(super) struct Learning {
    path: PathBuf,
    plan: Plan,
}

impl Job {
    /// Begins to learn, if that was asked for.
    pub(super) fn learning(
        &self,
        registry: &Registry,
        manifest: &Manifest,
    ) -> Result<Option<Learning>, Exit> {
        let Some(path) = self.learn.clone() else {
            return Ok(None);
        };
        let request = PlanRequest {
            registry,
            manifest,
            name: self.order.manifest.display().to_string(),
            exports: &self.order.export,
            policy: None,
        };
        let plan = plan(&request).map_err(|error| self.failed(&error))?;
        Ok(Some(Learning { path, plan }))
    }
}

impl Learning {
    /// Writes the policy; that of a run that failed would not be enough.
    pub(super) fn write(
        &self,
        stages: &[(String, StageRecord)],
        success: bool,
        json: bool,
    ) -> Result<(), Exit> {
        if !success {
            return Ok(());
        }
        let stages: Vec<_> = stages.iter().map(|(_, stage)| stage.clone()).collect();
        std::fs::write(&self.path, learn(&self.plan, &stages)).map_err(|error| {
            let diagnostic =
                Diagnostic::new(format!("cannot write --learn {}", self.path.display()));
            fail(Exit::Failed, json, &diagnostic.cause(error.to_string()))
        })
    }
}
