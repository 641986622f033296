//! Item keys that are checksums: `ALGORITHM:DIGITS`.

use sha2::digest::DynDigest;
use std::fmt;

/// Content type of sources that are plain files named by their checksum.
pub(crate) const FILES: &str = "org.osbuild.files";

/// Algorithms a key may name, with the number of hexadecimal digits of each.
const ALGORITHMS: [(&str, usize); 5] = [
    ("md5", 32),
    ("sha1", 40),
    ("sha256", 64),
    ("sha384", 96),
    ("sha512", 128),
];

/// Makes sure that a key is a checksum, such as content is asked for and stored by.
///
/// # Errors
/// One line: what is wrong with it.
pub fn check_checksum(key: &str) -> Result<(), String> {
    Checksum::parse(key).map(drop)
}

/// A checksum that content must have. As a key it is a safe file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksum {
    algorithm: &'static str,
    digits: String,
}

impl Checksum {
    /// Reads a key, all of which must be a checksum: osbuild's schemas let `zzsha256:..` through.
    pub(crate) fn parse(key: &str) -> Result<Self, String> {
        let parsed = key.split_once(':').and_then(|(name, digits)| {
            let (algorithm, length) = ALGORITHMS
                .into_iter()
                .find(|(algorithm, _)| *algorithm == name)?;
            let hexadecimal = digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (hexadecimal && digits.len() == length).then(|| Self {
                algorithm,
                digits: digits.to_owned(),
            })
        });
        parsed.ok_or_else(|| {
            let forms: Vec<_> = ALGORITHMS.iter().map(|(name, length)| format!("{name} ({length} digits)")).collect();
            format!(
                "{key:?} is not a checksum: write the algorithm, a colon and lower-case hexadecimal digits; known are {}",
                forms.join(", ")
            )
        })
    }

    /// Whether content has it.
    pub(crate) fn is_of(&self, content: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(content);
        hasher.take() == *self
    }

    /// Something that computes this kind of checksum.
    pub(crate) fn hasher(&self) -> Hasher {
        let state: Box<dyn DynDigest + Send> = match self.algorithm {
            "md5" => Box::new(md5::Md5::default()),
            "sha1" => Box::new(sha1::Sha1::default()),
            "sha256" => Box::new(sha2::Sha256::default()),
            "sha384" => Box::new(sha2::Sha384::default()),
            _ => Box::new(sha2::Sha512::default()),
        };
        Hasher {
            algorithm: self.algorithm,
            state,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.digits)
    }
}

/// Computes a checksum while content passes by.
pub(crate) struct Hasher {
    algorithm: &'static str,
    state: Box<dyn DynDigest + Send>,
}

impl Hasher {
    pub(crate) fn update(&mut self, content: &[u8]) {
        self.state.update(content);
    }

    /// The checksum of all content since the last call; the next content starts a new one.
    pub(crate) fn take(&mut self) -> Checksum {
        Checksum {
            algorithm: self.algorithm,
            digits: hex::encode(self.state.finalize_reset()),
        }
    }
}
