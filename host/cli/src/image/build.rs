//! The build of an image, whatever command line asks for it.
use super::output::OutputFiles;
use super::{ImageRequest, Resolved};
use crate::build_args::BuildArgs;
use crate::command_error::{Exit, Result};
use crate::commands::packages::bytes;
use crate::commands::run::{DevicesOption, Ended, OutputDialect, RunCommand, Statements};
use crate::interruption::wait_for_next;
use crate::monitor::Monitor;
use crate::output_file;
use crate::print::say;
use clap::Args;
use osbuild_wasm_files::NewFile;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is written beside an image.
#[derive(Debug, Args)]
pub(crate) struct Beside {
    /// Keep the manifest beside the image (NAME.osbuild-manifest.json)
    #[arg(long)]
    pub(crate) with_manifest: bool,
    /// Write which packages the image and the build root are made of beside it (SPDX: NAME.image-os.spdx.json,
    /// NAME.buildroot-build.spdx.json)
    #[arg(long)]
    pub(crate) with_sbom: bool,
    /// Write the log of the build beside the image (NAME.buildlog)
    #[arg(long)]
    pub(crate) with_buildlog: bool,
}

/// How an image is built.
#[derive(Debug)]
pub(crate) struct ImageBuild {
    /// Directory for objects, sources and work in progress.
    pub(crate) store: PathBuf,
    /// File that takes the record of the run.
    pub(crate) record: Option<PathBuf>,
    /// File with the policy.
    pub(crate) policy: Option<PathBuf>,
    /// Pipelines built at the same time; none: as many as there are processors.
    pub(crate) jobs: Option<usize>,
    /// Pipelines to build in a virtual machine.
    pub(crate) in_vm: Vec<String>,
    /// How disks come to be.
    pub(crate) devices: DevicesOption,
    /// How to show what happens.
    pub(crate) monitor: Option<Monitor>,
    /// Descriptor that the monitor writes to; none: standard output.
    pub(crate) monitor_fd: Option<i32>,
    /// Show errors, and what the monitor shows, and nothing else.
    pub(crate) quiet: bool,
}

/// What a build led to.
#[derive(Debug)]
pub(crate) enum Built {
    /// The image.
    Image(PathBuf),
    /// A build that failed and has said so.
    Nothing(Exit),
}

impl ImageBuild {
    /// Builds the image of a request from its manifest.
    pub(crate) fn run(
        &self,
        request: &ImageRequest,
        resolved: &Resolved,
        files: &OutputFiles,
        beside: &Beside,
    ) -> Result<Built> {
        wait_for_next();
        let work = files.work_directory()?;
        let manifest = resolved.manifest.to_string().into_bytes();
        if beside.with_manifest {
            // It has what the image has: hashes of passwords, keys of subscriptions.
            output_file::write_private(&files.beside("osbuild-manifest.json"), &manifest)?;
        }
        let log = beside.with_buildlog.then(|| files.create("buildlog"));
        let log = log.transpose()?;
        let cannot = |error| files.cannot("write", &files.beside("buildlog"), &error);
        let writer = log.as_ref().map(NewFile::writer).transpose();
        let args = self.args(&request.image_type.exports, files.base(), work.path());
        let command = self.command(args, manifest, resolved, writer.map_err(cannot)?);
        let ended = command.carry_out();
        // The log of a build that failed is the one that somebody wants to read.
        log.map(NewFile::finish).transpose().map_err(cannot)?;
        let Ended { exit, summary } = ended?;
        if exit != Exit::Done {
            return Ok(Built::Nothing(exit));
        }
        files.write_sboms(&resolved.sboms)?;
        let image = files.move_image(work.path(), request)?;
        if let Some(summary) = summary {
            let size =
                std::fs::metadata(&image).map_err(|error| files.cannot("read", &image, &error))?;
            let place = format!("{}, {}", image.display(), bytes(size.len()));
            summary.moved(&request.image_type.exports[0], place);
            say(&summary.table(None));
        }
        Ok(Built::Image(image))
    }

    /// What is built where, of a manifest of this name.
    fn args(&self, exports: &[String], name: &str, output: &Path) -> BuildArgs {
        BuildArgs {
            manifest: name.into(),
            store: self.store.clone(),
            cache_max_size: None,
            export: exports.to_vec(),
            output_directory: Some(output.to_owned()),
            checkpoint: vec!["build".into()],
            json: false,
            inspect: false,
            monitor: self.monitor,
            monitor_fd: self.monitor_fd,
            stage_timeout: None,
            break_at: None,
            libdir: None,
            quiet: self.quiet,
        }
    }

    /// Builds pipelines of a manifest of this name, and exports each below a directory.
    pub(crate) fn export(
        &self,
        resolved: &Resolved,
        exports: &[String],
        name: &str,
        output: &Path,
    ) -> Result {
        let args = self.args(exports, name, output);
        let manifest = resolved.manifest.to_string().into_bytes();
        let command = self.command(args, manifest, resolved, None);
        Ok(command.carry_out()?.exit)
    }

    /// The run that builds the manifest: the very one that was made, not what its file has by then, which may lie in a directory of
    /// somebody else.
    fn command(
        &self,
        args: BuildArgs,
        manifest: Vec<u8>,
        resolved: &Resolved,
        log: Option<File>,
    ) -> RunCommand {
        RunCommand {
            dialect: OutputDialect::Own,
            args,
            manifest: Some(manifest),
            moves_exports: true,
            jobs: self.jobs,
            output: None,
            build_env: None,
            in_vm: self.in_vm.clone(),
            rundir: None,
            record: self.record.clone(),
            learn: None,
            policy: self.policy.clone(),
            locked: None,
            devices: self.devices,
            log,
            logins: resolved.logins.clone(),
            lookups: resolved.lookups.clone(),
            statements: Statements::default(),
        }
    }
}
