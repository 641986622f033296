//! Patterns as in fnmatch(3): `*`, `?`, `[...]`, and `\` before what stands for itself.

/// Whether a text is a pattern rather than a name.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a text is what a pattern says.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    // Where to go on when what follows a `*` did not fit: the star may stand for one character more.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            Some(_) => {
                let (fits, length) = one(&pattern[p..], text[t]);
                if fits {
                    (p, t) = (p + length, t + 1);
                    continue;
                }
            }
            None => {}
        }
        let Some((after, from)) = star else {
            return false;
        };
        star = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// Whether the first element of a pattern is a character, and how long it is.
fn one(pattern: &[char], c: char) -> (bool, usize) {
    match pattern {
        ['?', ..] => (true, 1),
        ['\\', escaped, ..] => (*escaped == c, 2),
        ['[', rest @ ..] => match set(rest) {
            Some((negated, set)) => (
                negated != is_in(set, c),
                set.len() + 2 + usize::from(negated),
            ),
            None => (c == '[', 1),
        },
        [first, ..] => (*first == c, 1),
        [] => (false, 0),
    }
}

/// What stands in brackets: whether it says what does not fit, and the characters. A bracket that stands first is one of them.
fn set(rest: &[char]) -> Option<(bool, &[char])> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let set = &rest[usize::from(negated)..];
    let end = set.iter().skip(1).position(|c| *c == ']')? + 1;
    Some((negated, &set[..end]))
}

fn is_in(set: &[char], c: char) -> bool {
    match set {
        [first, '-', last, rest @ ..] => (*first..=*last).contains(&c) || is_in(rest, c),
        [first, rest @ ..] => *first == c || is_in(rest, c),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c*", "abbd", false),
            ("*a*b*c", "xaxbxbc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]1", "b1", true),
            ("[!a-c]1", "b1", false),
            ("[]x]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("/usr/*", "/usr/a/b", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
