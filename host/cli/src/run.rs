//! `osbuild-wasm run`.
use crate::components::{catalogue, engine, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail};
use crate::legacy::with_build_environment;
use crate::monitor::{self, Monitor};
use clap::Args;
use osbuild_wasm_build::{
    BuildError, Export, HelperProcesses, Interrupt, Isolation, Request, Settings, isolate,
    needed_by, run as build,
};
use osbuild_wasm_component::{Kind, Registry};
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_manifest::model::{Manifest, StageClass};
use osbuild_wasm_manifest::run::RunOutcome;
use osbuild_wasm_protocol::Interface;
use osbuild_wasm_report::{Checkpoint, Colour, Diagnostic, Fanout, Summary, result, trailer};
use osbuild_wasm_store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Build the exported pipelines of a manifest and everything they need
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The manifest; `-` reads standard input
    manifest: PathBuf,
    /// Directory for objects, sources and work in progress; made when missing
    #[arg(
        long,
        visible_alias = "cache",
        alias = "objects",
        value_name = "DIR",
        default_value = ".osbuild"
    )]
    store: PathBuf,
    /// Pipeline to build and to put into the output directory, by name or id; may be given several times
    #[arg(long, value_name = "NAME")]
    export: Vec<String>,
    /// Where exports go: DIR/NAME
    #[arg(long, value_name = "DIR")]
    output_directory: Option<PathBuf>,
    /// Keep the result of matching stages and pipelines in the store (shell pattern of names, types or ids)
    #[arg(long, value_name = "PATTERN")]
    checkpoint: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Print the manifest with its ids and build nothing
    #[arg(long)]
    inspect: bool,
    /// How to show what happens; default: progress, with --json nothing
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// Descriptor that the monitor writes to; default: standard output
    #[arg(long, value_name = "N")]
    monitor_fd: Option<i32>,
    /// Seconds after which a stage is stopped
    #[arg(long, value_name = "SECONDS")]
    stage_timeout: Option<u64>,
    /// Pipelines built at the same time where they do not need each other; default: one for each core
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
    /// Show errors only
    #[arg(short, long)]
    quiet: bool,
    /// Put the assembler's output directly into DIR (manifests of the earliest form)
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// File with the build environment (object with `pipeline` and `runner`) for a manifest that has none
    #[arg(long, value_name = "FILE")]
    build_env: Option<PathBuf>,
}

pub(crate) fn run(arguments: &RunArguments) -> Exit {
    attempt(arguments).unwrap_or_else(|exit| exit)
}

fn attempt(arguments: &RunArguments) -> Result<Exit, Exit> {
    let json = arguments.json;
    let style = Style {
        json: json || arguments.inspect,
    };
    let failed =
        |error: &dyn std::error::Error| fail(Exit::Failed, json, &Diagnostic::from_error(error));
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| failed(&error))?;
    let mut document = document::read(&arguments.manifest, style)?;
    if let Some(file) = &arguments.build_env {
        document = with_build_environment(document, file, style)?;
    }
    let manifest =
        document::manifest(&document, &arguments.manifest, &catalogue(&registry), style)?;
    let plan = Plan::new(arguments, &manifest)?;
    if arguments.inspect {
        println!("{}", to_python(&inspect(&manifest)));
        return Ok(Exit::Done);
    }
    std::fs::create_dir_all(&arguments.store)
        .map_err(|error| cannot_make(&arguments.store, &error, json))?;
    let directory = std::fs::canonicalize(&arguments.store).map_err(|error| failed(&error))?;
    let isolation = isolate(&directory).map_err(|error| failed(&error))?;
    let store = Store::open(&directory).map_err(|error| failed(&error))?;
    let helpers = start_helpers(&registry, &manifest, &isolation, &directory)
        .map_err(|error| failed(&error))?;
    isolation
        .give_up_privileges()
        .map_err(|error| failed(&error))?;
    let interrupt = Interrupt::default();
    listen(&interrupt);
    let summary = Arc::new(Summary::default());
    let observer = Fanout(vec![monitor_of(arguments)?, summary.clone()]);
    let settings = Settings {
        registry: Arc::new(registry),
        engine: engine().map_err(|error| failed(&error))?,
        helpers: Arc::new(helpers),
        observer: Arc::new(observer),
        jobs: arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        stage_timeout: arguments.stage_timeout.map(Duration::from_secs),
        checkpoints: plan.checkpoints.clone(),
        interrupt: interrupt.clone(),
    };
    let request = Request {
        manifest: &manifest,
        name: arguments.manifest.display().to_string(),
        exports: plan.exports,
    };
    let outcome = build(&settings, &store, &isolation, &request).map_err(|error| failed(&error))?;
    show(arguments, &manifest, &outcome, &plan.checkpoints, &summary);
    if interrupt.fired() {
        return Ok(Exit::Interrupted);
    }
    Ok(if outcome.success {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What the options mean for this manifest.
struct Plan {
    exports: Vec<Export>,
    checkpoints: BTreeSet<String>,
}

impl Plan {
    fn new(arguments: &RunArguments, manifest: &Manifest) -> Result<Self, Exit> {
        let names: Vec<_> = manifest
            .pipelines
            .iter()
            .map(|pipeline| pipeline.name.as_str())
            .collect();
        let unknown = |export: &&String| manifest.pipeline(export).is_none();
        let unknown: Vec<_> = arguments.export.iter().filter(unknown).collect();
        for export in &unknown {
            println!("Export {export} not found in {names:?}");
        }
        if !unknown.is_empty() {
            println!("Failed");
            return Err(Exit::Failed);
        }
        if let Some(name) = arguments
            .export
            .iter()
            .find(|name| name.contains('/') || name.starts_with('.'))
        {
            let message = format!("export {name:?} cannot be the name of a directory");
            return Err(fail(
                Exit::Invalid,
                arguments.json,
                &Diagnostic::new(message),
            ));
        }
        let mut exports = Vec::new();
        if let Some(output) = &arguments.output_directory {
            exports.extend(arguments.export.iter().map(|name| Export {
                name: name.clone(),
                path: output.join(name),
            }));
        } else if !arguments.export.is_empty() && !arguments.inspect {
            println!("Need --output-directory for --export");
            return Err(Exit::Failed);
        }
        if let Some(output) = &arguments.output {
            let last = manifest
                .pipelines
                .iter()
                .rev()
                .find(|pipeline| matches!(pipeline.name.as_str(), "assembler" | "tree"));
            exports.extend(last.map(|pipeline| Export {
                name: pipeline.name.clone(),
                path: output.clone(),
            }));
        }
        Ok(Self {
            exports,
            checkpoints: checkpoints(arguments, manifest)?,
        })
    }
}

/// Ids of all stages that a pattern names by pipeline, type or id.
fn checkpoints(arguments: &RunArguments, manifest: &Manifest) -> Result<BTreeSet<String>, Exit> {
    let mut ids = BTreeSet::new();
    for pattern in &arguments.checkpoint {
        let pattern = glob::Pattern::new(pattern).map_err(|error| {
            let message = format!("--checkpoint {pattern}: {error}");
            fail(Exit::Invalid, arguments.json, &Diagnostic::new(message))
        })?;
        for pipeline in &manifest.pipelines {
            if pattern.matches(&pipeline.name) {
                ids.extend(pipeline.id.clone());
            }
            let named = |stage: &&osbuild_wasm_manifest::model::Stage| {
                pattern.matches(stage.requested_module()) || pattern.matches(&stage.id)
            };
            ids.extend(
                pipeline
                    .stages
                    .iter()
                    .filter(named)
                    .map(|stage| stage.id.clone()),
            );
        }
    }
    if ids.is_empty() && !arguments.checkpoint.is_empty() {
        println!("No checkpoints matched provided patterns!\nFailed");
        return Err(Exit::Failed);
    }
    Ok(ids)
}

fn cannot_make(path: &Path, error: &std::io::Error, json: bool) -> Exit {
    let diagnostic =
        Diagnostic::new(format!("cannot make {}", path.display())).cause(error.to_string());
    fail(Exit::Failed, json, &diagnostic)
}

/// Starts a helper for each interface that the manifest's stages, devices and mounts use.
fn start_helpers(
    registry: &Registry,
    manifest: &Manifest,
    isolation: &Isolation,
    store: &Path,
) -> Result<HelperProcesses, BuildError> {
    let mut interfaces = BTreeSet::new();
    for stage in manifest
        .pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.stages)
    {
        let kind = if stage.class == StageClass::Assembler {
            Kind::Assembler
        } else {
            Kind::Stage
        };
        if let Some(Ok(module)) = registry.get(kind, &stage.module) {
            interfaces.extend(needed_by(&module.request));
        }
        if !stage.devices.is_empty() {
            interfaces.insert(Interface::Loopback);
        }
        if !stage.mounts.is_empty() {
            interfaces.insert(Interface::Mount);
        }
    }
    if isolation.is_private() && !manifest.pipelines.is_empty() {
        interfaces.insert(Interface::Tree);
    }
    HelperProcesses::start(interfaces, &[store.to_owned()])
}

/// Ctrl-C and termination end the run at once.
fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    // Without a handler the default one ends the process, and the kernel cleans up.
    _ = ctrlc::set_handler(move || interrupt.fire());
}

fn monitor_of(
    arguments: &RunArguments,
) -> Result<Arc<dyn osbuild_wasm_manifest::run::Observer>, Exit> {
    let default = if arguments.quiet || arguments.json {
        Monitor::Null
    } else {
        Monitor::Progress
    };
    let out = monitor::descriptor(arguments.monitor_fd).map_err(|error| {
        let message = format!(
            "--monitor-fd {}: {error}",
            arguments.monitor_fd.unwrap_or(1)
        );
        fail(Exit::Invalid, arguments.json, &Diagnostic::new(message))
    })?;
    Ok(monitor::make(arguments.monitor.unwrap_or(default), out))
}

fn show(
    arguments: &RunArguments,
    manifest: &Manifest,
    outcome: &RunOutcome,
    checkpoints: &BTreeSet<String>,
    summary: &Summary,
) {
    if arguments.json {
        println!("{}", to_python(&result(manifest, outcome)));
        return;
    }
    if let Some(diagnostic) = Diagnostic::of_failure(manifest, outcome) {
        eprint!("{}", diagnostic.render(Colour::of(&std::io::stderr())));
        return;
    }
    if arguments.quiet {
        return;
    }
    if arguments.monitor == Some(Monitor::Log) {
        let entry = |id: &String| Checkpoint {
            id: id.clone(),
            cached: outcome.success,
        };
        let checkpoints: Vec<_> = checkpoints.iter().map(entry).collect();
        print!(
            "{}",
            trailer(manifest, &checkpoints, Colour::of(&std::io::stdout()))
        );
        return;
    }
    println!("{}", summary.table(None));
}
