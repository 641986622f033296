//! The command line of bootc-image-builder, for programs that start us under that name.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::image_builder::with_build_root;
use crate::commands::run::DevicesOption;
use crate::commands::{Command, carry_out};
use crate::image::{
    Container, Containers, ImageArguments, ImageBuild, OriginArguments, Purpose, ResolveArguments,
    Resolved, Shows, arch, bootc_options, read_blueprint,
};
use crate::monitor::Monitor;
use crate::output_file;
use crate::print::say_json;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use osbuild_wasm_distro::{Arch, Kind};
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_report::Diagnostic;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name we are started under.
pub(super) const NAME: &str = "bootc-image-builder";

/// Blueprints that are read where none is named.
const CONFIGS: [&str; 2] = ["/config.toml", "/config.json"];

/// The directory for metadata where none is named.
const RPMMD: &str = "/rpmmd";

/// Build images of bootable containers
#[derive(Debug, Parser)]
#[command(name = NAME, version, max_term_width = 100)]
struct Arguments {
    /// Show everything that happens
    #[arg(short, long, global = true)]
    verbose: bool,
    /// How much is logged
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Build images; what is done where no command is named
    Build(Box<Build>),
    /// Make their manifest
    Manifest(Box<Manifest>),
}

/// Which image is asked for.
#[derive(Debug, Args)]
struct Manifest {
    /// The bootable container
    image: String,
    /// Type of the image; may be given several times
    #[arg(
        long = "type",
        value_enum,
        value_delimiter = ',',
        default_value = "qcow2"
    )]
    types: Vec<Type>,
    /// Directory for the metadata of repositories
    #[arg(long, value_name = "DIR", default_value = RPMMD)]
    rpmmd: PathBuf,
    /// File system of the root
    #[arg(long, value_name = "FS")]
    rootfs: Option<String>,
    /// Architecture of the image
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    target_arch: Option<Arch>,
    /// Container to build in
    #[arg(long, value_name = "REF")]
    build_container: Option<String>,
    /// Container that an installer puts onto the disk
    #[arg(long, value_name = "REF")]
    installer_payload_ref: Option<String>,
    /// Blueprint (TOML or JSON); /config.toml or /config.json when it is not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whether packages are downloaded by librepo's source
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = ArgAction::Set)]
    use_librepo: bool,
    /// Number that all identifiers are drawn from
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<i64>,
    /// Deprecated: containers are always those of this machine
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    local: Option<bool>,
    /// Deprecated: containers are always those of this machine
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
}

/// What is built, and where.
#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    manifest: Manifest,
    /// Directory for images
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Directory for objects, sources and work in progress
    #[arg(long, value_name = "DIR", default_value = "/store")]
    store: PathBuf,
    /// Owner of the images
    #[arg(long, value_name = "UID:GID", value_parser = owner)]
    chown: Option<(u32, u32)>,
    /// How to show what happens
    #[arg(long, value_enum)]
    progress: Option<Progress>,
    /// Build in a virtual machine
    #[arg(long)]
    in_vm: bool,
    /// Name of the image in AWS
    #[arg(long, value_name = "NAME", requires_all = ["aws_bucket", "aws_region"])]
    aws_ami_name: Option<String>,
    /// Bucket of AWS on the way
    #[arg(long, value_name = "NAME", requires_all = ["aws_ami_name", "aws_region"])]
    aws_bucket: Option<String>,
    /// Region of AWS
    #[arg(long, value_name = "NAME", requires_all = ["aws_ami_name", "aws_bucket"])]
    aws_region: Option<String>,
}

/// Types of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    Ami,
    #[value(alias = "iso")]
    AnacondaIso,
    BootcInstaller,
    Gce,
    Ova,
    PxeTarXz,
    Qcow2,
    Raw,
    Vhd,
    Vmdk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// As the terminal allows
    Auto,
    /// One steady display on a terminal
    Term,
    /// The log of the build
    Verbose,
}

fn owner(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
    let (user, group) = text.split_once(':').ok_or("it is UID:GID")?;
    Ok((number(user)?, number(group)?))
}

/// The description of the command line.
pub(super) fn command() -> clap::Command {
    Arguments::command()
}

/// Runs a command line; its first word is the name of the program.
pub(super) fn main(words: Vec<OsString>) -> Exit {
    carry_out(Arguments::parse_from(with_command(words)))
}

/// The command line with `build` where no command is named.
fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let mut at = 1;
    while let Some(word) = words.get(at).and_then(|word| word.to_str()) {
        match word {
            "-v" | "--verbose" => at += 1,
            "--log-level" => at += 2,
            _ if word.starts_with("--log-level=") => at += 1,
            _ => break,
        }
    }
    let word = words.get(at).and_then(|word| word.to_str());
    let known = [
        "build",
        "manifest",
        "help",
        "-h",
        "--help",
        "-V",
        "--version",
    ];
    if word.is_some_and(|word| !known.contains(&word)) {
        words.insert(at, "build".into());
    }
    words
}

impl Command for Arguments {
    fn run(self) -> Result {
        match self.command {
            Commands::Manifest(manifest) => {
                let (resolved, _) = manifest.resolve(Purpose::Document)?;
                say_json(&resolved.manifest.to_string());
                Ok(Exit::Done)
            }
            Commands::Build(build) if build.aws_ami_name.is_some() => Err(CommandError::failed(
                Diagnostic::new("--aws-ami-name asks for an upload: uploads are not there yet"),
            )),
            Commands::Build(build) => build.run(self.verbose),
        }
    }
}

impl Manifest {
    /// The manifest, and the pipelines that its types come out of.
    fn resolve(&self, purpose: Purpose) -> Result<(Resolved, Vec<String>)> {
        for (name, value) in [("local", self.local), ("tls-verify", self.tls_verify)] {
            if value.is_some() {
                errln!("warning: --{name} is deprecated and changes nothing");
            }
        }
        if !self.use_librepo {
            return Err(CommandError::failed(Diagnostic::new(
                "--use-librepo=false: packages are downloaded by org.osbuild.librepo, there is no other way",
            )));
        }
        let origin = OriginArguments {
            blueprint: config(self.config.as_deref(), &CONFIGS.map(Path::new))?.map(Path::to_owned),
            seed: self.seed,
        };
        // What is wrong with the blueprint is known before the container is looked into.
        if let Some(path) = &origin.blueprint {
            read_blueprint(path, false)?;
        }
        // The usual directory is one of the container that the program of this name runs in.
        let cache = Some(self.rpmmd.as_path());
        let cache = cache.filter(|path| *path != Path::new(RPMMD) || path.is_dir());
        let arguments = self.arguments(cache)?;
        let mut requests = Vec::new();
        for image_type in &self.types {
            requests.push(arguments.request(&image_type.name(), &origin)?);
        }
        let one = requests
            .iter()
            .find(|request| request.image_type.kind != Kind::BootcDisk);
        if let (Some(one), true) = (one, requests.len() > 1) {
            let problem = format!(
                "--type {} does not go along with others",
                one.image_type.name
            );
            return Err(CommandError::invalid(Diagnostic::new(problem)));
        }
        let exports = requests
            .iter()
            .flat_map(|request| request.image_type.exports.clone());
        let resolver = ResolveArguments {
            rpmmd_cache: cache.map(Path::to_owned),
            solver: None,
            policy: None,
        };
        // All formats of a disk come out of one manifest.
        let resolved = resolver.manifest(&requests[0], purpose, false, Shows::Problems)?;
        Ok((resolved, exports.collect()))
    }

    /// The containers, looked into.
    fn arguments(&self, cache: Option<&Path>) -> Result<ImageArguments> {
        let look = |reference| {
            let container = Container {
                reference,
                arch: self.target_arch,
                default_fs: self.rootfs.as_deref(),
                cache,
            };
            container.facts()
        };
        let build = self.build_container.as_deref();
        let payload = self.installer_payload_ref.as_deref();
        let containers = Containers {
            options: bootc_options(&self.image, build, payload)?,
            image: look(self.image.as_str())?,
            build: build.map(look).transpose()?,
        };
        Ok(ImageArguments::of_containers(containers))
    }
}

impl Build {
    /// Builds all types; each is below the directory of results as its pipeline is called.
    fn run(self, verbose: bool) -> Result {
        let (resolved, exports) = self.manifest.resolve(Purpose::Build)?;
        let cannot = |path: &Path, error: std::io::Error| {
            let diagnostic = Diagnostic::new(format!("cannot write {}", path.display()));
            CommandError::failed(diagnostic.cause(error.to_string()))
        };
        make_directory(&self.output).map_err(|error| cannot(&self.output, error))?;
        let types: Vec<_> = self.manifest.types.iter().map(Type::name).collect();
        let manifest = self
            .output
            .join(format!("manifest-{}.json", types.join("-")));
        output_file::write(&manifest, resolved.manifest.to_string().as_bytes())?;
        let build = ImageBuild {
            store: self.store,
            record: None,
            policy: None,
            jobs: None,
            in_vm: match self.in_vm {
                true => with_build_root(&resolved.manifest),
                false => Vec::new(),
            },
            devices: DevicesOption::Auto,
            monitor: Some(match (self.progress, verbose) {
                (Some(Progress::Verbose), _) | (None, true) => Monitor::Log,
                _ => Monitor::Progress,
            }),
            monitor_fd: Some(2),
            quiet: true,
        };
        let exit = build.export(
            &resolved,
            &exports,
            &manifest.display().to_string(),
            &self.output,
        )?;
        if let (Exit::Done, Some((user, group))) = (&exit, self.chown) {
            let of_export = exports.iter().map(|export| self.output.join(export));
            for path in of_export.chain([manifest]) {
                give(&path, user, group).map_err(|error| cannot(&path, error))?;
            }
        }
        Ok(exit)
    }
}

impl Type {
    /// Its name in definitions.
    fn name(&self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Gives a file, or a directory with all in it, to somebody.
fn give(path: &Path, user: u32, group: u32) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), user, group)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(user), Some(group))
}

/// The blueprint: the one that is named, or the only one of those that may be there.
fn config<'a>(named: Option<&'a Path>, places: &[&'a Path]) -> Result<Option<&'a Path>> {
    if named.is_some() {
        return Ok(named);
    }
    let mut found = places.iter().copied().filter(|path| path.exists());
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(CommandError::invalid(
            Diagnostic::new(format!(
                "there are both {} and {}",
                first.display(),
                second.display()
            ))
            .hint("remove one, or name one by --config"),
        )),
        (found, _) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::{config, with_command};
    use std::path::Path;

    #[test]
    fn the_command_may_be_left_out() {
        let cases = [
            ("x", "x"),
            ("x img", "x build img"),
            ("x --type raw img", "x build --type raw img"),
            (
                "x -v --log-level debug img",
                "x -v --log-level debug build img",
            ),
            (
                "x --log-level=debug manifest img",
                "x --log-level=debug manifest img",
            ),
            ("x build img", "x build img"),
            ("x --help", "x --help"),
        ];
        for (line, expected) in cases {
            let words = with_command(line.split(' ').map(Into::into).collect());
            let words: Vec<_> = words.iter().filter_map(|word| word.to_str()).collect();
            assert_eq!(words.join(" "), expected);
        }
    }

    #[test]
    fn of_two_blueprints_none_is_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        let (toml, json) = (
            directory.path().join("config.toml"),
            directory.path().join("config.json"),
        );
        let places = [toml.as_path(), json.as_path()];
        let found = |named| config(named, &places).ok();
        assert_eq!(found(None), Some(None));
        std::fs::write(&json, "{}").expect("a file");
        assert_eq!(found(None), Some(Some(json.as_path())));
        std::fs::write(&toml, "").expect("a file");
        assert_eq!(found(None), None);
        assert_eq!(found(Some(Path::new("x"))), Some(Some(Path::new("x"))));
    }
}
