//! The log of one stage: what the component and its tools print, in the order it arrives.
use crate::failure::{BuildError, Result};
use osbuild_wasm_component::LogSink;
use osbuild_wasm_events::{Event, Observer};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes of log kept for the result; later ones are still passed on.
const KEPT: usize = 64 << 20;

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
    whole: String,
    /// Bytes of a character whose rest has not arrived.
    partial: Vec<u8>,
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

    /// A pipe whose other end is read into the log until every writer closed it.
    pub(crate) fn pipe(self: &Arc<Self>) -> Result<(OwnedFd, JoinHandle<()>)> {
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (reader, writer) = pipe.map_err(|errno| BuildError::io("log pipe")(errno.into()))?;
        let log = self.clone();
        let pump = move || {
            let mut reader = File::from(reader);
            let mut buffer = vec![0; 32 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                log.log(&buffer[..count]);
            }
        };
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(pump)
            .map_err(BuildError::io("log thread"))?;
        Ok((writer, thread))
    }

    /// All that was logged.
    pub(crate) fn finish(&self) -> String {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = std::mem::take(&mut text.partial);
        text.whole.push_str(&String::from_utf8_lossy(&rest));
        std::mem::take(&mut text.whole)
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
        if text.whole.len() < KEPT {
            text.whole.push_str(&arrived);
        }
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

    struct Nobody;
    impl Observer for Nobody {
        fn event(&self, _: &Event) {}
    }

    #[test]
    fn a_character_cut_between_two_writes_arrives_whole() {
        let log = StageLog::new("p", "m", "i", Arc::new(Nobody));
        log.log(&[b'a', 0xc3]);
        log.log(&[0xa9, b'b', 0xff]);
        assert_eq!(log.finish(), "aéb\u{fffd}");
    }
}
