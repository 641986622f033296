//! `osbuild-wasm completions`, made from the same description as the command line itself, with the names of the definitions in it.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::{Command, command_line};
use crate::image::{DefinitionsArguments, wrong};
use crate::print::say;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args};
use clap_complete::Shell;
use osbuild_wasm_distro::Arch;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const COMPLETIONS: &str = "\
Examples:
  osbuild-wasm completions bash > /usr/share/bash-completion/completions/osbuild-wasm
  osbuild-wasm completions zsh --program image-builder > _image-builder
  osbuild-wasm completions fish > ~/.config/fish/completions/osbuild-wasm.fish

Distributions and image types are those that the program has now; with --definitions, your own too.";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
    /// Whose command line it is: osbuild-wasm, image-builder or bootc-image-builder
    #[arg(long, value_name = "NAME", default_value = "osbuild-wasm")]
    program: String,
    #[command(flatten)]
    definitions: DefinitionsArguments,
}

impl Command for CompletionsArguments {
    fn run(self) -> Result {
        let command = command_line(&self.program)?;
        let names = Names::load(&self.definitions)?;
        let mut command = names.complete(command);
        command.build();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, &self.program, &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        match self.shell {
            // What the script calls a program with a dash where it sets the command is not what it looks for (clap_complete 4.6).
            Shell::Bash => {
                let [set, looked_for] =
                    ["__", "__subcmd__"].map(|dash| self.program.replace('-', dash));
                script = script.replace(&looked_for, &set);
            }
            Shell::Fish => script.push_str(&names.for_fish(&command)),
            _ => {}
        }
        say(&script);
        Ok(Exit::Done)
    }
}

/// What words of the command line can be. As a description of one they live as long as the program.
struct Names {
    distributions: BTreeSet<&'static str>,
    types: BTreeSet<&'static str>,
}

impl Names {
    fn load(arguments: &DefinitionsArguments) -> Result<Self> {
        let definitions = arguments.load()?;
        let listed = definitions.list();
        let listed = listed.map_err(|error| CommandError::invalid(wrong(error)))?;
        let mut names = Self {
            distributions: BTreeSet::new(),
            types: BTreeSet::new(),
        };
        for image in listed {
            names.distributions.insert(image.distribution.leak());
            names.types.insert(image.image_type.leak());
        }
        Ok(names)
    }

    /// The command with these names where it takes any word, and all commands below it.
    fn complete(&self, command: clap::Command) -> clap::Command {
        let command = command.mut_args(|argument| self.complete_argument(argument));
        command.mut_subcommands(|below| self.complete(below))
    }

    fn complete_argument(&self, argument: Arg) -> Arg {
        let known: Vec<&'static str> = match argument.get_id().as_str() {
            "image_type" => self.types.iter().copied().collect(),
            "distro" => self.distributions.iter().copied().collect(),
            "arch" | "target_arch" => Arch::ALL.iter().map(|arch| arch.name()).collect(),
            _ => return argument,
        };
        argument.value_parser(PossibleValuesParser::new(known))
    }

    /// Image types as words that are no options, which the script for fish has not.
    fn for_fish(&self, command: &clap::Command) -> String {
        let types = Vec::from_iter(self.types.iter().copied()).join(" ");
        let takes_type = |below: &&clap::Command| {
            let mut words = below.get_positionals();
            words.any(|word| word.get_id() == "image_type")
        };
        let mut script = String::new();
        for below in command.get_subcommands().filter(takes_type) {
            let (program, name) = (command.get_name(), below.get_name());
            let function = program.replace('-', "_");
            _ = writeln!(
                script,
                "complete -c {program} -n \"__fish_{function}_using_subcommand {name}\" -f -a \"{types}\""
            );
        }
        script
    }
}
