//! References to container images (github.com/distribution/reference): a name, and which of the images of that name is meant.
use crate::origin::{DEFAULT_REGISTRY, registry};

/// What the images of docker.io itself are below.
const OFFICIAL: &str = "library";

/// The tag that is meant where there is none.
const DEFAULT_TAG: &str = "latest";

/// The longest tag.
const LONGEST_TAG: usize = 128;

/// A reference: `NAME`, `NAME:TAG`, `NAME@DIGEST` or `NAME:TAG@DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// `HOST:PORT` of the registry.
    pub host: String,
    /// The name in full: with its registry, without tag and digest.
    pub name: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest, if there is one, which counts more than a tag.
    pub digest: Option<String>,
}

impl ImageReference {
    /// Reads a reference. A name without a registry is one of docker.io.
    ///
    /// # Errors
    /// One line: it is no reference.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| Err(format!("{text:?} is no reference of an image: {problem}"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return wrong(
                "its digest is not sha256:, then 64 lower-case hexadecimal digits, as it has to be",
            );
        }
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].find(':') {
            Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return wrong("its tag has other characters than letters, digits, `_`, `.` and `-`");
        }
        let Some(host) = registry(name) else {
            return wrong("write HOST/PATH in lower case, then :TAG or @DIGEST");
        };
        Ok(Self {
            name: in_full(&host, name),
            host,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// What follows the name where it is asked for: `@DIGEST` or `:TAG`.
    pub fn which(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("@{digest}"),
            (None, tag) => format!(":{}", tag.as_deref().unwrap_or(DEFAULT_TAG)),
        }
    }

    /// What the image is called where it is stored: by its tag, if it has one.
    pub fn stored_name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.name),
            None => format!("{}{}", self.name, self.which()),
        }
    }

    /// The image with this digest, of the same name.
    #[must_use]
    pub fn with_digest(&self, digest: &str) -> Self {
        Self {
            digest: Some(digest.to_owned()),
            ..self.clone()
        }
    }
}

/// Whether this is a SHA-256 digest as container tools write it.
pub fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= LONGEST_TAG
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || b".-".contains(&byte))
}

/// A name with its registry, and what docker.io calls its own images.
fn in_full(host: &str, name: &str) -> String {
    if host.strip_suffix(":443") != Some(DEFAULT_REGISTRY) {
        return name.to_owned();
    }
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let path = if first.contains('.') { rest } else { name };
    match path.contains('/') {
        true => format!("{DEFAULT_REGISTRY}/{path}"),
        false => format!("{DEFAULT_REGISTRY}/{OFFICIAL}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_container_tools_read_them() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for (text, name, which, stored) in [
            ("fedora", "docker.io/library/fedora", ":latest", ":latest"),
            ("a/b:1", "docker.io/a/b", ":1", ":1"),
            ("docker.io/x:1", "docker.io/library/x", ":1", ":1"),
            (
                "index.docker.io/x",
                "docker.io/library/x",
                ":latest",
                ":latest",
            ),
            ("localhost:5000/x", "localhost:5000/x", ":latest", ":latest"),
            (
                "h.example/a/b:v1.2-x",
                "h.example/a/b",
                ":v1.2-x",
                ":v1.2-x",
            ),
            (
                "localhost:5000",
                "docker.io/library/localhost",
                ":5000",
                ":5000",
            ),
        ] {
            let read = ImageReference::parse(text).unwrap();
            assert_eq!((&*read.name, &*read.which()), (name, which), "{text}");
            assert_eq!(read.stored_name(), format!("{name}{stored}"));
        }
        let read = ImageReference::parse(&format!("h.example/x:1@{digest}")).unwrap();
        assert_eq!(read.which(), format!("@{digest}"));
        assert_eq!(read.stored_name(), "h.example/x:1");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("h.example/x:{}", "a".repeat(129));
        for text in [
            "",
            ":1",
            "h.example/X",
            "h.example/",
            "x@",
            "x@sha256:00",
            "x:",
            "x:-a",
            "x:a/b",
            "--x",
            "x:a b",
            "docker://h.example/x",
            "h.example/x@sha512:00",
            &long,
        ] {
            assert!(ImageReference::parse(text).is_err(), "{text}");
        }
    }
}
