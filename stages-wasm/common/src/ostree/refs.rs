//! What `ostree rev-parse` does: the commit that a name in a repository stands for.
//!
//! Measured with libostree 2022.7. A checksum is itself; hexadecimal digits that only one commit begins with are that commit; `NAME^`
//! is the parent of `NAME`; everything else is a branch, `REMOTE:BRANCH` or `BRANCH`. A branch without remote is looked for in
//! `refs/heads`, in `refs/remotes` (there the name includes that of the remote) and in every remote. `refs/mirrors` is for names with a
//! collection, which this command does not take.
use osbuild_stage::{Context, FileType, Result, Tree, bail};

/// Digits of a checksum.
const CHECKSUM: usize = 64;
/// Digits by which objects are put into directories.
const FAN: usize = 2;
const SUFFIX: &str = ".commit";

/// The commit that `name` stands for in a repository of the tree.
pub fn commit(tree: &Tree, repository: &str, name: &str) -> Result<String> {
    let repository = tree.below(repository);
    resolve(&repository, name)
        .with_context(|| format!("the ostree repository {}", repository.root()))
}

fn resolve(repository: &Tree, name: &str) -> Result<String> {
    if is_checksum(name) {
        return Ok(name.into());
    }
    if let Some(commit) = abbreviated(repository, name)? {
        return Ok(commit);
    }
    match name.strip_suffix('^') {
        Some(name) => parent(repository, &resolve(repository, name)?),
        None => branch(repository, name),
    }
}

fn is_hexadecimal(text: &str) -> bool {
    let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.bytes().all(digit)
}

fn is_checksum(text: &str) -> bool {
    text.len() == CHECKSUM && is_hexadecimal(text)
}

/// The only commit whose checksum begins with these digits.
fn abbreviated(repository: &Tree, digits: &str) -> Result<Option<String>> {
    if !is_hexadecimal(digits) || digits.len() > CHECKSUM {
        return Ok(None);
    }
    let mut found = Vec::new();
    for fan in directories(repository, "objects")? {
        if fan.len() != FAN || !(fan.starts_with(digits) || digits.starts_with(&fan)) {
            continue;
        }
        for entry in repository.list(&format!("objects/{fan}"))? {
            let rest = entry.name.strip_suffix(SUFFIX);
            let commit = rest.map(|rest| format!("{fan}{rest}"));
            found.extend(commit.filter(|commit| is_checksum(commit) && commit.starts_with(digits)));
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        number => bail!("{number} commits begin with `{digits}`"),
    }
}

fn directories(tree: &Tree, path: &str) -> Result<Vec<String>> {
    if !tree.is_dir(path)? {
        return Ok(Vec::new());
    }
    let entries = tree.list(path)?.into_iter();
    let directories = entries.filter(|entry| entry.kind == FileType::Directory);
    Ok(directories.map(|entry| entry.name).collect())
}

fn branch(repository: &Tree, name: &str) -> Result<String> {
    let (remote, branch) = match name.split_once(':') {
        Some((remote, branch)) => (Some(remote), branch),
        None => (None, name),
    };
    if !branch.split('/').chain(remote).all(is_part) {
        bail!("`{name}` is no name of a branch");
    }
    // Behind a colon a checksum is one, too.
    if is_checksum(branch) {
        return Ok(branch.into());
    }
    let found = match remote {
        Some(remote) => read(repository, &format!("refs/remotes/{remote}/{branch}"))?,
        None => local(repository, branch)?,
    };
    match found {
        Some(commit) => Ok(commit),
        None => bail!("there is no branch `{name}`"),
    }
}

/// A part of a name of branches, or the name of a remote.
fn is_part(part: &str) -> bool {
    let of_word = |character: char| character.is_alphanumeric() || character == '_';
    part.starts_with(of_word)
        && part
            .chars()
            .all(|character| of_word(character) || matches!(character, '-' | '.'))
}

fn local(repository: &Tree, branch: &str) -> Result<Option<String>> {
    for place in ["heads", "remotes"] {
        if let Some(commit) = read(repository, &format!("refs/{place}/{branch}"))? {
            return Ok(Some(commit));
        }
    }
    of_any_remote(repository, branch)
}

/// Where remotes differ, ostree takes the one that the file system happens to list first.
fn of_any_remote(repository: &Tree, branch: &str) -> Result<Option<String>> {
    let mut found: Option<(String, String)> = None;
    for remote in directories(repository, "refs/remotes")? {
        let Some(commit) = read(repository, &format!("refs/remotes/{remote}/{branch}"))? else {
            continue;
        };
        match &found {
            Some((other, known)) if *known != commit => bail!(
                "`{branch}` is another commit in the remote {other} than in {remote}: write {other}:{branch} or {remote}:{branch}"
            ),
            _ => found = Some((remote, commit)),
        }
    }
    Ok(found.map(|(_, commit)| commit))
}

/// The commit that the file of a branch has.
fn read(repository: &Tree, path: &str) -> Result<Option<String>> {
    let Some(text) = repository.read_if_exists(path)? else {
        return Ok(None);
    };
    match text.trim_ascii_end() {
        commit if is_checksum(commit) => Ok(Some(commit.into())),
        _ => bail!("{path} holds no checksum"),
    }
}

fn parent(repository: &Tree, commit: &str) -> Result<String> {
    let (fan, rest) = commit.split_at(FAN);
    let path = format!("objects/{fan}/{rest}{SUFFIX}");
    match parent_of(&repository.read(&path)?) {
        Some([]) => bail!("the commit {commit} has no parent"),
        Some(parent) if parent.len() == CHECKSUM / 2 => {
            Ok(parent.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        _ => bail!("{path} is no commit"),
    }
}

/// The parent in a commit, a serialised GVariant `(a{sv}aya(say)sstayay)`: the bytes between the first and the second of the offsets,
/// which stand at the end, the first one last. Their size follows from that of the whole.
fn parent_of(commit: &[u8]) -> Option<&[u8]> {
    let size = match commit.len() {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    };
    let offset = |number: usize| {
        let start = commit.len().checked_sub(number * size)?;
        let bytes = commit.get(start..start + size)?.iter().rev();
        Some(bytes.fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    commit.get(offset(1)?..offset(2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names_begin_with_a_letter_or_digit() {
        for part in ["main", "x86_64", "a-b", "1.2", "_", "ä", "a..b"] {
            assert!(is_part(part), "{part}");
        }
        for part in ["", "-a", ".a", "a+b", "a b", "..", "a@b"] {
            assert!(!is_part(part), "{part}");
        }
    }

    #[test]
    fn bytes_that_are_no_commit_have_no_parent() {
        for bytes in [&[][..], &[1], &[9, 1], &[0xff; 300]] {
            assert_eq!(parent_of(bytes), None, "{bytes:?}");
        }
        assert_eq!(parent_of(&[7, 8, 2, 1]), Some(&[8][..]));
    }
}
