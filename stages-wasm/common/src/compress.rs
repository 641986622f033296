//! Compression in the component: streams of any length, memory bounded by the method.
use osbuild_stage::{Context, File, Result, Tree, bail};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::{self, Write};

/// Effort for xz, lzip and lzma: the higher presets cost minutes on a tree for a few percent.
const LZMA_PRESET: u32 = 3;
/// zstd is written as frames of this many bytes of content, which every reader joins.
const ZSTD_FRAME: usize = 8 << 20;

/// The system by which gzip says that it compresses.
const UNIX: u8 = 3;

/// How to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    None,
    /// gzip(1) with this level, without name and time.
    Gzip(u32),
    /// bzip2(1).
    Bzip2,
    /// xz(1) with this preset.
    Xz(u32),
    /// lzip(1).
    Lzip,
    /// The old `.lzma` format.
    Lzma,
    /// zstd(1).
    Zstd,
}

impl Method {
    /// The method that tar(1) takes for a file of this name.
    pub fn for_name(filename: &str) -> Result<Self> {
        Ok(
            match filename
                .rsplit_once('.')
                .map_or("", |(_, extension)| extension)
            {
                "gz" | "tgz" | "taz" => Self::Gzip(6),
                "bz2" | "tbz" | "tbz2" | "tz2" => Self::Bzip2,
                "xz" | "txz" => Self::Xz(LZMA_PRESET),
                "lz" => Self::Lzip,
                "lzma" | "tlz" => Self::Lzma,
                "zst" | "tzst" => Self::Zstd,
                other @ ("Z" | "taZ" | "lzo") => bail!(
                    "{filename}: compression `{other}` is not supported; gz, bz2, xz, lz, lzma and zst are"
                ),
                _ => Self::None,
            },
        )
    }

    /// The method of this name.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "gzip" => Self::Gzip(6),
            "bzip2" => Self::Bzip2,
            "xz" => Self::Xz(LZMA_PRESET),
            "lzip" => Self::Lzip,
            "lzma" => Self::Lzma,
            "zstd" => Self::Zstd,
            other => bail!(
                "compression `{other}` is not supported; gzip, bzip2, xz, lzip, lzma and zstd are"
            ),
        })
    }
}

/// A writer that compresses into another; [`Compressor::finish`] completes the stream.
pub enum Compressor<W: Write> {
    /// gzip.
    Gzip(flate2::write::GzEncoder<W>),
    /// bzip2.
    Bzip2(bzip2::write::BzEncoder<W>),
    /// xz.
    Xz(Box<lzma_rust2::XzWriter<W>>),
    /// lzip.
    Lzip(Box<lzma_rust2::LzipWriter<W>>),
    /// lzma.
    Lzma(Box<lzma_rust2::LzmaWriter<W>>),
    /// zstd.
    Zstd(ZstdWriter<W>),
    /// Nothing.
    Plain(W),
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

impl<W: Write> Compressor<W> {
    /// A stream into `inner`.
    pub fn new(method: Method, inner: W) -> Result<Self> {
        Ok(match method {
            Method::None => Self::Plain(inner),
            Method::Gzip(level) => {
                let header = flate2::GzBuilder::new().operating_system(UNIX);
                Self::Gzip(header.write(inner, flate2::Compression::new(level)))
            }
            Method::Bzip2 => Self::Bzip2(bzip2::write::BzEncoder::new(
                inner,
                bzip2::Compression::best(),
            )),
            Method::Xz(preset) => Self::Xz(Box::new(lzma_rust2::XzWriter::new(
                inner,
                lzma_rust2::XzOptions::with_preset(preset),
            )?)),
            Method::Lzip => Self::Lzip(Box::new(lzma_rust2::LzipWriter::new(
                inner,
                lzma_rust2::LzipOptions::with_preset(LZMA_PRESET),
            ))),
            Method::Lzma => {
                let options = lzma_rust2::LzmaOptions::with_preset(LZMA_PRESET);
                Self::Lzma(Box::new(lzma_rust2::LzmaWriter::new_use_header(
                    inner, &options, None,
                )?))
            }
            Method::Zstd => Self::Zstd(ZstdWriter {
                inner,
                frame: Vec::new(),
                frames: 0,
            }),
        })
    }

    /// Writes what is left and returns the inner writer.
    pub fn finish(self) -> Result<W> {
        Ok(match self {
            Self::Plain(inner) => inner,
            Self::Gzip(writer) => writer.finish()?,
            Self::Bzip2(writer) => writer.finish()?,
            Self::Xz(writer) => writer.finish()?,
            Self::Lzip(writer) => writer.finish()?,
            Self::Lzma(writer) => writer.finish()?,
            Self::Zstd(writer) => writer.finish()?,
        })
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(writer) => writer.write(bytes),
            Self::Gzip(writer) => writer.write(bytes),
            Self::Bzip2(writer) => writer.write(bytes),
            Self::Xz(writer) => writer.write(bytes),
            Self::Lzip(writer) => writer.write(bytes),
            Self::Lzma(writer) => writer.write(bytes),
            Self::Zstd(writer) => writer.write(bytes),
        }
    }

    /// The stream is complete after [`Compressor::finish`] only.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses a whole file, by contract path, into `target`.
pub fn file(source: &str, target: File, method: Method) -> Result<()> {
    let mut from = Tree::contract().open(source)?;
    let mut stream = Compressor::new(method, io::BufWriter::with_capacity(1 << 20, target))?;
    io::copy(&mut from, &mut stream).with_context(|| format!("cannot compress {source}"))?;
    Ok(stream.finish()?.flush()?)
}

/// zstd in frames.
#[derive(Debug)]
pub struct ZstdWriter<W: Write> {
    inner: W,
    frame: Vec<u8>,
    frames: u64,
}

impl<W: Write> ZstdWriter<W> {
    fn write_frame(&mut self) -> io::Result<()> {
        let compressed = compress_to_vec(self.frame.as_slice(), CompressionLevel::Fastest);
        self.frame.clear();
        self.frames += 1;
        self.inner.write_all(&compressed)
    }

    fn finish(mut self) -> io::Result<W> {
        if !self.frame.is_empty() || self.frames == 0 {
            self.write_frame()?;
        }
        Ok(self.inner)
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(ZSTD_FRAME - self.frame.len())];
        self.frame.extend_from_slice(part);
        if self.frame.len() == ZSTD_FRAME {
            self.write_frame()?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn compressed(method: Method, text: &[u8]) -> Vec<u8> {
        let mut writer = Compressor::new(method, Vec::new()).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn what_is_compressed_reads_back() {
        let text = b"some text, some text".repeat(9_000);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(compressed(Method::Gzip(6), &text).as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
        back.clear();
        bzip2::read::BzDecoder::new(compressed(Method::Bzip2, &text).as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
        back.clear();
        lzma_rust2::XzReader::new(compressed(Method::Xz(0), &text).as_slice(), true)
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
        back.clear();
        let zstd = compressed(Method::Zstd, &text);
        ruzstd::decoding::StreamingDecoder::new(zstd.as_slice())
            .unwrap()
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn names_choose_the_method() {
        assert_eq!(
            Method::for_name("a.tar.xz").unwrap(),
            Method::Xz(LZMA_PRESET)
        );
        assert_eq!(Method::for_name("a.tar").unwrap(), Method::None);
        assert!(Method::for_name("a.tar.lzo").is_err());
    }
}
