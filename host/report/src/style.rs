//! Colour, or none.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use owo_colors::{OwoColorize, Style};

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
