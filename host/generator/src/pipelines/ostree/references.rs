//! Which commit a request makes, or brings: its ref and where it is, with the type's values where it says nothing.
use crate::GeneratorError;
use crate::content::CommitRequest;
use crate::request::{OstreeOptions, Request};
use osbuild_wasm_distro::Kind;
use url::Url;

/// A commit to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// Its ref.
    pub reference: String,
    /// The commit before it.
    pub parent: Option<CommitRequest>,
}

/// Whether an image type can do what a request's options of OSTree say.
///
/// # Errors
/// The type has nothing to do with OSTree; a ref or an address is malformed; nothing says where a commit is that has to
/// be there; a commit that exists is given a parent.
pub fn check(request: &Request<'_>) -> Result<(), GeneratorError> {
    let (image_type, given) = (request.image_type, &request.options.ostree);
    let Some(defaults) = &image_type.ostree else {
        return match given {
            None => Ok(()),
            Some(_) => refuse(format!("OSTree is not supported for {:?}", image_type.name)),
        };
    };
    let options = given.clone().unwrap_or_default();
    for name in [&options.reference, &options.parent] {
        if !name.is_empty() && !is_ref(name) && !is_checksum(name) {
            return refuse(format!("ostree ref {name:?} is invalid"));
        }
    }
    for url in [&options.url, &options.contenturl] {
        if !url.is_empty() && !is_url(url) {
            return refuse(format!("ostree URL {url:?} is invalid"));
        }
    }
    let failed = |what: &str| {
        refuse(format!(
            "options validation failed for image type {:?}: ostree.{what}",
            image_type.name
        ))
    };
    match (makes_commit(image_type.kind), options.parent.as_str()) {
        (true, "") => Ok(()),
        (true, _) if options.url.is_empty() => {
            refuse("ostree parent ref specified, but no URL to retrieve it".into())
        }
        (true, _) => Ok(()),
        (false, "") if options.url.is_empty() && defaults.url.is_empty() => {
            failed("url: required, there is no default available")
        }
        (false, "") => Ok(()),
        (false, _) => failed("parent: not supported"),
    }
}

/// The commit that a request makes. Its parent is the commit of the same ref in the repository that is named, or what
/// is named as parent.
///
/// # Errors
/// As [`check`].
pub fn new_commit(request: &Request<'_>) -> Result<NewCommit, GeneratorError> {
    check(request)?;
    let options = request.options.ostree.clone().unwrap_or_default();
    let reference = reference(request, &options);
    let parent = (!options.url.is_empty()).then(|| CommitRequest {
        reference: match options.parent.as_str() {
            "" => reference.clone(),
            parent => parent.into(),
        },
        url: options.url,
        content_url: options.contenturl,
        rhsm: options.rhsm,
    });
    Ok(NewCommit { reference, parent })
}

/// The commit that an image brings.
///
/// # Errors
/// As [`check`].
pub fn brought_commit(request: &Request<'_>) -> Result<CommitRequest, GeneratorError> {
    check(request)?;
    let options = request.options.ostree.clone().unwrap_or_default();
    let defaults = request.image_type.ostree.as_ref();
    let url = match options.url.as_str() {
        "" => defaults.map_or("", |defaults| &defaults.url),
        url => url,
    };
    Ok(CommitRequest {
        url: url.into(),
        content_url: options.contenturl.clone(),
        reference: reference(request, &options),
        rhsm: options.rhsm,
    })
}

/// Whether the pipelines of this kind make a commit.
pub fn makes_commit(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OstreeCommit | Kind::OstreeContainer | Kind::BootableContainer
    )
}

fn reference(request: &Request<'_>, options: &OstreeOptions) -> String {
    match (options.reference.as_str(), &request.image_type.ostree) {
        ("", Some(defaults)) => defaults.reference.clone(),
        (reference, _) => reference.into(),
    }
}

fn refuse(text: String) -> Result<(), GeneratorError> {
    Err(GeneratorError::Request(text))
}

/// Parts with slashes between them; each begins with a letter, a digit or `_` and goes on with these, `-` and `.`.
fn is_ref(name: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.split('/').all(|part| {
        part.starts_with(is_word)
            && part
                .chars()
                .all(|character| is_word(character) || "-.".contains(character))
    })
}

fn is_checksum(name: &str) -> bool {
    name.len() == 64 && name.chars().all(|digit| digit.is_ascii_hexdigit())
}

/// An address, or that of a list of mirrors as OSTree writes it.
fn is_url(text: &str) -> bool {
    let list = ["metalink=", "mirrorlist="]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let text = list.unwrap_or(text);
    Url::parse(text).is_ok_and(|url| !url.cannot_be_a_base())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_and_addresses_are_told_from_other_texts() {
        for (name, is) in [
            ("fedora/43/x86_64/iot", true),
            ("a", true),
            ("_a.b-c/0", true),
            ("", false),
            ("a//b", false),
            ("/a", false),
            ("a/", false),
            ("-a", false),
            ("a b", false),
            ("a:b", false),
        ] {
            assert_eq!(is_ref(name), is, "{name}");
        }
        for (url, is) in [
            ("http://example.com/repo", true),
            ("file:///srv/repo", true),
            ("mirrorlist=https://example.com/list", true),
            ("metalink=example.com", false),
            ("example.com/repo", false),
            ("not a url", false),
            ("mailto:a@b", false),
        ] {
            assert_eq!(is_url(url), is, "{url}");
        }
        assert!(is_checksum(&"0f".repeat(32)));
        assert!(!is_checksum(&"0f".repeat(31)));
    }
}
