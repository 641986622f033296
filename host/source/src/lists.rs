//! Lists of mirrors: what a server sends for `metalink` and `mirrorlist`.
//!
//! A list names servers. A file of this machine is read where the manifest says so, not where a server does.

use crate::checksum::Checksum;
use crate::download::{Engine, Security};
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::origin::{ListKind, Remote};
use serde::Deserialize;

/// No more servers are asked, whatever a list says.
const MOST: usize = 100;

/// The file of a repository that its metalink is about.
pub(crate) struct Described {
    name: &'static str,
    /// Its path below the base URL.
    path: &'static str,
}

/// Of a repository of RPM packages.
pub(crate) const REPOMD: Described = Described {
    name: "repomd.xml",
    path: "repodata/repomd.xml",
};

/// Of a repository of OSTree.
pub(crate) const SUMMARY: Described = Described {
    name: "summary",
    path: "summary",
};

/// The places that a remote consists of, the preferred ones first.
pub(crate) async fn resolve(
    engine: &Engine<'_>,
    remote: &Remote,
    security: &Security,
    described: &Described,
) -> Result<Vec<Location>, String> {
    let Some(kind) = remote.list else {
        return Ok(vec![remote.location.clone()]);
    };
    let document = engine.document(&remote.location, security).await;
    let bases = document.and_then(|document| {
        let text = String::from_utf8_lossy(&document);
        match kind {
            ListKind::Metalink => metalink(&text, described),
            ListKind::Mirrorlist => mirrorlist(&text),
        }
    });
    bases.map_err(|problem| format!(" from {}: {problem}", remote.location.shown()))
}

/// As [`resolve`], with what a metalink says that the file is. A list of mirrors may be a metalink, too.
pub(crate) async fn resolve_with_hashes(
    engine: &Engine<'_>,
    remote: &Remote,
    security: &Security,
    described: &Described,
) -> Result<(Vec<Location>, Hashes), String> {
    let document = engine.document(&remote.location, security).await;
    let found = document.and_then(|document| {
        let text = String::from_utf8_lossy(&document);
        let is_metalink =
            remote.list == Some(ListKind::Metalink) || text.trim_start().starts_with("<?xml");
        match is_metalink {
            true => Ok((metalink(&text, described)?, Hashes::of(&text, described)?)),
            false => Ok((mirrorlist(&text)?, Hashes::default())),
        }
    });
    found.map_err(|problem| format!(" from {}: {problem}", remote.location.shown()))
}

/// Checksums that a file may have, of its current version and some before; none said: any.
#[derive(Debug, Default)]
pub(crate) struct Hashes(Vec<Checksum>);

/// Algorithms that a metalink vouches by. Others are broken, and are there beside these.
const STRONG: [&str; 3] = ["sha256", "sha384", "sha512"];

impl Hashes {
    fn of(text: &str, described: &Described) -> Result<Self, String> {
        let file = described_file(text, described)?;
        let alternates = file.alternates.alternate.into_iter();
        let verifications = alternates
            .map(|alternate| alternate.verification)
            .chain([file.verification]);
        let hashes = verifications
            .flat_map(|verification| verification.hash)
            .chain(file.hash);
        let hashes: Vec<_> = hashes.collect();
        let strong: Result<Vec<_>, _> = hashes.iter().filter_map(Hash::checksum).collect();
        let strong = strong?;
        match strong.is_empty() && !hashes.is_empty() {
            true => Err(format!(
                "it has no checksum of {} that is known, such as one of sha256",
                described.name
            )),
            false => Ok(Self(strong)),
        }
    }

    /// Whether a document of which only the SHA-256 is known is one of those.
    pub(crate) fn allow_sha256(&self, digest: &str) -> bool {
        let known = format!("sha256:{digest}");
        self.0.is_empty() || self.0.iter().any(|hash| hash.to_string() == known)
    }

    /// Whether the document is one of those.
    pub(crate) fn allow(&self, document: &[u8]) -> bool {
        self.0.is_empty() || self.0.iter().any(|hash| hash.is_of(document))
    }
}

/// A metalink of version 3 (files are in `files`, URLs in `resources`, a higher preference is better) or of version 4
/// (RFC 5854: neither; a lower priority is better).
#[derive(Deserialize)]
struct Metalink {
    #[serde(default)]
    files: Files,
    #[serde(default)]
    file: Vec<File>,
}

#[derive(Default, Deserialize)]
struct Files {
    #[serde(default)]
    file: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "@name")]
    name: String,
    #[serde(default)]
    verification: Verification,
    #[serde(default)]
    alternates: Alternates,
    #[serde(default)]
    hash: Vec<Hash>,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    url: Vec<Mirror>,
}

#[derive(Default, Deserialize)]
struct Verification {
    #[serde(default)]
    hash: Vec<Hash>,
}

impl Hash {
    /// The checksum, if it is a strong one. RFC 5854 writes `sha-256`.
    fn checksum(&self) -> Option<Result<Checksum, String>> {
        let kind = self.kind.trim().to_lowercase().replace('-', "");
        let strong = STRONG.contains(&&*kind);
        let digits = self.digits.trim().to_lowercase();
        strong.then(|| Checksum::parse(&format!("{kind}:{digits}")))
    }
}

/// Versions that mirrors may still have.
#[derive(Default, Deserialize)]
struct Alternates {
    #[serde(default)]
    alternate: Vec<Alternate>,
}

#[derive(Deserialize)]
struct Alternate {
    #[serde(default)]
    verification: Verification,
}

#[derive(Deserialize)]
struct Hash {
    #[serde(rename = "@type", default)]
    kind: String,
    #[serde(rename = "$text", default)]
    digits: String,
}

#[derive(Default, Deserialize)]
struct Resources {
    #[serde(default)]
    url: Vec<Mirror>,
}

#[derive(Deserialize)]
struct Mirror {
    #[serde(rename = "@preference")]
    preference: Option<i64>,
    #[serde(rename = "@priority")]
    priority: Option<i64>,
    #[serde(rename = "$text", default)]
    url: String,
}

/// The base URLs in a metalink of a repository, the preferred ones first; those of other protocols are left out.
fn metalink(text: &str, described: &Described) -> Result<Vec<Location>, String> {
    let path = described.path;
    let file = described_file(text, described)?;
    let mut mirrors: Vec<_> = file.resources.url.into_iter().chain(file.url).collect();
    // What has no place in the order comes last in either version.
    mirrors.sort_by_key(|mirror| match (mirror.preference, mirror.priority) {
        (Some(preference), _) => preference.saturating_neg(),
        (None, Some(priority)) => priority,
        (None, None) => i64::MAX,
    });
    let base = |mirror: &Mirror| server(mirror.url.trim().strip_suffix(path)?);
    some(mirrors.iter().filter_map(base).collect())
}

/// The part of a metalink that is about a file.
fn described_file(text: &str, described: &Described) -> Result<File, String> {
    // The parser's own words would repeat what it read, which may be a file that is none of a client's business.
    let parsed: Metalink = quick_xml::de::from_str(text)
        .map_err(|_| "it is not a metalink: it has not that form of XML".to_owned())?;
    let mut files = parsed.files.file.into_iter().chain(parsed.file);
    let name = described.name;
    files.find(|file| file.name == name).ok_or_else(|| {
        format!("it does not say where {name} is: it is not the metalink of a repository")
    })
}

/// The base URLs in a list with one per line, in its order; comments and other protocols are left out.
fn mirrorlist(text: &str) -> Result<Vec<Location>, String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    some(lines.filter_map(server).collect())
}

/// A base URL of a server.
fn server(text: &str) -> Option<Location> {
    Location::parse(text)
        .ok()
        .filter(|location| location.file().is_none())
}

fn some(mut bases: Vec<Location>) -> Result<Vec<Location>, String> {
    if bases.is_empty() {
        return Err("it names no mirror with an https or http URL".to_owned());
    }
    bases.truncate(MOST);
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metalink(text: &str) -> Result<Vec<Location>, String> {
        super::metalink(text, &REPOMD)
    }

    fn texts(bases: Result<Vec<Location>, String>) -> Vec<String> {
        let bases = bases.unwrap();
        bases.iter().map(|base| base.url().to_string()).collect()
    }

    #[test]
    fn a_metalink_of_version_3_names_mirrors_by_preference() {
        let text = r#"<?xml version="1.0" encoding="utf-8"?>
            <metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" xmlns:mm0="http://mirrors.example">
             <files>
              <file name="other"><resources><url preference="100">http://wrong/repodata/repomd.xml</url></resources></file>
              <file name="repomd.xml">
               <mm0:timestamp>1700000000</mm0:timestamp><size>5000</size>
               <verification><hash type="sha256">00</hash></verification>
               <mm0:alternates><mm0:alternate><size>1</size></mm0:alternate></mm0:alternates>
               <resources maxconnections="1">
                <url protocol="rsync" type="rsync" preference="100">rsync://r/os/repodata/repomd.xml</url>
                <url protocol="file" preference="100">file:///etc/repodata/repomd.xml</url>
                <url protocol="http" preference="98">http://b/os/repodata/repomd.xml</url>
                <url protocol="https" preference="99">https://a/os/?x=1&amp;y=2/repodata/repomd.xml</url>
                <url protocol="https">https://last/repodata/repomd.xml</url>
                <url protocol="http" preference="97">
                  http://c/os/repodata/repomd.xml
                </url>
               </resources>
              </file>
             </files>
            </metalink>"#;
        assert_eq!(
            texts(metalink(text)),
            [
                "https://a/os/?x=1&y=2/",
                "http://b/os/",
                "http://c/os/",
                "https://last/"
            ]
        );
    }

    #[test]
    fn a_metalink_of_version_4_names_mirrors_by_priority() {
        let text = r#"<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="repomd.xml"><size>1</size>
            <url location="de" priority="2">http://second/repodata/repomd.xml</url>
            <metaurl mediatype="torrent">http://t/x.torrent</metaurl>
            <url priority="1">http://first/repodata/repomd.xml</url></file></metalink>"#;
        assert_eq!(texts(metalink(text)), ["http://first/", "http://second/"]);
    }

    #[test]
    fn what_is_no_metalink_of_a_repository_is_an_error_that_says_so() {
        let cases = [
            ("", "it is not a metalink"),
            ("<html><body>Sorry</body>", "it is not a metalink"),
            ("<metalink></metalink>", "does not say where repomd.xml is"),
            (
                "<metalink><file name='repomd.xml'/></metalink>",
                "names no mirror",
            ),
            (
                "<metalink><file name='repomd.xml'><url>http://h/elsewhere</url></file></metalink>",
                "names no mirror",
            ),
        ];
        for (text, expected) in cases {
            let error = metalink(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_metalink_is_not_repeated() {
        for text in [
            "root:*:20228:0:99999:7:::\n",
            "<metalink>root:*:20228</metalink>",
            "<metalink><file name='root:*:20228'/></metalink>",
            "<root:*:20228>",
        ] {
            let error = metalink(text).unwrap_err();
            assert!(!error.contains("20228"), "{error}");
        }
    }

    #[test]
    fn a_mirrorlist_has_one_mirror_per_line() {
        let text =
            "# repo = x\r\nhttps://a/os/\r\n\n  http://b/os\nftp://c/os\nfile:///etc/\nFILE:/etc\n";
        assert_eq!(texts(mirrorlist(text)), ["https://a/os/", "http://b/os"]);
        assert!(mirrorlist("# nothing\n<html>").is_err());
    }
}
