//! What a compose is made of, and what workers told of its build.
use super::{ComposeEntry, Error, Result, Service, Solved};
use osbuild_wasm_generator::plan::is_build_root;
use osbuild_wasm_jobs::Job;
use osbuild_wasm_resolve::jobs::{DepsolveAnswer, JobPackage, read_answer};
use osbuild_wasm_tasks::kind;
use serde_json::Value;
use tokio::fs::File;

/// What a compose is made of, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The manifest; null as long as there is none.
    pub manifest: Value,
    /// The packages of the system in the image.
    pub packages: Vec<Solved>,
    /// What pipelines are made of, sorted by their names.
    pub sboms: Vec<PipelineSbom>,
}

/// A document of the packages of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSbom {
    /// The pipeline.
    pub pipeline: String,
    /// Whether the pipeline makes no part of the image: others are built in it.
    pub is_build_root: bool,
    /// The form of the document: `spdx`.
    pub kind: String,
    /// The document.
    pub document: Value,
}

/// What a worker tells of a build for people. Each is a JSON document of `osbuild-wasm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// What each stage may do.
    Plan,
    /// What each stage did.
    Record,
    /// What the image was made of, by what (in-toto, SLSA).
    Provenance,
}

impl Report {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plan, Self::Record, Self::Provenance];

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Plan => "plan.json",
            Self::Record => "record.json",
            Self::Provenance => "provenance.json",
        }
    }
}

impl Service {
    /// What a compose is made of, as far as it is known by now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn content(&self, compose: &ComposeEntry) -> Result<Content> {
        let mut content = Content::default();
        for &id in &compose.job.needs {
            let job = self.store().job(id).await?;
            job.into_iter().for_each(|job| content.add(job));
        }
        Ok(content)
    }

    /// What a worker told of the build of a compose that is over.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn report(&self, compose: &ComposeEntry, report: Report) -> Result<File> {
        self.artefacts
            .read(compose.job.id, report.file_name())
            .await
    }
}

/// A package for clients, who get its URL.
pub(crate) fn listed(package: JobPackage) -> Solved {
    Solved {
        location: package.remote_location.clone(),
        ..package.into()
    }
}

impl Content {
    fn add(&mut self, job: Job) {
        let Some(mut result) = job.result.filter(|_| job.state.is_final()) else {
            return;
        };
        match &*job.kind {
            kind::MANIFEST => self.manifest = result["data"].take(),
            // A lookup that failed has found nothing.
            kind::DEPSOLVE => {
                if let Ok(answer) = read_answer(&result) {
                    self.add_packages(answer);
                }
            }
            _ => {}
        }
    }

    fn add_packages(&mut self, answer: DepsolveAnswer) {
        let of_image = answer.transactions.into_iter();
        let of_image = of_image.filter(|(pipeline, _)| !is_build_root(pipeline));
        let packages = of_image
            .flat_map(|(_, transactions)| transactions)
            .flatten();
        self.packages.extend(packages.map(listed));
        let sboms = answer.sbom_docs.into_iter();
        self.sboms
            .extend(sboms.map(|(pipeline, sbom)| PipelineSbom {
                is_build_root: is_build_root(&pipeline),
                pipeline,
                kind: sbom.kind,
                document: sbom.document,
            }));
    }
}

impl From<osbuild_wasm_tasks::JobError> for Error {
    /// Why something could not be looked up.
    fn from(error: osbuild_wasm_tasks::JobError) -> Self {
        let text = match error.details.as_str() {
            Some(details) => format!("{}: {details}", error.reason),
            None => error.reason,
        };
        match error.id {
            20 | 21 | 24 => Self::Unsolvable(text),
            30 | 31 => Self::Container(text),
            32..=35 => Self::Commit(text),
            8 | 36 => Self::Manifest(text),
            _ => Self::Packages(text),
        }
    }
}
