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

/// What OSTree options of a request are wrong whatever the commit is for.
///
/// # Errors
/// The type has nothing to do with OSTree; a ref or an address is malformed.
pub fn check(request: &Request<'_>) -> Result<(), GeneratorError> {
    let Some(options) = &request.options.ostree else {
        return Ok(());
    };
    if request.image_type.ostree.is_none() {
        return Err(refused(format!(
            "OSTree is not supported for {:?}",
            request.image_type.name
        )));
    }
    for name in [&options.reference, &options.parent] {
        if !name.is_empty() && !is_ref(name) && !is_checksum(name) {
            return Err(refused(format!("ostree ref {name:?} is invalid")));
        }
    }
    for url in [&options.url, &options.contenturl] {
        if !url.is_empty() && !is_url(url) {
            return Err(refused(format!("ostree URL {url:?} is invalid")));
        }
    }
    Ok(())
}

/// The commit that a request makes. Its parent is the commit of the same ref in the repository that is named, or what
/// is named as parent.
///
/// # Errors
/// As [`check`]; a parent has no repository.
pub fn new_commit(request: &Request<'_>) -> Result<NewCommit, GeneratorError> {
    check(request)?;
    let options = request.options.ostree.clone().unwrap_or_default();
    let reference = reference(request, &options);
    if options.url.is_empty() && !options.parent.is_empty() {
        return Err(refused(
            "ostree parent ref specified, but no URL to retrieve it".into(),
        ));
    }
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
/// As [`check`]; nothing says where the commit is; a parent is named, which a commit that exists has already.
pub fn brought_commit(request: &Request<'_>) -> Result<CommitRequest, GeneratorError> {
    check(request)?;
    let options = request.options.ostree.clone().unwrap_or_default();
    let options_failed = |what: &str| {
        refused(format!(
            "options validation failed for image type {:?}: ostree.{what}",
            request.image_type.name
        ))
    };
    if !options.parent.is_empty() {
        return Err(options_failed("parent: not supported"));
    }
    let default = request
        .image_type
        .ostree
        .as_ref()
        .map_or("", |ostree| &ostree.url);
    let url = match options.url.as_str() {
        "" => default,
        url => url,
    };
    if url.is_empty() {
        return Err(options_failed(
            "url: required, there is no default available",
        ));
    }
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

fn refused(text: String) -> GeneratorError {
    GeneratorError::Request(text)
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

fn is_url(text: &str) -> bool {
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
