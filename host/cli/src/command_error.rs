//! Exit codes, and the one error of all commands: `main` shows it.
use crate::print::{complain, say, say_json, tell};
use crate::style::{Style, colour};
use osbuild_wasm_build::BuildError;
use osbuild_wasm_component::ComponentError;
use osbuild_wasm_files::FilesError;
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_manifest::problem::{ValidationError, validation_json, validation_text};
use osbuild_wasm_plugin::PluginError;
use osbuild_wasm_report::{Diagnostic, error_document};
use osbuild_wasm_store::StoreError;
use std::error::Error;

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Built, valid, shown.
    Done = 0,
    /// A build or a tool failed.
    Failed = 1,
    /// The manifest or the command line is wrong.
    Invalid = 2,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

/// How a command ends that nothing kept from its work.
pub(crate) type Result<T = Exit, E = CommandError> = std::result::Result<T, E>;

/// What kept a command from its work.
#[derive(Debug)]
pub(crate) struct CommandError {
    exit: Exit,
    message: Message,
}

/// What is said of it.
#[derive(Debug)]
enum Message {
    /// Errors; programs get the first as the title of a document of all.
    Diagnostics(Vec<Diagnostic>),
    /// An error in a text: people see its lines.
    Pointed {
        diagnostic: Box<Diagnostic>,
        lines: String,
    },
    /// A document that is no manifest; osbuild's words, whatever the style.
    UnsupportedFormat(String),
    /// A manifest with errors, as `name`.
    InvalidDocument {
        name: String,
        errors: Vec<ValidationError>,
        lines: String,
    },
    /// Words of osbuild on standard output, and hints.
    Osbuild { text: String, hints: Vec<String> },
}

impl CommandError {
    /// Something failed.
    pub(crate) fn failed(diagnostic: Diagnostic) -> Self {
        Self::all(Exit::Failed, vec![diagnostic])
    }

    /// The command line or a file that it names is wrong.
    pub(crate) fn invalid(diagnostic: Diagnostic) -> Self {
        Self::all(Exit::Invalid, vec![diagnostic])
    }

    /// Somebody pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::all(Exit::Interrupted, vec![Diagnostic::new("interrupted")])
    }

    /// Several errors at once.
    pub(crate) fn all(exit: Exit, diagnostics: Vec<Diagnostic>) -> Self {
        let message = Message::Diagnostics(diagnostics);
        Self { exit, message }
    }

    /// A text of the user is wrong; `lines` shows where, for people.
    pub(crate) fn pointed(diagnostic: Diagnostic, lines: String) -> Self {
        let diagnostic = Box::new(diagnostic);
        let message = Message::Pointed { diagnostic, lines };
        Self {
            exit: Exit::Invalid,
            message,
        }
    }

    /// A document has a version that there is not.
    pub(crate) fn unsupported_format(explanation: String) -> Self {
        let message = Message::UnsupportedFormat(explanation);
        Self {
            exit: Exit::Invalid,
            message,
        }
    }

    /// The document `name` has errors; `lines` shows where, for people.
    pub(crate) fn invalid_document(
        name: String,
        errors: Vec<ValidationError>,
        lines: String,
    ) -> Self {
        let message = Message::InvalidDocument {
            name,
            errors,
            lines,
        };
        Self {
            exit: Exit::Invalid,
            message,
        }
    }

    /// osbuild's own words for an error before the build, with hints that it has not.
    pub(crate) fn osbuild(text: String, hints: Vec<String>) -> Self {
        let message = Message::Osbuild { text, hints };
        Self {
            exit: Exit::Failed,
            message,
        }
    }

    /// What it says in one line, for a document that tells of it.
    pub(crate) fn in_one_line(&self) -> String {
        match &self.message {
            Message::Diagnostics(diagnostics) => {
                let messages = diagnostics.iter().map(|one| one.message.as_str());
                messages.collect::<Vec<_>>().join("; ")
            }
            Message::Pointed { diagnostic, .. } => diagnostic.message.clone(),
            Message::UnsupportedFormat(text) | Message::Osbuild { text, .. } => text.clone(),
            Message::InvalidDocument { name, .. } => format!("{name} is invalid"),
        }
    }

    /// Shows it as `style` says.
    pub(crate) fn show(self, style: Style) -> Exit {
        match self.message {
            Message::Diagnostics(diagnostics) => show_diagnostics(&diagnostics, style),
            Message::Pointed { diagnostic, lines } => {
                if !style.documents_are_json() || style.is_for_people_too() {
                    tell(&lines, colour());
                }
                if style.documents_are_json() {
                    show_document(std::slice::from_ref(&diagnostic));
                }
            }
            Message::UnsupportedFormat(explanation) => {
                // osbuild prints this sentence as it is, with --json too.
                say("Unsupported manifest format\n");
                errln!("error: {explanation}");
            }
            Message::InvalidDocument {
                name,
                errors,
                lines,
            } => {
                show_invalid(&name, &errors, &lines, style);
            }
            Message::Osbuild { text, hints } => {
                say(&text);
                for hint in hints {
                    errln!("hint: {hint}");
                }
            }
        }
        self.exit
    }
}

fn show_diagnostics(diagnostics: &[Diagnostic], style: Style) {
    if style.errors_are_json() {
        return show_document(diagnostics);
    }
    for diagnostic in diagnostics {
        complain(diagnostic);
    }
}

fn show_document(diagnostics: &[Diagnostic]) {
    let title = diagnostics.first().map_or("", |first| &first.message);
    say_json(&to_python(&error_document(title, diagnostics)));
}

fn show_invalid(name: &str, errors: &[ValidationError], lines: &str, style: Style) {
    if style.is_for_people_too() {
        tell(lines, colour());
    }
    if style.documents_are_json() {
        return say_json(&validation_json(errors));
    }
    match style {
        Style::Osbuild => say(&validation_text(name, errors)),
        Style::Own => {
            let problems = if errors.len() == 1 {
                "problem"
            } else {
                "problems"
            };
            say(&format!(
                "invalid: {} {problems} in {}\n",
                errors.len(),
                crate::document::shown(name)
            ));
        }
        _ => (),
    }
}

/// An error of a room, with its causes.
fn of_room(exit: Exit, error: &dyn Error) -> CommandError {
    CommandError::all(exit, vec![Diagnostic::from_error(error)])
}

/// Errors of the rooms that are never the fault of the command line.
macro_rules! failed_from {
    ($($error:ty),*) => {$(
        impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                of_room(Exit::Failed, &error)
            }
        }
    )*};
}

failed_from!(
    BuildError,
    ComponentError,
    FilesError,
    StoreError,
    std::io::Error
);

impl From<PluginError> for CommandError {
    /// A directory of plugins that is not there is a mistake of the command line.
    fn from(error: PluginError) -> Self {
        let unreadable = matches!(
            error,
            PluginError::Component(ComponentError::Unreadable { .. })
        );
        let exit = if error.is_usage() || unreadable {
            Exit::Invalid
        } else {
            Exit::Failed
        };
        of_room(exit, &error)
    }
}
