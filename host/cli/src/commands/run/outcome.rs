//! How a run that took place is shown.
use super::open::Opened;
use super::{Ended, OutputDialect, RunCommand};
use crate::command_error::Exit;
use crate::monitor::Monitor;
use crate::print::{complain, say, say_coloured, say_json};
use osbuild_wasm_events::RunOutcome;
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_report::{Checkpoint, Colour, Diagnostic, result, trailer};

impl RunCommand {
    /// Shows a run that came to its end by itself, but for its table.
    pub(super) fn show(&self, manifest: &Manifest, built: &RunOutcome, opened: &Opened) -> Ended {
        let args = &self.args;
        if !built.success {
            self.show_failure(manifest, built);
            return Exit::Failed.into();
        }
        if args.json {
            say_json(&to_python(&result(manifest, built)));
        } else if args.quiet || self.speaks_to_a_program() {
            return Exit::Done.into();
        } else if self.dialect == OutputDialect::Osbuild || args.monitor == Some(Monitor::Log) {
            // What was evicted again, or was not needed, is not there.
            let entry = |id: &String| Checkpoint {
                id: id.clone(),
                cached: opened.store.path().join("objects").join(id).exists(),
            };
            let checkpoints: Vec<_> = opened.settings.checkpoints.iter().map(entry).collect();
            let colour = Colour::of(&std::io::stdout());
            say_coloured(&trailer(manifest, &checkpoints, colour), colour);
        } else {
            return Ended {
                exit: Exit::Done,
                summary: Some(opened.summary.clone()),
            };
        }
        Exit::Done.into()
    }

    /// Whether standard output is a sequence of documents, which a table would end.
    fn speaks_to_a_program(&self) -> bool {
        let is_own = self.dialect == OutputDialect::Own;
        let on_output = self.args.monitor_fd.is_none_or(|number| number == 1);
        is_own && on_output && self.args.monitor == Some(Monitor::JsonSeq)
    }

    /// Shows why a run failed.
    pub(super) fn show_failure(&self, manifest: &Manifest, built: &RunOutcome) {
        if self.args.json {
            return say_json(&to_python(&result(manifest, built)));
        }
        if self.dialect == OutputDialect::Osbuild && !self.args.quiet {
            say("Failed\n");
        }
        if let Some(diagnostic) = Diagnostic::of_failure(manifest, built) {
            complain(&diagnostic);
        }
    }
}
