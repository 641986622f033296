//! Figures and logs for people.

use anstream::adapter::strip_str;
use osbuild_wasm_manifest::printable::printable;
use std::time::Duration;

/// A span of time: `4 ms`, `3.1 s`, `2 min 5 s`, `1 h 2 min`.
pub fn duration(span: Duration) -> String {
    let millis = span.as_millis();
    // From here on rounded, so that 59.96 seconds are a minute.
    let tenths = (millis + 50) / 100;
    let seconds = (millis + 500) / 1000;
    match seconds {
        _ if millis < 100 => format!("{millis} ms"),
        _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
        0..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A count with its noun: `1 item`, `2 items`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// The lines of a log as a terminal would show them at last: no escapes, only what follows the last carriage return of a line.
pub(crate) fn clean_lines(log: &str) -> Vec<String> {
    let shown = |line: &str| {
        let line = line.trim_end_matches('\r');
        let line = line.rsplit_once('\r').map_or(line, |(_, last)| last);
        let plain = strip_str(line).to_string();
        let plain: String = plain
            .chars()
            .filter(|character| *character == '\t' || !character.is_control())
            .collect();
        printable(&plain).into_owned()
    };
    log.lines().map(shown).collect()
}

/// A piece of a log for people who read along: no escapes, and a carriage return begins a line, for there is no line to write over.
pub fn printable_log(text: &str) -> String {
    let plain = strip_str(text).to_string();
    printable(&plain.replace("\r\n", "\n").replace('\r', "\n")).into_owned()
}

/// The last `limit` characters of `text` and how many come before them.
pub(crate) fn last_chars(text: &str, limit: usize) -> (&str, usize) {
    let hidden = text.chars().count().saturating_sub(limit);
    let start = text
        .char_indices()
        .nth(hidden)
        .map_or(text.len(), |(at, _)| at);
    (text.get(start..).unwrap_or_default(), hidden)
}
