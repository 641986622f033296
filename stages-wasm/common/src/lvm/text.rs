//! The text of the metadata: `key = value` lines in nested sections.
use osbuild_stage::{Error, Result};

/// A section: its entries in their order.
pub type Section = Vec<(String, Entry)>;

/// What a key stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// One value.
    Value(Value),
    /// `[ ... ]`.
    List(Vec<Value>),
    /// `{ ... }`.
    Section(Section),
}

/// A single value. Numbers keep their digits.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An integer or a number with a fraction.
    Number(String),
    /// A text in quotes; runs of blanks inside are one blank.
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// Parses a text; comments are dropped, commas and equal signs mean nothing.
pub fn parse(text: &str) -> Result<Section> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let section = section(&mut tokens)?;
    match tokens.next() {
        None => Ok(section),
        Some(token) => Err(unexpected(&token)),
    }
}

fn unexpected(token: &Token) -> Error {
    Error::new(format!("LVM metadata: unexpected {token:?}"))
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '{' | '}' | '[' | ']' => {
                tokens.push(Token::Mark(first));
                1
            }
            '=' | ',' => 1,
            '"' => {
                let (text, used) = quoted(&rest[1..])
                    .ok_or_else(|| Error::new("LVM metadata: a quote is not closed"))?;
                tokens.push(Token::Text(text));
                used + 1
            }
            _ => {
                let special = |c: char| c.is_whitespace() || "#{}[]=,\"".contains(c);
                let end = rest.find(special).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].into()));
                end
            }
        };
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

/// The text up to the closing quote and the bytes it takes with that quote. Backslashes stay: they are written back as they are.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => {
                let words: Vec<&str> = text[..at].split_whitespace().collect();
                return Some((words.join(" "), at + 1));
            }
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

fn section(tokens: &mut Tokens) -> Result<Section> {
    let mut entries = Section::new();
    while let Some(token) = tokens.next_if(|token| *token != Token::Mark('}')) {
        let Token::Word(key) = token else {
            return Err(unexpected(&token));
        };
        let entry = match tokens.next() {
            Some(Token::Mark('{')) => {
                let inner = section(tokens)?;
                match tokens.next() {
                    Some(Token::Mark('}')) => Entry::Section(inner),
                    _ => return Err(Error::new(format!("LVM metadata: `{key}` is not closed"))),
                }
            }
            Some(Token::Mark('[')) => Entry::List(list(tokens)?),
            Some(token) => Entry::Value(value(token)?),
            None => return Err(Error::new(format!("LVM metadata: `{key}` has no value"))),
        };
        entries.push((key, entry));
    }
    Ok(entries)
}

fn list(tokens: &mut Tokens) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    for token in tokens {
        match token {
            Token::Mark(']') => return Ok(values),
            token => values.push(value(token)?),
        }
    }
    Err(Error::new("LVM metadata: a list is not closed"))
}

fn value(token: Token) -> Result<Value> {
    match token {
        Token::Text(text) => Ok(Value::Text(text)),
        Token::Word(word) if word.parse::<f64>().is_ok() => Ok(Value::Number(word)),
        token => Err(unexpected(&token)),
    }
}

/// The text of a section, without indentation.
pub fn render(section: &Section) -> String {
    let mut text = String::new();
    for (key, entry) in section {
        match entry {
            Entry::Value(value) => text += &format!("{key} = {}\n", value.render()),
            Entry::List(values) => {
                let values: Vec<String> = values.iter().map(Value::render).collect();
                text += &format!("{key} = [{}]\n", values.join(", "));
            }
            Entry::Section(inner) => text += &format!("{key} {{\n{}}}\n\n", render(inner)),
        }
    }
    text
}

impl Value {
    fn render(&self) -> String {
        match self {
            Self::Number(digits) => digits.clone(),
            Self::Text(text) => format!("\"{text}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_back_without_comments_and_indentation() {
        let text = "vg {\n\tid = \"a-b\" # no\n\tstatus = [\"READ\", \"WRITE\"]\n\tflags = []\n\tpv0 {\n\t\tsize=12\n\t}\n}\n# Generated\ndescription = \"a\n  b \"\nversion = 1.5\n";
        let section = parse(text).unwrap();
        let rendered = render(&section);
        assert_eq!(
            rendered,
            "vg {\nid = \"a-b\"\nstatus = [\"READ\", \"WRITE\"]\nflags = []\npv0 {\nsize = 12\n}\n\n}\n\ndescription = \"a b\"\nversion = 1.5\n"
        );
        assert_eq!(parse(&rendered).unwrap(), section);
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        for text in ["a", "a {", "a = [1", "a = \"b", "}", "a = b", "{ }"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
