//! `depsolve`: which packages the pipelines of an image get.
use super::package::{JobPackage, ModuleFiles};
use super::{check_addresses, of_packages};
use crate::content::{System, solve};
use crate::error::ResolveError;
use crate::solver::Resolver;
use osbuild_wasm_generator::content::{Content, Depsolved, Repository, Transaction};
use osbuild_wasm_tasks::JobError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is wished for, by pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depsolve {
    /// For each pipeline the transactions, each on top of those before.
    pub grouped_package_sets: BTreeMap<String, Vec<Transaction>>,
    /// Platform of modules, such as `platform:f43`.
    #[serde(default)]
    pub module_platform_id: String,
    /// Architecture.
    pub arch: String,
    /// Version of the distribution.
    #[serde(default)]
    pub releasever: String,
    /// What the packages are made of is told in this form; `spdx` is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom_type: Option<String>,
}

/// A document of what packages are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sbom {
    /// Its form: `spdx`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The document.
    pub document: Value,
}

/// What was chosen, by pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DepsolveAnswer {
    /// For each transaction the packages that none before had.
    pub transactions: BTreeMap<String, Vec<Vec<JobPackage>>>,
    /// The repositories, with the texts of their keys and without logins.
    pub repo_configs: BTreeMap<String, Vec<Repository>>,
    /// Modules that are enabled.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, Vec<ModuleFiles>>,
    /// What the packages are made of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sbom_docs: BTreeMap<String, Sbom>,
    /// What chose.
    pub solver: String,
}

impl Depsolve {
    pub(super) fn content(&self) -> Content {
        Content {
            transactions: self
                .grouped_package_sets
                .values()
                .flatten()
                .cloned()
                .collect(),
            ..Content::default()
        }
    }

    pub(super) fn answer(&self, resolver: &Resolver<'_>) -> Result<DepsolveAnswer, JobError> {
        let sets = self.grouped_package_sets.values().flatten();
        check_addresses(sets.flat_map(|set| &set.repositories))?;
        let mut answer = DepsolveAnswer {
            solver: "osbuild-wasm-solver".into(),
            ..DepsolveAnswer::default()
        };
        for (pipeline, sets) in &self.grouped_package_sets {
            let found = answer.add(self, resolver, pipeline, sets);
            found.map_err(|error| of_packages(&error))?;
        }
        Ok(answer)
    }

    fn system(&self) -> System<'_> {
        System {
            name: &self.module_platform_id,
            arch: &self.arch,
            releasever: &self.releasever,
            platform: &self.module_platform_id,
        }
    }
}

impl DepsolveAnswer {
    fn add(
        &mut self,
        asked: &Depsolve,
        resolver: &Resolver<'_>,
        pipeline: &str,
        sets: &[Transaction],
    ) -> Result<(), ResolveError> {
        let with_sbom = asked.sbom_type.is_some();
        let (found, repositories) = solve(resolver, &asked.system(), sets, with_sbom)?;
        let name = || pipeline.to_owned();
        let packages = |packages: Vec<crate::Package>| {
            let packages = packages.into_iter();
            packages
                .map(|package| JobPackage::new(package, &repositories))
                .collect()
        };
        let transactions = found.transactions.into_iter().map(packages).collect();
        self.transactions.insert(name(), transactions);
        if let Some(modules) = found.modules.as_object().filter(|found| !found.is_empty()) {
            let modules = modules.values().cloned().map(serde_json::from_value);
            // The solver's answer was checked when it came.
            let modules = modules.filter_map(Result::ok).collect();
            self.modules.insert(name(), modules);
        }
        if let Some(document) = found.sbom {
            let kind = asked.sbom_type.clone().unwrap_or_default();
            self.sbom_docs.insert(name(), Sbom { kind, document });
        }
        self.repo_configs.insert(name(), repositories);
        Ok(())
    }

    /// What was chosen for a pipeline, as manifests are made of it.
    #[must_use]
    pub fn of(&self, pipeline: &str) -> Depsolved {
        let transactions = self.transactions.get(pipeline).into_iter().flatten();
        let packages =
            |packages: &Vec<JobPackage>| packages.iter().cloned().map(Into::into).collect();
        let modules = self.modules.get(pipeline).into_iter().flatten();
        Depsolved {
            transactions: transactions.map(packages).collect(),
            repositories: self.repo_configs.get(pipeline).cloned().unwrap_or_default(),
            modules: modules.cloned().map(Into::into).collect(),
        }
    }
}
