//! Downloads: files piece by piece, and tar archives that are made while they are sent.
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use std::io::{self, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// How much of a file is in memory at a time.
const PIECE: usize = 1 << 18;

/// A file of an archive.
pub(super) struct Member {
    name: String,
    mode: u32,
    size: u64,
    content: Box<dyn Read + Send>,
}

impl Member {
    /// A file with a text.
    pub(super) fn text(name: String, mode: u32, text: String) -> Self {
        let size = text.len() as u64;
        let content = Box::new(io::Cursor::new(text.into_bytes()));
        Self {
            name,
            mode,
            size,
            content,
        }
    }

    /// A file with the content of another one.
    pub(super) async fn file(name: String, mode: u32, file: File) -> Self {
        let size = file.metadata().await.map_or(0, |metadata| metadata.len());
        let content = Box::new(file.into_std().await);
        Self {
            name,
            mode,
            size,
            content,
        }
    }
}

/// A file piece by piece.
pub(super) fn pieces(file: File) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(file, async |mut file| {
        let mut piece = Vec::with_capacity(PIECE);
        let length = (&mut file)
            .take(PIECE as u64)
            .read_to_end(&mut piece)
            .await?;
        Ok((length > 0).then(|| (Bytes::from(piece), file)))
    })
}

/// An archive, and the name under which clients keep it.
pub(super) fn download(name: &str, members: Vec<Member>) -> Response {
    let headers = [
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename={name}"),
        ),
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
    ];
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let writer = Pieces {
            sender: sender.clone(),
        };
        if let Err(error) = write(writer, members) {
            // The connection breaks, so that no client takes a part for the whole.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let stream = stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    (headers, Body::from_stream(stream)).into_response()
}

fn write(writer: Pieces, members: Vec<Member>) -> io::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let mut archive = tar::Builder::new(io::BufWriter::with_capacity(PIECE, writer));
    for mut member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(member.mode);
        header.set_size(member.size);
        header.set_mtime(now);
        archive.append_data(&mut header, &member.name, &mut member.content)?;
    }
    archive.into_inner()?.flush()
}

/// Sends what is written; it waits while the client takes nothing.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.sender.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
