//! The log: standard error, which systemd keeps, one line for each event.
use jiff::Timestamp;
use rustix::fs::fstat;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for the journal, which has the time itself and reads the importance; as text where the journal does not read.
    Journal,
    /// Lines with the time.
    Text,
    /// JSON, an object to a line.
    Json,
}

/// Whether systemd's journal reads standard error.
fn journal_reads() -> bool {
    let journal = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|stat| journal == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Starts the log, with what is of this level or above.
///
/// # Errors
/// It was started before.
pub fn start(format: LogFormat, level: LevelFilter) -> Result<(), TryInitError> {
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OURS, level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_span_list(false))
            .try_init(),
        LogFormat::Journal if journal_reads() => registry
            .with(lines.event_format(Line::Prioritized))
            .try_init(),
        LogFormat::Journal | LogFormat::Text => {
            registry.with(lines.event_format(Line::Timed)).try_init()
        }
    }
}

/// Whether there is a log already.
#[must_use]
pub fn is_started() -> bool {
    tracing::dispatcher::has_been_set()
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
