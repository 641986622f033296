//! Frames over a Unix stream socket.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of JSON in one frame: a blob of 16 MiB in base64 and room for the rest.
pub const MAX_FRAME: usize = 24 << 20;

/// Most descriptors that travel with a frame (the kernel takes 253): those of all that a sandbox shows.
pub const MAX_DESCRIPTORS: usize = 200;

/// What can go wrong with a frame. After any of these the connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The socket failed.
    #[error("cannot exchange messages: {0}")]
    Io(#[from] std::io::Error),
    /// Longer than [`MAX_FRAME`].
    #[error("a message of {0} bytes is larger than the {MAX_FRAME} allowed")]
    TooLarge(usize),
    /// The other side closed in the middle of a frame.
    #[error("the connection ended in the middle of a message")]
    Truncated,
    /// Not the JSON that was expected.
    #[error("a message cannot be understood: {0}")]
    Malformed(#[from] serde_json::Error),
    /// More or fewer descriptors than the message has.
    #[error("a message came with a wrong number of descriptors")]
    Descriptors,
}

/// One end of a socket that carries frames.
#[derive(Debug)]
pub struct Connection {
    socket: UnixStream,
}

impl From<UnixStream> for Connection {
    fn from(socket: UnixStream) -> Self {
        Self { socket }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    /// The socket underneath.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Sends one message; the descriptors go with its first byte.
    ///
    /// # Errors
    /// When the message is too large or the other side is gone.
    pub fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), FrameError> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message)?;
        let length = frame.len() - 4;
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(FrameError::Descriptors);
        }
        let sent = rustix::io::retry_on_intr(|| {
            sendmsg(
                &self.socket,
                &[IoSlice::new(&frame)],
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )
        })
        .map_err(std::io::Error::from)?;
        (&self.socket).write_all(&frame[sent..])?;
        Ok(())
    }

    /// Receives one message; none when the other side has closed. Descriptors are closed on exec.
    ///
    /// # Errors
    /// When the frame is too large, cut off or not what was expected.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, FrameError> {
        let mut descriptors = Vec::new();
        let mut header = [0; 4];
        let mut filled = 0;
        while filled < header.len() {
            match self.receive_some(&mut header[filled..], &mut descriptors)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(FrameError::Truncated),
                count => filled += count,
            }
        }
        let length = u32::from_le_bytes(header) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        // Memory grows with what really comes, not with what the header promises.
        let mut body = Vec::new();
        (&self.socket).take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(FrameError::Truncated);
        }
        Ok(Some((serde_json::from_slice(&body)?, descriptors)))
    }

    fn receive_some(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> Result<usize, FrameError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(buffer)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
        })
        .map_err(std::io::Error::from)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > MAX_DESCRIPTORS {
            return Err(FrameError::Descriptors);
        }
        Ok(received.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Connection, Connection) {
        let (one, other) = UnixStream::pair().unwrap();
        (one.into(), other.into())
    }

    #[test]
    fn a_message_arrives_with_its_descriptors() {
        let (one, other) = pair();
        let (reader, writer) = std::io::pipe().unwrap();
        one.send(&"hello", &[writer.as_fd()]).unwrap();
        drop(writer);
        let (text, descriptors) = other.receive::<String>().unwrap().unwrap();
        assert_eq!((text.as_str(), descriptors.len()), ("hello", 1));
        std::fs::File::from(descriptors.into_iter().next().unwrap())
            .write_all(b"x")
            .unwrap();
        let mut byte = [0];
        (&reader).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_large_message_arrives_whole() {
        let (one, other) = pair();
        let text = "y".repeat(5 << 20);
        let copy = text.clone();
        let sender = std::thread::spawn(move || one.send(&copy, &[]).unwrap());
        assert_eq!(other.receive::<String>().unwrap().unwrap().0, text);
        sender.join().unwrap();
        assert!(other.receive::<String>().unwrap().is_none());
    }

    #[test]
    fn an_oversized_length_is_refused_before_anything_is_read() {
        let (one, other) = pair();
        one.socket().write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(
            other.receive::<String>(),
            Err(FrameError::TooLarge(_))
        ));
    }

    #[test]
    fn a_cut_off_message_is_an_error() {
        for bytes in [&b"\x05"[..], &b"\x05\0\0\0\"a"[..]] {
            let (one, other) = pair();
            one.socket().write_all(bytes).unwrap();
            drop(one);
            assert!(matches!(
                other.receive::<String>(),
                Err(FrameError::Truncated)
            ));
        }
    }

    #[test]
    fn too_many_descriptors_are_refused_and_closed() {
        let (one, other) = pair();
        let file = std::fs::File::open("/dev/null").unwrap();
        let many = [file.as_fd(); MAX_DESCRIPTORS + 1];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + 1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&many)));
        sendmsg(
            one.socket(),
            &[IoSlice::new(b"\x02\0\0\0\"\"")],
            &mut ancillary,
            SendFlags::empty(),
        )
        .unwrap();
        assert!(matches!(
            other.receive::<String>(),
            Err(FrameError::Descriptors)
        ));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = r#"{"directories":[],"devices":[],"build_root":"host","programs":[],"capabilities":[],"scratch":0,"shell":true}"#;
        let error = serde_json::from_str::<crate::Grant>(text).unwrap_err();
        assert!(error.to_string().contains("shell"), "{error}");
    }
}
