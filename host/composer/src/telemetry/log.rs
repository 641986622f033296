//! The log: standard error, which systemd keeps, one line for each event.
use clap::ValueEnum;
use jiff::Timestamp;
use rustix::fs::fstat;
use serde::Deserialize;
use std::fmt;
use std::io;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What begins the names of our own crates: of others only warnings are kept.
const OURS: &str = "osbuild_wasm";

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for systemd's journal, which adds the time and reads the priority in front
    Journal,
    /// Lines with their time
    Text,
    /// An object on each line
    Json,
}

/// The least important event that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed
    Error,
    /// What an administrator should look at
    Warning,
    /// What was changed
    #[default]
    Info,
    /// Every request
    Debug,
}

impl LogFormat {
    /// The journal's form if standard error is the journal, else text.
    fn of_stderr() -> Self {
        let journal = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        match fstat(io::stderr()) {
            Ok(stat) if journal == format!("{}:{}", stat.st_dev, stat.st_ino) => Self::Journal,
            _ => Self::Text,
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warning => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// Starts the log. Without a format it is the journal's where the journal reads it, else text.
///
/// # Errors
/// It was started before.
pub fn start(format: Option<LogFormat>, level: LogLevel) -> Result<(), TryInitError> {
    let level = LevelFilter::from(level);
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OURS, level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(targets);
    match format.unwrap_or_else(LogFormat::of_stderr) {
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_span_list(false))
            .try_init(),
        LogFormat::Text => registry.with(lines.event_format(Line::Timed)).try_init(),
        LogFormat::Journal => registry
            .with(lines.event_format(Line::Prioritized))
            .try_init(),
    }
}

/// An event as a line: importance, what happened, and in brackets what it belongs to.
enum Line {
    /// With the time in front.
    Timed,
    /// With systemd's number for the importance in front.
    Prioritized,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (priority, word) = match *event.metadata().level() {
            Level::ERROR => (3, "error: "),
            Level::WARN => (4, "warning: "),
            Level::INFO => (6, ""),
            _ => (7, ""),
        };
        match self {
            Self::Timed => write!(writer, "{:.0} ", Timestamp::now())?,
            Self::Prioritized => write!(writer, "<{priority}>")?,
        }
        writer.write_str(word)?;
        context.format_fields(writer.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(writer, " [{fields}]")?;
            }
        }
        writeln!(writer)
    }
}
