//! What the readers of files that stages write take from them: the value that was given. A value that a file cannot hold is refused,
//! and the refusal names its option.
mod fields;
mod grub;
mod kickstart;
mod settings;
mod shell;
mod structured;
mod system;
mod systemd;

use crate::tools::random::Random;
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::{Value, json};
use std::path::Path;

/// An option whose value becomes a part of a file.
struct Writer {
    stage: &'static str,
    /// A word by which a refusal names the option.
    option: &'static str,
    /// What the reader needs on this machine.
    programs: &'static [&'static str],
    /// Files that are in the tree before.
    before: &'static [(&'static str, &'static str)],
    /// The options of the stage with this value in them.
    options: fn(&str) -> Value,
    /// What the reader takes from the tree; none where it takes the file for broken.
    read: fn(&Path) -> Option<String>,
    /// Values that have a meaning of their own in this option, e.g. variables of a shell.
    meant: fn(&str) -> bool,
}

const WRITER: Writer = Writer {
    stage: "",
    option: "",
    programs: &[],
    before: &[],
    options: |_| json!({}),
    read: |_| None,
    meant: |_| false,
};

/// Values that mean something to some reader.
const VALUES: [&str; 29] = [
    "plain",
    " lead",
    "trail ",
    "",
    "a\"b",
    "\"quoted words\"",
    "'quoted'",
    "a\\b",
    "a\\",
    "a\\nb\\\\c",
    "50%",
    "%n",
    "a$HOME",
    "$(id)",
    "`id`",
    "#x",
    "a #b",
    "a ;b",
    "=",
    "a: b",
    "a,b",
    "ä €",
    "a\nb=c",
    "a\tb",
    "[x]",
    "}{",
    "true",
    "-x",
    "a\u{a0}b\u{2028}",
];

/// Pieces of random values.
const PIECES: [&str; 16] = [
    "a", "b c", "\"", "'", "\\", "%", "$", "#", ";", "=", " ", "ü", ":", ",", "{", "]",
];

fn values() -> Vec<String> {
    let mut random = Random::new(11);
    let mixed = (0..5).map(|_| (0..=random.below(5)).map(|_| random.of(&PIECES)).collect());
    let mixed: Vec<String> = mixed.collect();
    VALUES
        .iter()
        .map(|value| String::from(*value))
        .chain(mixed)
        .collect()
}

/// Runs a stage on a tree.
fn stage(scratch: &Scratch, name: &str, options: &Value) -> osbuild_wasm_tests::program::Ended {
    let arguments = scratch.json("a.json", &json!({ "options": options }));
    Program::new("stage run")
        .arg(name)
        .option("--tree", scratch.path("tree"))
        .option("--args", arguments)
        .run()
}

/// Fails with every value that a reader takes for another one.
#[track_caller]
fn check(writers: &[Writer]) {
    let mut problems = Vec::new();
    for writer in writers
        .iter()
        .filter(|writer| machine::offers(writer.programs))
    {
        let mut read = 0;
        for value in values() {
            match outcome(writer, &value) {
                Ok(taken) => read += usize::from(taken),
                Err(how) => problems.push(format!(
                    "{} {} {value:?}: {how}",
                    writer.stage, writer.option
                )),
            }
        }
        if read < 2 {
            problems.push(format!(
                "{} {}: {read} values are read",
                writer.stage, writer.option
            ));
        }
    }
    assert!(
        problems.is_empty(),
        "{} values:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Whether the value was taken rather than refused.
fn outcome(writer: &Writer, value: &str) -> Result<bool, String> {
    if (writer.meant)(value) {
        return Ok(false);
    }
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    for (path, text) in writer.before {
        scratch.write(&format!("tree/{path}"), text);
    }
    let ended = stage(&scratch, writer.stage, &(writer.options)(value));
    match ended.code() {
        0 => match (writer.read)(&tree) {
            Some(read) if read == value => Ok(true),
            read => Err(format!("the reader takes {read:?}")),
        },
        1 if value == "plain" => Err(ended.all()),
        1 if ended.all().contains(writer.option) => Ok(false),
        _ => Err(format!(
            "the refusal does not name the option: {}",
            ended.all().trim()
        )),
    }
}

/// What a program prints, when it succeeds.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = std::process::Command::new(program);
    let command = command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = command.output().unwrap();
    let text = String::from_utf8(ended.stdout).ok()?;
    ended.status.success().then_some(text)
}

/// What a script of Python 3 makes of a file: it gets the path as `path` and sets `value`.
fn python(script: &str, path: &Path) -> Option<String> {
    python_after("", script, path)
}

/// As [`python`], in mount namespaces of its own, after commands of a shell that get the path as `$1`.
fn python_after(commands: &str, script: &str, path: &Path) -> Option<String> {
    let script = format!(
        "import sys\npath = sys.argv[1]\n{script}\nsys.stdout.buffer.write(value.encode())"
    );
    let python = ["/usr/bin/python3", "-c", &script, path.to_str().unwrap()];
    if commands.is_empty() {
        return printed(python[0], &python[1..]);
    }
    let shell = format!("{commands}\nexec /usr/bin/python3 -c \"$0\" \"$1\"");
    let words = ["--mount", "sh", "-ec", &shell, python[2], python[3]];
    printed("unshare", &words)
}
