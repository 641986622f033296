//! The reader: exactly what Python's `json.loads` takes, with a limit of depth.

use super::{Number, Object, Text, Value};

/// How deeply arrays and objects may nest (Python gives up at about the same depth).
pub const MAX_DEPTH: usize = 900;
/// How many digits an integer may have (Python's own limit).
pub const MAX_DIGITS: usize = 4300;

/// How many values a document may have, itself and those within: each takes some hundred bytes of memory on its way through this program,
/// however short it is.
pub const MAX_VALUES: usize = 4_000_000;

/// Why a text is not a JSON document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}: {message}")]
pub struct SyntaxError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The same place as a byte offset.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

/// Reads one JSON document; nothing but white space may follow it.
pub fn parse(input: &[u8]) -> Result<Value, SyntaxError> {
    read(input).map(|(value, _)| value)
}

/// The same where a name may be given once in an object.
pub fn parse_without_duplicates(input: &[u8]) -> Result<Value, SyntaxError> {
    match read(input)? {
        (value, None) => Ok(value),
        (_, Some(duplicate)) => Err(duplicate),
    }
}

/// The document, and what is wrong with the first name that is given twice in an object.
fn read(input: &[u8]) -> Result<(Value, Option<SyntaxError>), SyntaxError> {
    let text = match std::str::from_utf8(input) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(input, error.valid_up_to())),
    };
    let mut parser = Parser::at(text, 0);
    if text.starts_with('\u{feff}') {
        return parser
            .fail("the document starts with a byte order mark; save it as UTF-8 without one");
    }
    parser.skip_blanks();
    let value = parser.value()?;
    parser.skip_blanks();
    match parser.peek() {
        None => Ok((value, parser.duplicate)),
        Some(_) => parser.fail("more text follows the end of the document"),
    }
}

fn not_utf8(input: &[u8], valid: usize) -> SyntaxError {
    let text = String::from_utf8_lossy(input.get(..valid).unwrap_or_default()).into_owned();
    locate(&text, text.len(), "the document is not UTF-8 here".into())
}

fn locate(text: &str, position: usize, message: String) -> SyntaxError {
    let before = text.get(..position).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    SyntaxError {
        line: before.matches('\n').count() + 1,
        column: before
            .get(line_start..)
            .map_or(0, |line| line.chars().count())
            + 1,
        offset: before.len(),
        message,
    }
}

type Parsed<T> = Result<T, SyntaxError>;

pub(super) struct Parser<'a> {
    text: &'a str,
    /// A byte offset, always at the start of a character.
    pub(super) position: usize,
    depth: usize,
    /// How many values were met.
    values: usize,
    /// The first name that was met twice in an object.
    duplicate: Option<SyntaxError>,
}

impl<'a> Parser<'a> {
    /// A reader of the value that begins at a byte offset.
    pub(super) fn at(text: &'a str, position: usize) -> Self {
        Parser {
            text,
            position,
            depth: 0,
            values: 0,
            duplicate: None,
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(locate(self.text, self.position, message.into()))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.position += if found { word.len() } else { 0 };
        found
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    pub(super) fn value(&mut self) -> Parsed<Value> {
        if self.values == MAX_VALUES {
            return self.fail(format!("the document has more than {MAX_VALUES} values"));
        }
        self.values += 1;
        match self.peek() {
            None => self.fail("a value is missing: the document ends here"),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
        }
    }

    fn word(&mut self) -> Parsed<Value> {
        const WORDS: [(&str, Value); 5] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Number(Number::Float(f64::NAN))),
            ("Infinity", Value::Number(Number::Float(f64::INFINITY))),
        ];
        for (word, value) in WORDS {
            if self.take_word(word) {
                return Ok(value);
            }
        }
        self.fail("a value is expected here")
    }

    fn nested(&mut self, read: fn(&mut Self) -> Parsed<Value>) -> Parsed<Value> {
        if self.depth == MAX_DEPTH {
            return self.fail(format!("the document nests deeper than {MAX_DEPTH} levels"));
        }
        self.depth += 1;
        self.position += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Parsed<Value> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.skip_blanks();
            items.push(self.value()?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return self.fail("`,` or `]` is expected here");
            }
        }
    }

    fn object(&mut self) -> Parsed<Value> {
        let mut members = Object::new();
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return self.fail("the name of a member in double quotes is expected here");
            }
            let begin = self.position;
            let key = self.string()?;
            if self.duplicate.is_none() && members.contains_key(&key) {
                let message = "this name is given before in the same object".into();
                self.duplicate = Some(locate(self.text, begin, message));
            }
            self.skip_blanks();
            if !self.take(b':') {
                return self.fail("`:` is expected here");
            }
            self.skip_blanks();
            // Of duplicate keys the last value wins and stays where the first was.
            let value = self.value()?;
            members.insert(key, value);
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return self.fail("`,` or `}` is expected here");
            }
        }
    }

    fn number(&mut self) -> Parsed<Value> {
        let text = self.rest();
        let length = integer_length(text.as_bytes());
        if length == 0 {
            if self.take_word("-Infinity") {
                return Ok(Value::Number(Number::Float(f64::NEG_INFINITY)));
            }
            return self.fail("digits are expected after `-`");
        }
        let whole = length
            + fraction_and_exponent_length(text.as_bytes().get(length..).unwrap_or_default());
        let literal = text.get(..whole).unwrap_or_default();
        let number = if whole > length {
            literal.parse().ok().map(Number::Float)
        } else if length > MAX_DIGITS {
            return self.fail(format!("an integer has more than {MAX_DIGITS} digits"));
        } else {
            Number::from_integer_text(literal)
        };
        let Some(number) = number else {
            return self.fail("this is not a number");
        };
        self.position += whole;
        Ok(Value::Number(number))
    }

    pub(super) fn string(&mut self) -> Parsed<Text> {
        self.position += 1;
        let start = self.position;
        let length = plain_length(self.rest().as_bytes());
        self.position += length;
        let plain = self.text.get(start..self.position).unwrap_or_default();
        if self.take(b'"') {
            return Ok(plain.into());
        }
        let mut points: Vec<u32> = plain.chars().map(u32::from).collect();
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                None => return self.fail("a string has no closing quote"),
                Some('"') => break,
                Some('\\') => points.push(self.escape()?),
                Some('\0'..' ') => {
                    return self.fail("a control character in a string; write it as an escape");
                }
                Some(character) => {
                    self.position += character.len_utf8();
                    points.push(character.into());
                }
            }
        }
        self.position += 1;
        Ok(Text::from_code_points(&points))
    }

    fn escape(&mut self) -> Parsed<u32> {
        let kind = self.text.as_bytes().get(self.position + 1).copied();
        let point = match kind {
            Some(b'u') => return self.unicode_escape(),
            Some(plain @ (b'"' | b'\\' | b'/')) => u32::from(plain),
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => 0x0A,
            Some(b'r') => 0x0D,
            Some(b't') => 0x09,
            _ => return self.fail("an unknown escape in a string"),
        };
        self.position += 2;
        Ok(point)
    }

    /// `\uXXXX`; a high surrogate takes the low one that follows it.
    fn unicode_escape(&mut self) -> Parsed<u32> {
        let Some(high) = hex_escape(self.rest()) else {
            return self.fail("four hexadecimal digits are expected after `\\u`");
        };
        self.position += 6;
        if let (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) = (high, hex_escape(self.rest())) {
            self.position += 6;
            return Ok(0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00)));
        }
        Ok(high)
    }
}

fn hex_escape(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)
}

/// How many bytes of a string need no decoding.
fn plain_length(bytes: &[u8]) -> usize {
    let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    bytes.iter().position(special).unwrap_or(bytes.len())
}

fn digits_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

/// Length of `-?(0|[1-9][0-9]*)`, 0 when there is none.
fn integer_length(bytes: &[u8]) -> usize {
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let digits = bytes.get(sign..).unwrap_or_default();
    match digits.first() {
        Some(b'0') => sign + 1,
        Some(b'1'..=b'9') => sign + digits_length(digits),
        _ => 0,
    }
}

/// Length of `(\.[0-9]+)?([eE][-+]?[0-9]+)?`.
fn fraction_and_exponent_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    if bytes.first() == Some(&b'.') {
        let digits = digits_length(bytes.get(1..).unwrap_or_default());
        length = if digits > 0 { 1 + digits } else { 0 };
    }
    let exponent = bytes.get(length..).unwrap_or_default();
    if matches!(exponent.first(), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(exponent.get(1), Some(b'+' | b'-')));
        let digits = digits_length(exponent.get(1 + sign..).unwrap_or_default());
        length += if digits > 0 { 1 + sign + digits } else { 0 };
    }
    length
}
