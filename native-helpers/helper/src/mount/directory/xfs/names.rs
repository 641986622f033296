//! Names in a prototype, which has blanks between words.
use std::collections::BTreeSet;

/// Digits of the numbers that make names differ.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Whether a prototype has it as one word: it has comments behind colons, and a dollar at the end of a directory.
pub fn is_word(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.iter().any(is_blank) && bytes[0] != b':' && bytes != b"$"
}

fn is_blank(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || *byte == 0x0b
}

/// As long as the text, and a word.
pub fn word(text: &[u8]) -> Vec<u8> {
    let letter = |byte: &u8| if is_blank(byte) { b'x' } else { *byte };
    let mut word: Vec<u8> = text.iter().map(letter).collect();
    if let Some(first) = word
        .first_mut()
        .filter(|first| matches!(first, b':' | b'$'))
    {
        *first = b'x';
    }
    word
}

/// A word for each of the names in a directory: as long as the name, and none twice. None where that cannot be.
pub fn words(names: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let own = names.iter().filter(|name| is_word(name));
    let mut taken: BTreeSet<Vec<u8>> = own.cloned().collect();
    let mut word_of = |name: &Vec<u8>| {
        if is_word(name) {
            return Some(name.clone());
        }
        let mut candidates = (0..names.len() + DIGITS.len()).map(|number| numbered(name, number));
        candidates.find(|candidate| is_word(candidate) && taken.insert(candidate.clone()))
    };
    names.iter().map(&mut word_of).collect()
}

/// The name as a word, with a number at its end where that is not 0.
fn numbered(name: &[u8], mut number: usize) -> Vec<u8> {
    let mut word = word(name);
    for byte in word.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *byte = DIGITS[number % DIGITS.len()];
        number /= DIGITS.len();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prototype_has_words_only() {
        for fine in ["a", "a:b", "$a", "\"", "é"] {
            assert!(is_word(fine.as_bytes()), "{fine}");
        }
        for bad in ["", " ", "a b", "a\n", "a\u{b}", ":a", "$"] {
            assert!(!is_word(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn each_name_gets_another_word_of_its_length() {
        let names = ["a b", "a\tb", "axb", ":", "$", " ", "x"].map(|name| name.as_bytes().to_vec());
        let words = words(&names).unwrap();
        let lengths = |names: &[Vec<u8>]| names.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&words), lengths(&names));
        assert!(words.iter().all(|word| is_word(word)));
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!((&words[2], &words[6]), (&names[2], &names[6]));
    }
}
