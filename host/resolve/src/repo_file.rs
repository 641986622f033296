//! Repositories as a user names them: a URL, a `.repo` file of dnf (see dnf.conf(5)), or a directory of such files or with metadata.
use crate::error::{Kind, ResolveError, Result};
use crate::repository::Repository;
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_manifest::location::{Location, redact};
use osbuild_wasm_source::BasicLogin;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of repositories that change nothing of what packages are chosen or how metadata is fetched.
const PASSED_OVER: [&str; 17] = [
    "countme",
    "deltarpm",
    "deltarpm_percentage",
    "enabled_metadata",
    "failovermethod",
    "fastestmirror",
    "ip_resolve",
    "keepcache",
    "max_parallel_downloads",
    "mediaid",
    "minrate",
    "retries",
    "throttle",
    "timeout",
    "type",
    "ui_repoid_vars",
    "user_agent",
];

/// The repositories that a word names. Variables are filled in: `$releasever`, `$basearch`, `$arch`.
///
/// # Errors
/// One line: there is nothing of that name, or an option that is not known.
pub fn repositories_of(word: &str, variables: &[(&str, &str)]) -> Result<Vec<Repository>> {
    let wrong = |problem: String| ResolveError::new(Kind::Repository, problem);
    let shown = redact(word);
    if word.contains("://") {
        Location::parse(word).map_err(|problem| wrong(format!("{shown}: {problem}")))?;
        return of_url(word).map(|found| vec![found]).map_err(wrong);
    }
    let path = Path::new(word);
    if path.join("repodata/repomd.xml").exists() {
        let path = fs::canonicalize(path).map_err(|error| wrong(format!("{shown}: {error}")))?;
        let found = of_url(&format!("file://{}", encoded(&path)));
        return found.map(|found| vec![found]).map_err(wrong);
    }
    let files = match path.is_dir() {
        true => files_of(path).map_err(|error| wrong(format!("{shown}: {error}")))?,
        false => vec![path.to_owned()],
    };
    if files.is_empty() {
        return Err(wrong(format!(
            "{shown} has neither repodata/repomd.xml nor files that end in .repo: name a URL, a .repo file or a directory"
        )));
    }
    let mut repositories = Vec::new();
    for file in files {
        let name = redact(&file.display().to_string());
        let text = read_text(&file, LARGEST_DOCUMENT);
        let text = text.map_err(|error| wrong(format!("{name}: {error}")))?;
        let found =
            parse(&text, variables).map_err(|problem| wrong(format!("{name}: {problem}")))?;
        repositories.extend(found);
    }
    Ok(repositories)
}

/// A path as a part of a URL.
fn encoded(path: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|byte| match is_plain(*byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// A repository of which nothing is known but its URL, which gives it an id too.
fn of_url(url: &str) -> std::result::Result<Repository, String> {
    let mut repository = Repository {
        baseurl: vec![url.to_owned()],
        ..Repository::default()
    };
    repository.split()?;
    let url = &repository.baseurl[0];
    let digest = hex::encode(Sha256::digest(url));
    repository.id = format!("repo-{}", &digest[..8]);
    repository.name.clone_from(url);
    Ok(repository)
}

fn files_of(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "repo")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The enabled repositories of a file. A line that begins with a blank goes on with the one before.
fn parse(text: &str, variables: &[(&str, &str)]) -> std::result::Result<Vec<Repository>, String> {
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(id) = trimmed
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            sections.push((id.to_owned(), Vec::new()));
            continue;
        }
        let at = format!("line {}", number + 1);
        let (_, options) = sections
            .last_mut()
            .ok_or_else(|| format!("{at}: it stands before the first [repository]"))?;
        match (
            line.starts_with([' ', '\t']),
            options.last_mut(),
            line.split_once('='),
        ) {
            (true, Some((_, value)), _) => {
                *value = format!("{value} {}", substitute(trimmed, variables));
            }
            (_, _, Some((key, value))) => {
                // What a password has is no variable.
                let (key, value) = (key.trim(), value.trim());
                let value = match key {
                    "username" | "password" => value.to_owned(),
                    _ => substitute(value, variables),
                };
                options.push((key.to_owned(), value));
            }
            _ => return Err(format!("{at}: it is no `option=value`")),
        }
    }
    let mut repositories = Vec::new();
    for (id, options) in sections {
        repositories
            .extend(describe(&id, &options).map_err(|problem| format!("[{id}]: {problem}"))?);
    }
    Ok(repositories)
}

fn substitute(value: &str, variables: &[(&str, &str)]) -> String {
    variables
        .iter()
        .fold(value.to_owned(), |value, (name, filled)| {
            value
                .replace(&format!("${{{name}}}"), filled)
                .replace(&format!("${name}"), filled)
        })
}

/// A repository with its options; none when it is not enabled.
fn describe(
    id: &str,
    options: &[(String, String)],
) -> std::result::Result<Option<Repository>, String> {
    let mut repository = Repository {
        id: id.to_owned(),
        ..Repository::default()
    };
    let (mut enabled, mut user, mut password) = (true, None, None);
    for (key, value) in options {
        let about = |problem: String| format!("{key}: {problem}");
        let words = || {
            value
                .split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let text = || Some(value.clone()).filter(|value| !value.is_empty());
        let flag = || flag(value).map_err(about);
        let number = || {
            value
                .parse()
                .map(Some)
                .map_err(|_| about(format!("{value:?} is no number")))
        };
        match key.as_str() {
            "name" => repository.name.clone_from(value),
            "enabled" => enabled = flag()?,
            "baseurl" => repository.baseurl = words(),
            "metalink" => repository.metalink = text(),
            "mirrorlist" => repository.mirrorlist = text(),
            "gpgcheck" => repository.gpgcheck = Some(flag()?),
            "repo_gpgcheck" => repository.repo_gpgcheck = Some(flag()?),
            "gpgkey" => repository.gpgkey = words(),
            "sslverify" => repository.insecure = !flag()?,
            "sslcacert" => repository.sslcacert = text().map(PathBuf::from),
            "sslclientkey" => repository.sslclientkey = text().map(PathBuf::from),
            "sslclientcert" => repository.sslclientcert = text().map(PathBuf::from),
            "username" => user = text(),
            "password" => password = text(),
            "metadata_expire" => {
                repository.metadata_expire = Some(metadata_expire(value).map_err(about)?)
            }
            "module_hotfixes" => repository.module_hotfixes = Some(flag()?),
            "skip_if_unavailable" => repository.skip_if_unavailable = flag()?,
            "priority" => repository.priority = number()?,
            "cost" => repository.cost = number()?,
            known if PASSED_OVER.contains(&known) => {}
            _ => return Err(format!("the option {key} is not supported")),
        }
    }
    repository.split()?;
    if let Some(user) = &user {
        let login = BasicLogin::new(user, &password.unwrap_or_default());
        repository.use_login(&login.map_err(|problem| format!("username: {problem}"))?)?;
    } else if password.is_some() {
        return Err("there is a password, but no username".to_owned());
    }
    Ok(Some(repository).filter(|_| enabled))
}

fn flag(value: &str) -> std::result::Result<bool, String> {
    match value.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(format!("{value:?} is neither 1 nor 0")),
    }
}

/// Seconds, or a number with `m`, `h` or `d`; `never` and -1 are as long as there is time.
///
/// # Errors
/// When it is none of these.
pub fn metadata_expire(value: &str) -> std::result::Result<Duration, String> {
    if matches!(value, "never" | "-1") {
        return Ok(Duration::MAX);
    }
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];
    let unit = units
        .iter()
        .find_map(|(unit, seconds)| Some((value.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = unit.unwrap_or((value, 1));
    let number: Option<u64> = number.trim().parse().ok();
    let seconds = number.and_then(|number| number.checked_mul(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{value:?} is no time, such as 90s, 6h or 2d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_dnf_is_read_with_its_variables() {
        let text = "# comment\n[base]\nname=Base $releasever\nbaseurl=http://a/$basearch\n  http://b/${basearch}\ngpgkey=file:///k\nrepo_gpgcheck=1\n\
            metadata_expire=6h\npriority=10\ncountme=1\n[off]\nbaseurl=http://c\nenabled=0\n";
        let found = parse(text, &[("basearch", "x86_64"), ("releasever", "43")]).unwrap();
        assert_eq!(found.len(), 1);
        let base = &found[0];
        assert_eq!((base.id.as_str(), base.name.as_str()), ("base", "Base 43"));
        assert_eq!(base.baseurl, ["http://a/x86_64", "http://b/x86_64"]);
        assert_eq!(
            (base.repo_gpgcheck, base.metadata_expire, base.priority),
            (Some(true), Some(Duration::from_secs(21600)), Some(10))
        );
    }

    #[test]
    fn what_is_not_understood_is_not_passed_over() {
        for (text, expected) in [
            ("name=x", "line 1: it stands before the first [repository]"),
            ("[r]\nname", "line 2: it is no `option=value`"),
            ("[r]\nfoo=1", "[r]: the option foo is not supported"),
            (
                "[r]\npassword=1",
                "[r]: there is a password, but no username",
            ),
            (
                "[r]\nenabled=maybe",
                "[r]: enabled: \"maybe\" is neither 1 nor 0",
            ),
            (
                "[r]\nmetadata_expire=soon",
                "[r]: metadata_expire: \"soon\" is no time",
            ),
            ("[r]\npriority=high", "[r]: priority: \"high\" is no number"),
        ] {
            let problem = parse(text, &[]).unwrap_err();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}
