//! Zip archives of a tree, as Info-ZIP's `zip -r` makes them: links are followed, directories are members.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use crate::losses::Losses;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};
use osbuild_stage::name::{from_bytes, to_bytes};
use osbuild_stage::{
    Context, Error, ErrorCode, File, FileType, Metadata, Result, Tree, bail, path,
};
use std::io::{BufReader, BufWriter, Seek, Write};

/// Deeper than any real tree: links of a directory to itself end here.
const DEPTH: usize = 128;
/// From this size on a member needs large fields.
const LARGE: u64 = u32::MAX as u64;

/// Archives what is below `tree` and matches one of `patterns` (all without patterns) into the file `name` of `to`. Members of an
/// archive that exists are kept unless they are replaced.
pub fn create(tree: &Tree, to: &Tree, name: &str, level: u32, patterns: &[String]) -> Result<()> {
    let mut members = Vec::new();
    collect(tree, "", DEPTH, patterns, &mut members)?;
    if members.is_empty() {
        bail!("nothing in the input matches: there is nothing to archive");
    }
    let part = format!("{name}.part");
    let written = write(tree, to, (name, &part), level, &members);
    if written.is_err() {
        // The error that counts is the first one.
        _ = to.remove(&part);
    }
    written?;
    to.rename(&part, name)
}

fn write(
    tree: &Tree,
    to: &Tree,
    (name, part): (&str, &str),
    level: u32,
    members: &[(String, Metadata)],
) -> Result<()> {
    let mut writer = ZipWriter::new(BufWriter::with_capacity(1 << 20, to.create(part)?));
    if to.exists(name)? {
        keep(to.open(name)?, members, &mut writer)
            .with_context(|| format!("{name} exists and is no zip archive"))?;
    }
    let mut losses = Losses::default();
    for (member, metadata) in members {
        losses.note_all(tree, member.trim_end_matches('/'))?;
        add(tree, member, metadata, level, &mut writer)
            .with_context(|| format!("cannot archive {member}"))?;
    }
    losses.log();
    Ok(writer.finish().map_err(zip_error)?.flush()?)
}

fn zip_error(error: ::zip::result::ZipError) -> Error {
    std::io::Error::from(error).into()
}

/// Everything below a directory, with `/` behind the names of directories.
fn collect(
    tree: &Tree,
    directory: &str,
    depth: usize,
    patterns: &[String],
    members: &mut Vec<(String, Metadata)>,
) -> Result<()> {
    if depth == 0 {
        bail!("{directory}: links lead round in a circle");
    }
    for entry in tree.list(directory)? {
        let inner = path::join(directory, &entry.name);
        let inner = inner.trim_start_matches('/');
        let metadata = match tree.stat(inner) {
            Err(error) if leads_nowhere(&error) => {
                eprintln!("{inner}: the link leads nowhere, ignored");
                continue;
            }
            metadata => metadata?,
        };
        let name = match metadata.kind {
            FileType::Directory => format!("{inner}/"),
            FileType::Regular => inner.to_owned(),
            _ => {
                eprintln!("{inner}: special file ignored");
                continue;
            }
        };
        if patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, &name)) {
            members.push((name, metadata));
        }
        if metadata.kind == FileType::Directory {
            collect(tree, inner, depth - 1, patterns, members)?;
        }
    }
    Ok(())
}

/// Whether what is in a directory is a link to nothing, or to itself.
fn leads_nowhere(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::NotFound | ErrorCode::NotADirectory | ErrorCode::Loop)
    )
}

/// Whether a pattern of the shell matches a whole name; `*` and `?` match a `/` too.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    glob(&pattern, &name)
}

fn glob(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|skipped| glob(rest, &name[skipped..])),
        ['?', rest @ ..] => !name.is_empty() && glob(rest, &name[1..]),
        ['[', rest @ ..] if rest.iter().skip(1).any(|c| *c == ']') => {
            let end = rest
                .iter()
                .skip(1)
                .position(|c| *c == ']')
                .map_or(0, |at| at + 1);
            name.first().is_some_and(|c| class(&rest[..end], *c))
                && glob(&rest[end + 1..], &name[1..])
        }
        ['\\', escaped, rest @ ..] => name.first() == Some(escaped) && glob(rest, &name[1..]),
        [first, rest @ ..] => name.first() == Some(first) && glob(rest, &name[1..]),
    }
}

/// Members of `[...]`: characters and ranges, all others behind `!` or `^`.
fn class(members: &[char], c: char) -> bool {
    let (inverted, mut rest) = match members {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    while let [first, more @ ..] = rest {
        rest = more;
        let mut last = first;
        if let ['-', end, more @ ..] = more {
            (last, rest) = (end, more);
        }
        found |= (first..=last).contains(&&c);
    }
    found != inverted
}

fn keep<W: Write + Seek>(
    old: File,
    members: &[(String, Metadata)],
    writer: &mut ZipWriter<W>,
) -> Result<()> {
    let mut archive = ZipArchive::new(BufReader::new(old)).map_err(zip_error)?;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(zip_error)?;
        let kept = from_bytes(file.name_raw());
        if members.iter().all(|(name, _)| *name != kept) {
            writer.raw_copy_file(file).map_err(zip_error)?;
        }
    }
    Ok(())
}

fn add<W: Write + Seek>(
    tree: &Tree,
    name: &str,
    metadata: &Metadata,
    level: u32,
    writer: &mut ZipWriter<W>,
) -> Result<()> {
    let stored = level == 0 || metadata.size == 0;
    let method = if stored {
        CompressionMethod::Stored
    } else {
        CompressionMethod::Deflated
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .compression_level((!stored).then_some(i64::from(level)))
        .last_modified_time(time(metadata.modified.seconds))
        .unix_permissions(metadata.mode)
        .large_file(metadata.size >= LARGE);
    let bytes = to_bytes(name);
    if metadata.kind == FileType::Directory
        && let Ok(text) = std::str::from_utf8(&bytes)
    {
        return writer.add_directory(text, options).map_err(zip_error);
    }
    // Bytes that are no UTF-8 are stored as they are, as by zip.
    let options = options.name(&bytes);
    writer.start_file_with_options(options).map_err(zip_error)?;
    if metadata.kind == FileType::Directory {
        return Ok(());
    }
    std::io::copy(&mut tree.open(name)?, writer)?;
    Ok(())
}

/// The time of a member: UTC, from 1980 to 2107; only even seconds can be written, and zip takes the next one.
fn time(seconds: i64) -> DateTime {
    let seconds = seconds + seconds.rem_euclid(2);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let part = |value: i64| u8::try_from(value).unwrap_or(0);
    u16::try_from(year)
        .ok()
        .and_then(|year| {
            let (hour, minute, second) = (part(rest / 3600), part(rest / 60 % 60), part(rest % 60));
            DateTime::from_date_and_time(year, month, day, hour, minute, second).ok()
        })
        .unwrap_or_default()
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn date(days: i64) -> (i64, u8, u8) {
    // Years begin in March here, so that the leap day is the last one.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (
        year,
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in [
            ("subdir/*", "subdir/a/b"),
            ("subdir/*", "subdir/"),
            ("*.t?t", "x/a.txt"),
            ("[a-c]x", "bx"),
            ("[!a]", "b"),
            ("\\*", "*"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("subdir/*", "subdir2/a"),
            ("a", "ab"),
            ("[a-c]", "d"),
            ("\\*", "x"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn days_have_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (19_782, (2024, 2, 29)),
            (20_779, (2026, 11, 22)),
        ] {
            assert_eq!(date(days), expected);
        }
        assert_eq!(time(0), DateTime::default());
    }
}
