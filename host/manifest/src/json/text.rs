//! Strings of a JSON document, which may hold lone surrogates.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A string of a JSON document.
///
/// Nearly always plain UTF-8; a document may however contain a surrogate escape without its other half (`"\ud800"`), which Python keeps. Such
/// text is held as WTF-8. The order is that of code points.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Utf8(String),
    /// Only when there is a lone surrogate, so that equal text has one representation.
    Wtf8(Vec<u8>),
}

impl Text {
    /// The text as a string, unless it has a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Utf8(text) => Some(text),
            Repr::Wtf8(_) => None,
        }
    }

    /// The text with each lone surrogate replaced by U+FFFD.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Utf8(text) => Cow::Borrowed(text),
            Repr::Wtf8(_) => Cow::Owned(
                self.code_points()
                    .map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect(),
            ),
        }
    }

    /// Has the text no characters?
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The code points, lone surrogates included.
    pub fn code_points(&self) -> impl Iterator<Item = u32> + '_ {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (point, length) = decode(rest)?;
            rest = rest.get(length..).unwrap_or_default();
            Some(point)
        })
    }

    /// Makes text of code points; a pair of surrogates given as two points stays two points.
    pub(super) fn from_code_points(points: &[u32]) -> Text {
        if let Some(text) = points.iter().map(|&point| char::from_u32(point)).collect() {
            return Text(Repr::Utf8(text));
        }
        let mut bytes = Vec::new();
        for &point in points {
            match char::from_u32(point) {
                Some(character) => {
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes())
                }
                None => bytes.extend_from_slice(&encode_surrogate(point)),
            }
        }
        Text(Repr::Wtf8(bytes))
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Utf8(text) => text.as_bytes(),
            Repr::Wtf8(bytes) => bytes,
        }
    }
}

/// The three bytes that UTF-8 would use for a surrogate.
fn encode_surrogate(point: u32) -> [u8; 3] {
    [
        0xE0 | (point >> 12) as u8,
        0x80 | (point >> 6 & 0x3F) as u8,
        0x80 | (point & 0x3F) as u8,
    ]
}

/// The first code point of (valid) WTF-8 and its length in bytes.
fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    let (length, start) = match first {
        0x00..0x80 => return Some((u32::from(first), 1)),
        0x80..0xE0 => (2, first & 0x1F),
        0xE0..0xF0 => (3, first & 0x0F),
        0xF0.. => (4, first & 0x07),
    };
    let tail = bytes.get(1..length)?;
    let point = tail.iter().fold(u32::from(start), |point, byte| {
        point << 6 | u32::from(byte & 0x3F)
    });
    Some((point, length))
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        // The byte order of UTF-8 and of WTF-8 is that of the code points.
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Text {
    /// As `str` hashes, so that maps can be asked with a plain `str`.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Utf8(text) => text.hash(state),
            Repr::Wtf8(bytes) => bytes.hash(state),
        }
    }
}

impl indexmap::Equivalent<Text> for str {
    fn equivalent(&self, key: &Text) -> bool {
        key.as_str() == Some(self)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(Repr::Utf8(text.to_owned()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(Repr::Utf8(text))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.to_string_lossy().as_ref(), out)
    }
}
