//! Files of a repository, opened by another process: compressed, and held against their checksums.
use super::Result;
use super::repomd::Entry;
use sha2::Digest;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::rc::Rc;

/// The most that a file may have when it is unpacked. The largest file lists have some hundred megabytes.
const MOST: u64 = 8 << 30;
/// The most that a file of a few groups, modules or hashes may have: it is kept as a whole.
const MOST_SMALL: u64 = 64 << 20;
const BUFFER: usize = 1 << 16;

/// The files in the `repodata` directory of a repository, by name.
#[derive(Debug, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<String, File>);

impl Files {
    /// The first file of a repository: what names the others.
    pub(crate) fn repomd(&self) -> Result<Vec<u8>> {
        let file = self
            .0
            .get("repomd.xml")
            .ok_or("there is no repodata/repomd.xml")?;
        let mut bytes = Vec::new();
        let read = file.take(MOST_SMALL).read_to_end(&mut bytes);
        read.map_err(|error| format!("cannot read repodata/repomd.xml: {error}"))?;
        Ok(bytes)
    }

    /// Reads a file that repomd.xml names, unpacked, and checks what it was afterwards.
    ///
    /// # Errors
    /// One line that names the file: it is not there, damaged, not what its checksum says, or not what `read` expects.
    pub(crate) fn read<T>(
        &self,
        entry: &Entry,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T>,
    ) -> Result<T> {
        let name = entry.file_name();
        let about = |problem: String| format!("repodata/{name}: {problem}");
        let file = self
            .0
            .get(name)
            .ok_or_else(|| about("it is not there".to_owned()))?;
        let checked = Rc::new(RefCell::new(Checked::new(file, entry).map_err(about)?));
        let mut unpacked =
            BufReader::with_capacity(BUFFER, Limited::new(unpack(Shared(checked.clone()))));
        let result = read(&mut unpacked);
        // A file that is not what its checksum says is that, whatever else is wrong with it.
        let whole = checked.borrow_mut().finish();
        whole.map_err(about)?;
        result.map_err(about)
    }

    /// As [`Files::read`], for what is small: all of it as text.
    pub(crate) fn text(&self, entry: &Entry) -> Result<String> {
        self.read(entry, |source| {
            let mut text = String::new();
            let read = source.take(MOST_SMALL + 1).read_to_string(&mut text);
            read.map_err(|error| error.to_string())?;
            match text.len() as u64 > MOST_SMALL {
                true => Err(format!("it has more than {MOST_SMALL} bytes")),
                false => Ok(text),
            }
        })
    }
}

/// Chooses by the first bytes, not by the name, which no checksum covers.
fn unpack(packed: Shared<'_>) -> Box<dyn Read + '_> {
    let mut packed = BufReader::with_capacity(BUFFER, packed);
    let begin = packed.fill_buf().unwrap_or_default();
    match begin {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(lzma_rust2::XzReader::new(packed, true)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::Decoder::with_buffer(packed) {
            Ok(unpacked) => Box::new(unpacked),
            Err(error) => Box::new(Broken(error.kind())),
        },
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        _ => Box::new(packed),
    }
}

/// A file that cannot be read.
struct Broken(ErrorKind);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

/// Ends with an error after too many bytes.
struct Limited<R> {
    source: R,
    left: u64,
}

impl<R> Limited<R> {
    fn new(source: R) -> Self {
        Self { source, left: MOST }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let left = self.left.checked_sub(count as u64);
        self.left = left
            .ok_or_else(|| io::Error::other(format!("it has more than {MOST} bytes unpacked")))?;
        Ok(count)
    }
}

/// The checked file, for the reader that unpacks it.
struct Shared<'a>(Rc<RefCell<Checked<'a>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

/// A file whose bytes are hashed as they are read.
struct Checked<'a> {
    file: &'a File,
    hash: Hash,
    expected: &'a str,
}

impl<'a> Checked<'a> {
    fn new(file: &'a File, entry: &'a Entry) -> Result<Self> {
        let (algorithm, expected) = &entry.checksum;
        Ok(Self {
            file,
            hash: Hash::new(algorithm)?,
            expected,
        })
    }

    /// Reads what is left, and compares.
    fn finish(&mut self) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        while self.read(&mut buffer).map_err(|error| error.to_string())? > 0 {}
        let found = self.hash.finish();
        if found.eq_ignore_ascii_case(self.expected) {
            return Ok(());
        }
        Err(format!(
            "checksum mismatch: repomd.xml says {}, its content has {found}",
            self.expected
        ))
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// A hash of one of the algorithms of repositories.
enum Hash {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha224(sha2::Sha224),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Hash {
    fn new(algorithm: &str) -> Result<Self> {
        Ok(match algorithm {
            "md5" => Self::Md5(Digest::new()),
            "sha" | "sha1" => Self::Sha1(Digest::new()),
            "sha224" => Self::Sha224(Digest::new()),
            "sha256" => Self::Sha256(Digest::new()),
            "sha384" => Self::Sha384(Digest::new()),
            "sha512" => Self::Sha512(Digest::new()),
            other => {
                return Err(format!(
                    "repomd.xml has a checksum of the unknown kind {other:?}"
                ));
            }
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha224(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    fn finish(&mut self) -> String {
        match self {
            Self::Md5(hash) => hex::encode(hash.finalize_reset()),
            Self::Sha1(hash) => hex::encode(hash.finalize_reset()),
            Self::Sha224(hash) => hex::encode(hash.finalize_reset()),
            Self::Sha256(hash) => hex::encode(hash.finalize_reset()),
            Self::Sha384(hash) => hex::encode(hash.finalize_reset()),
            Self::Sha512(hash) => hex::encode(hash.finalize_reset()),
        }
    }
}
