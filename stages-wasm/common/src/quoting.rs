//! Values that land in files which a shell or GRUB reads: checked to be what they are taken for, data, so that none of them ends its
//! quotes or runs a command. Nothing is changed: a value that is good stands in the file as it is given.
use osbuild_stage::{Error, Result};

/// How a reader sees a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// Whether `"VALUE"` is one word of a shell that runs nothing. Variables (`$NAME`, `${NAME}`) are data too.
pub fn shell_quoted(option: &str, value: &str) -> Result<()> {
    refuse(option, value, shell(value, Quotes::Double))
}

/// Whether `VALUE` is one word of a shell that runs nothing.
pub fn shell_word(option: &str, value: &str) -> Result<()> {
    refuse(option, value, shell(value, Quotes::None))
}

/// Whether `VALUE` is words of one command of GRUB.
pub fn grub_words(option: &str, value: &str) -> Result<()> {
    refuse(option, value, grub(value))
}

/// Whether `'VALUE'` is one word of a shell, of GRUB, or of a kickstart file.
pub fn single_quoted(option: &str, value: &str) -> Result<()> {
    let reason = value.contains('\'').then_some("it ends its quotes");
    refuse(option, value, reason)
}

fn refuse(option: &str, value: &str, reason: Option<&str>) -> Result<()> {
    match reason {
        None => Ok(()),
        Some(reason) => Err(Error::new(format!(
            "options.{option}: {value:?} would not be data to the program that reads it: {reason}"
        ))),
    }
}

/// What is wrong with a value that begins, and has to end, within these quotes.
fn shell(value: &str, within: Quotes) -> Option<&'static str> {
    let mut quotes = within;
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        match (quotes, character) {
            (_, character) if character.is_control() => return Some("it has a control character"),
            (Quotes::Single, '\'') => quotes = Quotes::None,
            (Quotes::Single, _) => {}
            (_, '`') => return Some("`...` runs a command"),
            (_, '\\') if rest.next().is_none() => return Some("it ends with a backslash"),
            (_, '\\') => {}
            (_, '$') => match expansion(rest.as_str(), quotes) {
                Ok(()) => {}
                Err(reason) => return Some(reason),
            },
            (Quotes::Double, '"') => quotes = Quotes::None,
            (Quotes::None, '"') => quotes = Quotes::Double,
            (Quotes::None, '\'') => quotes = Quotes::Single,
            (Quotes::None, ' ' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => {
                return Some("without quotes, what follows would be another word or a command");
            }
            _ => {}
        }
    }
    (quotes != within).then_some("its quotes are not closed")
}

/// What follows a `$`.
fn expansion(rest: &str, quotes: Quotes) -> Result<(), &'static str> {
    let is_name = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(fits)
    };
    if rest.starts_with('(') || rest.starts_with('[') {
        return Err("`$(...)` runs a command");
    }
    if quotes == Quotes::None && rest.starts_with(['\'', '"']) {
        return Err("`$'...'` means something else than it looks like");
    }
    match rest.strip_prefix('{').map(|inner| inner.split_once('}')) {
        None => Ok(()),
        Some(Some((name, _))) if is_name(name) => Ok(()),
        Some(_) => Err("of `${...}` only `${NAME}` is data"),
    }
}

fn grub(value: &str) -> Option<&'static str> {
    let mut quotes = Quotes::None;
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        match (quotes, character) {
            (_, character) if character.is_control() => return Some("it has a control character"),
            (Quotes::Single, '\'') | (Quotes::Double, '"') => quotes = Quotes::None,
            (Quotes::Single, _) => {}
            (_, '\\') if rest.next().is_none() => return Some("it ends with a backslash"),
            (Quotes::None, '\'') => quotes = Quotes::Single,
            (Quotes::None, '"') => quotes = Quotes::Double,
            (_, '$') if rest.as_str().starts_with('{') => {
                let (_, after) = rest.as_str().split_once('}').unwrap_or_default();
                rest = after.chars();
            }
            (Quotes::None, ';' | '&' | '|' | '<' | '>' | '{' | '}') => {
                return Some("without quotes, what follows would be another command");
            }
            _ => {}
        }
    }
    (quotes != Quotes::None).then_some("its quotes are not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_values_are_data() {
        for value in [
            "",
            "zstd",
            "a b $C",
            "${HOME}/bin:$PATH",
            "\"q\"",
            "it's",
            "a\\\"b",
            "console=tty0 rd.luks.options=discard",
            "a;b|c&d",
            "5$",
        ] {
            assert!(shell_quoted("x", value).is_ok(), "{value}");
        }
        for value in [
            "",
            "kernel-core",
            "/usr/bin/x",
            "'a b'",
            "\"a b\"",
            "a\\ b",
            "yes",
        ] {
            assert!(shell_word("x", value).is_ok(), "{value}");
        }
        for value in [
            "ro quiet",
            "/k ${root} $version",
            "a='b;c'",
            "\"a b\"",
            "$ignition_firstboot",
        ] {
            assert!(grub_words("x", value).is_ok(), "{value}");
        }
    }

    #[test]
    fn values_that_would_run_something_are_refused_with_their_option() {
        for value in [
            "\"; touch /x; \"",
            "$(touch /x)",
            "`touch /x`",
            "\"\ntouch /x\n\"",
            "${x:-$(touch /x)}",
            "${x:=`touch /x`}",
            "${x@P}",
            "$[$(touch /x)]",
            "a\\",
            "\"",
            "\" touch /x \"",
            "\"&touch /x&\"",
            "\"$'\\n'touch\"",
            "a\u{9b}b",
        ] {
            let error = shell_quoted("config.compress", value).expect_err(value);
            assert!(error.to_string().contains("config.compress"), "{error}");
        }
        for value in [
            "a b", "a;b", "$(x)", "a\nb", "'a", "a\\", "a|b", "a>b", "`x`",
        ] {
            assert!(shell_word("x", value).is_err(), "{value}");
        }
        for value in ["a;b", "a\nb", "a}", "{", "a|b", "'a", "\"", "a\\"] {
            assert!(grub_words("x", value).is_err(), "{value}");
        }
    }
}
