//! Projects of plugin authors.
mod build;
mod create;
mod tools;

pub use build::{Built, build};
pub use create::create;

use crate::error::{PluginError, Result};
use std::fmt;
use std::path::Path;

/// Languages with a template. What else makes a component can be packed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// cargo for wasm32-wasip2, with the SDK.
    Rust,
    /// make and clang with a WASI C library.
    C,
    /// componentize-py.
    Python,
    /// npm and componentize-js.
    JavaScript,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::C, Self::Python, Self::JavaScript];

    /// The word on the command line, and the folder of the template.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Python => "python",
            Self::JavaScript => "js",
        }
    }

    /// The file that the language's tool is told by what to do.
    fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::C => "Makefile",
            Self::Python => "requirements.txt",
            Self::JavaScript => "package.json",
        }
    }

    /// The language of a project.
    fn of(project: &Path) -> Result<Self> {
        let mut found = Self::ALL
            .into_iter()
            .filter(|language| project.join(language.marker()).is_file());
        let markers = || Self::ALL.map(Self::marker).join(", ");
        match (found.next(), found.next()) {
            (Some(language), None) => Ok(language),
            (None, _) => Err(PluginError::Usage(format!(
                "{} is no project of a plugin: it has none of {}; begin with `osbuild-wasm plugin new`, or use `osbuild-wasm plugin pack` for a component made otherwise",
                project.display(),
                markers()
            ))),
            (Some(_), Some(_)) => Err(PluginError::Usage(format!(
                "{} has more than one of {}: build the component with the language's tool and use `osbuild-wasm plugin pack`",
                project.display(),
                markers()
            ))),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
