//! Projects and packing.
use super::io;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use clap::{Args, ValueEnum};
use osbuild_wasm_component::Module;
use osbuild_wasm_files::{LARGEST_COMPONENT, read_file, write_file};
use osbuild_wasm_plugin::{Language, build as build_project, create};
use std::path::{Path, PathBuf};

/// Make a project for a new stage
#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Module name that manifests will use, e.g. com.example.motd
    name: String,
    /// Language
    #[arg(long, value_enum)]
    lang: Lang,
    /// Directory of the project; default: the name
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    Rust,
    C,
    Python,
    Js,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::C => Self::C,
            Lang::Python => Self::Python,
            Lang::Js => Self::JavaScript,
        }
    }
}

/// Build a project by the tool of its language, and pack the result
#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// Directory of the project
    #[arg(value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Where the plugin goes; default: dist/NAME.wasm in the project
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Put a module document into a component: one file that is the whole plugin
#[derive(Debug, Args)]
pub(crate) struct PackArguments {
    /// The component; a command of WASI 0.1 becomes one
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// Module document (JSON)
    #[arg(long, value_name = "FILE")]
    metadata: PathBuf,
    /// Where the plugin goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Command for NewArguments {
    fn run(self) -> Result {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => self.name.clone().into(),
        };
        create(self.lang.into(), &self.name, &directory)?;
        let place = directory.display();
        outln!("made {place}: see {place}/README.md, then `osbuild-wasm plugin build {place}`");
        Ok(Exit::Done)
    }
}

impl Command for BuildArguments {
    fn run(self) -> Result {
        let built = build_project(&self.project, self.output.as_deref())?;
        say_packed(&built.module, &built.path);
        Ok(Exit::Done)
    }
}

impl Command for PackArguments {
    fn run(self) -> Result {
        let component = &self.component;
        let binary = read_file(component, LARGEST_COMPONENT).map_err(io(component))?;
        let name = component.display().to_string();
        let module = osbuild_wasm_plugin::pack(&name, &binary, &self.metadata)?;
        let output = &self.output;
        write_file(output, &module.bytes).map_err(io(output))?;
        say_packed(&module, output);
        Ok(Exit::Done)
    }
}

fn say_packed(module: &Module, path: &Path) {
    outln!(
        "{}: {}, {} bytes, sha256:{}",
        path.display(),
        module.metadata.name,
        module.bytes.len(),
        module.digest
    );
}
