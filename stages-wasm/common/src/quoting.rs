//! Values that land in files which a shell or GRUB reads: escaped where the file has quotes, and checked to be what they are taken
//! for, data, so that none of them ends its quotes or runs a command.
use osbuild_stage::{Error, Result};

/// How a reader sees a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// The text between double quotes that a shell reads as this value.
///
/// # Errors
/// Where it has a control character or a command: nothing of a value is to look like one. They name the option.
pub fn shell_quoted(option: &str, value: &str) -> Result<String> {
    Ok(shell_text(option, value)?.replace('$', "\\$"))
}

/// As [`shell_quoted`], but variables (`$NAME`, `${NAME}`) are the shell's.
///
/// # Errors
/// As there.
pub fn shell_text(option: &str, value: &str) -> Result<String> {
    refuse(option, value, command(value))?;
    let mut text = String::new();
    let mut rest = value.chars().peekable();
    while let Some(character) = rest.next() {
        // Before any other character a backslash stands for itself.
        let escaped = match character {
            '"' => true,
            '\\' => rest.peek().is_none_or(|next| "\"\\$`".contains(*next)),
            _ => false,
        };
        text.extend(escaped.then_some('\\'));
        text.push(character);
    }
    Ok(text)
}

/// Refuses a value that is not one word of a shell as it stands, without quotes.
///
/// # Errors
/// They name the option.
pub fn shell_word(option: &str, value: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || "_-./:@%+,=^".contains(c);
    let reason = "without quotes, it would be another word, or more than one";
    refuse(option, value, (!value.chars().all(plain)).then_some(reason))
}

/// Whether `VALUE` is words of one command of GRUB.
pub fn grub_words(option: &str, value: &str) -> Result<()> {
    refuse(option, value, grub(value))
}

/// Whether `VALUE` is one word of GRUB, which stands for itself and is no option of a command.
pub fn grub_word(option: &str, value: &str) -> Result<()> {
    let special = |c: char| c.is_whitespace() || c.is_control() || "\"'\\$;&|<>{}#".contains(c);
    let reason = if value.contains(special) {
        Some("without quotes, it would be another word, or more than one")
    } else if value.starts_with('-') {
        Some("it would be an option")
    } else {
        None
    };
    refuse(option, value, reason)
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

/// What of a value a shell would run within double quotes.
fn command(value: &str) -> Option<&'static str> {
    if value.contains(char::is_control) {
        return Some("it has a control character");
    }
    if value.contains('`') {
        return Some("`...` runs a command");
    }
    let mut found = value.match_indices('$');
    found.find_map(|(at, _)| expansion(&value[at + 1..]).err())
}

/// What follows a `$`.
fn expansion(rest: &str) -> Result<(), &'static str> {
    let is_name = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(fits)
    };
    if rest.starts_with('(') || rest.starts_with('[') {
        return Err("`$(...)` runs a command");
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
    fn a_shell_reads_what_was_given() {
        for (value, data, text) in [
            ("", "", ""),
            ("zstd", "zstd", "zstd"),
            ("a b $C", "a b \\$C", "a b $C"),
            (
                "${HOME}/bin:$PATH",
                "\\${HOME}/bin:\\$PATH",
                "${HOME}/bin:$PATH",
            ),
            ("say \"hi\"", "say \\\"hi\\\"", "say \\\"hi\\\""),
            ("it's;b|c&d", "it's;b|c&d", "it's;b|c&d"),
            ("a\\b\\\\c\\", "a\\b\\\\\\c\\\\", "a\\b\\\\\\c\\\\"),
            ("5$", "5\\$", "5$"),
        ] {
            assert_eq!(shell_quoted("x", value).unwrap(), data, "{value}");
            assert_eq!(shell_text("x", value).unwrap(), text, "{value}");
        }
        for value in ["", "kernel-core", "/usr/bin/x", "yes", "ü=1"] {
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
        assert!(grub_word("x", "5.14.0-1.el9").is_ok());
    }

    #[test]
    fn values_that_would_run_something_are_refused_with_their_option() {
        for value in [
            "$(touch /x)",
            "`touch /x`",
            "\"\ntouch /x\n\"",
            "${x:-$(touch /x)}",
            "${x:=`touch /x`}",
            "${x@P}",
            "$[$(touch /x)]",
            "a\u{9b}b",
        ] {
            let error = shell_quoted("config.compress", value).expect_err(value);
            assert!(error.to_string().contains("config.compress"), "{error}");
        }
        for value in [
            "a b", "a;b", "$(x)", "a\nb", "'a'", "a\\", "a|b", "a>b", "`x`", "$x", "\"a\"",
        ] {
            assert!(shell_word("x", value).is_err(), "{value}");
        }
        for value in ["a;b", "a\nb", "a}", "{", "a|b", "'a", "\"", "a\\"] {
            assert!(grub_words("x", value).is_err(), "{value}");
        }
        for value in ["a b", "$x", "'a'", "a#b", "-x", "--hint"] {
            assert!(grub_word("x", value).is_err(), "{value}");
        }
    }
}
