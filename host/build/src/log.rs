//! The log of one stage: what the component and its tools print, in the order it arrives.
use crate::failure::{BuildError, Result};
use crate::stage::bounds::Bounds;
use osbuild_wasm_component::LogSink;
use osbuild_wasm_events::{Event, Observer};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes of log that are kept for the result of its beginning, and as many of its end; all of it is passed on.
const KEPT: usize = 4 << 20;

/// Collects a stage's log and passes it on as events.
pub(crate) struct StageLog {
    pipeline: String,
    module: String,
    id: String,
    observer: Arc<dyn Observer>,
    text: Mutex<Text>,
}

#[derive(Default)]
struct Text {
    beginning: String,
    /// What came behind it, as far as it is kept.
    end: String,
    /// Bytes between the two that are not kept.
    left_out: usize,
    /// Bytes of a character whose rest has not arrived.
    partial: Vec<u8>,
}

impl Text {
    fn keep(&mut self, arrived: &str) {
        if self.end.is_empty() && self.beginning.len() < KEPT {
            self.beginning.push_str(arrived);
            return;
        }
        self.end.push_str(arrived);
        if self.end.len() > 2 * KEPT {
            let surplus = self.end.ceil_char_boundary(self.end.len() - KEPT);
            self.end.drain(..surplus);
            self.left_out += surplus;
        }
    }

    fn take(&mut self) -> String {
        let rest = std::mem::take(&mut self.partial);
        self.keep(&String::from_utf8_lossy(&rest));
        let mut whole = std::mem::take(&mut self.beginning);
        if self.left_out > 0 {
            whole.push_str(&format!(
                "\n[{} bytes of log are left out]\n",
                self.left_out
            ));
        }
        whole.push_str(&std::mem::take(&mut self.end));
        whole
    }
}

impl StageLog {
    pub(crate) fn new(
        pipeline: &str,
        module: &str,
        id: &str,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        let (pipeline, module, id) = (pipeline.into(), module.into(), id.into());
        Arc::new(Self {
            pipeline,
            module,
            id,
            observer,
            text: Mutex::default(),
        })
    }

    /// A pipe whose other end is read into the log until every writer closed it. What programs write to it counts as log of the stage;
    /// when that is used up, they are cut off.
    pub(crate) fn pipe(self: &Arc<Self>, bounds: &Bounds) -> Result<(OwnedFd, JoinHandle<()>)> {
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (reader, writer) = pipe.map_err(|errno| BuildError::io("log pipe")(errno.into()))?;
        let (log, bounds) = (self.clone(), bounds.clone());
        let pump = move || {
            let mut reader = File::from(reader);
            let mut buffer = vec![0; 32 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                // To the end, also of what is not kept: a writer that waits could not be ended.
                match bounds.quota.take_log(count as u64) {
                    Ok(()) => log.log(&buffer[..count]),
                    Err(_) => bounds.cancellations.fire(),
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(pump)
            .map_err(BuildError::io("log thread"))?;
        Ok((writer, thread))
    }

    /// What was logged: all of it, or its beginning and its end.
    pub(crate) fn finish(&self) -> String {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.take()
    }
}

impl LogSink for StageLog {
    fn log(&self, bytes: &[u8]) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.partial.extend_from_slice(bytes);
        let complete = complete_characters(&text.partial);
        let rest = text.partial.split_off(complete);
        let arrived = std::mem::replace(&mut text.partial, rest);
        let arrived = String::from_utf8_lossy(&arrived).into_owned();
        text.keep(&arrived);
        // The lock is held so that two writers' texts are reported in the order of the log.
        if !arrived.is_empty() {
            let (pipeline, module, id) =
                (self.pipeline.clone(), self.module.clone(), self.id.clone());
            self.observer.event(&Event::StageLog {
                pipeline,
                module,
                id,
                text: arrived,
            });
        }
    }
}

/// Length of the part that does not end in the middle of a character; malformed bytes count as complete.
fn complete_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;
    impl Observer for Silent {
        fn event(&self, _: &Event) {}
    }

    #[test]
    fn a_character_cut_between_two_writes_arrives_whole() {
        let log = StageLog::new("p", "m", "i", Arc::new(Silent));
        log.log(&[b'a', 0xc3]);
        log.log(&[0xa9, b'b', 0xff]);
        assert_eq!(log.finish(), "aéb\u{fffd}");
    }

    #[test]
    fn of_a_long_log_the_beginning_and_the_end_are_kept() {
        let log = StageLog::new("p", "m", "i", Arc::new(Silent));
        log.log(b"first\n");
        let line = "é".repeat(32 << 10);
        for _ in 0..1000 {
            log.log(line.as_bytes());
        }
        log.log(b"last\n");
        let text = log.finish();
        assert!(text.starts_with("first\n"));
        assert!(text.ends_with("last\n"));
        assert!(text.contains(" bytes of log are left out]"));
        assert!(text.len() < 4 * KEPT, "{} bytes", text.len());
    }
}
