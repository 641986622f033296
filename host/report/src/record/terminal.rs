//! The record as text.

use super::matrix::{self, Field};
use super::{
    call_line, change_line, command_line, facts, is_notable, part, shown, size, stages, time,
};
use crate::style::Colour;
use comfy_table::{Table, presets};
use osbuild_wasm_capability::record::{Record, StageRecord};
use std::fmt::Write;

/// Columns of the timeline's bars.
const BAR: usize = 32;

/// The record as text for a terminal, or for a file when `colour` is never.
pub fn text(record: &Record, colour: Colour) -> String {
    let mut out = String::new();
    for (name, value) in facts(record) {
        let value = match (name, record.success) {
            ("Result", true) => colour.good(&value),
            ("Result", false) => colour.bad(&value),
            _ => value,
        };
        _ = writeln!(out, "{name:<14}{value}");
    }
    section(&mut out, colour, "Timeline", timeline(record));
    section(
        &mut out,
        colour,
        "Capabilities (● used, ○ granted and not used)",
        capabilities(record),
    );
    section(&mut out, colour, "Programs", programs(record));
    section(&mut out, colour, "Files written", files(record));
    let title = "Changed beside contents (new files of root are left out)";
    section(&mut out, colour, title, changes(record));
    section(&mut out, colour, "Refused", refused(record));
    out
}

fn section(out: &mut String, colour: Colour, title: &str, table: Table) {
    if table.row_count() == 0 {
        return;
    }
    _ = writeln!(out, "\n{}", colour.strong(title));
    for line in table.lines() {
        _ = writeln!(out, "{}", line.trim_end());
    }
}

/// A stage as plans call it: its pipeline first.
fn place(pipeline: &str, stage: &StageRecord) -> String {
    shown(&format!("{pipeline} / {}", stage.module))
}

fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn timeline(record: &Record) -> Table {
    let mut table = table(["Pipeline", "Stage", "Time", ""]);
    for pipeline in &record.pipelines {
        if pipeline.cached {
            table.add_row([shown(&pipeline.name), "from the store".into()]);
        }
        for stage in &pipeline.stages {
            let mut name = shown(&stage.module);
            if !stage.success {
                name.push_str(" (failed)");
            }
            table.add_row([
                shown(&pipeline.name),
                name,
                time(stage.duration),
                bar(record, stage),
            ]);
        }
    }
    table
}

fn bar(record: &Record, stage: &StageRecord) -> String {
    let (from, length) = part(record, stage.started, stage.duration);
    let columns = |part: f64| (part * BAR as f64).round() as usize;
    let start = columns(from).min(BAR - 1);
    let length = columns(length).clamp(1, BAR - start);
    format!("{}{}", " ".repeat(start), "▇".repeat(length))
}

fn capabilities(record: &Record) -> Table {
    let (interfaces, verbs) = matrix::columns(record);
    let header = std::iter::once("Stage")
        .chain(interfaces.iter().copied())
        .chain(verbs.iter().copied());
    let header: Vec<_> = header.chain(["refused"]).map(shown).collect();
    let mut table = table(header.iter().map(String::as_str));
    for (pipeline, stage) in stages(record) {
        let interfaces = interfaces.iter().map(|name| matrix::interface(stage, name));
        let verbs = verbs.iter().map(|name| matrix::verb(stage, name));
        let mut row = vec![place(pipeline, stage)];
        row.extend(interfaces.chain(verbs).map(|field| field.mark().to_owned()));
        row.push(match matrix::refused(stage) {
            0 => String::new(),
            count => count.to_string(),
        });
        table.add_row(row);
    }
    table
}

fn programs(record: &Record) -> Table {
    let mut table = table(["Stage", "Status", "Time", "Command"]);
    for (pipeline, stage) in stages(record) {
        for program in &stage.programs {
            let status = match (program.status, &program.error) {
                (Some(status), _) => status.to_string(),
                (None, error) => shown(error.as_deref().unwrap_or("did not run")),
            };
            let command = command_line(&program.program, &program.arguments);
            table.add_row([
                place(pipeline, stage),
                status,
                time(program.duration),
                command,
            ]);
        }
        for call in stage.calls.iter().filter(|call| !call.programs.is_empty()) {
            let status = shown(call.error.as_deref().unwrap_or("done"));
            let row = [
                place(pipeline, stage),
                status,
                time(call.duration),
                call_line(call),
            ];
            table.add_row(row);
        }
        for ran in &stage.helper_programs {
            let status = ran
                .status
                .map_or_else(String::new, |status| status.to_string());
            let command = command_line(&ran.program, &ran.arguments);
            let command = format!("{command} (run by {})", shown(&ran.by));
            table.add_row([place(pipeline, stage), status, String::new(), command]);
        }
        let unused = matrix::programs(stage).filter(|(_, state)| *state == Field::Granted);
        for (name, _) in unused {
            let name = format!("{} (granted and not used)", shown(name));
            table.add_row([place(pipeline, stage), String::new(), String::new(), name]);
        }
    }
    table
}

fn files(record: &Record) -> Table {
    let mut table = table(["Stage", "Size", "SHA-256", "Path"]);
    for (pipeline, stage) in stages(record) {
        for file in &stage.written {
            let digest = shown(file.sha256.as_deref().unwrap_or_default());
            table.add_row([
                place(pipeline, stage),
                size(file.size),
                digest,
                shown(&file.path),
            ]);
        }
    }
    table
}

fn changes(record: &Record) -> Table {
    let mut table = table(["Stage", "Path", "What"]);
    for (pipeline, stage) in stages(record) {
        for change in stage.changes.iter().filter(|change| is_notable(change)) {
            table.add_row([
                place(pipeline, stage),
                shown(&change.path),
                change_line(change),
            ]);
        }
        for device in &stage.devices {
            let what = format!("{} written", size(device.written));
            table.add_row([place(pipeline, stage), shown(&device.path), what]);
        }
    }
    table
}

fn refused(record: &Record) -> Table {
    let mut table = table(["Stage", "Times", "Path", "Why"]);
    for (pipeline, stage) in stages(record) {
        for denial in &stage.denials {
            let count = denial.count.to_string();
            table.add_row([
                place(pipeline, stage),
                count,
                shown(&denial.path),
                shown(&denial.message),
            ]);
        }
    }
    table
}
