//! What was received of one file so far. To write and hash content takes as long as to receive it, so that happens beside it.

use super::failure::Failure;
use crate::checksum::{Checksum, Hasher};
use bytes::Bytes;
use reqwest::header::HeaderValue;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes that are written at a time; of each transfer about twice as many are in memory.
const BATCH: usize = 256 * 1024;

/// A file that grows.
pub(super) struct Partial {
    writer: Arc<Mutex<Writer>>,
    /// One batch is written at a time, so they stay in order.
    writing: Option<JoinHandle<io::Result<()>>>,
    /// What will be written next.
    batch: Vec<Bytes>,
    waiting: usize,
    length: u64,
    largest: u64,
    /// What the server knows this content by, if it says.
    pub(super) validator: Option<HeaderValue>,
}

impl Partial {
    /// Nothing yet. The file at `path` must not exist, and may not have more than `largest` bytes.
    pub(super) fn new(path: &Path, hasher: Option<Hasher>, largest: u64) -> Self {
        let writer = Writer {
            path: path.to_owned(),
            file: None,
            hasher,
        };
        Self {
            writer: Arc::new(Mutex::new(writer)),
            writing: None,
            batch: Vec::new(),
            waiting: 0,
            length: 0,
            largest,
            validator: None,
        }
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds content to the end.
    pub(super) async fn append(&mut self, content: Bytes) -> Result<(), Failure> {
        self.length += content.len() as u64;
        if self.length > self.largest {
            let problem = format!("it has more than {} bytes", self.largest);
            return Err(Failure::Lasting(problem));
        }
        self.waiting += content.len();
        self.batch.push(content);
        if self.waiting >= BATCH {
            self.write().await?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub(super) async fn restart(&mut self) -> Result<(), Failure> {
        self.written().await?;
        self.batch.clear();
        (self.waiting, self.length, self.validator) = (0, 0, None);
        let emptied = lock(&self.writer).restart();
        emptied.map_err(|error| Failure::io("empty the file", &error))
    }

    /// Waits until everything is in the file. The checksum of its content, if that is computed.
    pub(super) async fn finish(&mut self) -> Result<Option<Checksum>, Failure> {
        self.write().await?;
        self.written().await?;
        Ok(lock(&self.writer).hasher.as_mut().map(Hasher::take))
    }

    /// Begins to write what waits, after what is being written.
    async fn write(&mut self) -> Result<(), Failure> {
        self.written().await?;
        let (writer, batch) = (self.writer.clone(), std::mem::take(&mut self.batch));
        self.waiting = 0;
        self.writing = Some(spawn_blocking(move || lock(&writer).write(&batch)));
        Ok(())
    }

    async fn written(&mut self) -> Result<(), Failure> {
        let Some(writing) = self.writing.take() else {
            return Ok(());
        };
        let written = writing.await.map_err(io::Error::other).flatten();
        written.map_err(|error| Failure::io("write the file", &error))
    }
}

fn lock(writer: &Mutex<Writer>) -> std::sync::MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file and the checksum of its content.
struct Writer {
    path: PathBuf,
    /// Made when it is first written to.
    file: Option<File>,
    hasher: Option<Hasher>,
}

impl Writer {
    fn write(&mut self, batch: &[Bytes]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(File::create_new(&self.path)?);
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        for content in batch {
            file.write_all(content)?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(content);
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.set_len(0)?;
            file.rewind()?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.take();
        }
        Ok(())
    }
}
