//! The record as a page.

use super::matrix::{self, Field};
use super::{change_line, command_line, facts, part, shown, size, stages, time};
use crate::page::page;
use crate::text::count;
use maud::{Markup, html};
use osbuild_wasm_capability::Right;
use osbuild_wasm_capability::record::{PipelineRecord, Record, SourceRecord, StageRecord};

/// The record as an HTML page.
pub fn html(record: &Record) -> String {
    let title = format!("Build of {}", shown(&record.manifest.name));
    let body = html! {
        h1 class=(verdict(record.success)) { (title) }
        (overview(record, &|number| format!("#stage-{number}")))
        h2 { "Stages" }
        @for (number, (pipeline, stage)) in stages(record).enumerate() { (details(number, pipeline, stage)) }
    };
    page(&title, &body)
}

/// The record without the details of stages, for a page of others; `link` tells where those of the stage of a number are.
pub fn overview(record: &Record, link: &dyn Fn(usize) -> String) -> Markup {
    html! {
        dl { @for (name, value) in facts(record) { dt { (name) } dd { (value) } } }
        (sources(record))
        (timeline(record, link))
        (capabilities(record, link))
    }
}

/// The stage of a number, counted through all pipelines, for a page of others: what it is called, and what it did. Of its files the
/// first `files` are listed.
pub fn stage(record: &Record, number: usize, files: usize) -> Option<(String, Markup)> {
    let (pipeline, stage) = stages(record).nth(number)?;
    let name = format!("{} / {}", shown(pipeline), shown(&stage.module));
    Some((name, did(stage, files)))
}

fn verdict(success: bool) -> &'static str {
    if success { "good" } else { "bad" }
}

fn sources(record: &Record) -> Markup {
    html! {
        @if !record.sources.is_empty() {
            h2 { "Sources" }
            table {
                thead { tr { th { "Source" } th { "Items" } th { "From the store" } th { "Hosts" } th { "Time" } th { "Result" } } }
                tbody {
                    @for source in &record.sources {
                        tr {
                            td { (shown(&source.module)) }
                            td.number { (source.items.len()) }
                            td.number { (source.items.iter().filter(|item| item.cached).count()) }
                            td {
                                @for host in &source.hosts { div { (shown(host)) } }
                                @for proxy in &source.proxies { div { (shown(proxy)) " (proxy)" } }
                            }
                            td.number { (time(source.duration)) }
                            td class=(verdict(source.success)) {
                                (came_by(source))
                                @for error in source.items.iter().filter_map(|item| item.error.as_deref()) { div { (shown(error)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How the contents of a source came to be there.
fn came_by(source: &SourceRecord) -> &'static str {
    let cached = source.items.iter().filter(|item| item.cached).count();
    match (source.success, cached) {
        (false, _) => "failed",
        (true, 0) => "fetched",
        (true, count) if count == source.items.len() => "from the store",
        (true, _) => "fetched, and from the store",
    }
}

fn timeline(record: &Record, link: &dyn Fn(usize) -> String) -> Markup {
    let mut number = 0;
    html! {
        h2 { "Timeline" }
        table.timeline {
            tbody { @for pipeline in &record.pipelines { (bars(record, pipeline, &mut number, link)) } }
        }
    }
}

/// The bars are pictures: a page that allows no style but its own files' can show them too.
fn bars(
    record: &Record,
    pipeline: &PipelineRecord,
    number: &mut usize,
    link: &dyn Fn(usize) -> String,
) -> Markup {
    html! {
        tr.pipeline {
            th colspan="3" {
                (shown(&pipeline.name))
                @if pipeline.cached { span.faint { " from the store" } }
                @if pipeline.in_virtual_machine { span.faint { " by a virtual machine's own account" } }
            }
        }
        @for stage in &pipeline.stages {
            @let (from, length) = part(record, stage.started, stage.duration);
            tr {
                td.name { a href=(link(*number)) { (shown(&stage.module)) } }
                td.number { (time(stage.duration)) }
                td.track {
                    svg aria-hidden="true" {
                        rect class=(format!("bar {}", verdict(stage.success))) rx="2"
                            x=(format!("{:.3}%", from * 100.0)) width=(format!("{:.3}%", (length * 100.0).max(0.3))) {}
                    }
                }
            }
            @let () = *number += 1;
        }
    }
}

fn capabilities(record: &Record, link: &dyn Fn(usize) -> String) -> Markup {
    let (interfaces, verbs) = matrix::columns(record);
    html! {
        h2 { "Capabilities" }
        p { "● granted and used, ○ granted and not used. What programs do to files is theirs, not the stage's." }
        div.wide {
            table.matrix {
                thead {
                    tr {
                        th { "Stage" }
                        @for name in &interfaces { th.turned { (shown(name)) } }
                        @for name in &verbs { th.turned { (name) } }
                        th { "Programs" }
                        th { "Linux capabilities" }
                        th { "Refused" }
                    }
                }
                tbody {
                    @for (number, (pipeline, stage)) in stages(record).enumerate() {
                        tr {
                            td.name { a href=(link(number)) { span.faint { (shown(pipeline)) " / " } (shown(&stage.module)) } }
                            @for name in &interfaces { (field(matrix::interface(stage, name))) }
                            @for name in &verbs { (field(matrix::verb(stage, name))) }
                            td {
                                @for (name, state) in matrix::programs(stage) {
                                    span class=(if state == Field::Used { "used" } else { "faint" }) { (shown(name)) } " "
                                }
                            }
                            td { (shown(&stage.granted.capabilities.join(" "))) }
                            @let refused = matrix::refused(stage);
                            @if refused > 0 { td.number.bad { (refused) } } @else { td {} }
                        }
                    }
                }
            }
        }
    }
}

fn field(field: Field) -> Markup {
    let class = if field == Field::Used {
        "mark used"
    } else {
        "mark faint"
    };
    html! { td class=(class) { (field.mark()) } }
}

fn details(number: usize, pipeline: &str, stage: &StageRecord) -> Markup {
    html! {
        details id=(format!("stage-{number}")) open[!stage.success || !stage.denials.is_empty()] {
            summary {
                span class=(verdict(stage.success)) { (if stage.success { "✓" } else { "✗" }) } " "
                span.faint { (shown(pipeline)) " / " } (shown(&stage.module))
                span.faint { " " (time(stage.duration)) ", " (count(stage.written.len(), "file")) ", " (count(stage.programs_started(), "program")) }
            }
            (did(stage, usize::MAX))
        }
    }
}

fn did(stage: &StageRecord, limit: usize) -> Markup {
    html! {
        @if let Some(error) = &stage.error { p.bad { (shown(error)) } }
        @for limit in &stage.limits { p.bad { "Limit: " (shown(limit)) } }
        dl {
            dt { "Id" } dd { code { (shown(&stage.id)) } }
            @if let Some(component) = &stage.component {
                dt { "Component" } dd { code { (shown(&component.sha256)) } " " (shown(&component.origin)) }
            }
            dt { "Directories" }
            dd { @for directory in &stage.granted.directories { code { (shown(&directory.path)) } (if directory.writable { " read-write " } else { " read-only " }) } }
            @for layer in &stage.granted.rights { dt { "Limited by " (shown(&layer.origin)) } dd { (rights(&layer.rights)) } }
        }
        (denials(stage))
        (programs(stage))
        (helper_programs(stage))
        (calls(stage))
        (files(stage, limit))
        (changes(stage, limit))
        (accesses(stage, limit))
        (unused(stage))
    }
}

/// That a list is longer than what is shown of it.
fn more(all: usize, shown: usize) -> Markup {
    html! { @if all > shown { p { "The first " (shown) " of " (all) "; the document has them all." } } }
}

fn rights(rights: &[Right]) -> Markup {
    html! {
        @for right in rights {
            @let verbs: Vec<_> = right.verbs.iter().map(|verb| verb.name()).collect();
            div { (verbs.join(", ")) " " code { (shown(&right.paths.join(" "))) } }
        }
    }
}

fn denials(stage: &StageRecord) -> Markup {
    html! {
        @if !stage.denials.is_empty() {
            h3 { "Refused" }
            table { tbody { @for denial in &stage.denials {
                tr { td.number { (denial.count) "×" } td { code { (shown(&denial.path)) } } td.bad { (shown(&denial.message)) } }
            } } }
        }
    }
}

fn helper_programs(stage: &StageRecord) -> Markup {
    html! {
        @if !stage.helper_programs.is_empty() {
            h3 { "Programs of helpers" }
            ul { @for ran in &stage.helper_programs {
                li { (command_line(&ran.program, &ran.arguments)) " (run by " (shown(&ran.by)) ")" }
            } }
        }
    }
}

fn programs(stage: &StageRecord) -> Markup {
    html! {
        @if !stage.programs.is_empty() {
            h3 { "Programs" }
            table {
                thead { tr { th { "Command" } th { "In" } th { "Status" } th { "Time" } } }
                tbody { @for program in &stage.programs {
                    tr {
                        td { code { (command_line(&program.program, &program.arguments)) } }
                        td { (if program.in_tree { "the tree" } else { "the build root" }) }
                        @match (program.status, &program.error) {
                            (Some(status), _) => td class=(format!("number {}", verdict(status == 0))) { (status) },
                            (None, error) => td.bad { (shown(error.as_deref().unwrap_or("did not run"))) },
                        }
                        td.number { (time(program.duration)) }
                    }
                } }
            }
        }
    }
}

fn calls(stage: &StageRecord) -> Markup {
    html! {
        @if !stage.calls.is_empty() {
            h3 { "Calls of helpers" }
            table { tbody { @for call in &stage.calls {
                tr {
                    td { (shown(&call.interface)) "." (shown(&call.call)) }
                    td { code { (shown(&call.arguments.to_string())) } }
                    td.number { (time(call.duration)) }
                    td.bad { (shown(call.error.as_deref().unwrap_or_default())) }
                }
            } } }
        }
    }
}

fn files(stage: &StageRecord, limit: usize) -> Markup {
    html! {
        @if !stage.written.is_empty() {
            h3 { "Files written" }
            (more(stage.written.len(), limit))
            table {
                thead { tr { th { "Path" } th { "Size" } th { "SHA-256" } } }
                tbody { @for file in stage.written.iter().take(limit) {
                    tr { td { code { (shown(&file.path)) } } td.number { (size(file.size)) } td { code { (shown(file.sha256.as_deref().unwrap_or_default())) } } }
                } }
            }
        }
    }
}

fn changes(stage: &StageRecord, limit: usize) -> Markup {
    let any = !stage.changes.is_empty() || !stage.devices.is_empty();
    html! {
        @if any {
            details {
                summary { "Changed beside contents (" (stage.changes.len() + stage.devices.len()) ")" }
                (more(stage.changes.len(), limit))
                table { tbody {
                    @for change in stage.changes.iter().take(limit) { tr { td { code { (shown(&change.path)) } } td { (change_line(change)) } } }
                    @for device in &stage.devices { tr { td { code { (shown(&device.path)) } } td { (size(device.written)) " written" } } }
                } }
            }
        }
    }
}

fn accesses(stage: &StageRecord, limit: usize) -> Markup {
    html! {
        @if !stage.accesses.is_empty() {
            details {
                summary { "Accesses (" (stage.accesses.len()) ")" }
                (more(stage.accesses.len(), limit))
                table { tbody { @for access in stage.accesses.iter().take(limit) { @for (verb, count) in &access.verbs {
                    tr {
                        td { (verb.name()) }
                        td { code { (shown(&access.path)) } @if access.below.contains(verb) { " and below" } }
                        td.number { (count) "×" }
                    }
                } } } }
            }
        }
    }
}

fn unused(stage: &StageRecord) -> Markup {
    let unused = &stage.unused;
    let any =
        !unused.rights.is_empty() || !unused.interfaces.is_empty() || !unused.programs.is_empty();
    html! {
        @if any {
            details {
                summary { "Granted and not used" }
                dl {
                    @if !unused.interfaces.is_empty() { dt { "Interfaces" } dd { (shown(&unused.interfaces.join(" "))) } }
                    @if !unused.programs.is_empty() { dt { "Programs" } dd { (shown(&unused.programs.join(" "))) } }
                    @if !unused.rights.is_empty() { dt { "Rights" } dd { (rights(&unused.rights)) } }
                }
            }
        }
    }
}
