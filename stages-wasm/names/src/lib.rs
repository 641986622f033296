//! Names of files, and texts of links, are bytes; the contract carries them as text without losing any (`wit/tree.wit`).
#![forbid(unsafe_code)]

use std::borrow::Cow;

/// The character that stands for byte 0 would be this one; only bytes from 0x80 on are ever written so.
const BASE: u32 = 0x10_ff00;

/// A name as text: what is UTF-8 as it is, any other byte B as the character U+10FF00 + B. Where a name really has such a character, its
/// bytes are written in the same way, so that no two names become one.
pub fn from_bytes(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match byte_of(character) {
                None => text.push(character),
                Some(_) => {
                    let bytes = character.encode_utf8(&mut [0; 4]).as_bytes().to_owned();
                    text.extend(bytes.into_iter().map(character_of));
                }
            }
        }
        text.extend(chunk.invalid().iter().copied().map(character_of));
    }
    text
}

/// The name that a text stands for.
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !has_byte(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut name = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => name.push(byte),
            None => name.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Cow::Owned(name)
}

/// Whether a text is the one that [`from_bytes`] writes for its name: who judges names by their text has to refuse every other.
pub fn is_the_text_of_a_name(text: &str) -> bool {
    !has_byte(text) || from_bytes(&to_bytes(text)) == text
}

/// The byte that a character stands for, if it does.
pub fn byte_of(character: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(character).checked_sub(BASE)?).ok()?;
    (byte >= 0x80).then_some(byte)
}

fn has_byte(text: &str) -> bool {
    text.chars().any(|character| byte_of(character).is_some())
}

fn character_of(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_text() {
        for (text, is_one) in [
            ("é/b", true),
            ("\u{10ff9b}", true),
            ("\u{10ffc3}\u{10ffa9}", false),
            ("a\u{10ffc3}\u{10ffa9}\u{10ff9b}", false),
        ] {
            assert_eq!(is_the_text_of_a_name(text), is_one, "{text:?}");
        }
    }

    #[test]
    fn every_name_comes_back_as_it_was() {
        let private = "\u{10ff80}a\u{10ffff}".as_bytes();
        let names: [&[u8]; 8] = [
            b"",
            b"plain",
            "\u{e9}\u{8bf4}".as_bytes(),
            b"caf\xe9",
            b"\xff\xfe/\xe2\x82",
            private,
            b"\xf4\x8f\xbe",
            b"\xc3\xa9\xc3",
        ];
        for name in names {
            assert_eq!(&*to_bytes(&from_bytes(name)), name, "{name:?}");
        }
        assert_eq!(from_bytes(b"caf\xe9"), "caf\u{10ffe9}");
        assert_eq!(from_bytes("caf\u{e9}".as_bytes()), "caf\u{e9}");
        for byte in 0..=u8::MAX {
            for name in [&[byte][..], &[b'a', byte, b'/'], &[0xc3, byte, 0xa9]] {
                assert_eq!(&*to_bytes(&from_bytes(name)), name);
            }
        }
    }
}
