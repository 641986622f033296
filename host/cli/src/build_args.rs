//! What a run is asked for: the options that `osbuild-wasm run` and osbuild's own command line share.
use crate::monitor::Monitor;
use clap::Args;
use osbuild_wasm_capability::Size;
use std::path::PathBuf;

/// Options of a run.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The manifest; `-` reads standard input
    pub(crate) manifest: PathBuf,
    /// Directory for objects, sources and work in progress; made when missing
    #[arg(
        long,
        visible_alias = "cache",
        alias = "objects",
        value_name = "DIR",
        default_value = ".osbuild"
    )]
    pub(crate) store: PathBuf,
    /// Largest size of the store, kept for later runs: `unlimited`, or bytes with a unit (kB, KiB, MB, MiB, GB, GiB, TB, TiB).
    /// What was not used for longest goes first
    #[arg(long, value_name = "SIZE")]
    pub(crate) cache_max_size: Option<Size>,
    /// Pipeline to build and to put into the output directory, by name or id; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) export: Vec<String>,
    /// Where exports go: DIR/NAME
    #[arg(long, value_name = "DIR")]
    pub(crate) output_directory: Option<PathBuf>,
    /// Keep the result of matching stages and pipelines in the store (shell pattern of names, types or ids)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) checkpoint: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the manifest with its ids and build nothing
    #[arg(long)]
    pub(crate) inspect: bool,
    /// How to show what happens; nothing with --json or --quiet unless it is given
    #[arg(long, value_enum)]
    pub(crate) monitor: Option<Monitor>,
    /// Descriptor that the monitor writes to; default: standard output
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) monitor_fd: Option<i32>,
    /// Seconds after which a stage is stopped
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stage_timeout: Option<u64>,
    /// Open a shell before each stage with this name or id; without ID before every stage
    #[arg(long = "break", value_name = "ID", num_args = 0..=1, default_missing_value = "*")]
    pub(crate) break_at: Option<String>,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    pub(crate) libdir: Option<PathBuf>,
    /// Show errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
