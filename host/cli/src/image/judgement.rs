//! What an image type does not take of a blueprint, as it is shown.
use crate::blueprint_file::BlueprintFile;
use crate::command_error::{CommandError, Exit, Result};
use crate::print::tell;
use crate::style::colour;
use osbuild_wasm_blueprint::Severity;
use osbuild_wasm_generator::checks::Finding;
use osbuild_wasm_report::Diagnostic;

/// Shows what is found, that of the file with its lines; errors end the command, and `strict`ly what is only warned about.
pub(super) fn judge(
    mut findings: Vec<Finding>,
    image_type: &str,
    file: Option<&BlueprintFile>,
    strict: bool,
) -> Result<()> {
    for finding in &mut findings {
        finding.is_warning &= !strict;
    }
    let (of_file, others): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| file.is_some() && finding.path.is_some());
    for warning in others.iter().filter(|finding| finding.is_warning) {
        errln!("warning: {}", warning.message);
    }
    let failed = format!("blueprint validation failed for image type {image_type:?}");
    let errors = others.iter().filter(|finding| !finding.is_warning);
    let error = |finding: &Finding| Diagnostic::new(&*finding.message).cause(&*failed);
    let mut errors: Vec<_> = errors.map(error).collect();
    if let Some(file) = file {
        let problems = file.located(&of_file);
        let is_error = |severity| severity == Severity::Error;
        if let Some(first) = problems.iter().find(|problem| is_error(problem.severity)) {
            let rest: String = errors.iter().map(|error| error.render(colour())).collect();
            let lines = format!("{}{rest}error: {failed}\n", file.explain(&problems));
            let first = Diagnostic::new(&*first.message).at(&*file.name);
            return Err(CommandError::pointed(first.cause(failed), lines));
        }
        tell(&file.explain(&problems), colour());
    }
    match errors.len() {
        0 => Ok(()),
        _ => Err(CommandError::all(
            Exit::Invalid,
            std::mem::take(&mut errors),
        )),
    }
}
