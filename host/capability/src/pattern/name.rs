//! Patterns of one name: `*`, `?` and `[...]`, as in a shell.

/// Whether the text is a pattern: the reason if not.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let mut rest = pattern;
    while let Some(start) = rest.find('[') {
        let set = rest.get(start..).unwrap_or_default();
        let length = set_length(set).ok_or("a set `[...]` is not closed or has nothing in it")?;
        rest = set.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// Whether the pattern means one name, itself.
pub(crate) fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '['])
}

/// The pattern that means just this text.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // The last one, so that a value never looks like a reference.
            '*' | '?' | '[' | ']' | '$' => {
                escaped.push('[');
                escaped.push(character);
                escaped.push(']');
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The text that a pattern as [`escape`] makes it means.
pub(crate) fn literal(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' | '?' => return None,
            '[' => {
                text.push(rest.next().filter(|inside| *inside != '!')?);
                rest.next().filter(|end| *end == ']')?;
            }
            plain => text.push(plain),
        }
    }
    Some(text)
}

/// Whether the pattern means `name`. Only the last `*` is ever tried again, so that no pattern takes longer than its length times that
/// of the name.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut again: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            again = Some((rest, name));
            pattern = rest;
            continue;
        }
        let mut characters = name.chars();
        let next = characters.next();
        match (next, pattern.is_empty()) {
            (None, true) => return true,
            (Some(character), false) => {
                if let Some(rest) = after(pattern, character) {
                    (pattern, name) = (rest, characters.as_str());
                    continue;
                }
            }
            // `*` with less would leave even more of the name.
            (None, false) => return false,
            (Some(_), true) => {}
        }
        let Some((rest, from)) = again else {
            return false;
        };
        let mut shorter = from.chars();
        shorter.next();
        (pattern, name) = (rest, shorter.as_str());
        again = Some((pattern, name));
    }
}

/// What is left of a pattern whose first element, which is no `*`, means this character.
fn after(pattern: &str, character: char) -> Option<&str> {
    if let Some(rest) = pattern.strip_prefix('?') {
        return Some(rest);
    }
    if pattern.starts_with('[') {
        let (set, rest) = pattern.split_at_checked(set_length(pattern)?)?;
        return set_has(set.get(1..set.len() - 1)?, character).then_some(rest);
    }
    pattern.strip_prefix(character)
}

/// Bytes of the set that `text` begins with, brackets included. A `]` that comes first is one of its characters.
fn set_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let inside = inside.strip_prefix('!').unwrap_or(inside);
    let first = inside.chars().next()?.len_utf8();
    let end = inside.get(first..)?.find(']')?;
    Some(text.len() - inside.len() + first + end + 1)
}

/// Whether a set has this character: single ones, ranges `a-z`, and after `!` all others.
fn set_has(set: &str, character: char) -> bool {
    let (set, negated) = match set.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (set, false),
    };
    let mut rest = set.chars();
    let mut found = false;
    while let Some(first) = rest.next() {
        let mut ahead = rest.clone();
        found |= match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                rest = ahead;
                (first..=last).contains(&character)
            }
            _ => first == character,
        };
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_names_that_a_shell_takes_it_for() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("?", "ä", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]", "d", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[a-]", "-", true),
            ("*[*]", "a*", true),
            ("*[*]", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn an_escaped_text_means_itself() {
        for text in ["a", "*", "a?[b]", "${/a}", "[!x]", "]"] {
            let pattern = escape(text);
            assert!(check(&pattern).is_ok(), "{pattern}");
            assert!(matches(&pattern, text), "{pattern}");
            assert!(!matches(&pattern, &format!("{text}x")), "{pattern}");
            assert_eq!(literal(&pattern).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_pattern_of_several_names_is_no_text() {
        for pattern in ["*", "a?", "[ab]", "[!a]"] {
            assert_eq!(literal(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for pattern in ["[", "[]", "[!]", "a[b"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn many_wildcards_take_no_longer_than_few() {
        // Tried one by one, the ways to match would not end within a lifetime.
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches(&pattern, &"a".repeat(255)));
    }
}
