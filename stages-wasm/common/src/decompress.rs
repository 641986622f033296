//! Reading what is compressed: streams of any length.
use osbuild_stage::{Context, Result};
use std::io::{self, BufRead, BufReader, Read};

/// Bytes read ahead.
const BUFFER: usize = 1 << 20;

/// The content of a gzip file of any number of members.
pub fn gzip<'a>(file: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    Ok(Box::new(Members::new(BufReader::with_capacity(
        BUFFER, file,
    ))))
}

/// The content of a file, whatever it is compressed with; told by its first bytes, not by its name.
pub fn any<'a>(file: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    let start = file.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(Members::new(file)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(lzma_rust2::XzReader::new(file, true)),
        [b'L', b'Z', b'I', b'P', ..] => Box::new(lzma_rust2::LzipReader::new(file)),
        [0x5d, 0, 0, ..] => Box::new(
            lzma_rust2::LzmaReader::new_mem_limit(file, u32::MAX, None)
                .context("cannot read the lzma header")?,
        ),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(Zstd::Between(file))
        }
        _ => Box::new(file),
    })
}

/// zstd frames one after the other; the decoder reads one.
enum Zstd<R: BufRead> {
    Between(R),
    Frame(Box<Decoder<R>>),
    Taken,
}

type Decoder<R> = ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>;

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            *self = match std::mem::replace(self, Self::Taken) {
                Self::Between(mut rest) => {
                    if rest.fill_buf()?.is_empty() {
                        *self = Self::Between(rest);
                        return Ok(0);
                    }
                    if skipped(&mut rest)? {
                        Self::Between(rest)
                    } else {
                        let decoder = Decoder::new(rest).map_err(std::io::Error::other)?;
                        Self::Frame(Box::new(decoder))
                    }
                }
                Self::Frame(mut frame) => match frame.read(buffer)? {
                    0 if !buffer.is_empty() => Self::Between(frame.into_inner()),
                    length => {
                        *self = Self::Frame(frame);
                        return Ok(length);
                    }
                },
                Self::Taken => return Ok(0),
            };
        }
    }
}

/// Passes over a skippable frame: magic, length, that many bytes. Says whether there was one.
fn skipped(rest: &mut impl BufRead) -> std::io::Result<bool> {
    if !matches!(rest.fill_buf()?, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
        return Ok(false);
    }
    let mut header = [0; 8];
    rest.read_exact(&mut header)?;
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    std::io::copy(&mut rest.take(u64::from(length)), &mut std::io::sink())?;
    Ok(true)
}

/// Files of gzip one after the other; zeros behind one are padding.
struct Members<R>(Option<flate2::bufread::GzDecoder<R>>);

impl<R: BufRead> Members<R> {
    fn new(file: R) -> Self {
        Self(Some(flate2::bufread::GzDecoder::new(file)))
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let file = self.0.take().map(flate2::bufread::GzDecoder::into_inner);
            self.0 = file
                .map(behind_zeros)
                .transpose()?
                .flatten()
                .map(flate2::bufread::GzDecoder::new);
        }
        Ok(0)
    }
}

/// The file at its next byte that is not 0; none at its end.
fn behind_zeros<R: BufRead>(mut file: R) -> io::Result<Option<R>> {
    loop {
        let bytes = file.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match (bytes.len(), zeros) {
            (0, _) => return Ok(None),
            (length, zeros) if zeros < length => {
                file.consume(zeros);
                return Ok(Some(file));
            }
            (length, _) => file.consume(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::{Compressor, Method};
    use std::io::Write;

    fn compressed(method: Method, text: &[u8]) -> Vec<u8> {
        let mut writer = Compressor::new(method, Vec::new()).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn each_method_is_told_by_its_first_bytes() {
        let text = b"some text ".repeat(30_000);
        for method in [
            Method::None,
            Method::Gzip(1),
            Method::Bzip2,
            Method::Xz(0),
            Method::Lzip,
            Method::Lzma,
            Method::Zstd,
        ] {
            let mut back = Vec::new();
            any(compressed(method, &text).as_slice())
                .unwrap()
                .read_to_end(&mut back)
                .unwrap();
            assert!(back == text, "{method:?}");
        }
    }

    #[test]
    fn parts_one_after_the_other_are_one_text() {
        for method in [Method::Gzip(1), Method::Bzip2, Method::Xz(0), Method::Zstd] {
            let mut bytes = compressed(method, b"one, ");
            bytes.extend(compressed(method, b"two"));
            let mut back = String::new();
            any(bytes.as_slice())
                .unwrap()
                .read_to_string(&mut back)
                .unwrap();
            assert_eq!(back, "one, two", "{method:?}");
        }
        let mut zstd = vec![0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
        zstd.extend(compressed(Method::Zstd, b"x"));
        let mut back = String::new();
        any(zstd.as_slice())
            .unwrap()
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, "x");
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for method in [Method::Gzip(1), Method::Bzip2, Method::Xz(0), Method::Zstd] {
            let bytes = compressed(method, &b"0123456789".repeat(999));
            let read = any(&bytes[..bytes.len() - 9])
                .unwrap()
                .read_to_end(&mut Vec::new());
            assert!(read.is_err(), "{method:?}");
        }
    }
}
