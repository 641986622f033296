//! File modes as chmod(1) takes them: octal, or clauses such as `u+rwX,g=u,o-w`.
use osbuild_stage::{Error, Result};
use std::str::FromStr;

/// The umask of a build; it limits clauses without `u`, `g`, `o` or `a`.
const UMASK: u32 = 0o022;
const ALL: u32 = 0o7777;
const EXECUTE: u32 = 0o111;
const SET_ID: u32 = 0o6000;

/// What to do with a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    operator: char,
    /// Bits that may change; none: those that the umask leaves.
    affected: Option<u32>,
    value: Value,
    /// Bits that the text speaks of: a directory keeps its set-id bits unless they are among them.
    mentioned: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Bits(u32),
    /// These bits, and execution for all when a class has it already or for a directory (`X`).
    BitsAndSearch(u32),
    /// What this class has now, for everybody.
    CopyOf(u32),
}

impl Changes {
    /// The mode that `mode` becomes.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        self.0
            .iter()
            .fold(mode & ALL, |mode, change| change.apply(mode, directory))
    }
}

impl Change {
    fn apply(&self, mode: u32, directory: bool) -> u32 {
        let kept = if directory {
            SET_ID & !self.mentioned
        } else {
            0
        };
        let bits = self.value.bits(mode, directory) & self.affected.unwrap_or(!UMASK) & !kept;
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => (mode & (self.affected.map_or(0, |affected| !affected) | kept)) | bits,
        }
    }
}

impl Value {
    fn bits(self, mode: u32, directory: bool) -> u32 {
        match self {
            Self::Bits(bits) => bits,
            Self::BitsAndSearch(bits) if directory || mode & EXECUTE != 0 => bits | EXECUTE,
            Self::BitsAndSearch(bits) => bits,
            Self::CopyOf(class) => {
                let one = [0o700, 0o070, 0o007]
                    .iter()
                    .position(|mask| mask & class != 0)
                    .map_or(0, |at| (mode >> (6 - 3 * at)) & 0o7);
                one * 0o111
            }
        }
    }
}

impl FromStr for Changes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            Error::new(format!(
                "`{text}` is no mode: write octal digits or clauses such as u+rw,go-w"
            ))
        };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return octal(text)
                .map(|change| Self(vec![change]))
                .ok_or_else(invalid);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            clause_changes(clause, &mut changes).ok_or_else(invalid)?;
        }
        Ok(Self(changes))
    }
}

/// With fewer than five digits a directory's set-id bits are only touched when the number has them.
fn octal(text: &str) -> Option<Change> {
    let bits = u32::from_str_radix(text, 8)
        .ok()
        .filter(|bits| *bits <= ALL)?;
    let mentioned = if text.len() < 5 {
        (bits & 0o7000) | 0o777
    } else {
        ALL
    };
    Some(Change {
        operator: '=',
        affected: Some(ALL),
        value: Value::Bits(bits),
        mentioned,
    })
}

/// One clause: classes, then any number of operators each with its permissions.
fn clause_changes(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let operators = clause.find(['+', '-', '='])?;
    let mut affected = None;
    for class in clause[..operators].chars() {
        *affected.get_or_insert(0) |= class_bits(class)?;
    }
    let mut rest = &clause[operators..];
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..]
            .find(['+', '-', '='])
            .map_or(rest.len(), |at| at + 1);
        changes.push(change(
            operator,
            affected,
            &rest[1..end],
            end == rest.len(),
        )?);
        rest = &rest[end..];
    }
    Some(())
}

fn class_bits(class: char) -> Option<u32> {
    match class {
        'u' => Some(0o4700),
        'g' => Some(0o2070),
        'o' => Some(0o1007),
        'a' => Some(ALL),
        _ => None,
    }
}

fn change(operator: char, affected: Option<u32>, permissions: &str, last: bool) -> Option<Change> {
    if permissions.starts_with(|c: char| c.is_ascii_digit()) {
        // `=755` stands alone: no classes, no further operator.
        let number = octal(permissions).filter(|_| affected.is_none() && last)?;
        return Some(Change {
            operator,
            mentioned: ALL,
            ..number
        });
    }
    let value = match permissions {
        "u" => Value::CopyOf(0o700),
        "g" => Value::CopyOf(0o070),
        "o" => Value::CopyOf(0o007),
        letters => letter_value(letters)?,
    };
    let named = match value {
        Value::Bits(bits) | Value::BitsAndSearch(bits) => bits,
        Value::CopyOf(class) => class,
    };
    Some(Change {
        operator,
        affected,
        value,
        mentioned: affected.map_or(named, |affected| affected & named),
    })
}

fn letter_value(letters: &str) -> Option<Value> {
    let (mut bits, mut search) = (0, false);
    for letter in letters.chars() {
        match letter {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= EXECUTE,
            's' => bits |= SET_ID,
            't' => bits |= 0o1000,
            'X' => search = true,
            _ => return None,
        }
    }
    Some(if search {
        Value::BitsAndSearch(bits)
    } else {
        Value::Bits(bits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_chmod_does() {
        // text, mode before, directory, mode after: taken from chmod(1) with umask 022.
        for (text, before, directory, after) in [
            ("0400", 0o644, false, 0o400),
            ("755", 0o2700, true, 0o2755),
            ("00755", 0o2700, true, 0o755),
            ("4755", 0o644, false, 0o4755),
            ("u+s,g-rx", 0o755, true, 0o4705),
            ("a+rwX", 0o640, false, 0o666),
            ("a+rwX", 0o700, false, 0o777),
            ("+w", 0o444, false, 0o644),
            ("=", 0o777, false, 0),
            ("=", 0o2777, true, 0o2000),
            ("g=u", 0o750, false, 0o770),
            ("go=", 0o777, false, 0o700),
            ("u=rwx,g=rx,o=", 0, false, 0o750),
            ("+t", 0o755, true, 0o1755),
            ("u-s", 0o4755, true, 0o755),
            ("g+s-w", 0o775, false, 0o2755),
            ("=755", 0o2000, true, 0o755),
            ("o=g-w", 0o775, false, 0o775),
        ] {
            let changes: Changes = text.parse().unwrap();
            assert_eq!(
                changes.apply(before, directory),
                after,
                "{text} on {before:o}, got {:o}",
                changes.apply(before, directory)
            );
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "zzz", "8", "77777", "u", "u+q", "u+7", "a+rw,", "u+ug"] {
            assert!(text.parse::<Changes>().is_err(), "{text}");
        }
    }
}
