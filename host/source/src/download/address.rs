//! URLs: as the manifest has them, as they are requested, as they may be shown.

use reqwest::Url;

/// Reads a URL. What its path may not contain is percent-encoded; what is encoded already stays as it is (osbuild
/// encodes it a second time). A `+` is encoded too, since some servers take it for a space.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(&quote_path(text))
        .map_err(|error| format!("the URL {:?} is wrong: {error}", redact(text)))?;
    match url.scheme() {
        "http" | "https" | "file" => Ok(url),
        other => Err(format!(
            "{other} URLs are not supported: use https, http or file"
        )),
    }
}

/// The URL of a file below a base URL, whose query, if it has one, stays what it is.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let directory = base.path().trim_end_matches('/');
    let path = path
        .trim_start_matches('/')
        .replace('?', "%3F")
        .replace('#', "%23");
    url.set_path(&format!("{directory}/{}", escape(&path)));
    url
}

/// The URL without what may be secret: user, password and query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These fail for URLs that cannot have a user, which is what is wanted.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        url.set_query(Some("..."));
    }
    url.set_fragment(None);
    url.to_string()
}

/// What limits on connections are counted by.
pub(crate) fn host(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

/// Text that is no URL may still contain a password.
fn redact(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://...{}", &text[..scheme], &text[at..])
        }
        _ => text.to_owned(),
    }
}

fn quote_path(text: &str) -> String {
    let start = text.find("://").map_or(0, |scheme| scheme + 3);
    let start = start + text[start..].find('/').unwrap_or(text.len() - start);
    let end = start + text[start..].find(['?', '#']).unwrap_or(text.len() - start);
    format!(
        "{}{}{}",
        &text[..start],
        escape(&text[start..end]),
        &text[end..]
    )
}

/// Encodes what the URL parser would leave.
fn escape(path: &str) -> String {
    let mut quoted = String::with_capacity(path.len());
    for (index, character) in path.char_indices() {
        match character {
            '+' => quoted.push_str("%2B"),
            '%' if !is_escape(&path.as_bytes()[index..]) => quoted.push_str("%25"),
            other => quoted.push(other), // The rest is done by the URL parser.
        }
    }
    quoted
}

fn is_escape(text: &[u8]) -> bool {
    matches!(text, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{below, parse, shown};

    #[test]
    fn paths_are_encoded_once() {
        let cases = [
            ("http://h/a b", "http://h/a%20b"),
            ("http://h/a%20b", "http://h/a%20b"),
            ("http://h/libstdc++-1.rpm", "http://h/libstdc%2B%2B-1.rpm"),
            ("http://h/100%", "http://h/100%25"),
            ("http://h/100%zz", "http://h/100%25zz"),
            ("http://h/a~1^2.rpm", "http://h/a~1^2.rpm"),
            ("http://h/ä", "http://h/%C3%A4"),
            ("http://h/a?x=1+2%", "http://h/a?x=1+2%"),
            ("http://h", "http://h/"),
            ("http://u+x:p@h:81/a+b", "http://u+x:p@h:81/a%2Bb"),
            ("file:///tmp/a+b", "file:///tmp/a%2Bb"),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(given).unwrap().as_str(), expected, "{given}");
        }
    }

    #[test]
    fn paths_go_below_the_path_of_a_base() {
        let cases = [
            ("http://h", "a/b.rpm", "http://h/a/b.rpm"),
            ("http://h/os/", "/a+b c.rpm", "http://h/os/a%2Bb%20c.rpm"),
            ("http://h/os//", "a?b#c%20", "http://h/os/a%3Fb%23c%20"),
            ("http://h/os?key=1", "a", "http://h/os/a?key=1"),
        ];
        for (base, path, expected) in cases {
            assert_eq!(below(&parse(base).unwrap(), path).as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_url_is_an_error_without_its_password() {
        for text in [
            "",
            "nonsense",
            "http://",
            "ftp://h/x",
            "http://user:secret@:bad/x",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.is_empty() && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn users_passwords_and_queries_are_not_shown() {
        let url = parse("https://user:secret@h/path?token=secret#secret").unwrap();
        assert_eq!(shown(&url), "https://h/path?...");
    }
}
