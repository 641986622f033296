//! Text of others made fit for a terminal and for a page.
//!
//! Manifests, module documents, policies, logs and names in trees are written by others. A control character moves the cursor or changes
//! what was printed before; a format character turns the direction of writing or cannot be seen. None of them reaches a reader.
use osbuild_stage_names::byte_of;
use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character does something instead of being seen: controls but line end and tab, separators of lines, format characters
/// (Unicode's categories Cc, Zl, Zp and Cf).
pub fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t') || is_format(character)
}

/// Categories Zl, Zp and Cf, with noncharacters, bytes of names and what comes behind the planes that have letters.
pub(crate) fn is_format(character: char) -> bool {
    matches!(character,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    ) || byte_of(character).is_some()
}

/// The text with hidden characters written as `\u{202e}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, escape_unicode)
}

/// The same for text of one line: line ends and tabs too.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    let hidden = |character| is_hidden(character) || matches!(character, '\n' | '\t');
    escaped(text, hidden, escape_unicode)
}

/// A byte of a name that is no UTF-8 is written as it is, `\xe9`.
fn escape_unicode(out: &mut String, character: char) {
    match byte_of(character) {
        // Writing to a String cannot fail.
        Some(byte) => _ = write!(out, "\\x{byte:02x}"),
        None => out.extend(character.escape_unicode()),
    }
}

/// A JSON document with hidden characters written as JSON does (`\u202e`); it means the same. They can only be within its texts.
pub fn printable_json(document: &str) -> Cow<'_, str> {
    escaped(document, is_hidden, |out, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn escaped(
    text: &str,
    hidden: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match hidden(character) {
            true => escape(&mut out, character),
            false => out.push(character),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_do_something_are_written_as_escapes() {
        for (text, shown) in [
            (
                "plain text, ä, 漢, \u{1f600}\n\tx",
                "plain text, ä, 漢, \u{1f600}\n\tx",
            ),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("a\rb\u{8}\u{7f}\0", "a\\u{d}b\\u{8}\\u{7f}\\u{0}"),
            (
                "\u{202e}gnp.exe\u{2066}\u{200b}\u{2028}",
                "\\u{202e}gnp.exe\\u{2066}\\u{200b}\\u{2028}",
            ),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable_line("a\nb\tc\u{1b}"), "a\\u{a}b\\u{9}c\\u{1b}");
    }

    #[test]
    fn json_means_the_same_when_it_is_printable() {
        let text = "\u{202e}x\u{9b}\u{e0041}";
        let document = serde_json::json!({ "a": text }).to_string();
        let shown = printable_json(&document);
        assert!(!shown.contains(is_hidden), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["a"], text);
    }
}
