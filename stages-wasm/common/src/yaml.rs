//! A writer for YAML 1.1 in the block style that Python's tools produce: keys sorted, two blanks of indentation, lists as far left as
//! their key, strings in quotes only where they would be read as something else, long ones folded, all in ASCII.
use osbuild_stage::{Number, Result, bail};
use regex_lite::Regex;
use serde_json::{Map, Value};

/// Text is folded at the first blank behind this column.
const WIDTH: usize = 80;
/// Longer keys would need another syntax (YAML 1.1, 7.1: a simple key has at most 1024 characters).
const LONGEST_KEY: usize = 250;

/// What YAML 1.1 reads as null, boolean, number, time, merge or default key (<https://yaml.org/type/>).
const NO_STRING: &str = r"(?x)^(?:
    | ~ | null | Null | NULL
    | yes | Yes | YES | no | No | NO | true | True | TRUE | false | False | FALSE | on | On | ON | off | Off | OFF
    | [-+]? 0b [01_]+ | [-+]? 0 [0-7_]+ | [-+]? (?: 0 | [1-9][0-9_]* ) | [-+]? 0x [0-9a-fA-F_]+
    | [-+]? [1-9][0-9_]* (?: : [0-5]?[0-9] )+
    | [-+]? [0-9][0-9_]* \. [0-9_]* (?: [eE][-+][0-9]+ )? | \. [0-9][0-9_]* (?: [eE][-+][0-9]+ )?
    | [-+]? [0-9][0-9_]* (?: : [0-5]?[0-9] )+ \. [0-9_]* | [-+]? \. (?: inf | Inf | INF ) | \. (?: nan | NaN | NAN )
    | [0-9]{4} - [0-9]{2} - [0-9]{2}
    | [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} (?: [Tt] | [\ \t]+ ) [0-9]{1,2} : [0-9]{2} : [0-9]{2} (?: \. [0-9]* )?
      (?: [\ \t]* (?: Z | [-+][0-9]{1,2} (?: : [0-9]{2} )? ) )?
    | << | =
)$";

/// The text of a document. Lists under a key of `flow` are written as `[a, b]` on the line of the key.
pub fn write(document: &Map<String, Value>, flow: &[&str]) -> Result<String> {
    let mut writer = Writer {
        text: String::new(),
        no_string: Regex::new(NO_STRING)
            .map_err(|error| osbuild_stage::Error::new(error.to_string()))?,
        flow,
    };
    if document.is_empty() {
        return Ok("{}\n".into());
    }
    writer.mapping(document, 0)?;
    Ok(writer.text)
}

struct Writer<'a> {
    text: String,
    no_string: Regex,
    flow: &'a [&'a str],
}

impl Writer<'_> {
    /// Writes the entries; the position is where the first key goes.
    fn mapping(&mut self, members: &Map<String, Value>, indent: usize) -> Result<()> {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        for (index, (name, value)) in sorted.into_iter().enumerate() {
            if index > 0 {
                self.indent(indent);
            }
            self.key(name)?;
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.text.push('\n');
                    self.indent(indent + 2);
                    self.mapping(inner, indent + 2)?;
                }
                Value::Array(items) if self.flow.contains(&name.as_str()) => self.in_flow(items)?,
                Value::Array(items) if !items.is_empty() => {
                    self.text.push('\n');
                    self.indent(indent);
                    self.sequence(items, indent)?;
                }
                value => {
                    self.text.push(' ');
                    self.line(value, indent)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the items; the position is where the first `-` goes.
    fn sequence(&mut self, items: &[Value], indent: usize) -> Result<()> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.indent(indent);
            }
            self.text += "- ";
            match item {
                Value::Object(inner) if !inner.is_empty() => self.mapping(inner, indent + 2)?,
                Value::Array(inner) if !inner.is_empty() => self.sequence(inner, indent + 2)?,
                item => self.line(item, indent)?,
            }
        }
        Ok(())
    }

    fn in_flow(&mut self, items: &[Value]) -> Result<()> {
        let texts: Vec<String> = items
            .iter()
            .map(|item| self.flow_item(item))
            .collect::<Result<_>>()?;
        self.text += &format!(" [{}]\n", texts.join(", "));
        Ok(())
    }

    fn flow_item(&self, item: &Value) -> Result<String> {
        let Value::String(text) = item else {
            return scalar(item);
        };
        let shape = Shape::of(text);
        if shape.flow_plain && !self.no_string.is_match(text) {
            return Ok(text.clone());
        }
        Ok(quoted_key(text, &shape))
    }

    fn key(&mut self, name: &str) -> Result<()> {
        if name.len() > LONGEST_KEY {
            bail!("the key {name:?} is too long");
        }
        let shape = Shape::of(name);
        if shape.block_plain && !self.no_string.is_match(name) {
            self.text += name;
        } else {
            self.text += &quoted_key(name, &shape);
        }
        self.text.push(':');
        Ok(())
    }

    /// The rest of a line: one value of an entry of the collection at this indentation.
    fn line(&mut self, value: &Value, indent: usize) -> Result<()> {
        match value {
            Value::String(text) => self.string(text, indent + 2),
            value => self.text += &scalar(value)?,
        }
        self.text.push('\n');
        Ok(())
    }

    fn string(&mut self, text: &str, indent: usize) {
        let shape = Shape::of(text);
        if shape.block_plain && !self.no_string.is_match(text) {
            self.folded(text, indent);
        } else if shape.single_quoted {
            self.text.push('\'');
            self.folded(&text.replace('\'', "''"), indent);
            self.text.push('\'');
        } else {
            self.double_quoted(text, indent);
        }
    }

    /// Text with line breaks doubled, and broken at single blanks behind the limit.
    fn folded(&mut self, text: &str, indent: usize) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let run = match first {
                ' ' | '\n' => rest.len() - rest.trim_start_matches(first).len(),
                _ => rest.find([' ', '\n']).unwrap_or(rest.len()),
            };
            let (part, after) = rest.split_at(run);
            let is_inside = rest.len() < text.len() && !after.is_empty();
            match first {
                '\n' => {
                    self.text += &format!("\n{part}");
                    self.indent(indent);
                }
                ' ' if part == " " && is_inside && self.column() > WIDTH => {
                    self.text.push('\n');
                    self.indent(indent);
                }
                _ => self.text += part,
            }
            rest = after;
        }
    }

    /// Text with escapes. A line that is too long is broken before a blank or beside an escape and ends with `\`; a blank at the start
    /// of the next one has its own.
    fn double_quoted(&mut self, text: &str, indent: usize) {
        self.text.push('"');
        let last = text.chars().count().saturating_sub(1);
        let mut after_escape = true;
        let mut characters = text.chars().enumerate().peekable();
        while let Some((index, character)) = characters.next() {
            let is_plain = is_plain(character);
            if !is_plain {
                self.text += &escaped(character);
            }
            let may_break = character == ' ' || !is_plain || after_escape;
            let width = WIDTH + usize::from(!is_plain);
            if (1..last).contains(&index) && may_break && self.column() > width {
                self.text += "\\\n";
                self.indent(indent);
                let next = characters.peek().map(|(_, next)| *next);
                if character == ' ' || (!is_plain && next == Some(' ')) {
                    self.text.push('\\');
                }
            }
            if is_plain {
                self.text.push(character);
            }
            after_escape = !is_plain;
        }
        self.text.push('"');
    }

    fn indent(&mut self, width: usize) {
        self.text.extend(std::iter::repeat_n(' ', width));
    }

    fn column(&self) -> usize {
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        line.chars().count()
    }
}

/// How a string may be written.
struct Shape {
    /// Without quotes outside of `[...]`.
    block_plain: bool,
    /// Without quotes inside of `[...]`.
    flow_plain: bool,
    /// In single quotes, which know no escapes.
    single_quoted: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let has_edges = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
        let indicated = has_indicator(text);
        let block_plain = !has_edges && !indicated && text.chars().all(is_printable);
        Self {
            block_plain,
            flow_plain: block_plain && !text.contains([',', '?', '[', ']', '{', '}', ':']),
            single_quoted: !text.contains(" \n")
                && !text.contains("\n ")
                && text.chars().all(|c| c == '\n' || is_printable(c)),
        }
    }
}

/// Whether something in the text means structure: a comment, a key, a document or an indicator at the start.
fn has_indicator(text: &str) -> bool {
    let second_is_blank = text.chars().nth(1).is_none_or(|second| second == ' ');
    let at_start = match text.chars().next() {
        Some('?' | ':' | '-') => second_is_blank,
        Some(first) => "#,[]{}&*!|>'\"%@`".contains(first),
        None => false,
    };
    at_start
        || ["---", "..."].iter().any(|mark| text.starts_with(mark))
        || text.contains(" #")
        || text.contains(": ")
        || text.ends_with(':')
}

fn is_printable(character: char) -> bool {
    (' '..='~').contains(&character)
}

/// Whether a character needs no escape.
fn is_plain(character: char) -> bool {
    is_printable(character) && !matches!(character, '"' | '\\')
}

/// A text in quotes on one line.
fn quoted_key(text: &str, shape: &Shape) -> String {
    if shape.single_quoted && !text.contains('\n') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let part = |character| match is_plain(character) {
        true => String::from(character),
        false => escaped(character),
    };
    format!("\"{}\"", text.chars().map(part).collect::<String>())
}

fn escaped(character: char) -> String {
    let letter = match character {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0b' => 'v',
        '\x0c' => 'f',
        '\r' => 'r',
        '\x1b' => 'e',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        '"' | '\\' => character,
        other => {
            return match u32::from(other) {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{letter}")
}

/// A value that is neither string nor a collection with content.
fn scalar(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => float(Number::from(number).to_string()),
        Value::Array(items) if items.is_empty() => "[]".into(),
        Value::Object(members) if members.is_empty() => "{}".into(),
        other => bail!("{other} cannot be in a list on one line"),
    })
}

/// YAML 1.1 reads an exponent only behind a fraction.
fn float(text: String) -> String {
    match text.as_str() {
        "inf" => ".inf".into(),
        "-inf" => "-.inf".into(),
        _ if text.contains('.') => text,
        _ => text.replacen('e', ".0e", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, yaml: &str) {
        let document = serde_json::from_str(json).unwrap();
        assert_eq!(write(&document, &["flow"]).unwrap(), yaml, "{json}");
    }

    #[test]
    fn keys_are_sorted_and_lists_are_not_indented() {
        check(
            r#"{"b":{"d":[1,{"f":2,"e":[]}],"c":{}},"a":[[1,2],[]]}"#,
            "a:\n- - 1\n  - 2\n- []\nb:\n  c: {}\n  d:\n  - 1\n  - e: []\n    f: 2\n",
        );
        check("{}", "{}\n");
    }

    #[test]
    fn scalars_keep_their_type() {
        check(
            r#"{"a":null,"b":true,"c":1.5,"d":1e16,"e":1e400,"f":-3}"#,
            "a: null\nb: true\nc: 1.5\nd: 1.0e+16\ne: .inf\nf: -3\n",
        );
    }

    #[test]
    fn strings_that_mean_something_else_are_quoted() {
        for quoted in [
            "",
            "~",
            "yes",
            "123",
            "0x1f",
            "1_0",
            "1.5",
            "12:30",
            "2001-01-01",
            "=",
            "# a",
            "a #b",
            "a: b",
            "a:",
            "- a",
            "-",
            "? a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "[a",
            "{a",
            ", a",
            "> a",
            "| a",
            " a",
            "a ",
            "---",
            "'a'",
        ] {
            let document = serde_json::json!({"k": quoted});
            let text = write(document.as_object().unwrap(), &[]).unwrap();
            assert_eq!(text, format!("k: '{}'\n", quoted.replace('\'', "''")));
        }
        for plain in [
            "None", "a:b", "a#b", "-a", "1e3", "0o17", "it's", "a, b", "?a", "a?",
        ] {
            let document = serde_json::json!({"k": plain});
            let text = write(document.as_object().unwrap(), &[]).unwrap();
            assert_eq!(text, format!("k: {plain}\n"));
        }
    }

    #[test]
    fn what_is_not_ascii_is_escaped() {
        check(
            r#"{"a":"\u00fc\t\"\\","\u00e9":"\u20ac\ud83d\ude00"}"#,
            "a: \"\\xFC\\t\\\"\\\\\"\n\"\\xE9\": \"\\u20AC\\U0001F600\"\n",
        );
    }

    #[test]
    fn line_breaks_are_doubled_in_single_quotes() {
        check(r#"{"a":"b\nc\n\nd"}"#, "a: 'b\n\n  c\n\n\n  d'\n");
        check(r#"{"a":"b \nc"}"#, "a: \"b \\nc\"\n");
    }

    #[test]
    fn long_text_is_folded_behind_the_limit() {
        let words = "word ".repeat(20);
        let line = "word ".repeat(16);
        let document = serde_json::json!({"a": words.trim_end(), "b": words});
        assert_eq!(
            write(document.as_object().unwrap(), &[]).unwrap(),
            format!(
                "a: {}\n  word word word word\nb: '{}\n  word word word word '\n",
                line.trim_end(),
                line.trim_end()
            )
        );
    }

    #[test]
    fn chosen_lists_stay_on_the_line_of_their_key() {
        check(
            r#"{"flow":["a","None","null","b,c",1]}"#,
            "flow: [a, None, 'null', 'b,c', 1]\n",
        );
    }
}
