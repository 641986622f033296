//! The command line of osbuild 191, for programs that start us under that name.
use super::run::{DevicesOption, OutputDialect, RunCommand, Statements};
use crate::build_args::BuildArgs;
use crate::command_error::Exit;
use crate::commands::carry_out;
use clap::{ArgAction, Parser};
use osbuild_wasm_source::Logins;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name we are started under.
pub(crate) const NAME: &str = "osbuild";

/// The version of osbuild that we are equal to.
pub(super) const VERSION: &str = "191";

/// Where osbuild's packages put modules.
const LIBDIR: &str = "/usr/lib/osbuild";

const NOTE: &str = "\
This is osbuild-wasm under the name of osbuild: the same options, documents and exit codes. Long options may be shortened as long as
they stay unambiguous. `osbuild-wasm run --help` has examples.";

/// Build operating-system images from a manifest
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version = VERSION,
    disable_version_flag = true,
    infer_long_args = true,
    args_override_self = true,
    max_term_width = 100,
    after_help = NOTE
)]
struct Arguments {
    #[command(flatten)]
    args: BuildArgs,
    /// Pipeline to build in a virtual machine (`osbuild-wasm run --help` says what that takes); may be given several times
    #[arg(long, value_name = "NAME")]
    in_vm: Vec<String>,
    /// Directory for the sockets of stages that may reach the network; otherwise they are in the store
    #[arg(long, value_name = "DIR")]
    rundir: Option<PathBuf>,
    /// Print the version
    #[arg(long, action = ArgAction::Version)]
    version: (),
}

/// Runs a command line; its first word is the name of the program.
pub(crate) fn main(words: Vec<OsString>) -> Exit {
    let arguments = Arguments::parse_from(words);
    let mut args = arguments.args;
    if args.libdir.is_none() && Path::new(LIBDIR).is_dir() {
        args.libdir = Some(LIBDIR.into());
    }
    let command = RunCommand {
        dialect: OutputDialect::Osbuild,
        moves_exports: false,
        args,
        jobs: None,
        output: None,
        build_env: None,
        manifest: None,
        record: None,
        in_vm: arguments.in_vm,
        rundir: arguments.rundir,
        learn: None,
        policy: None,
        locked: None,
        devices: DevicesOption::Auto,
        log: None,
        logins: Logins::default(),
        lookups: Vec::new(),
        statements: Statements::default(),
    };
    carry_out(command)
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::{CommandFactory, Parser};

    /// What osbuild would have understood of a command line, in its words; none for a usage error.
    fn understood(line: &str) -> Option<String> {
        let words = std::iter::once("osbuild").chain(line.split(' '));
        let Arguments { args, in_vm, .. } = Arguments::try_parse_from(words).ok()?;
        let told = [
            ("manifest", args.manifest.display().to_string()),
            ("store", args.store.display().to_string()),
            ("export", args.export.join(" ")),
            (
                "out",
                args.output_directory
                    .unwrap_or_default()
                    .display()
                    .to_string(),
            ),
            ("checkpoint", args.checkpoint.join(" ")),
            ("json", if args.json { "yes" } else { "" }.to_owned()),
            ("inspect", if args.inspect { "yes" } else { "" }.to_owned()),
            ("quiet", if args.quiet { "yes" } else { "" }.to_owned()),
            (
                "monitor",
                args.monitor
                    .map(|monitor| format!("{monitor:?}"))
                    .unwrap_or_default(),
            ),
            (
                "fd",
                args.monitor_fd.map(|fd| fd.to_string()).unwrap_or_default(),
            ),
            (
                "timeout",
                args.stage_timeout
                    .map(|limit| limit.to_string())
                    .unwrap_or_default(),
            ),
            ("break", args.break_at.unwrap_or_default()),
            (
                "size",
                args.cache_max_size
                    .map(|size| format!("{:?}", size.limit()))
                    .unwrap_or_default(),
            ),
            (
                "libdir",
                args.libdir.unwrap_or_default().display().to_string(),
            ),
            ("vm", in_vm.join(" ")),
        ];
        let told = told.iter().filter(|(_, value)| !value.is_empty());
        Some(
            told.map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(", "),
        )
    }

    #[test]
    fn every_spelling_that_osbuild_takes_is_understood() {
        let cases = [
            ("m.json", "manifest=m.json, store=.osbuild"),
            ("-", "manifest=-, store=.osbuild"),
            ("-- -x", "manifest=-x, store=.osbuild"),
            (
                "--export a --output-directory o --store s --json -",
                "manifest=-, store=s, export=a, out=o, json=yes",
            ),
            (
                "- --json --store=s --output-directory=o --export=a",
                "manifest=-, store=s, export=a, out=o, json=yes",
            ),
            ("--cache c m", "manifest=m, store=c"),
            ("--store a m --store b", "manifest=m, store=b"),
            (
                "--export a --export b m --checkpoint x --checkpoint y",
                "manifest=m, store=.osbuild, export=a b, checkpoint=x y",
            ),
            (
                "--monitor=JSONSeqMonitor --monitor-fd=3 m",
                "manifest=m, store=.osbuild, monitor=JsonSeq, fd=3",
            ),
            (
                "--monitor NullMonitor --monitor-fd -1 m",
                "manifest=m, store=.osbuild, monitor=Null, fd=-1",
            ),
            // Abbreviations.
            (
                "--output-dir o --exp a --sto s m",
                "manifest=m, store=s, export=a, out=o",
            ),
            (
                "--out=o --ex=a --js --q m",
                "manifest=m, store=.osbuild, export=a, out=o, json=yes, quiet=yes",
            ),
            (
                "--ins m --li l --ch c --sta 3",
                "manifest=m, store=.osbuild, checkpoint=c, inspect=yes, timeout=3, libdir=l",
            ),
            (
                "--cache-m 1GiB --in- v m",
                "manifest=m, store=.osbuild, size=Some(1073741824), vm=v",
            ),
            (
                "-q -l l m",
                "manifest=m, store=.osbuild, quiet=yes, libdir=l",
            ),
            ("-ql=l m", "manifest=m, store=.osbuild, quiet=yes, libdir=l"),
            ("-ll --rund r m", "manifest=m, store=.osbuild, libdir=l"),
            ("--json --json m", "manifest=m, store=.osbuild, json=yes"),
            // The value of --break is optional, with a blank too.
            ("--break=x m", "manifest=m, store=.osbuild, break=x"),
            ("--break x m", "manifest=m, store=.osbuild, break=x"),
            ("m --break", "manifest=m, store=.osbuild, break=*"),
            (
                "--br --json m",
                "manifest=m, store=.osbuild, json=yes, break=*",
            ),
            (
                "--cache-max-size unlimited m",
                "manifest=m, store=.osbuild, size=None",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(understood(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_osbuild_refuses_is_a_usage_error() {
        let lines = [
            "",
            "a b",
            "--break m",
            "--no-such m",
            "--s x m",
            "--m Null m",
            "--in m",
            "--c x m",
            "--json=x m",
            "--export",
            "--export --json m",
            "--monitor-fd x m",
            "--stage-timeout x m",
            "--cache-max-size 3kiB m",
            "-x m",
            "-V",
        ];
        for line in lines {
            let words = std::iter::once("osbuild").chain(line.split_whitespace());
            let error = Arguments::try_parse_from(words).expect_err(line);
            assert_eq!((error.exit_code(), error.use_stderr()), (2, true), "{line}");
        }
    }

    #[test]
    fn version_and_help_end_well() {
        for line in ["--version", "--v", "--vers x", "-h", "--he"] {
            let words = std::iter::once("osbuild").chain(line.split(' '));
            let ended = Arguments::try_parse_from(words).expect_err(line);
            assert_eq!(
                (ended.exit_code(), ended.use_stderr()),
                (0, false),
                "{line}"
            );
        }
        assert_eq!(Arguments::command().render_version(), "osbuild 191\n");
    }
}
