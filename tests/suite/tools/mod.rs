//! What components do themselves that osbuild leaves to a program: on the same random trees, with the same orders, the program and the
//! component must end in the same way and leave the same tree.
//!
//! Trials are random but always the same ones. `TOOL_TRIALS=FIRST-LAST` tries others; what fails is named by its number.
#![allow(
    clippy::print_stdout,
    reason = "how many trials showed something, for `--nocapture`"
)]
mod accounts;
mod archives;
mod copies;
mod files;
mod layers;
mod ostree;
pub(crate) mod random;
mod systemd;
pub(crate) mod trees;

use osbuild_wasm_tests::{Program, Scratch, machine};
use random::Random;
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::path::Path;

/// One kind of orders that a stage carries out itself.
struct Family {
    stage: &'static str,
    /// The programs that it stands for; they are there or the test is skipped.
    programs: &'static [&'static str],
    trials: u64,
    /// Fills an empty directory with what the trees of all trials begin with.
    base: fn(&Path),
    /// Fills a tree and says what to do with it.
    make: fn(&mut Random, &Path) -> Trial,
    /// Which differences between the two trees are none.
    ignored: &'static [&'static str],
    /// Makes the same of what is written in different ways, in the description of an object.
    normal: fn(String) -> String,
    /// Whether times, hard links and holes are compared, too.
    exact: bool,
}

const FAMILY: Family = Family {
    stage: "",
    programs: &[],
    trials: 40,
    base: |_| {},
    make: |_, _| Trial::default(),
    ignored: &[],
    normal: |text| text,
    exact: false,
};

/// What to do with a tree.
#[derive(Debug, Default)]
struct Trial {
    /// Another stage than that of the family.
    stage: Option<String>,
    options: Value,
    /// Members of the arguments document beside `options` and `tree`; `TREE` in them is the tree.
    more: Value,
    /// What osbuild runs, one after the other until one fails; `TREE` in a word is the tree.
    commands: Vec<Vec<String>>,
    /// What is run on both trees after that, before they are compared.
    afterwards: Vec<Vec<String>>,
    /// Whether the commands run with the tree as their root, in which /usr is this machine's.
    inside: bool,
}

impl Trial {
    fn new(options: Value) -> Self {
        Self {
            options,
            more: json!({}),
            ..Self::default()
        }
    }

    fn command<W: ToString>(&mut self, words: impl IntoIterator<Item = W>) {
        let words = words.into_iter().map(|word| word.to_string());
        self.commands.push(words.collect());
    }

    fn after<W: ToString>(&mut self, words: impl IntoIterator<Item = W>) {
        let words = words.into_iter().map(|word| word.to_string());
        self.afterwards.push(words.collect());
    }

    /// Runs the programs; says whether all succeeded, and what they said.
    fn by_programs(&self, commands: &[Vec<String>], tree: &Path) -> (bool, String) {
        let mut said = String::new();
        for command in commands {
            let tree = tree.to_str().unwrap();
            let words = command.iter().map(|word| word.replace("TREE", tree));
            let program = if self.inside {
                let script = "mount --bind /usr \"$0/usr\" && mount -o remount,bind,ro \"$0/usr\" &&
                    { [ ! -d \"$0/proc\" ] || mount -t proc proc \"$0/proc\"; } && exec chroot \"$0\" \"$@\"";
                Program::of("unshare", "--mount sh -c")
                    .arg(script)
                    .arg(tree)
                    .args(words)
            } else {
                let mut words = words;
                Program::of(words.next().unwrap(), "").args(words)
            };
            let ended = program
                .env("PATH", "/usr/sbin:/usr/bin")
                .env("LC_ALL", "C.UTF-8")
                .directory("/")
                .run();
            said += &ended.all();
            if ended.code() != 0 {
                said += &format!("{command:?} ends with status {}", ended.code());
                return (false, said);
            }
        }
        (true, said)
    }

    fn by_component(&self, family: &Family, tree: &Path, scratch: &Scratch) -> (bool, String) {
        let mut arguments = json!({ "tree": tree, "options": self.options });
        let more = self
            .more
            .to_string()
            .replace("TREE", tree.to_str().unwrap());
        let more: Value = serde_json::from_str(&more).unwrap();
        for (key, value) in more.as_object().into_iter().flatten() {
            arguments[key] = value.clone();
        }
        let ended = Program::new("stage run")
            .arg(self.stage.as_deref().unwrap_or(family.stage))
            .option("--tree", tree)
            .option("--args", scratch.json("arguments.json", &arguments))
            .run();
        (ended.code() == 0, ended.all())
    }
}

/// Fails with every trial in which the component differs from the programs.
#[track_caller]
fn compare(family: &Family) {
    if !machine::offers(family.programs) {
        return;
    }
    let scratch = Scratch::new();
    let base = scratch.directory("base");
    (family.base)(&base);
    let trials = chosen().unwrap_or(1..=family.trials);
    let (mut problems, mut number, mut successes, mut refused) = (Vec::new(), 0, 0, 0);
    for trial in trials {
        number += 1;
        match outcome(family, &base, trial) {
            Outcome::Succeeded => successes += 1,
            Outcome::Failed => {}
            Outcome::Refused(reason) => {
                println!("trial {trial}: {reason}");
                refused += 1;
            }
            Outcome::Differ(how) => problems.push(format!("--- trial {trial}: {how}")),
        }
    }
    println!(
        "{}: {number} trials, {successes} succeed with both, {refused} are refused for a link",
        family.stage
    );
    let first: Vec<_> = problems.iter().take(12).map(String::as_str).collect();
    let (differ, first) = (problems.len(), first.join("\n"));
    assert!(
        problems.is_empty(),
        "{differ} of {number} trials differ:\n{first}"
    );
    assert!(
        successes * 4 > number,
        "only {successes} of {number} trials succeed: they show little"
    );
}

fn chosen() -> Option<RangeInclusive<u64>> {
    let text = std::env::var("TOOL_TRIALS").ok()?;
    let (first, last) = text.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// How a trial ended.
enum Outcome {
    /// With success, and the same trees.
    Succeeded,
    /// With a failure of both.
    Failed,
    /// The component may not follow a link out of what its document names, which the program does.
    Refused(String),
    /// Not in the same way.
    Differ(String),
}

fn outcome(family: &Family, base: &Path, trial: u64) -> Outcome {
    let scratch = Scratch::new();
    let (theirs, ours) = (scratch.path("theirs"), scratch.path("ours"));
    trees::copy(base, &theirs);
    let made = (family.make)(&mut Random::new(trial), &theirs);
    trees::copy(&theirs, &ours);
    let by_programs = made.by_programs(&made.commands, &theirs);
    let by_component = made.by_component(family, &ours, &scratch);
    let orders = || format!("{}\n{:?}", made.options, made.commands);
    if by_programs.0 && !by_component.0 && by_component.1.contains("its rights allow") {
        return Outcome::Refused(by_component.1.trim().to_owned());
    }
    if by_programs.0 != by_component.0 {
        let ended = |success| if success { "succeeds" } else { "fails" };
        return Outcome::Differ(format!(
            "the program {}, the component {}\n{}\nprogram: {}\ncomponent: {}",
            ended(by_programs.0),
            ended(by_component.0),
            orders(),
            by_programs.1.trim(),
            by_component.1.trim()
        ));
    }
    // What is left of work that failed does not matter.
    if !by_programs.0 {
        return Outcome::Failed;
    }
    for tree in [&theirs, &ours] {
        let (succeeded, said) = made.by_programs(&made.afterwards, tree);
        if !succeeded {
            return Outcome::Differ(format!("{}\n{said}", orders()));
        }
    }
    let differences = trees::differences(&theirs, &ours, family);
    if differences.is_empty() {
        Outcome::Succeeded
    } else {
        Outcome::Differ(format!("{}\n{}", orders(), differences.join("\n")))
    }
}
