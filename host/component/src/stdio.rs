//! Standard output and error of a component: its log.
use crate::failure::Stopped;
use crate::quota::StageQuota;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

/// Takes the log as it is written.
pub trait LogSink: Send + Sync {
    /// More log, at any boundary.
    fn log(&self, bytes: &[u8]);
}

/// Bytes offered to a component at once.
const PERMIT: usize = 64 << 10;

#[derive(Clone)]
pub(crate) struct Log {
    sink: Arc<dyn LogSink>,
    quota: Arc<StageQuota>,
}

impl Log {
    pub(crate) fn new(sink: Arc<dyn LogSink>, quota: Arc<StageQuota>) -> Self {
        Self { sink, quota }
    }

    pub(crate) fn append(&self, bytes: &[u8]) -> Result<(), Stopped> {
        self.quota.take_log(bytes.len() as u64)?;
        self.sink.log(bytes);
        Ok(())
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.append(&bytes)
            .map_err(|stopped| StreamError::Trap(wasmtime::Error::new(stopped)))
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Log {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(
            self.append(bytes)
                .map(|()| bytes.len())
                .map_err(io::Error::other),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
