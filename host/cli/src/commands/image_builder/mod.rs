//! The command line of image-builder, for people and programs that start us under that name.
mod about;
mod image;
mod look;
mod upload;

pub(super) use image::with_build_root;

use crate::command_error::{CommandError, Exit, Result};
use crate::commands::{Command, carry_out, man};
use crate::format::DocumentFormat;
use crate::image::{Container, DefinitionsArguments, RepositoryArguments, TargetArguments, arch};
use clap::{Args, CommandFactory, Parser, Subcommand};
use osbuild_wasm_distro::Arch;
use osbuild_wasm_report::Diagnostic;
use std::ffi::OsString;
use std::path::PathBuf;

/// The name we are started under.
pub(super) const NAME: &str = "image-builder";

/// Where image-builder's packages, and who administers a machine, put repositories.
const PLACES: [&str; 2] = [
    "/etc/image-builder/repositories",
    "/usr/share/image-builder/repositories",
];

const NOTE: &str = "\
This is osbuild-wasm under the name of image-builder: the same commands, options and names of files. Uploads \
are not there yet. `osbuild-wasm build --help` has what else there is.";

/// Build operating-system images
#[derive(Debug, Parser)]
#[command(name = NAME, max_term_width = 100, after_help = NOTE)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Print the version; the command `version` does the same
    #[arg(long, hide = true)]
    version: bool,
    #[command(subcommand)]
    command: Option<Commands>,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Common {
    /// Directory with repositories of distributions (DISTRO.json, or repositories/DISTRO.json)
    #[arg(long, global = true, value_name = "DIR")]
    force_repo_dir: Option<PathBuf>,
    /// The same; deprecated
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    force_data_dir: Option<PathBuf>,
    /// The same; deprecated
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Directory with definitions of distributions
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    force_defs_dir: Option<PathBuf>,
    /// Repository beside the others, without a check of signatures; may be given several times
    #[arg(long, global = true, value_name = "URL")]
    extra_repo: Vec<String>,
    /// Repository in place of the others, without a check of signatures; may be given several times
    #[arg(long, global = true, value_name = "URL")]
    force_repo: Vec<String>,
    /// Directory for results; DISTRO-TYPE-ARCH when it is not given
    #[arg(long, global = true, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Show everything that happens
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Commands {
    List(look::List),
    Describe(look::Describe),
    Manifest(Box<image::Manifest>),
    Build(Box<image::Build>),
    Upload(Box<upload::Upload>),
    Pkgsearch(look::PackageSearch),
    #[command(subcommand)]
    Bootc(Bootc),
    Version(about::Version),
    System(about::System),
    /// Write manual pages
    #[command(hide = true)]
    Doc {
        /// Directory for the pages; made when missing
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// Look at bootable containers
#[derive(Debug, Subcommand)]
enum Bootc {
    /// Say what a bootable container is
    Inspect {
        /// The container: one of this machine's storage, or docker://HOST/NAME of a registry
        #[arg(long = "ref", value_name = "REF", required = true)]
        reference: String,
        /// How to show it
        #[arg(long, value_enum, default_value_t = DocumentFormat::Yaml)]
        format: DocumentFormat,
    },
}

/// The description of the command line.
pub(super) fn command() -> clap::Command {
    Arguments::command()
}

/// Runs a command line; its first word is the name of the program.
pub(super) fn main(words: Vec<OsString>) -> Exit {
    carry_out(Arguments::parse_from(words))
}

impl Command for Arguments {
    fn run(self) -> Result {
        let common = &self.common;
        common.warn();
        match self.command {
            _ if self.version => about::Version::default().run(),
            None => {
                crate::print::say(&Self::command().render_help().to_string());
                Ok(Exit::Done)
            }
            Some(Commands::List(list)) => list.run(common),
            Some(Commands::Describe(describe)) => describe.run(common),
            Some(Commands::Manifest(manifest)) => manifest.run(common),
            Some(Commands::Build(build)) => build.run(common),
            Some(Commands::Upload(upload)) => upload.run(),
            Some(Commands::Pkgsearch(search)) => search.run(common),
            Some(Commands::Bootc(bootc)) => bootc.run(),
            Some(Commands::Version(version)) => version.run(),
            Some(Commands::System(system)) => system.run(),
            Some(Commands::Doc { directory }) => man::write_pages(Self::command(), &directory),
        }
    }
}

impl Bootc {
    fn run(&self) -> Result {
        let Self::Inspect { reference, format } = self;
        let container = Container {
            reference,
            arch: None,
            default_fs: None,
            cache: None,
        };
        let facts = serde_json::to_value(container.facts()?);
        let facts = facts.map_err(|error| CommandError::failed(Diagnostic::from_error(&error)))?;
        format.print(&facts);
        Ok(Exit::Done)
    }
}

impl Common {
    /// Says what is better written in another way.
    fn warn(&self) {
        let deprecated = [
            ("force-data-dir", &self.force_data_dir),
            ("data-dir", &self.data_dir),
        ];
        for (name, _) in deprecated.iter().filter(|(_, value)| value.is_some()) {
            errln!("warning: --{name} is deprecated, use --force-repo-dir");
        }
        if self.force_defs_dir.is_some() {
            errln!(
                "warning: --force-defs-dir takes definitions that this program was not tested with"
            );
        }
    }

    /// The definitions in force.
    fn definitions(&self) -> DefinitionsArguments {
        DefinitionsArguments {
            definitions: self.force_defs_dir.clone().into_iter().collect(),
        }
    }

    /// Where packages come from: directories that are named come before everything else, and each may have them in `repositories`.
    fn repositories(&self) -> RepositoryArguments {
        let mut named = [&self.force_repo_dir, &self.force_data_dir, &self.data_dir]
            .into_iter()
            .flatten();
        let (repositories, places) = match named.next() {
            Some(directory) => (
                Some(directory.clone()),
                vec![directory.clone(), directory.join("repositories")],
            ),
            None => (None, PLACES.map(PathBuf::from).into()),
        };
        RepositoryArguments {
            repositories,
            extra_repo: self.extra_repo.clone(),
            force_repo: self.force_repo.clone(),
            places,
        }
    }
}

/// For which system something is.
#[derive(Debug, Args)]
struct Target {
    /// Distribution, e.g. `fedora-43`; that of this machine when it is not given
    #[arg(long, value_name = "NAME")]
    distro: Option<String>,
    /// Architecture, e.g. `x86_64`; that of this machine when it is not given
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    arch: Option<Arch>,
}

impl Target {
    /// The target as our own commands take it; says which distribution was taken where none was named.
    fn resolve(&self, common: &Common) -> TargetArguments {
        TargetArguments {
            distro: self.distro.clone(),
            arch: self.arch,
            definitions: common.definitions(),
            tells_host: true,
        }
    }

    /// The same for what a container says which distribution it is.
    fn of_container(&self, common: &Common) -> TargetArguments {
        TargetArguments {
            distro: None,
            arch: self.arch,
            definitions: common.definitions(),
            tells_host: false,
        }
    }

    /// Says that images of another architecture are an experiment.
    fn warn(&self) {
        let foreign = |arch: &Arch| arch.name() != std::env::consts::ARCH;
        if let Some(arch) = self.arch.filter(foreign) {
            errln!(
                "WARNING: using experimental cross-architecture building to build {:?}",
                arch.name()
            );
        }
    }
}
