//! Streams into files, with the limit of written bytes.
use crate::quota::StageQuota;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

/// A stream that takes what is written from the run's limit first.
pub(super) struct Metered {
    inner: DynOutputStream,
    quota: Arc<StageQuota>,
}

impl Metered {
    pub(super) fn new(inner: DynOutputStream, quota: Arc<StageQuota>) -> Self {
        Self { inner, quota }
    }

    fn take(&self, bytes: &Bytes) -> StreamResult<()> {
        self.quota.take_bytes("", bytes.len() as u64).map_err(|_| {
            let full = std::io::Error::from(rustix::io::Errno::NOSPC);
            StreamError::LastOperationFailed(full.into())
        })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Metered {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Metered {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes)?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
