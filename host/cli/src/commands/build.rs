//! `osbuild-wasm build`.
use super::run::DevicesOption;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::image::{
    Beside, Built, ImageArguments, ImageBuild, OriginArguments, OutputFiles, Purpose,
    ResolveArguments, Shows,
};
use crate::monitor::Monitor;
use clap::Args;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # An image in this directory
  osbuild-wasm build qcow2 --distro fedora-43 --blueprint web.toml

  # With all that tells what it is made of, under a policy
  osbuild-wasm build qcow2 --blueprint web.toml --with-manifest --with-sbom --with-buildlog --record r.json --policy ci.toml \\
      --output-dir out";

/// Build an image from a distribution, an image type and a blueprint
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BuildImageArguments {
    /// Image type: a name or an alias that `osbuild-wasm list` shows
    #[arg(value_name = "TYPE")]
    image_type: String,
    #[command(flatten)]
    origin: OriginArguments,
    #[command(flatten)]
    image: ImageArguments,
    #[command(flatten)]
    resolve: ResolveArguments,
    /// Directory for the image; made when missing. This one when it is not given
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Name of the files, without their extensions; DISTRO-TYPE-ARCH when it is not given
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    /// Directory for objects, sources and work in progress; made when missing
    #[arg(
        long,
        visible_alias = "cache",
        value_name = "DIR",
        default_value = ".osbuild"
    )]
    store: PathBuf,
    #[command(flatten)]
    beside: Beside,
    /// Write what the build did (JSON)
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Pipelines built at the same time
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Pipeline to build in a virtual machine; may be given several times
    #[arg(long, value_name = "NAME")]
    in_vm: Vec<String>,
    /// How disks come to be
    #[arg(long, value_enum, default_value_t = DevicesOption::Auto)]
    devices: DevicesOption,
    /// How to show what happens
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// Show errors only
    #[arg(short, long)]
    quiet: bool,
}

impl Command for BuildImageArguments {
    fn run(self) -> Result {
        let request = self.image.request(&self.image_type, &self.origin)?;
        let mut files = OutputFiles::new(&request, self.output_name.as_deref())?;
        files.make(self.output_dir.as_deref().unwrap_or(Path::new(".")))?;
        let shows = match (self.quiet, self.monitor) {
            (false, None | Some(Monitor::Progress)) => Shows::Everything,
            _ => Shows::Problems,
        };
        let with_sboms = self.beside.with_sbom;
        let resolved = self
            .resolve
            .manifest(&request, Purpose::Build, with_sboms, shows)?;
        let (quiet, monitor) = (self.quiet, self.monitor);
        let build = ImageBuild {
            store: self.store,
            record: self.record,
            policy: self.resolve.policy,
            jobs: self.jobs,
            in_vm: self.in_vm,
            devices: self.devices,
            monitor,
            monitor_fd: None,
            quiet,
        };
        match build.run(&request, &resolved, &files, &self.beside)? {
            // Otherwise the table says where it is.
            Built::Image(image) if !quiet && monitor == Some(Monitor::Log) => {
                outln!("{}", image.display());
            }
            Built::Image(_) => {}
            Built::Nothing(exit) => return Ok(exit),
        }
        Ok(Exit::Done)
    }
}
