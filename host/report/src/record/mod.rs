//! The record of a run for people: an HTML page in one file, and a text for the terminal.
//!
//! Paths, arguments and messages of a record come out of trees and components, which are hostile: the page escapes them and forbids
//! scripts and every load, and neither form shows a character that moves the cursor or turns the direction of writing.

mod matrix;
mod page;
mod terminal;

use crate::text::duration;
use indicatif::HumanBytes;
use osbuild_wasm_capability::record::{
    CallRecord, ChangeRecord, ObjectRecord, RECORD_FORMAT, Record, StageRecord,
};
use osbuild_wasm_manifest::printable::printable_line;
use std::time::Duration;

pub use page::{html, overview, stage};
pub use terminal::text;

/// Reads a record.
///
/// # Errors
/// One line: it is no JSON, or not a record of this form.
pub fn read(json: &[u8]) -> Result<Record, String> {
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|error| format!("it is not JSON: {error}"))?;
    let format = value.get("format").and_then(serde_json::Value::as_str);
    if format != Some(RECORD_FORMAT) {
        return Err(format!(
            "its `format` is not {RECORD_FORMAT:?}: `osbuild-wasm run --record FILE` writes such documents"
        ));
    }
    serde_json::from_value(value).map_err(|error| format!("it is no {RECORD_FORMAT}: {error}"))
}

/// A text that may be shown on one line.
fn shown(text: &str) -> String {
    printable_line(text).into_owned()
}

/// A span of time that a document gives as any number.
fn time(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A call that started a program, as the programs are listed.
fn call_line(call: &CallRecord) -> String {
    let program = call.programs.first().map_or("", String::as_str);
    shown(&format!("{program} (by {}.{})", call.interface, call.call))
}

/// What became of an object, in words.
fn change_line(change: &ChangeRecord) -> String {
    let object = |object: &ObjectRecord| {
        let device = object.device.iter().map(|device| format!(" {device}"));
        let target = object.target.iter().map(|target| format!(" to {target}"));
        let names: Vec<_> = object.xattrs.keys().map(String::as_str).collect();
        let attributes = (!names.is_empty()).then(|| format!(", {}", names.join(", ")));
        let start = format!("{} {} {}", object.kind, object.mode, object.owner);
        let more: String = device.chain(target).chain(attributes).collect();
        start + &more
    };
    let line = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} -> {}", object(before), object(after)),
        (None, Some(after)) => format!("made: {}", object(after)),
        (Some(before), None) => format!("removed: {}", object(before)),
        (None, None) => String::new(),
    };
    shown(&line)
}

/// Whether a change deserves a line where space is short: everything but new files, directories and links of root without attributes.
fn is_notable(change: &ChangeRecord) -> bool {
    let plain = |object: &ObjectRecord| {
        let usual = ["file", "directory", "link"].contains(&object.kind.as_str());
        usual && object.mode.len() < 4 && object.owner == "0:0" && object.xattrs.is_empty()
    };
    change.before.is_some() || !change.after.as_ref().is_some_and(plain)
}

/// A command line, its arguments told apart by quotes where they need them.
fn command_line(program: &str, arguments: &[String]) -> String {
    let word = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words = std::iter::once(program).chain(arguments.iter().map(String::as_str));
    shown(&words.map(word).collect::<Vec<_>>().join(" "))
}

/// The stages with their pipelines, in order.
fn stages(record: &Record) -> impl Iterator<Item = (&str, &StageRecord)> {
    let pipelines = record.pipelines.iter();
    pipelines.flat_map(|pipeline| {
        let stages = pipeline.stages.iter();
        stages.map(|stage| (pipeline.name.as_str(), stage))
    })
}

/// What is said of a run before everything else.
fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let result = match (record.success, &record.error) {
        (true, _) => "succeeded".to_owned(),
        (false, None) => "failed".to_owned(),
        (false, Some(error)) => format!("failed: {}", shown(error)),
    };
    let denials = |(_, stage): (&str, &StageRecord)| -> u64 {
        stage.denials.iter().map(|denial| denial.count).sum()
    };
    let ran = stages(record).count();
    let files: usize = stages(record).map(|(_, stage)| stage.written.len()).sum();
    let programs = stages(record).map(|(_, stage)| stage.programs_started());
    let lookups = record.lookups.iter().flat_map(|lookup| &lookup.hosts);
    let mut asked: Vec<_> = lookups.map(|host| shown(host)).collect();
    asked.sort();
    asked.dedup();
    let asked = Some(asked.join(", ")).filter(|hosts| !hosts.is_empty());
    let facts = vec![
        ("Result", result),
        ("Manifest", shown(&record.manifest.name)),
        ("SHA-256", shown(&record.manifest.sha256)),
        ("Started", shown(&record.started)),
        ("Time", time(record.duration)),
        ("Stages run", ran.to_string()),
        ("Files written", files.to_string()),
        ("Programs run", programs.sum::<usize>().to_string()),
        (
            "Refused",
            stages(record).map(denials).sum::<u64>().to_string(),
        ),
        ("Version", shown(&record.version)),
    ];
    facts
        .into_iter()
        .chain(asked.map(|hosts| ("Content looked up at", hosts)))
        .collect()
}

/// Where a span lies in the run: parts of its length from 0 to 1.
fn part(record: &Record, start: f64, length: f64) -> (f64, f64) {
    let whole = record.duration.max(f64::MIN_POSITIVE);
    let clean = |value: f64| {
        if value.is_finite() {
            value.clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    let from = clean(start / whole);
    (from, clean(length / whole).min(1.0 - from))
}
