//! repomd.xml, as far as it says what to download.
use serde::Deserialize;

/// Kinds of files that every solver needs, and what they are called when compressed.
const NEEDED: [&[&str]; 3] = [
    &["primary"],
    &["group", "group_xz", "group_zst", "group_gz"],
    &["modules"],
];
/// Files of all packages.
const FILELISTS: [&[&str]; 1] = [&["filelists"]];

/// A file that the index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// `ALGORITHM:DIGEST`.
    pub(crate) checksum: String,
    /// Where it is below the repository.
    pub(crate) path: String,
    /// Its name.
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Repomd {
    #[serde(default)]
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "@type")]
    kind: String,
    checksum: Checksum,
    location: Location,
}

#[derive(Deserialize)]
struct Checksum {
    #[serde(rename = "@type")]
    kind: String,
    #[serde(rename = "$text", default)]
    digits: String,
}

#[derive(Deserialize)]
struct Location {
    #[serde(rename = "@href")]
    href: String,
}

/// The files that solving takes.
///
/// # Errors
/// One line: it is no index.
pub(crate) fn files(document: &[u8], filelists: bool) -> Result<Vec<File>, String> {
    let wrong = |problem: &dyn std::fmt::Display| {
        format!("repodata/repomd.xml is not the index of a repository: {problem}")
    };
    let text = std::str::from_utf8(document).map_err(|error| wrong(&error))?;
    if text.trim().is_empty() {
        return Err(wrong(&"it is empty"));
    }
    let repomd: Repomd = quick_xml::de::from_str(text).map_err(|error| wrong(&error))?;
    let more = FILELISTS.iter().filter(|_| filelists);
    let mut files = Vec::new();
    for names in NEEDED.iter().chain(more) {
        let found = names
            .iter()
            .find_map(|name| repomd.data.iter().find(|data| data.kind == *name));
        if let Some(data) = found {
            files.push(file(data).map_err(|problem| wrong(&problem))?);
        }
    }
    match repomd.data.iter().any(|data| data.kind == "primary") {
        true => Ok(files),
        false => Err(wrong(&"it names no `primary`, the list of packages")),
    }
}

fn file(data: &Data) -> Result<File, String> {
    let path = data.location.href.trim();
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_name = !matches!(name, "" | "." | ".." | "repomd.xml") && !name.starts_with('.');
    if !is_name {
        return Err(format!("{path:?} is no file"));
    }
    Ok(File {
        checksum: format!("{}:{}", data.checksum.kind, data.checksum.digits.trim()),
        path: path.to_owned(),
        name: name.to_owned(),
    })
}
