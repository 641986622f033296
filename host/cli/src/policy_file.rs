//! Policy files, and what is said when one denies something.
use crate::command_error::{CommandError, Exit, Result};
use crate::style::{colour, width};
use osbuild_wasm_capability::plan::{Ask, Plan, Planned};
use osbuild_wasm_capability::{Policy, PolicyError};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_report::{Diagnostic, Source};
use std::path::Path;

/// A policy and where it came from.
#[derive(Debug)]
pub(crate) struct PolicyFile {
    /// How the user calls it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) policy: Policy,
}

impl PolicyFile {
    /// Reads a policy.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let text = read_text(path, LARGEST_DOCUMENT).map_err(|error| {
            let diagnostic = Diagnostic::new(format!("cannot read policy {name}"));
            CommandError::invalid(diagnostic.cause(error.to_string()))
        })?;
        match Policy::parse(&text) {
            Ok(policy) => Ok(Self { name, text, policy }),
            Err(error) => Err(wrong(&name, &text, &error)),
        }
    }

    /// What the policy denies: one message for each module. Nothing has run yet.
    pub(crate) fn denied(&self, plan: &Plan) -> CommandError {
        let mut modules: Vec<&str> = Vec::new();
        for planned in plan.all().filter(|planned| !planned.decision.granted()) {
            let module = &planned.ask.module.name;
            if !modules.contains(&module.as_str()) {
                modules.push(module);
            }
        }
        let denials = modules.iter().map(|module| self.denial(plan, module));
        CommandError::all(Exit::Failed, denials.collect())
    }

    /// What the policy denies of what is looked up: a message for each repository, image or commit. Nobody was asked yet.
    pub(crate) fn denied_lookups(&self, lookups: &[Planned]) -> CommandError {
        let mut denied: Vec<_> = lookups
            .iter()
            .filter(|planned| !planned.decision.granted())
            .collect();
        // The advice for all of a module comes behind the last of it.
        denied.sort_by(|one, other| one.ask.module.name.cmp(&other.ask.module.name));
        let modules = denied.chunk_by(|one, other| one.ask.module.name == other.ask.module.name);
        let mut diagnostics = Vec::new();
        for of_module in modules {
            diagnostics.extend(of_module.iter().map(|planned| {
                let denials = planned.decision.denials.iter();
                let denials =
                    denials.map(|denial| format!("{}: {}", denial.capability, denial.reason));
                let denials: Vec<_> = denials.collect();
                Diagnostic::new(format!(
                    "policy {} denies {}: {}",
                    self.name,
                    planned.ask.place,
                    denials.join("; ")
                ))
            }));
            let module = &of_module[0].ask.module.name;
            let asks = lookups.iter().map(|planned| &planned.ask);
            let asks = asks.filter(|ask| ask.module.name == *module);
            let last = diagnostics.pop();
            diagnostics.extend(last.map(|last| self.advise(last, module, asks)));
        }
        CommandError::all(Exit::Failed, diagnostics)
    }

    /// The denials of one module: where, what, by which rule, and what to do.
    fn denial(&self, plan: &Plan, module: &str) -> Diagnostic {
        let is_of_module = |planned: &&Planned| planned.ask.module.name == module;
        let uses: Vec<_> = plan.all().filter(is_of_module).collect();
        let denied = uses.iter().filter(|planned| !planned.decision.granted());
        let mut diagnostic = Diagnostic::new(format!("policy {} denies {module}", self.name));
        for planned in denied {
            if diagnostic.place.is_none() {
                diagnostic = diagnostic.at(&planned.ask.place);
            }
            for denial in &planned.decision.denials {
                let cause = format!("{}: {}", denial.capability, denial.reason);
                if !diagnostic.causes.contains(&cause) {
                    diagnostic = diagnostic.cause(cause);
                }
            }
        }
        self.advise(diagnostic, module, uses.iter().map(|planned| &planned.ask))
    }

    fn advise<'a>(
        &self,
        diagnostic: Diagnostic,
        module: &str,
        asks: impl Iterator<Item = &'a Ask>,
    ) -> Diagnostic {
        let remedy = self.policy.remedy(module, asks);
        if !remedy.signers.is_empty() {
            let signers = remedy.signers.join(" or ");
            return diagnostic.hint(format!("install a build of {module} that {signers} signed"));
        }
        diagnostic.hint(format!(
            "to allow it, append to {}:\n\n{}",
            self.name, remedy.lines
        ))
    }
}

/// What is wrong with a policy, with its line.
fn wrong(name: &str, text: &str, error: &PolicyError) -> CommandError {
    let near = error
        .unknown
        .as_ref()
        .and_then(|word| nearest(word, error.known.iter()));
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    let title = format!("policy {name}: {error}");
    let source = Source {
        name,
        text: text.as_bytes(),
    };
    let lines = source.point(
        title.clone(),
        error.offset,
        hint.as_deref(),
        colour(),
        width(),
    );
    let diagnostic = hint
        .into_iter()
        .fold(Diagnostic::new(title), Diagnostic::hint);
    CommandError::pointed(diagnostic, lines)
}
