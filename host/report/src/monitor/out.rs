//! A writer that a monitor owns.

use std::fmt;
use std::io::{self, Write};

/// A writer; after its first error nothing more is written, and the error is kept for whoever asks.
pub(super) struct Out {
    writer: Box<dyn Write + Send>,
    error: Option<io::Error>,
}

impl Out {
    pub(super) fn new(writer: impl Write + Send + 'static) -> Self {
        Out {
            writer: Box::new(writer),
            error: None,
        }
    }

    /// Writes all of the text at once, and flushes: whoever reads wants to know now.
    pub(super) fn write(&mut self, text: &str) {
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
