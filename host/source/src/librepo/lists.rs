//! Lists of mirrors: what a server sends for `metalink` and `mirrorlist`.

use crate::download::address;
use reqwest::Url;
use serde::Deserialize;

/// What a base URL is followed by in a metalink.
const REPOMD: &str = "repodata/repomd.xml";

/// A metalink of version 3 (files are in `files`, URLs in `resources`, a higher preference is better) or of version 4
/// (RFC 5854: neither; a lower priority is better).
#[derive(Deserialize)]
struct Metalink {
    #[serde(default)]
    files: Files,
    #[serde(default)]
    file: Vec<Described>,
}

#[derive(Default, Deserialize)]
struct Files {
    #[serde(default)]
    file: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    #[serde(rename = "@name")]
    name: String,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    url: Vec<Location>,
}

#[derive(Default, Deserialize)]
struct Resources {
    #[serde(default)]
    url: Vec<Location>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(rename = "@preference")]
    preference: Option<i64>,
    #[serde(rename = "@priority")]
    priority: Option<i64>,
    #[serde(rename = "$text", default)]
    url: String,
}

/// The base URLs in a metalink of a repository, the preferred ones first; those of other protocols are left out.
pub(super) fn metalink(text: &str) -> Result<Vec<Url>, String> {
    let parsed: Metalink =
        quick_xml::de::from_str(text).map_err(|error| format!("it is not a metalink: {error}"))?;
    let mut files = parsed.files.file.into_iter().chain(parsed.file);
    let repomd = files.find(|file| file.name == "repomd.xml");
    let repomd = repomd
        .ok_or("it does not say where repomd.xml is: it is not the metalink of a repository")?;
    let mut locations: Vec<_> = repomd.resources.url.into_iter().chain(repomd.url).collect();
    // What has no place in the order comes last in either version.
    locations.sort_by_key(|location| match (location.preference, location.priority) {
        (Some(preference), _) => preference.saturating_neg(),
        (None, Some(priority)) => priority,
        (None, None) => i64::MAX,
    });
    let base = |location: &Location| address::parse(location.url.trim().strip_suffix(REPOMD)?).ok();
    some(locations.iter().filter_map(base).collect())
}

/// The base URLs in a list with one per line, in its order; comments and other protocols are left out.
pub(super) fn mirrorlist(text: &str) -> Result<Vec<Url>, String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    some(lines.filter_map(|line| address::parse(line).ok()).collect())
}

fn some(bases: Vec<Url>) -> Result<Vec<Url>, String> {
    if bases.is_empty() {
        return Err("it names no mirror with an https, http or file URL".to_owned());
    }
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::{metalink, mirrorlist};

    fn texts(urls: Result<Vec<reqwest::Url>, String>) -> Vec<String> {
        urls.unwrap().iter().map(ToString::to_string).collect()
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
    fn a_mirrorlist_has_one_mirror_per_line() {
        let text = "# repo = x\r\nhttps://a/os/\r\n\n  http://b/os\nftp://c/os\n";
        assert_eq!(texts(mirrorlist(text)), ["https://a/os/", "http://b/os"]);
        assert!(mirrorlist("# nothing\n<html>").is_err());
    }
}
