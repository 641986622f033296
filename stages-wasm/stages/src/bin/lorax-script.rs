//! Run a script of lorax on the tree.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use osbuild_stage::{Arguments, Command, Context, CopyOptions, Error, Result, Tree, bail, path};
use osbuild_stage_common::globs;
use osbuild_stage_common::lorax::{self, Line};
use osbuild_stage_common::replacement::Replacement;
use osbuild_stage_common::units::Units;
use regex_lite::{Captures, Regex};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::process::ExitCode;

const TEMPLATES: &str = "/usr/share/lorax/templates.d";
/// What scripts do not remove: the database of packages is needed afterwards.
const KEPT: [&str; 4] = [
    "/usr/lib/sysimage/rpm/",
    "/var/lib/rpm/",
    "/var/lib/yum",
    "/var/lib/dnf",
];

#[derive(Deserialize)]
struct Options {
    path: String,
    basearch: Option<String>,
    libdir: Option<String>,
    #[serde(default)]
    product: Product,
    #[serde(default)]
    branding: Branding,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct Product {
    name: String,
    version: String,
}

#[derive(Deserialize, Serialize, Default)]
struct Branding {
    release: Option<String>,
    logos: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let file = path::join(TEMPLATES, &options.path);
        let template = Tree::contract()
            .read_to_string(&file)
            .with_context(|| format!("the build root needs {file}"))?;
        let variables = json!({
            "root": arguments.tree.root(),
            "basearch": options.basearch.as_deref().unwrap_or("x86_64"),
            "configdir": path::join(path::parent(&file), "config_files"),
            "libdir": options.libdir.as_deref().unwrap_or("lib64"),
            "product": options.product,
            "branding": options.branding,
        });
        let script = Script {
            tree: &arguments.tree,
        };
        let text = lorax::render(&template, variables).context(file)?;
        lorax::lines(&text)?
            .iter()
            .try_for_each(|line| script.run(line))
    })
}

struct Script<'a> {
    tree: &'a Tree,
}

impl Script<'_> {
    fn run(&self, line: &Line) -> Result<()> {
        let shown = format!("{} {}", line.command, line.arguments.join(" "));
        eprintln!("{shown}");
        match self.command(&line.command, &line.arguments) {
            Err(error) if line.may_fail => {
                eprintln!("{error} (not fatal)");
                Ok(())
            }
            result => result.with_context(|| format!("line `{shown}`")),
        }
    }

    fn command(&self, name: &str, arguments: &[String]) -> Result<()> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let tree = self.tree;
        match (name, &words[..]) {
            ("append", [file, text]) => self.append(file, text),
            ("mkdir", directories) => each(directories, |path| tree.create_dir_all(path)),
            ("move", [from, to]) => tree.rename(from, &into(tree, from, to)?),
            ("install", [from, to]) => self.install(from, to),
            ("remove", patterns) => each(patterns, |pattern| self.remove(pattern)),
            ("replace", [pattern, text, files @ ..]) => self.replace(pattern, text, files),
            ("runcmd", [program, rest @ ..]) => self.run_program(program, rest),
            ("symlink", [text, path]) => {
                tree.remove_all(path)?;
                tree.symlink(text, path)
            }
            ("systemctl", [verb, units @ ..]) => self.systemctl(verb, units),
            ("removepkg", packages) => each(packages, |package| self.remove_from(package, &[])),
            ("removefrom", [package, patterns @ ..]) => self.remove_from(package, patterns),
            ("removekmod", patterns) => self.remove_modules(patterns),
            (
                "append" | "move" | "install" | "replace" | "runcmd" | "symlink" | "systemctl"
                | "removefrom",
                _,
            ) => bail!("{name}: wrong number of arguments"),
            _ => bail!("lorax has no command `{name}`"),
        }
    }

    fn append(&self, file: &str, text: &str) -> Result<()> {
        self.tree.create_dir_all(path::parent(file))?;
        let text = Replacement::python(text)?.expand(&[]);
        self.tree.append(file, text + "\n")
    }

    fn install(&self, from: &str, to: &str) -> Result<()> {
        let build = Tree::contract();
        let found = globs::expand(&build, from)?;
        if found.is_empty() {
            bail!("the build root has no {from}");
        }
        let how = CopyOptions {
            remove_destination: false,
            follow: true,
        };
        let target = self.tree.path(to);
        each(&found, |path| build.copy(path, &target, how))
    }

    fn remove(&self, pattern: &str) -> Result<()> {
        let absolute = path::join("/", pattern);
        if KEPT.iter().any(|kept| absolute.starts_with(kept)) {
            return Ok(());
        }
        each(&globs::expand(self.tree, pattern)?, |path| {
            self.tree.remove_all(path)
        })
    }

    fn replace(&self, pattern: &str, text: &str, patterns: &[&str]) -> Result<()> {
        let regex = Regex::new(pattern).map_err(|error| {
            Error::new(format!("`{pattern}` is no regular expression: {error}"))
        })?;
        let text = Replacement::python(text)?;
        let expand = |found: &Captures<'_>| {
            let groups = found
                .iter()
                .map(|group| group.map_or("", |group| group.as_str()));
            text.expand(&groups.collect::<Vec<_>>())
        };
        for pattern in patterns {
            let files = globs::expand(self.tree, pattern)?;
            if files.is_empty() {
                bail!("the tree has no {pattern}");
            }
            each(&files, |file| {
                let lines = |before: &str| {
                    let lines = before.split_inclusive('\n');
                    lines
                        .map(|line| regex.replace_all(line, expand).into_owned())
                        .collect::<String>()
                };
                self.tree.edit(file, |before| Ok(lines(before)))
            })?;
        }
        Ok(())
    }

    fn run_program(&self, program: &str, arguments: &[&str]) -> Result<()> {
        // /boot of the tree is made by other stages.
        if arguments
            .iter()
            .chain([&program])
            .any(|word| word.contains("/boot"))
        {
            return Ok(());
        }
        Command::new(program)
            .args(arguments.iter().copied())
            .directory(self.tree.root())
            .run()
    }

    fn systemctl(&self, verb: &str, names: &[&str]) -> Result<()> {
        let units = Units::new(self.tree);
        for name in names {
            let done = match verb {
                "enable" => units.enable(name),
                "disable" => units.disable(name),
                "mask" => units.mask(name),
                _ => bail!("systemctl {verb}: only enable, disable and mask are supported"),
            };
            if let Err(error) = done {
                eprintln!("systemctl {verb} {name}: {error} (not fatal)");
            }
        }
        Ok(())
    }

    /// Removes the files of packages, or with patterns those that match them, or with `--allbut` those that do not.
    fn remove_from(&self, package: &str, patterns: &[&str]) -> Result<()> {
        let (keep, patterns) = match patterns {
            ["--allbut", rest @ ..] => (true, rest),
            all => (false, all),
        };
        let patterns: Vec<_> = patterns
            .iter()
            .map(|pattern| globs::parse(pattern))
            .collect::<Result<_>>()?;
        for file in self.files_of(package)? {
            let matches = patterns.is_empty()
                || patterns.iter().any(|pattern| pattern.matches(&file)) != keep;
            let present = matches && self.tree.exists_itself(&file)?;
            if present && self.tree.lstat(&file)?.kind != osbuild_stage::FileType::Directory {
                self.tree.remove(&file)?;
            }
        }
        Ok(())
    }

    /// The files of the installed packages whose names match.
    fn files_of(&self, pattern: &str) -> Result<Vec<String>> {
        let rpm = |arguments: &[&str]| {
            Command::new("rpm")
                .args(["--root", self.tree.root()])
                .args(arguments.iter().copied())
                .capture_text()
        };
        let pattern = globs::parse(pattern)?;
        let installed = rpm(&["-qa", "--queryformat", "%{name}\\n"])?;
        let mut files = Vec::new();
        for package in installed.lines().filter(|name| pattern.matches(name)) {
            let list = rpm(&["-ql", package])?;
            // A package without files has one line that is no path.
            let paths = list.lines().filter(|line| line.starts_with('/'));
            files.extend(paths.map(String::from));
        }
        Ok(files)
    }

    fn remove_modules(&self, patterns: &[&str]) -> Result<()> {
        let split = patterns.iter().position(|word| *word == "--allbut");
        let (remove, keep) = patterns.split_at(split.unwrap_or(patterns.len()));
        let keep: Vec<_> = keep
            .iter()
            .skip(1)
            .map(|pattern| globs::parse(&format!("*{pattern}*")))
            .collect::<Result<_>>()?;
        for kernel in globs::expand(self.tree, "lib/modules/*/kernel")? {
            for pattern in remove {
                for found in globs::expand(self.tree, &format!("{kernel}/{pattern}"))? {
                    self.remove_below(&found, &keep)?;
                }
            }
        }
        Ok(())
    }

    fn remove_below(&self, path: &str, keep: &[glob::Pattern]) -> Result<()> {
        let tree = self.tree;
        let mut files = Vec::new();
        if tree.lstat(path)?.kind == osbuild_stage::FileType::Directory {
            tree.walk(path, &mut |inner, metadata| {
                if metadata.kind != osbuild_stage::FileType::Directory {
                    files.push(inner.to_owned());
                }
                Ok(())
            })?;
        } else {
            files.push(path.into());
        }
        files.retain(|file| !keep.iter().any(|pattern| pattern.matches(file)));
        each(&files, |file| tree.remove(file))
    }
}

fn each<S: AsRef<str>>(items: &[S], run: impl FnMut(&str) -> Result<()>) -> Result<()> {
    items.iter().map(AsRef::as_ref).try_for_each(run)
}

/// Where `from` goes: into `to` when that is a directory.
fn into(tree: &Tree, from: &str, to: &str) -> Result<String> {
    Ok(if tree.is_dir(to)? {
        path::join(to, path::name(from))
    } else {
        to.into()
    })
}
