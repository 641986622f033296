//! A writer that a monitor owns.

use crate::style::Colour;
use std::fmt;
use std::io::{self, Write};

/// A writer; after its first error nothing more is written, and the error is kept for the end of the run.
pub(super) struct Out {
    writer: Box<dyn Write + Send>,
    colour: Colour,
    error: Option<io::Error>,
}

impl Out {
    /// A writer of text that may have colours.
    pub(super) fn new(writer: impl Write + Send + 'static, colour: Colour) -> Self {
        Out {
            colour,
            writer: Box::new(writer),
            error: None,
        }
    }

    /// Writes all of the text at once, and flushes: readers want to know now. What would do something to a terminal is written as
    /// an escape.
    pub(super) fn write(&mut self, text: &str) {
        self.write_raw(&self.colour.printable(text));
    }

    /// The same for text that no terminal has to show.
    pub(super) fn write_raw(&mut self, text: &str) {
        if self.error.is_some() || text.is_empty() {
            return;
        }
        let written = self.writer.write_all(text.as_bytes());
        self.error = written.and_then(|()| self.writer.flush()).err();
    }

    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Out")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
