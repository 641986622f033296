//! Small habits of systemd's tools.

/// A name that systemd-firstboot takes as locale or keymap: a plain file name below 128 bytes without quotes, backslashes and
/// control characters.
pub fn is_safe_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() < 128
        && !name.contains(|c: char| c.is_ascii_control() || matches!(c, '/' | '"' | '\'' | '\\'))
}

/// A line `NAME=VALUE` of an environment file, the value in double quotes where a shell would need them.
pub fn env_line(name: &str, value: &str) -> String {
    let special = |c: char| {
        c.is_ascii_whitespace() || c.is_ascii_control() || "\"\\`$*?['()<>|&;!".contains(c)
    };
    if !value.contains(special) {
        return format!("{name}={value}\n");
    }
    let escape = |c: char| {
        if "\"\\`$".contains(c) {
            format!("\\{c}")
        } else {
            c.to_string()
        }
    };
    format!(
        "{name}=\"{}\"\n",
        value.chars().map(escape).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_a_shell_needs_it() {
        assert_eq!(env_line("LANG", "en_US.UTF-8"), "LANG=en_US.UTF-8\n");
        assert_eq!(env_line("A", "b $c"), "A=\"b \\$c\"\n");
    }

    #[test]
    fn names_with_quotes_or_slashes_are_not_safe() {
        assert!(is_safe_name("de-latin1"));
        for name in ["", "..", "a/b", "a\"b", "a\nb"] {
            assert!(!is_safe_name(name), "{name}");
        }
    }
}
