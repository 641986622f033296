//! Names of files are bytes. The contract carries them as text: bytes that are no UTF-8 are the characters U+10FF80 to U+10FFFF there (see
//! `wit/tree.wit`), and calls of [`crate::Tree`] take and give them so. Formats that hold names of files need the bytes.
use std::borrow::Cow;

const BASE: u32 = 0x10_ff00;

/// The bytes of a name or of the text of a link.
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(|character| byte_of(character).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The text for a name or a link that consists of these bytes.
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match byte_of(character) {
                None => text.push(character),
                // A name that really has such a character is not taken for another one.
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

fn character_of(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of(character: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(character).checked_sub(BASE)?).ok()?;
    (byte >= 0x80).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_as_it_was() {
        for byte in 0..=u8::MAX {
            for name in [&[byte][..], &[b'a', byte, b'/'], &[0xc3, byte, 0xa9]] {
                assert_eq!(&*to_bytes(&from_bytes(name)), name);
            }
        }
        assert_eq!(from_bytes(b"caf\xe9"), "caf\u{10ffe9}");
        assert_eq!(from_bytes("caf\u{e9}".as_bytes()), "caf\u{e9}");
        let private = "\u{10ffe9}".as_bytes();
        assert_eq!(&*to_bytes(&from_bytes(private)), private);
    }
}
