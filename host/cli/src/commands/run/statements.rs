//! What `run` writes about a build that succeeded: where the exports come from, and what is in them.
use super::ProvenanceInput;
use crate::command_error::{CommandError, Result};
use crate::output_file;
use clap::Args;
use osbuild_wasm_build::{ReportRequest, helper_program};
use osbuild_wasm_files::digest_file;
use osbuild_wasm_report::provenance::{
    Build, Descriptor, ExternalParameters, Statement, statement,
};
use osbuild_wasm_report::sbom::{Format, Sbom};
use osbuild_wasm_report::{Diagnostic, Findings};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Options of `run`.
#[derive(Debug, Default, Args)]
pub(crate) struct Statements {
    /// After a successful build write to FILE where the exports come from: an in-toto statement with SLSA v1 provenance
    #[arg(long, value_name = "FILE", conflicts_with = "inspect")]
    provenance: Option<PathBuf>,
    /// After a successful build write to FILE which packages are in the exports: SPDX 2.3 when its name ends in `.spdx.json`,
    /// CycloneDX 1.6 when it ends in `.cdx.json`; may be given several times
    #[arg(long, value_name = "FILE", value_parser = sbom_file, conflicts_with = "inspect")]
    sbom: Vec<(PathBuf, Format)>,
}

fn sbom_file(name: &str) -> Result<(PathBuf, Format), String> {
    let format = Format::of_name(name)
        .ok_or("the name must end in .spdx.json (SPDX) or .cdx.json (CycloneDX)")?;
    Ok((name.into(), format))
}

impl Statements {
    /// What the build is to tell.
    pub(crate) fn report_request(&self) -> ReportRequest {
        ReportRequest {
            digests: self.provenance.is_some() || !self.sbom.is_empty(),
            packages: !self.sbom.is_empty(),
        }
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let sbom = self.sbom.iter().map(|(path, _)| path.as_path());
        self.provenance.as_deref().into_iter().chain(sbom)
    }

    /// Finds out before the build what would make the statements fail after it.
    pub(crate) fn check(&self, exports: usize) -> Result<()> {
        let Some(first) = self.files().next() else {
            return Ok(());
        };
        if exports == 0 {
            let message = format!(
                "{} is about exports, and there are none: add --export NAME and --output-directory DIR",
                first.display()
            );
            return Err(CommandError::invalid(Diagnostic::new(message)));
        }
        for path in self.files() {
            output_file::check(path)?;
        }
        Ok(())
    }

    /// Writes everything that was asked for.
    pub(crate) fn write(&self, input: &ProvenanceInput<'_>, findings: &Findings) -> Result<()> {
        if self.files().next().is_none() {
            return Ok(());
        }
        let run = Uuid::new_v4().to_string();
        if let Some(path) = &self.provenance {
            output_file::write(path, &json(&provenance(input, &run, findings)?)?)?;
        }
        let version = env!("CARGO_PKG_VERSION");
        for (path, format) in &self.sbom {
            let sbom = Sbom::new(&input.name, &run, version, input.manifest, findings);
            output_file::write(path, &json(&sbom.document(*format))?)?;
        }
        Ok(())
    }
}

/// The statement about where the exports come from.
fn provenance(input: &ProvenanceInput<'_>, run: &str, findings: &Findings) -> Result<Statement> {
    let build = Build {
        manifest: input.manifest,
        asked: ExternalParameters {
            manifest: Descriptor::named(&*input.name, "sha256", &*input.document),
            build_environment: input.build_environment.map(of_file).transpose()?,
            exports: input.exports.to_vec(),
        },
        policy: input.policy.map(of_file).transpose()?,
        plan: input.plan,
        executables: vec![
            of_file(Path::new("/proc/self/exe"))?.renamed("osbuild-wasm"),
            of_file(&helper_program())?.renamed("osbuild-wasm-helper"),
        ],
        version: env!("CARGO_PKG_VERSION").into(),
        invocation: format!("urn:uuid:{run}"),
        byproducts: input.record.map(of_file).transpose()?.into_iter().collect(),
    };
    Ok(statement(build, findings))
}

/// A file of this machine by its digest.
fn of_file(path: &Path) -> Result<Descriptor> {
    let digest = digest_file(path)?;
    Ok(Descriptor::named(
        path.display().to_string(),
        "sha256",
        digest,
    ))
}

fn json(document: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(document).map_err(io::Error::from)?;
    text.push(b'\n');
    Ok(text)
}
