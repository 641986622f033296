//! From the events and the outcome of a run to text: result documents, monitors, diagnostics, the summary.
//!
//! Nothing here decides anything about a build. Everything that is written goes to a writer that the caller gives, or is returned as
//! text, with colour only when the caller says so ([`Colour`]).
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

pub mod diagnostic;
mod findings;
pub mod manual;
mod members;
pub mod monitor;
mod outcome;
mod page;
pub mod provenance;
mod reasons;
pub mod record;
pub mod result;
pub mod sbom;
mod style;
pub mod summary;
pub mod table;
#[cfg(test)]
mod tests;
mod text;
pub mod trailer;

pub use diagnostic::{Diagnostic, Finding, Source, failure_text};
pub use findings::{Collector, Findings};
pub use monitor::{
    Fanout, InOrder, JsonSeqMonitor, LogMonitor, NullMonitor, PlainMonitor, ProgressMonitor,
    for_people,
};
pub use page::STYLE;
pub use result::{error_document, result, result_v1, result_v2};
pub use style::Colour;
pub use summary::Summary;
pub use table::{Table, audit_table, diff_table, plan_table};
pub use text::{count, duration, printable_log};
pub use trailer::{Checkpoint, trailer};
