//! `osbuild-wasm list`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::format::json;
use crate::image::{DefinitionsArguments, wrong};
use crate::print::{say, say_json};
use clap::{Args, ValueEnum};
use glob::Pattern;
use osbuild_wasm_distro::{Definitions, Listed};
use osbuild_wasm_report::Diagnostic;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  # What can be built for Fedora 43
  osbuild-wasm list --filter distro:fedora-43

  # All disks for QEMU, as JSON
  osbuild-wasm list --filter 'type:*qcow2*' --format json

A filter is KEY:GLOB with the keys distro, type, arch and bootmode; a word without a key is looked for in distro, type and arch.
Several filters must all hold.";

/// Say which images can be built, for which distributions and architectures
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, visible_alias = "list-images")]
pub(crate) struct ListArguments {
    /// Show only what the filter holds for; may be given several times
    #[arg(long, value_name = "FILTER", value_parser = Filter::parse)]
    pub(crate) filter: Vec<Filter>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) definitions: DefinitionsArguments,
}

/// How a list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line each: `DISTRO type:TYPE arch:ARCH`
    Text,
    /// An array of objects
    Json,
    /// The same in YAML
    Yaml,
    /// A line each, as options of a command
    Shell,
    /// By distribution, with the architectures of each type
    Short,
}

/// Which images are shown.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    key: Option<Key>,
    pattern: Pattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Distro,
    Type,
    Arch,
    BootMode,
}

impl Filter {
    /// Reads `KEY:GLOB`, or a word.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (key, pattern) = match text.split_once(':') {
            None => (None, text),
            Some(("distro", pattern)) => (Some(Key::Distro), pattern),
            Some(("type", pattern)) => (Some(Key::Type), pattern),
            Some(("arch", pattern)) => (Some(Key::Arch), pattern),
            Some(("bootmode", pattern)) => (Some(Key::BootMode), pattern),
            Some((key, _)) => {
                return Err(format!(
                    "there is no key {key:?}: distro, type, arch, bootmode"
                ));
            }
        };
        let pattern = Pattern::new(pattern).map_err(|error| error.to_string())?;
        Ok(Self { key, pattern })
    }

    fn holds(&self, listed: &Listed, definitions: &Definitions) -> Result<bool> {
        let arch = listed.arch.name();
        Ok(match self.key {
            Some(Key::Distro) => self.pattern.matches(&listed.distribution),
            Some(Key::Type) => self.pattern.matches(&listed.image_type),
            Some(Key::Arch) => self.pattern.matches(arch),
            Some(Key::BootMode) => self.pattern.matches(&boot_mode(listed, definitions)?),
            None => [listed.distribution.as_str(), &listed.image_type, arch]
                .iter()
                .any(|name| self.pattern.matches(name)),
        })
    }
}

fn boot_mode(listed: &Listed, definitions: &Definitions) -> Result<String> {
    let invalid = |error| CommandError::invalid(wrong(error));
    let distro = definitions.distro(&listed.distribution).map_err(invalid)?;
    let image_type = definitions
        .image_type(&distro, listed.arch, &listed.image_type)
        .map_err(invalid)?;
    Ok(image_type.platform.boot_mode().name().to_string())
}

impl Command for ListArguments {
    fn run(self) -> Result {
        let definitions = self.definitions.load()?;
        let mut shown = Vec::new();
        for listed in definitions
            .list()
            .map_err(|error| CommandError::invalid(wrong(error)))?
        {
            let mut holds = true;
            for filter in &self.filter {
                holds = holds && filter.holds(&listed, &definitions)?;
            }
            if holds {
                shown.push(listed);
            }
        }
        if shown.is_empty() {
            let diagnostic = Diagnostic::new("no image type is as the filters say");
            return Err(CommandError::invalid(
                diagnostic.hint("osbuild-wasm list --format short shows all there are"),
            ));
        }
        match self.format {
            Format::Text => say(&lines(&shown, |l| {
                format!("{} type:{} arch:{}", l.distribution, l.image_type, l.arch)
            })),
            Format::Shell => {
                say(&lines(&shown, |l| {
                    format!(
                        "{} --distro {} --arch {}",
                        l.image_type, l.distribution, l.arch
                    )
                }));
            }
            Format::Short => say(&short(&shown)),
            Format::Json => say_json(&json(&objects(&shown))),
            Format::Yaml => say(&crate::format::yaml(&objects(&shown))),
        }
        Ok(Exit::Done)
    }
}

fn lines(shown: &[Listed], line: impl Fn(&Listed) -> String) -> String {
    shown.iter().map(|listed| line(listed) + "\n").collect()
}

fn objects(shown: &[Listed]) -> Value {
    let object = |listed: &Listed| {
        json!({
            "distro": {"name": listed.distribution},
            "arch": {"name": listed.arch.name()},
            "image_type": {"name": listed.image_type},
        })
    };
    shown.iter().map(object).collect()
}

fn short(shown: &[Listed]) -> String {
    let mut distributions: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for listed in shown {
        let types = distributions.entry(&listed.distribution).or_default();
        types
            .entry(&listed.image_type)
            .or_default()
            .insert(listed.arch.name());
    }
    let mut text = String::new();
    for (distribution, types) in distributions {
        _ = writeln!(text, "{distribution}");
        for (image_type, arches) in types {
            _ = writeln!(
                text,
                "  {image_type}: {}",
                Vec::from_iter(arches).join(", ")
            );
        }
    }
    text
}
