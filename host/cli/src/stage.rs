//! `osbuild-wasm stage`: components alone.
use crate::components::{catalogue, engine, exit_of, kind, registry};
use crate::document::{self, Style, runner_of_host};
use crate::exit::{Exit, fail, say, say_json, table_text};
use clap::{Args, Subcommand, ValueEnum};
use osbuild_wasm_build::{
    BuildError, Interrupt, Prepared, Settings, SingleStage, WithHelpers, charter, needed_by,
};
use osbuild_wasm_component::{Cache, Installed, Kind, Module, Origin, Registry};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_files::resolve::{make_working_directory, path_of};
use osbuild_wasm_manifest::catalogue::ModuleKind;
use osbuild_wasm_plugin::PluginError;
use osbuild_wasm_report::{Diagnostic, manual, printable_log};
use osbuild_wasm_store::Store;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Look at stages and assemblers, run one alone, or check its options
#[derive(Debug, Subcommand)]
pub(crate) enum StageCommand {
    List(ListArguments),
    Show(ShowArguments),
    Run(RunArguments),
    Validate(ValidateArguments),
    Manual(ManualArguments),
}

/// List all stages and assemblers that are there
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

/// Show what a stage or assembler is, what it may ask for, and its options
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// Module name, e.g. org.osbuild.mkdir
    name: String,
    /// Kind of the module
    #[arg(long, default_value = "stage", value_parser = ["stage", "assembler"])]
    kind: String,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

/// Run one stage in its sandbox on a directory of this machine
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Module name, e.g. org.osbuild.mkdir
    name: String,
    /// Directory that it works on; made when missing
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// Arguments document (JSON); the paths in it are of this machine, and exactly these are granted
    #[arg(long, value_name = "FILE")]
    args: PathBuf,
    /// Kind of the module
    #[arg(long, default_value = "stage", value_parser = ["stage", "assembler"])]
    kind: String,
    /// Seconds after which it is stopped
    #[arg(long, value_name = "SECONDS")]
    stage_timeout: Option<u64>,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

/// Check a module's document as it stands in a manifest
#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    /// Module name, e.g. org.osbuild.mkdir
    name: String,
    /// The document (JSON)
    #[arg(long, value_name = "FILE")]
    args: PathBuf,
    /// Format of the manifest that it is from
    #[arg(long, default_value = "2", value_parser = ["1", "2"])]
    schema_version: String,
    /// Kind of the module
    #[arg(long, default_value = "stage", value_parser = ["stage", "assembler", "source", "input", "device", "mount"])]
    kind: String,
    /// Print the errors as JSON
    #[arg(long)]
    json: bool,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

/// Print the manual of all modules with their options, or of those of one name
#[derive(Debug, Args)]
pub(crate) struct ManualArguments {
    /// Module name, e.g. org.osbuild.mkdir; default: all
    name: Option<String>,
    /// Form of the manual
    #[arg(long, default_value = "markdown")]
    format: ManualFormat,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ManualFormat {
    Markdown,
    /// One page without script
    Html,
    /// Manual pages of section 7, one after the other
    Man,
}

pub(crate) fn stage(command: &StageCommand) -> Exit {
    let ended = match command {
        StageCommand::List(arguments) => list(arguments),
        StageCommand::Show(arguments) => show(arguments),
        StageCommand::Run(arguments) => run(arguments),
        StageCommand::Validate(arguments) => validate(arguments),
        StageCommand::Manual(arguments) => print_manual(arguments),
    };
    ended.unwrap_or_else(|exit| exit)
}

fn failed(error: &dyn std::error::Error) -> Exit {
    fail(Exit::Failed, false, &Diagnostic::from_error(error))
}

/// No registry.
fn unusable(error: &PluginError) -> Exit {
    fail(exit_of(error), false, &Diagnostic::from_error(error))
}

fn list(arguments: &ListArguments) -> Result<Exit, Exit> {
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| unusable(&error))?;
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for kind in [Kind::Stage, Kind::Assembler] {
        for name in registry.names(kind) {
            let module = component(&registry, kind, name)?;
            table.add_row([name, kind.name(), &module.metadata.summary]);
        }
    }
    say(&table_text(&table));
    Ok(Exit::Done)
}

fn component(registry: &Registry, kind: Kind, name: &str) -> Result<Arc<Module>, Exit> {
    match registry.get(kind, name) {
        Some(module) => module.map_err(|error| failed(&error)),
        None => {
            let mut diagnostic = Diagnostic::new(format!("there is no {kind} {name}"));
            let catalogue = catalogue(registry, None);
            let near = |name: &str| catalogue.nearest(module_kind(kind.name()), name);
            // Most names begin alike, and people leave that out.
            if let Some(near) = near(&format!("org.osbuild.{name}"))
                .filter(|_| !name.contains('.'))
                .or_else(|| near(name))
            {
                diagnostic = diagnostic.hint(format!("did you mean {near}?"));
            }
            Err(fail(Exit::Invalid, false, &diagnostic))
        }
    }
}

/// The kind of that name; clap has checked the name.
fn module_kind(name: &str) -> ModuleKind {
    name.parse().unwrap_or(ModuleKind::Stage)
}

fn show(arguments: &ShowArguments) -> Result<Exit, Exit> {
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| unusable(&error))?;
    let module = component(&registry, kind(&arguments.kind), &arguments.name)?;
    let metadata = &module.metadata;
    outln!(
        "{} ({}): {}",
        metadata.name,
        metadata.kind,
        metadata.summary
    );
    for paragraph in &metadata.description {
        outln!("  {paragraph}");
    }
    let origin = match &module.origin {
        Origin::Builtin => "built in".to_owned(),
        Origin::File(path) => path.display().to_string(),
    };
    let interfaces: Vec<_> = module
        .request
        .interfaces
        .iter()
        .map(ToString::to_string)
        .collect();
    let none = |list: &[String]| {
        if list.is_empty() {
            "none".to_owned()
        } else {
            list.join(", ")
        }
    };
    outln!(
        "\ncomponent:           {origin}, {} bytes, sha256 {}",
        module.bytes.len(),
        module.digest
    );
    outln!("interfaces:          {}", none(&interfaces));
    outln!("programs:            {}", none(&metadata.programs));
    if let Some(places) = metadata
        .programs_touch
        .as_ref()
        .filter(|_| !metadata.programs.is_empty())
    {
        outln!("programs touch:      {}", none(&places.shown(|_| true)));
    }
    outln!("Linux capabilities:  {}", none(&metadata.capabilities));
    outln!("reads of build root: {}", none(&metadata.reads));
    let schemas = [
        ("schema", &metadata.schema),
        ("schema_2", &metadata.schema_2),
    ];
    for (key, schema) in schemas {
        if let Some(schema) = schema {
            outln!("\n{key}:");
            say_json(&serde_json::to_string_pretty(schema).unwrap_or_default());
        }
    }
    Ok(Exit::Done)
}

/// The stage's log, as it comes.
struct LogToStdout;

impl Observer for LogToStdout {
    fn event(&self, event: &Event) {
        if let Event::StageLog { text, .. } = event {
            let mut out = std::io::stdout().lock();
            // A closed pipe is the reader's choice; the stage goes on.
            _ = out
                .write_all(printable_log(text).as_bytes())
                .and_then(|()| out.flush());
        }
    }
}

fn run(arguments: &RunArguments) -> Result<Exit, Exit> {
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| unusable(&error))?;
    let module = component(&registry, kind(&arguments.kind), &arguments.name)?;
    let document: serde_json::Value =
        (&document::read(&arguments.args, Style::own(false))?.value).into();
    let tree = make_working_directory(&arguments.tree).and_then(|tree| path_of(&tree));
    let tree = tree.map_err(|error| {
        let diagnostic = Diagnostic::new(format!("--tree {}", arguments.tree.display()))
            .cause(error.to_string());
        fail(Exit::Invalid, false, &diagnostic)
    })?;
    let installed = Installed::of_program();
    let isolated = Prepared::new(&tree).isolate();
    let isolated = isolated.map_err(|error| failed(&error))?;
    // A store only for its scratch directories: what a killed run left there goes at the next.
    let store = Store::open(&Cache::default_directory().join("stage-run"))
        .map_err(|error| failed(&error))?;
    let scratch = store.scratch("stage").map_err(|error| failed(&error))?;
    let scopes = SingleStage::scopes(&document, &tree, scratch.path());
    let helpers = needed_by(&module.request.interfaces);
    let helpers = helpers.map(|interface| (interface, arguments.name.clone()));
    let confined = isolated
        .start_helpers(helpers, charter([&module.metadata], scopes))
        .and_then(WithHelpers::confine)
        .map_err(|error| failed(&error))?;
    let interrupt = Interrupt::default();
    let to_end = interrupt.clone();
    _ = ctrlc::set_handler(move || to_end.fire());
    let settings = Settings {
        break_at: None,
        devices: Default::default(),
        virtual_machines: None,
        rundir: None,
        engine: engine(installed).map_err(|error| failed(&error))?,
        observer: Arc::new(LogToStdout),
        jobs: 1,
        stage_timeout: arguments.stage_timeout.map(Duration::from_secs),
        checkpoints: Default::default(),
        interrupt: interrupt.clone(),
        records: None,
    };
    let single = SingleStage {
        module: &module,
        tree,
        arguments: document,
        runner: runner_of_host().exec,
        scratch: scratch.path().to_owned(),
    };
    let outcome = match confined.run_single(&settings, &single) {
        _ if interrupt.fired() => return Ok(Exit::Interrupted),
        Err(BuildError::Interrupted) => return Ok(Exit::Interrupted),
        outcome => outcome.map_err(|error| failed(&error))?,
    };
    if let Some(stopped) = &outcome.stopped {
        errln!("error: {}: {stopped}", arguments.name);
    }
    Ok(if outcome.success() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn validate(arguments: &ValidateArguments) -> Result<Exit, Exit> {
    let style = Style::own(arguments.json);
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| unusable(&error))?;
    let document = document::read(&arguments.args, style)?;
    let version = if arguments.schema_version == "1" {
        osbuild_wasm_manifest::model::Version::V1
    } else {
        osbuild_wasm_manifest::model::Version::V2
    };
    let catalogue = catalogue(&registry, arguments.libdir.as_deref());
    let errors = osbuild_wasm_manifest::validate::validate_module(
        &catalogue,
        module_kind(&arguments.kind),
        &arguments.name,
        &document.value,
        version,
    );
    if errors.is_empty() {
        return Ok(Exit::Done);
    }
    Err(document::invalid(&document, &errors, style))
}

fn print_manual(arguments: &ManualArguments) -> Result<Exit, Exit> {
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| unusable(&error))?;
    let catalogue = catalogue(&registry, arguments.libdir.as_deref());
    let mut entries = manual::entries(&catalogue);
    if let Some(name) = &arguments.name {
        entries.retain(|entry| entry.name == *name);
    }
    if entries.is_empty() {
        let name = arguments.name.as_deref().unwrap_or_default();
        let diagnostic = Diagnostic::new(format!("there is no module {name}"));
        return Err(fail(Exit::Invalid, false, &diagnostic));
    }
    match arguments.format {
        ManualFormat::Markdown => say(&manual::markdown(&entries)),
        ManualFormat::Html => say(&manual::html(&entries)),
        ManualFormat::Man => entries.iter().for_each(|entry| say(&manual::roff(entry))),
    }
    Ok(Exit::Done)
}
