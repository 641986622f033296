//! `plugin test`: the conformance kit in the sandbox.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::engine;
use crate::document::runner_of_host;
use crate::interruption::on_interrupt;
use crate::print::print_rows;
use clap::Args;
use osbuild_stage_test::{Case, CaseError, Ended, Stage, cases};
use osbuild_wasm_build::{
    Confined, Interrupt, Prepared, Settings, SingleStage, WithHelpers, charter_of_module, needed_by,
};
use osbuild_wasm_capability::ModuleMetadata;
use osbuild_wasm_component::{Installed, Module, Registry};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_files::WorkDirectory;
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_plugin::{Check, PluginError, Verdict, check};
use osbuild_wasm_report::Diagnostic;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Try a plugin on its cases, and on trees that are not as it may expect
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 all checks passed, 1 one did not, 2 the command line or a case is wrong."
)]
pub(crate) struct TestArguments {
    /// The plugin; default: the only one in dist
    #[arg(value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Directory with cases: a tree before, the arguments, the tree after (JSON)
    #[arg(long, value_name = "DIR", default_value = "cases")]
    cases: PathBuf,
    /// Seconds after which a run is stopped and has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    stage_timeout: u64,
}

impl Command for TestArguments {
    fn run(self) -> Result {
        let (module, checks) = check_plugin(&self)?;
        let exit = show(&checks);
        if module.rights.is_none() {
            outln!(
                "warning: the document of {} has no `rights`: it may use every verb on every path it is given",
                module.name
            );
        }
        Ok(exit)
    }
}

/// The document of the plugin, and what the checks say.
fn check_plugin(arguments: &TestArguments) -> Result<(ModuleMetadata, Vec<Check>)> {
    let path = match &arguments.plugin {
        Some(path) => path.clone(),
        None => only_plugin(Path::new("dist"))?,
    };
    let cases = read_cases(&arguments.cases)?;
    let mut registry = Registry::new(&[]);
    let module = registry.add_file(&path)?;
    let scratch = WorkDirectory::new(Path::new("/var/tmp"), "osbuild-wasm-plugin-test")?;
    // As for `stage run`; all trees lie in the scratch directory.
    let installed = Installed::of_program();
    let name = module.metadata.name.clone();
    let needed = needed_by(&module.request.interfaces).map(|interface| (interface, name.clone()));
    let charter = charter_of_module(&module, cases.iter().map(Case::options), []);
    let confined = Prepared::new(scratch.path())
        .isolate()
        .and_then(|isolated| isolated.start_helpers(needed, charter))
        .and_then(WithHelpers::confine)?;
    let interrupt = Interrupt::default();
    let to_end = interrupt.clone();
    on_interrupt(move || to_end.fire());
    let log = Arc::new(Log::default());
    let bench = Bench {
        confined,
        settings: Settings {
            break_at: None,
            devices: Default::default(),
            virtual_machines: None,
            rundir: None,
            engine: engine(installed)?,
            observer: log.clone(),
            jobs: 1,
            stage_timeout: Some(Duration::from_secs(arguments.stage_timeout)),
            checkpoints: Default::default(),
            interrupt: interrupt.clone(),
            logins: Default::default(),
            records: None,
        },
        module: &module,
        scratch: scratch.path().join("private"),
        log,
    };
    make_directory(&bench.scratch)?;
    let checks = check(&module, &cases, &bench, &scratch.path().join("trees"))?;
    Ok((module.metadata.clone(), checks))
}

fn only_plugin(directory: &Path) -> Result<PathBuf, PluginError> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_plugin = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    };
    let found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(is_plugin)
        .collect();
    match <[PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(found) => Err(PluginError::Usage(format!(
            "{} has {} plugins: name the one to test, or run `osbuild-wasm plugin build` first",
            directory.display(),
            found.len()
        ))),
    }
}

fn read_cases(directory: &Path) -> Result<Vec<Case>> {
    let found = cases(directory).map_err(of_case)?;
    if found.is_empty() {
        let error = PluginError::Usage(format!(
            "{} has no cases (*.json): write one, e.g. {{\"arguments\": {{\"options\": {{}}}}, \"expect\": {{\"tree\": {{\"/etc/motd\": {{\"content\": \"hello\\n\"}}}}}}}}",
            directory.display()
        ));
        return Err(error.into());
    }
    Ok(found)
}

/// A case that is not as cases are is a mistake of the command line.
fn of_case(error: CaseError) -> CommandError {
    match error {
        CaseError::Malformed { .. } => CommandError::invalid(Diagnostic::from_error(&error)),
        error => PluginError::from(error).into(),
    }
}

/// What the stage says in one run.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl Log {
    fn take(&self) -> String {
        let mut text = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        std::mem::take(&mut text)
    }
}

impl Observer for Log {
    fn event(&self, event: &Event) {
        if let Event::StageLog { text, .. } = event {
            let mut log = self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            log.push_str(text);
        }
    }
}

/// Runs the plugin in its sandbox.
struct Bench<'a> {
    confined: Confined,
    settings: Settings,
    module: &'a Module,
    scratch: PathBuf,
    log: Arc<Log>,
}

impl Stage for Bench<'_> {
    fn run(&self, name: Option<&str>, tree: &Path, arguments: &Value) -> Result<Ended, CaseError> {
        let own = &self.module.metadata.name;
        if let Some(name) = name.filter(|name| name != own) {
            return Err(CaseError::Run(format!(
                "the case is one of {name}, not of {own}"
            )));
        }
        let single = SingleStage {
            module: self.module,
            tree: tree.to_owned(),
            arguments: arguments.clone(),
            runner: runner_of_host().exec,
            scratch: self.scratch.clone(),
        };
        let outcome = self.confined.run_single(&self.settings, &single);
        if self.settings.interrupt.fired() {
            return Err(CaseError::Run("interrupted".into()));
        }
        let outcome = outcome.map_err(|error| CaseError::Run(error.to_string()))?;
        let stopped = outcome.stopped.as_ref().map(ToString::to_string);
        let mut log = self.log.take();
        log.extend(
            stopped
                .iter()
                .map(|stopped| format!("error: {own}: {stopped}\n")),
        );
        Ok(Ended {
            // As `stage run` ends.
            status: i32::from(!outcome.success()),
            log,
            stopped,
        })
    }
}

fn show(checks: &[Check]) -> Exit {
    print_rows(checks.iter().map(|check| {
        let (word, why) = match &check.verdict {
            Verdict::Passed => ("passed", String::new()),
            Verdict::Failed(why) => ("FAILED", why.clone()),
            Verdict::Skipped(why) => ("skipped", (*why).to_owned()),
        };
        vec![
            check.case.clone(),
            check.check.to_owned(),
            word.to_owned(),
            why,
        ]
    }));
    let count =
        |fits: fn(&Verdict) -> bool| checks.iter().filter(|check| fits(&check.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let passed = count(|verdict| *verdict == Verdict::Passed);
    outln!(
        "\n{passed} passed, {failed} failed, {} skipped",
        checks.len() - passed - failed
    );
    if failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    }
}
