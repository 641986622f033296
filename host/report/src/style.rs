//! Colour, or none.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use osbuild_wasm_manifest::printable::printable;
use owo_colors::{OwoColorize, Style};
use std::borrow::Cow;

const ESCAPE: &str = "\u{1b}";

/// Whether the text begins as a colour goes on behind its escape: `[31;1m`.
fn is_colour(text: &str) -> bool {
    let parameters = text.strip_prefix('[').unwrap_or_default();
    let rest = parameters.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    rest.starts_with('m')
}

/// Whether text may carry ANSI colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    #[default]
    Never,
    /// With ANSI escapes.
    Always,
}

impl Colour {
    /// What the user wants on this stream: colour on a terminal, unless `NO_COLOR` or `TERM=dumb` (also `CLICOLOR` and
    /// `CLICOLOR_FORCE`) say otherwise.
    pub fn of(stream: &impl RawStream) -> Colour {
        match AutoStream::choice(stream) {
            ColorChoice::Never => Colour::Never,
            _ => Colour::Always,
        }
    }

    /// Text for a terminal: what would do something there is written as an escape, but for colours of this kind where there are some.
    pub fn printable(self, text: &str) -> Cow<'_, str> {
        if self == Colour::Never || !text.contains(ESCAPE) {
            return printable(text);
        }
        let mut parts = text.split(ESCAPE);
        let mut out = printable(parts.next().unwrap_or_default()).into_owned();
        for part in parts {
            out += &match is_colour(part) {
                true => Cow::Borrowed(ESCAPE),
                false => printable(ESCAPE),
            };
            out += &printable(part);
        }
        Cow::Owned(out)
    }

    /// Good news.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint(text, Style::new().green())
    }

    /// Bad news.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(text, Style::new().red().bold())
    }

    /// Advice.
    pub(crate) fn advice(self, text: &str) -> String {
        self.paint(text, Style::new().cyan())
    }

    /// What matters.
    pub(crate) fn strong(self, text: &str) -> String {
        self.paint(text, Style::new().bold())
    }

    /// What matters less.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }

    fn paint(self, text: &str, style: Style) -> String {
        match self {
            Colour::Never => text.to_owned(),
            Colour::Always => text.style(style).to_string(),
        }
    }
}
