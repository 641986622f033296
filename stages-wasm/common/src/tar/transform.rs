//! Changing names on the way into an archive: `s/REGEX/REPLACEMENT/FLAGS`, several separated by `;`.
use osbuild_stage::{Error, Result, bail};
use regex_lite::{Captures, Regex};

/// What a name is that may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The name of a member.
    Name,
    /// The target of a symbolic link.
    SymbolicLink,
    /// The target of a hard link.
    HardLink,
}

/// A parsed expression.
#[derive(Debug, Clone, Default)]
pub struct Transform {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    regex: Regex,
    replacement: Vec<Part>,
    global: bool,
    /// The first match that is replaced, counted from 1.
    from: usize,
    names: bool,
    symbolic_links: bool,
    hard_links: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
    Case(char),
}

impl Transform {
    /// Parses an expression. Flags: `g`, `i`, `x`, a number, and `r`, `s`, `h` with their capitals for what it applies to.
    pub fn parse(text: &str) -> Result<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, left) =
                parse_step(rest).map_err(|error| error.context(format!("transform `{text}`")))?;
            steps.push(step);
            rest = left.trim_start_matches([';', ' ']);
        }
        Ok(Self { steps })
    }

    /// The name after all steps.
    pub fn apply(&self, name: &str, scope: Scope) -> String {
        self.steps
            .iter()
            .filter(|step| step.covers(scope))
            .fold(name.to_owned(), |name, step| step.apply(&name))
    }
}

impl Step {
    fn covers(&self, scope: Scope) -> bool {
        match scope {
            Scope::Name => self.names,
            Scope::SymbolicLink => self.symbolic_links,
            Scope::HardLink => self.hard_links,
        }
    }

    fn apply(&self, name: &str) -> String {
        let mut out = String::new();
        let mut end = 0;
        for (index, captures) in self.regex.captures_iter(name).enumerate() {
            let Some(whole) = captures.get(0) else {
                continue;
            };
            if index + 1 < self.from || (!self.global && index + 1 > self.from) {
                continue;
            }
            out += &name[end..whole.start()];
            out += &self.expand(&captures);
            end = whole.end();
        }
        out + &name[end..]
    }

    fn expand(&self, captures: &Captures<'_>) -> String {
        let (mut out, mut case, mut once) = (String::new(), 'E', None);
        for part in &self.replacement {
            let text = match part {
                Part::Case(letter @ ('l' | 'u')) => {
                    once = Some(*letter);
                    continue;
                }
                Part::Case(letter) => {
                    case = *letter;
                    continue;
                }
                Part::Text(text) => text.as_str(),
                Part::Group(number) => captures.get(*number).map_or("", |group| group.as_str()),
            };
            for c in text.chars() {
                match once.take().unwrap_or(case) {
                    'U' | 'u' => out.extend(c.to_uppercase()),
                    'L' | 'l' => out.extend(c.to_lowercase()),
                    _ => out.push(c),
                }
            }
        }
        out
    }
}

/// One expression, and what follows it.
fn parse_step(text: &str) -> Result<(Step, &str)> {
    let mut chars = text.chars();
    let (Some('s'), Some(delimiter)) = (chars.next(), chars.next()) else {
        bail!("expected `s/REGEX/REPLACEMENT/`");
    };
    let (pattern, rest) = field(chars.as_str(), delimiter)?;
    let (replacement, rest) = field(rest, delimiter)?;
    let flags_end = rest.find(';').unwrap_or(rest.len());
    let (flags, rest) = rest.split_at(flags_end);
    let mut step = Step {
        regex: Regex::new("").map_err(|error| Error::new(error.to_string()))?,
        replacement: parse_replacement(&replacement),
        global: false,
        from: 1,
        names: true,
        symbolic_links: true,
        hard_links: true,
    };
    let (mut extended, mut ignore_case, mut digits) = (false, false, String::new());
    for flag in flags.trim().chars() {
        match flag {
            'g' => step.global = true,
            'i' => ignore_case = true,
            'x' => extended = true,
            '0'..='9' => digits.push(flag),
            'r' | 'R' => step.names = flag == 'r',
            's' | 'S' => step.symbolic_links = flag == 's',
            'h' | 'H' => step.hard_links = flag == 'h',
            other => bail!("flag `{other}` is not supported"),
        }
    }
    step.from = digits.parse().unwrap_or(1).max(1);
    let pattern = if extended {
        pattern
    } else {
        from_basic(&pattern)
    };
    let pattern = if ignore_case {
        format!("(?i){pattern}")
    } else {
        pattern
    };
    step.regex = Regex::new(&pattern).map_err(|error| Error::new(error.to_string()))?;
    Ok((step, rest))
}

/// The text up to the delimiter, which stands for itself behind a backslash.
fn field(text: &str, delimiter: char) -> Result<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c == delimiter => return Ok((out, chars.as_str())),
            '\\' => match chars.next() {
                Some(next) if next == delimiter => out.push(next),
                next => out.extend(['\\'].into_iter().chain(next)),
            },
            c => out.push(c),
        }
    }
    bail!("a `{delimiter}` is missing")
}

/// A basic regular expression as an extended one: there `( ) { } | + ?` are special, here behind a backslash.
fn from_basic(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => {
                in_class = true;
                out.push(c);
                // A first `]` is a member of the class.
                out.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    out += "\\]";
                }
                continue;
            }
            '\\' => {
                match chars.next() {
                    Some(next) if "(){}|+?".contains(next) => out.push(next),
                    next => out.extend(['\\'].into_iter().chain(next)),
                }
                continue;
            }
            c if "(){}|+?".contains(c) => out.push('\\'),
            // A star with nothing before it is a star.
            '*' if out.is_empty() || out == "^" || out.ends_with('(') => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

fn parse_replacement(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '&' => Part::Group(0),
            '\\' => match chars.next() {
                Some(digit @ '0'..='9') => {
                    Part::Group(digit.to_digit(10).map_or(0, |digit| digit as usize))
                }
                Some(letter @ ('U' | 'L' | 'E' | 'u' | 'l')) => Part::Case(letter),
                Some('n') => Part::Text("\n".into()),
                Some(other) => Part::Text(other.into()),
                None => Part::Text("\\".into()),
            },
            c => Part::Text(c.into()),
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_change_names_as_sed_does() {
        for (expression, name, expected) in [
            ("s/^file1$/foo99/", "file1", "foo99"),
            ("s/^file1$/foo99/", "file2", "file2"),
            ("s,^\\.,rootfs,", "./a/.b", "rootfs/a/.b"),
            ("s/a/b/g", "aaa", "bbb"),
            ("s/a/b/2", "aaa", "aba"),
            ("s/a/b/2g", "aaa", "abb"),
            ("s/\\(x\\)(y)/[\\1&]/", "x(y)", "[xx(y)]"),
            ("s/(x+)y/\\U\\1\\Ez/x", "xxy", "XXz"),
            ("s/A/b/i;s/b/c/", "a", "c"),
            ("s|/|_|g", "a/b/c", "a_b_c"),
            ("s/[]x]/y/", "]", "y"),
            ("s/a*/-/", "b", "-b"),
        ] {
            assert_eq!(
                Transform::parse(expression)
                    .unwrap()
                    .apply(name, Scope::Name),
                expected,
                "{expression}"
            );
        }
    }

    #[test]
    fn flags_say_what_is_changed() {
        let transform = Transform::parse("s/a/b/S").unwrap();
        assert_eq!(
            (
                transform.apply("a", Scope::SymbolicLink),
                transform.apply("a", Scope::HardLink)
            ),
            ("a".into(), "b".into())
        );
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in ["x", "s/a/b", "s/a/b/e", "s/\\(/b/", "y/a/b/"] {
            assert!(Transform::parse(bad).is_err(), "{bad}");
        }
    }
}
