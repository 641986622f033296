//! Distribution, architecture, definitions.
use crate::command_error::{CommandError, Result};
use clap::Args;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_distro::{Arch, DefinitionError, Definitions, Distro};
use osbuild_wasm_generator::checks::Finding;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::definitions_of;
use std::path::PathBuf;

/// For which system an image is.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetArguments {
    /// Distribution, e.g. `fedora-43`; that of this machine when it is not given
    #[arg(long, value_name = "NAME")]
    pub(crate) distro: Option<String>,
    /// Architecture, e.g. `x86_64`; that of this machine when it is not given
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) arch: Option<Arch>,
    #[command(flatten)]
    pub(crate) definitions: DefinitionsArguments,
    /// Say so when the distribution is that of this machine.
    #[arg(skip)]
    pub(crate) tells_host: bool,
}

/// Which distributions and image types there are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DefinitionsArguments {
    /// Directory with definitions of distributions (FAMILY/*.yaml), which come before those of the program; may be given
    /// several times
    #[arg(long, value_name = "DIR")]
    pub(crate) definitions: Vec<PathBuf>,
}

/// The architecture of that name.
pub(crate) fn arch(name: &str) -> Result<Arch, String> {
    Arch::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Arch::ALL.iter().map(|arch| arch.name()).collect();
        format!("there are {}", known.join(", "))
    })
}

impl TargetArguments {
    /// For which system the image of a blueprint is: what the command line leaves open the blueprint says. It is warned about where
    /// they differ.
    pub(crate) fn of(
        &self,
        blueprint: &Blueprint,
        definitions: &Definitions,
    ) -> Result<(Self, Vec<Finding>)> {
        let differs = |key: &str, wished: &str, taken: &str| {
            let message = format!("the blueprint is for {wished}, and {taken} is taken");
            let hint = format!("leave `{key}` or the option out");
            Finding::error(vec![key.into()], message, "not taken", hint).warning()
        };
        let (mut target, mut findings) = (self.clone(), Vec::new());
        let wished = Some(&blueprint.distro).filter(|name| !name.is_empty());
        match (&self.distro, wished) {
            (Some(taken), Some(wished)) => {
                let is_other = definitions.distro(wished).map(|distro| distro.name).ok()
                    != Some(self.distro(definitions)?.name);
                findings.extend(is_other.then(|| differs("distro", wished, taken)));
            }
            (None, Some(wished)) => {
                let found = definitions.distro(wished).map_err(|error| {
                    let hint = "the blueprint is for it; name another by --distro";
                    CommandError::invalid(wrong(error).hint(hint))
                });
                target.distro = Some(found?.name);
            }
            (_, None) => (),
        }
        let wished = Arch::from_name(&blueprint.architecture);
        match (self.arch, wished) {
            (Some(taken), Some(wished)) if taken != wished => {
                findings.push(differs("architecture", wished.name(), taken.name()));
            }
            (given, wished) => target.arch = given.or(wished),
        }
        Ok((target, findings))
    }

    /// The distribution.
    pub(crate) fn distro(&self, definitions: &Definitions) -> Result<Distro> {
        let name = match &self.distro {
            Some(name) => name.clone(),
            None => {
                let name = host_distro()?;
                if self.tells_host {
                    errln!(
                        "No distro name specified, selecting {name:?} based on host, use --distro to override"
                    );
                }
                name
            }
        };
        definitions
            .distro(&name)
            .map_err(|error| {
                let error = wrong(error);
                match self.distro {
                    Some(_) => error,
                    None => error
                        .hint("this machine's distribution was taken; name another by --distro"),
                }
            })
            .map_err(CommandError::invalid)
    }

    /// The architecture.
    pub(crate) fn arch(&self) -> Result<Arch> {
        let host = std::env::consts::ARCH;
        self.arch.or_else(|| Arch::from_name(host)).ok_or_else(|| {
            let diagnostic = Diagnostic::new(format!(
                "images of {host}, this machine's architecture, are not known"
            ));
            CommandError::invalid(diagnostic.hint("name another by --arch"))
        })
    }
}

impl DefinitionsArguments {
    /// The definitions of the program, and those of the directories before them.
    pub(crate) fn load(&self) -> Result<Definitions> {
        Ok(definitions_of(&self.definitions)?)
    }
}

/// What is said of a name that means nothing, or of a definition that cannot be used.
pub(crate) fn wrong(error: DefinitionError) -> Diagnostic {
    let diagnostic = Diagnostic::new(error.to_string());
    match error {
        DefinitionError::UnknownType {
            distribution,
            near: None,
            ..
        } => diagnostic.hint(format!(
            "`osbuild-wasm list --filter distro:{distribution}` shows those that it has"
        )),
        _ => diagnostic,
    }
}

/// The distribution of this machine as os-release(5) names it: `ID-VERSION_ID`.
pub(crate) fn host_distro() -> Result<String> {
    osbuild_wasm_resolve::host_distro().ok_or_else(|| {
        CommandError::invalid(
            Diagnostic::new("/etc/os-release does not say which distribution this machine has")
                .hint("name one by --distro"),
        )
    })
}
