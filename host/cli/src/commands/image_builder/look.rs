//! `list`, `describe` and `pkgsearch`: what there is to build, and of what.
use super::{Common, Target};
use crate::command_error::{CommandError, Result};
use crate::commands::{Command, describe, list, packages, search};
use crate::format::yaml;
use crate::image::wrong;
use crate::print::say;
use clap::{Args, ValueEnum};
use osbuild_wasm_generator::content::Repository;
use osbuild_wasm_generator::plan::for_type;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::{Wanted, remote};
use std::path::PathBuf;

/// Say which images can be built, for which distributions and architectures
#[derive(Debug, Args)]
#[command(visible_alias = "list-images")]
pub(super) struct List {
    /// Show only what KEY:GLOB (distro, type, arch, bootmode) or a glob without a key holds for; may be given several times
    #[arg(long, value_name = "FILTER", value_parser = list::Filter::parse)]
    filter: Vec<list::Filter>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = list::Format::Text)]
    format: list::Format,
}

impl List {
    pub(super) fn run(self, common: &Common) -> Result {
        let arguments = list::ListArguments {
            filter: self.filter,
            format: self.format,
            definitions: common.definitions(),
        };
        arguments.run()
    }
}

/// Say what an image type is made of
#[derive(Debug, Args)]
#[command(visible_alias = "describe-image")]
pub(super) struct Describe {
    /// Image type: a name that `list` shows
    #[arg(value_name = "TYPE")]
    image_type: String,
    #[command(flatten)]
    target: Target,
    /// Look into a container in a virtual machine; descriptions do not do that yet
    #[arg(long)]
    in_vm: bool,
}

/// What image-builder's readers of descriptions skip.
const UNSTABLE: &str = "@WARNING - the output format is not stable yet and may change\n";

impl Describe {
    pub(super) fn run(self, common: &Common) -> Result {
        if self.in_vm {
            return Err(CommandError::invalid(
                Diagnostic::new("describe runs nothing that could be in a virtual machine")
                    .hint("leave --in-vm out"),
            ));
        }
        let target = self.target.resolve(common);
        let description = describe::describe(&target, &self.image_type)?;
        say(&format!("{UNSTABLE}{}", yaml(&description)));
        Ok(crate::command_error::Exit::Done)
    }
}

/// Find packages of repositories by their names
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct PackageSearch {
    /// Name, or a pattern of names with `*`
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Image type whose repositories are looked at too
    #[arg(long = "type", value_name = "TYPE")]
    image_type: Option<String>,
    /// How to show it; a table when it is not given
    #[arg(long, value_enum)]
    format: Option<SearchFormat>,
    /// Directory for the metadata of repositories; one of the user's cache when it is not given
    #[arg(long, value_name = "DIR")]
    rpmmd_cache: Option<PathBuf>,
}

/// How packages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SearchFormat {
    /// An array of objects
    Json,
}

impl PackageSearch {
    pub(super) fn run(self, common: &Common) -> Result {
        let target = self.target.resolve(common);
        let definitions = target.definitions.load()?;
        let (distro, arch) = (target.distro(&definitions)?, target.arch()?);
        let all = common.repositories().load(&definitions, &distro, arch)?;
        let repositories = match &self.image_type {
            Some(name) => {
                let found = definitions.image_type(&distro, arch, name);
                for_type(
                    &all,
                    &found
                        .map_err(|error| CommandError::invalid(wrong(error)))?
                        .name,
                )
            }
            None => all.into_iter().filter(is_for_all).collect(),
        };
        let repositories: Vec<_> = repositories
            .iter()
            .map(|repository| remote(repository).map(|(_, remote)| remote))
            .collect::<std::result::Result<_, _>>()?;
        let wanted = Wanted {
            arch: arch.name(),
            releasever: &distro.release_version,
            platform: Some(distro.module_platform_id.as_str()).filter(|id| !id.is_empty()),
            repositories: &repositories,
        };
        let found = packages::ask(
            &wanted,
            self.rpmmd_cache.as_deref(),
            None,
            |resolver, wanted| resolver.search(wanted, &self.names, true),
        )?;
        search::show(found, &self.names, self.format.is_some())
    }
}

/// Whether a repository is for all packages of all image types.
fn is_for_all(repository: &Repository) -> bool {
    repository.image_type_tags.is_empty() && repository.package_sets.is_empty()
}
