//! The options of `osbuild-wasm run`.
use super::statements::Statements;
use super::{DevicesOption, OutputDialect, RunCommand};
use crate::build_args::BuildArgs;
use clap::Args;
use osbuild_wasm_source::Logins;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # Build the pipeline `image` into ./out/image
  osbuild-wasm run --export image --output-directory out manifest.json

  # The same as a program does it: manifest on standard input, progress on descriptor 3, the result as JSON
  osbuild-wasm run --export image --output-directory out --json --monitor JSONSeqMonitor --monitor-fd 3 - 3>progress < manifest.json

  # Only what a policy allows, with nothing but the components that the lock file pins; refused before anything runs
  osbuild-wasm run --policy ci.toml --locked --export image --output-directory out manifest.json

  # Begin with a policy that allows what one run needed, and no more
  osbuild-wasm run --learn ci.toml --export image --output-directory out manifest.json

  # Make a disk with encrypted volumes, by a user or on a machine that has no device mapper
  osbuild-wasm run --in-vm image --export image --output-directory out manifest.json

  # Keep what the pipelines `build` and `os` made, so that the next run begins there
  osbuild-wasm run --checkpoint build --checkpoint os --export image --output-directory out manifest.json

  # Say where the image comes from, and which packages are in it
  osbuild-wasm run --export image --output-directory out --provenance out/image.intoto.json --sbom out/image.spdx.json manifest.json

Exit status: 0 built, 1 a source or stage failed, 2 the manifest or the command line is wrong, 130 interrupted.";

/// Build the exported pipelines of a manifest and everything they need
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, infer_long_args = true)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    args: BuildArgs,
    /// Pipelines built at the same time; default: as many as there are processors
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Put the assembler's output directly into DIR (manifests of the earliest form)
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// File with the build environment (object with `pipeline` and `runner`) for a manifest that has none
    #[arg(long, value_name = "FILE")]
    build_env: Option<PathBuf>,
    /// Write what every stage really did to FILE, as JSON: paths, files with digests, programs, what was refused and what was not used
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Grant only what this policy (TOML) allows; what it denies is said before anything runs
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Write the narrowest policy (TOML) that this run needed to FILE, when it succeeds; a run with --policy FILE then passes
    #[arg(long, value_name = "FILE")]
    learn: Option<PathBuf>,
    /// Refuse to run with anything else than the lock file pins; without FILE that is MANIFEST.lock
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    locked: Option<Option<PathBuf>>,
    /// How disks come to be: by loop devices, or, where there are none, by programs that make file systems from directories
    #[arg(long, value_name = "WAY", value_enum, default_value_t = DevicesOption::Auto)]
    devices: DevicesOption,
    /// Build the pipeline NAME in a virtual machine; may be given several times. It has loop devices, the device mapper and all file
    /// systems of its kernel, also for an ordinary user. The kernel, with support for 9p, is that of the pipeline's build root, else
    /// that of this machine; OSBUILD_WASM_KERNEL names another root directory that has one
    #[arg(long, value_name = "NAME")]
    in_vm: Vec<String>,
    #[command(flatten)]
    statements: Statements,
}

impl RunArguments {
    /// The command that these options mean.
    pub(crate) fn command(self) -> RunCommand {
        RunCommand {
            dialect: OutputDialect::Own,
            moves_exports: false,
            args: self.args,
            manifest: None,
            jobs: self.jobs,
            output: self.output,
            build_env: self.build_env,
            in_vm: self.in_vm,
            rundir: None,
            record: self.record,
            learn: self.learn,
            policy: self.policy,
            locked: self.locked,
            devices: self.devices,
            log: None,
            logins: Logins::default(),
            lookups: Vec::new(),
            statements: self.statements,
        }
    }
}
