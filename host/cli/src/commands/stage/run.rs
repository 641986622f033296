//! `osbuild-wasm stage run`: a component alone.
use super::component;
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::{engine, kind, registry};
use crate::document::{self, runner_of_host};
use crate::interruption::on_interrupt;
use clap::Args;
use osbuild_wasm_build::{
    BuildError, Interrupt, Prepared, Settings, SingleStage, WithHelpers, charter_of_module,
    needed_by,
};
use osbuild_wasm_component::{Cache, Installed};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_files::holds_privileges;
use osbuild_wasm_files::resolve::{make_working_directory, path_of};
use osbuild_wasm_protocol::Interface;
use osbuild_wasm_report::{Diagnostic, printable_log};
use osbuild_wasm_store::Store;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

impl Command for RunArguments {
    fn run(self) -> Result {
        let registry = registry(self.libdir.as_ref())?;
        let module = component(&registry, kind(&self.kind), &self.name)?;
        let document: serde_json::Value = (&document::read(&self.args)?.value).into();
        let tree = make_working_directory(&self.tree).and_then(|tree| path_of(&tree));
        let tree = tree.map_err(|error| {
            let diagnostic =
                Diagnostic::new(format!("--tree {}", self.tree.display())).cause(error.to_string());
            CommandError::invalid(diagnostic)
        })?;
        let installed = Installed::of_program();
        let isolated = Prepared::new(&tree).isolate()?;
        // A store only for its scratch directories: what a killed run left there goes at the next.
        let store = Store::open(&Cache::default_directory().join("stage-run"))?;
        let scratch = store.scratch("stage")?;
        let scopes = SingleStage::scopes(&document, &tree, scratch.path());
        let helpers = needed_by(&module.request.interfaces);
        // As in a run: it sets and sees attributes that this process cannot.
        let helpers = helpers.chain(isolated.is_private().then_some(Interface::Tree));
        let helpers = helpers.map(|interface| (interface, self.name.clone()));
        let options = document.get("options").cloned().unwrap_or_default();
        let charter = charter_of_module(&module, [options], scopes);
        let confined = isolated
            .start_helpers(helpers, charter)
            .and_then(WithHelpers::confine)?;
        let interrupt = Interrupt::default();
        let to_end = interrupt.clone();
        on_interrupt(move || to_end.fire());
        let settings = Settings {
            break_at: None,
            devices: Default::default(),
            virtual_machines: None,
            rundir: None,
            engine: engine(installed)?,
            observer: Arc::new(LogToStdout),
            jobs: 1,
            stage_timeout: self.stage_timeout.map(Duration::from_secs),
            checkpoints: Default::default(),
            interrupt: interrupt.clone(),
            logins: Default::default(),
            records: None,
        };
        let place = tree.clone();
        let single = SingleStage {
            module: &module,
            tree,
            arguments: document,
            runner: runner_of_host().exec,
            scratch: scratch.path().to_owned(),
        };
        let ended = confined.run_single(&settings, &single);
        warn_of_privileges(&place, &self.tree);
        let outcome = match ended {
            _ if interrupt.fired() => return Ok(Exit::Interrupted),
            Err(BuildError::Interrupted) => return Ok(Exit::Interrupted),
            outcome => outcome?,
        };
        if let Some(stopped) = &outcome.stopped {
            errln!("error: {}: {stopped}", self.name);
        }
        Ok(if outcome.success() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

/// Permission of everybody but the owner to pass through a directory.
const PASS: u32 = 0o011;

/// Says when others reach set-uid programs or device nodes of a tree, which is the user's own directory and stays as it is.
fn warn_of_privileges(tree: &Path, named: &Path) {
    let is_closed = |path: &Path| {
        let mode = std::fs::metadata(path).map(|directory| directory.permissions().mode());
        mode.is_ok_and(|mode| mode & PASS == 0)
    };
    if tree.ancestors().any(is_closed) {
        return;
    }
    let reason = match holds_privileges(tree) {
        Ok(false) => return,
        Ok(true) => "`chmod 0700` it, or the directory above it".to_owned(),
        Err(error) => error.to_string(),
    };
    errln!(
        "warning: others may reach set-uid programs or device nodes in --tree {}: {reason}",
        named.display()
    );
}
