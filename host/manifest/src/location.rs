//! URLs, read once: the value is what a plan shows, what a policy judges, and what a download asks for.
//!
//! The rules are those of the URL standard (url.spec.whatwg.org). Spellings that programs read differently are errors here: a
//! missing `//`, a backslash before the path, control characters.
use std::path::{Path, PathBuf};
use url::{Host, Url};

/// Where something is: an `http` or `https` URL with a host, or a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location(Url);

impl Location {
    /// Reads a URL. What its path may not contain is percent-encoded; what is encoded already stays as it is (osbuild
    /// encodes it a second time). A `+` is encoded too, since some servers take it for a space.
    ///
    /// # Errors
    /// One line that says what is wrong, without password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = match text.split_once(':') {
            _ if text.chars().any(char::is_control) => Err("has a control character".to_owned()),
            None => Err("has no scheme: write https://HOST/PATH".to_owned()),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                scheme @ ("http" | "https") => remote(scheme, rest),
                "file" => local(rest),
                other => {
                    return Err(format!(
                        "{} URLs are not supported: use https, http or file",
                        other.escape_debug()
                    ));
                }
            },
        };
        read.map(Self)
            .map_err(|problem| format!("the URL {:?} {problem}", redact(text)))
    }

    /// Where a server leads to that was asked for this one. Its answer gives no user, no password and no file.
    ///
    /// # Errors
    /// It leads to no `http` or `https` URL, or from a secured connection to one that is not.
    pub fn redirected(&self, target: &str) -> Result<Self, String> {
        let mut url = self
            .0
            .join(target)
            .map_err(|error| format!("the server redirects to no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "the server redirects to {}:, which is followed from no server",
                url.scheme()
            ));
        }
        if self.0.scheme() == "https" && url.scheme() != "https" {
            return Err(format!(
                "the server redirects to a connection that is not secured, {}",
                shown(&url)
            ));
        }
        // These fail for URLs that cannot have a user, which is what is wanted.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        without_final_dot(&mut url)?;
        let mut next = Self(url);
        if next.origin() == self.origin() {
            let _ = next.0.set_username(self.0.username());
            let _ = next.0.set_password(self.0.password());
        }
        Ok(next)
    }

    /// The place of a file below this one, whose query, if it has one, stays what it is.
    ///
    /// # Errors
    /// The path has `..`, which would lead elsewhere.
    pub fn below(&self, path: &str) -> Result<Self, String> {
        let is_dots = |part: &str| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part == ".." || part == "."
        };
        if path.split(['/', '\\']).any(is_dots) || path.chars().any(char::is_control) {
            return Err(format!("the path {path:?} may lead out of its mirror"));
        }
        let path = path.trim_start_matches('/');
        let path = escape(&path.replace('?', "%3F").replace('#', "%23"));
        let mut url = self.0.clone();
        let directory = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{directory}/{path}"));
        match url.scheme() {
            "file" => local(url.path()).map(Self),
            _ => Ok(Self(url)),
        }
    }

    /// `HOST:PORT`, in lower case, names as DNS has them; none for a file of this machine.
    pub fn host(&self) -> Option<String> {
        Some(format!(
            "{}:{}",
            self.0.host_str()?,
            self.0.port_or_known_default()?
        ))
    }

    /// Scheme, host and port: what credentials are for.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.0.scheme(), self.host().unwrap_or_default())
    }

    /// The path of a file of this machine: absolute, without `.` and `..`; none where a server is asked.
    pub fn file(&self) -> Option<PathBuf> {
        match self.0.scheme() {
            "file" => self.0.to_file_path().ok(),
            _ => None,
        }
    }

    /// Whether a login for this server may be told to another one that it names: over a secured connection, to a server of the same
    /// name, below it, or of the name that it is below itself. In clear only within this machine.
    pub fn is_trusted_with(&self, other: &Self) -> bool {
        let (Some(Host::Domain(own)), Some(Host::Domain(name))) = (self.0.host(), other.0.host())
        else {
            let same = self.0.host().is_some() && self.0.host() == other.0.host();
            return same && (other.is_https() || is_loopback(&other.0));
        };
        let parent = own.split_once('.').map(|(_, parent)| parent);
        let related = name == own
            || (own.contains('.') && name.ends_with(&format!(".{own}")))
            || parent.is_some_and(|parent| parent.contains('.') && name == parent);
        related && (other.is_https() || (name == own && is_loopback(&other.0)))
    }

    /// The same with more parameters of the query.
    pub fn with_query(&self, parameters: &[(&str, &str)]) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        Self(url)
    }

    /// Whether the connection is secured.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL that is asked for.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The URL without user and password.
    pub fn without_credentials(&self) -> String {
        let mut url = self.0.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }

    /// The URL without what may be secret: user, password and query.
    pub fn shown(&self) -> String {
        shown(&self.0)
    }
}

/// `HOST:PORT` of a request to a proxy for a tunnel (RFC 9110, 9.3.6), in the form of [`Location::host`].
pub fn authority(text: &str) -> Option<String> {
    if text.contains(['/', '\\', '?', '#', '@']) || !text.contains(':') {
        return None;
    }
    Location::parse(&format!("https://{text}/")).ok()?.host()
}

/// Whether nobody but this machine sees what is sent there.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A URL with a host: what follows the colon of its scheme.
fn remote(scheme: &str, rest: &str) -> Result<Url, String> {
    let rest = rest
        .strip_prefix("//")
        .filter(|rest| !rest.starts_with('/'))
        .ok_or_else(|| format!("has no host: write {scheme}://HOST/PATH"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.contains('\\') || authority.contains(char::is_whitespace) {
        return Err("has a backslash or a space in its host".to_owned());
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, query) = rest.split_at(end);
    if query.contains(char::is_whitespace) {
        return Err("has a space in its query: write %20".to_owned());
    }
    let text = format!("{scheme}://{authority}{}{query}", escape(path));
    let mut url = Url::parse(&text).map_err(|error| format!("is wrong: {error}"))?;
    without_final_dot(&mut url)?;
    Ok(url)
}

/// A name with a final dot is the same host.
fn without_final_dot(url: &mut Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let name = host.strip_suffix('.').unwrap_or(&host);
    if name.is_empty() || name.ends_with('.') {
        return Err("has no host".to_owned());
    }
    // What means something else where hosts are listed is no letter of a name.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if matches!(url.host(), Some(Host::Domain(name)) if !name.bytes().all(fits)) {
        return Err(
            "has a host of other characters than letters, digits, `.`, `-` and `_`".to_owned(),
        );
    }
    if name != host {
        url.set_host(Some(name))
            .map_err(|error| format!("is wrong: {error}"))?;
    }
    Ok(())
}

/// A file of this machine: what follows `file:`, with any number of slashes, or with the host `localhost`.
fn local(rest: &str) -> Result<Url, String> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !(host.is_empty() || host.eq_ignore_ascii_case("localhost")) {
                return Err("names a file of another machine: write file:///PATH".to_owned());
            }
            path
        }
    };
    let encoded = path.to_ascii_lowercase();
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err("names no file: write file:///PATH".to_owned());
    }
    if encoded.contains("%2f") || encoded.contains("%00") {
        return Err("has a slash or a zero in the name of a file".to_owned());
    }
    let url = Url::parse(&format!("file://{}", escape(path)));
    let path = url
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .ok_or("names no file: write file:///PATH")?;
    let text = path
        .to_str()
        .filter(|text| !text.chars().any(char::is_control));
    text.ok_or("names a file whose name is no text")?;
    // The same path, however many slashes it was written with.
    let path: PathBuf = path.components().collect();
    Url::from_file_path(path).map_err(|()| "names no file: write file:///PATH".to_owned())
}

/// Text that is no URL may still contain a password.
fn redact(text: &str) -> String {
    match (text.find(':'), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://...{}", &text[..scheme], &text[at..])
        }
        _ => text.to_owned(),
    }
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        url.set_query(Some("..."));
    }
    url.set_fragment(None);
    url.to_string()
}

/// Encodes what the URL parser would leave, drop, or take for a slash.
fn escape(path: &str) -> String {
    let mut quoted = String::with_capacity(path.len());
    for (index, character) in path.char_indices() {
        match character {
            '+' => quoted.push_str("%2B"),
            ' ' => quoted.push_str("%20"),
            '\\' => quoted.push_str("%5C"),
            '%' if !is_escape(&path.as_bytes()[index..]) => quoted.push_str("%25"),
            other => quoted.push(other), // The rest is done by the URL parser.
        }
    }
    quoted
}

fn is_escape(text: &[u8]) -> bool {
    matches!(text, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Whether a path is absolute and leads nowhere but down, which is how locations of this machine are written.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && Path::new(path)
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir))
        && !path.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        Location::parse(text).unwrap().url().to_string()
    }

    #[test]
    fn paths_are_encoded_once() {
        let cases = [
            ("http://h/a b", "http://h/a%20b"),
            ("http://h/a ", "http://h/a%20"),
            ("http://h/a%20b", "http://h/a%20b"),
            ("http://h/libstdc++-1.rpm", "http://h/libstdc%2B%2B-1.rpm"),
            ("http://h/100%", "http://h/100%25"),
            ("http://h/100%zz", "http://h/100%25zz"),
            ("http://h/a~1^2.rpm", "http://h/a~1^2.rpm"),
            ("http://h/\u{e4}", "http://h/%C3%A4"),
            ("http://h/a\\b", "http://h/a%5Cb"),
            ("http://h/a?x=1+2%", "http://h/a?x=1+2%"),
            ("http://h", "http://h/"),
            ("http://u+x:p@h:81/a+b", "http://u+x:p@h:81/a%2Bb"),
            ("file:///tmp/a+b", "file:///tmp/a+b"),
        ];
        for (given, expected) in cases {
            assert_eq!(url(given), expected, "{given}");
        }
    }

    #[test]
    fn paths_go_below_the_path_of_a_base() {
        let cases = [
            ("http://h", "a/b.rpm", "http://h/a/b.rpm"),
            ("http://h/os/", "/a+b c.rpm", "http://h/os/a%2Bb%20c.rpm"),
            ("http://h/os//", "a?b#c%20", "http://h/os/a%3Fb%23c%20"),
            ("http://h/os?key=1", "a", "http://h/os/a?key=1"),
            ("file:///srv/os", "a/b.rpm", "file:///srv/os/a/b.rpm"),
        ];
        for (base, path, expected) in cases {
            let base = Location::parse(base).unwrap();
            assert_eq!(base.below(path).unwrap().url().as_str(), expected);
            for path in [
                "../x",
                "a/../../x",
                "a/%2e%2E/x",
                ".%2e",
                "a\\..\\x",
                "a/%2f/x",
            ] {
                let below = base.below(path);
                let is_file = base.file().is_some();
                assert!(below.is_err() || (path == "a/%2f/x" && !is_file), "{path}");
            }
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
            let error = Location::parse(text).unwrap_err();
            assert!(!error.is_empty() && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn users_passwords_and_queries_are_not_shown() {
        let location = Location::parse("https://user:secret@h/path?token=secret#secret").unwrap();
        assert_eq!(location.shown(), "https://h/path?...");
    }

    /// What a policy judges is what is contacted, however it is written.
    #[test]
    fn every_spelling_of_a_host_is_that_host_or_an_error() {
        let cases = [
            ("HTTP://Evil.Example/x", Some("evil.example:80")),
            ("hTTps://evil.example", Some("evil.example:443")),
            ("http://evil.example./x", Some("evil.example:80")),
            ("http://good@evil.example/", Some("evil.example:80")),
            ("http://good:80@evil.example:81/", Some("evil.example:81")),
            ("http://a@good@evil.example/", Some("evil.example:80")),
            ("http://%65vil.example/", Some("evil.example:80")),
            ("http://evil.example:0080/", Some("evil.example:80")),
            ("http://[::1]/x", Some("[::1]:80")),
            ("http://[0:0:0:0:0:0:0:1]:81/x", Some("[::1]:81")),
            ("http://0x7f.1/", Some("127.0.0.1:80")),
            ("http://2130706433/", Some("127.0.0.1:80")),
            ("http://\u{ff45}vil.example/", Some("evil.example:80")),
            (
                "http://b\u{fc}cher.example/",
                Some("xn--bcher-kva.example:80"),
            ),
            ("http://evil.example?x@good", Some("evil.example:80")),
            ("http://evil.example#@good/", Some("evil.example:80")),
            ("http:evil.example/x", None),
            ("http:/evil.example/x", None),
            ("http:///evil.example/x", None),
            ("http:\\\\evil.example\\x", None),
            ("http:/\\evil.example/x", None),
            ("http://evil.example\\@good/", None),
            ("http://good\\evil.example/", None),
            ("ht\ttp://evil.example/", None),
            ("http://evil\n.example/", None),
            ("\u{1}http://evil.example/", None),
            (" http://evil.example/", None),
            ("http://evil .example/", None),
            ("http://*/", None),
            ("http://*.example/", None),
            ("http://a?b@h/", Some("a:80")),
            ("http://a,b/", None),
            ("http://evil.example../", None),
            ("http://./", None),
            ("http://%2fevil/", None),
            ("http://evil%00.example/", None),
            ("http://[fe80::1%25eth0]/", None),
            ("http://user@/x", None),
            ("http://h:99999/", None),
            ("//evil.example/x", None),
            ("gopher://evil.example/x", None),
        ];
        for (text, expected) in cases {
            let host = Location::parse(text)
                .ok()
                .and_then(|location| location.host());
            assert_eq!(host.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn every_spelling_of_a_file_is_that_file_or_an_error() {
        let cases = [
            ("file:///etc/shadow", Some("/etc/shadow")),
            ("FILE:///etc/shadow", Some("/etc/shadow")),
            ("file:/etc/shadow", Some("/etc/shadow")),
            ("file:////etc//shadow", Some("/etc/shadow")),
            ("file://localhost/etc/shadow", Some("/etc/shadow")),
            ("file://LOCALHOST/etc/shadow", Some("/etc/shadow")),
            ("file:///srv/../etc/./shadow", Some("/etc/shadow")),
            ("file:///srv/%2e%2E/etc/shadow", Some("/etc/shadow")),
            ("file:///etc/%73hadow", Some("/etc/shadow")),
            ("file:///srv/a b+c%25", Some("/srv/a b+c%")),
            ("file:///srv/*", Some("/srv/*")),
            ("file:///srv%2F..%2Fetc/shadow", None),
            ("file:etc/shadow", None),
            ("file:", None),
            ("file://", None),
            ("file:\\\\\\etc\\shadow", None),
            ("file://other/etc/shadow", None),
            ("file:///etc/shadow?x", None),
            ("file:///etc/shadow%00.rpm", None),
            ("file:///etc/%1b", None),
            ("file:///etc/%ff", None),
            ("fi\tle:///etc/shadow", None),
        ];
        for (text, expected) in cases {
            let file = Location::parse(text)
                .ok()
                .and_then(|location| location.file());
            assert_eq!(file.as_deref(), expected.map(Path::new), "{text:?}");
        }
    }

    #[test]
    fn a_redirect_leads_to_servers_only_and_never_to_less_security() {
        let from = Location::parse("https://user:pass@a.example/dir/x").unwrap();
        let cases = [
            ("y", Some("https://user:pass@a.example/dir/y")),
            ("//a.example/y", Some("https://user:pass@a.example/y")),
            ("https://a.example:8443/y", Some("https://a.example:8443/y")),
            ("https://me:pw@b.example./y", Some("https://b.example/y")),
            ("http://a.example/y", None),
            ("file:///etc/shadow", None),
            ("FILE:/etc/shadow", None),
            ("ftp://b.example/", None),
            ("data:,x", None),
        ];
        for (target, expected) in cases {
            let next = from.redirected(target).map(|next| next.url().to_string());
            assert_eq!(next.ok().as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn a_login_is_told_to_servers_of_the_same_name_only_and_not_in_clear() {
        let cases = [
            ("https://quay.io", "https://quay.io/v2/auth", true),
            ("https://docker.io", "https://auth.docker.io/token", true),
            (
                "https://registry.gitlab.com",
                "https://gitlab.com/jwt/auth",
                true,
            ),
            ("https://r.example:5000", "https://r.example/auth", true),
            ("https://quay.io", "http://quay.io/v2/auth", false),
            ("https://quay.io", "https://evil.example/auth", false),
            ("https://quay.io", "https://evilquay.io/auth", false),
            (
                "https://quay.io",
                "https://quay.io.evil.example/auth",
                false,
            ),
            ("https://example.co.uk", "https://co.uk/auth", true),
            ("https://example.co.uk", "https://evil.co.uk/auth", false),
            ("https://quay.io", "https://io/auth", false),
            (
                "https://registry.example.com",
                "https://other.example.com/auth",
                false,
            ),
            ("https://localhost:5000", "https://a.localhost/auth", false),
            ("http://localhost:5000", "http://localhost:5001/auth", true),
            ("http://localhost:5000", "http://127.0.0.1:5001/auth", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/auth", true),
            ("https://10.0.0.1", "http://10.0.0.1/auth", false),
            ("https://10.0.0.1", "https://10.0.0.1:8443/auth", true),
            ("https://10.0.0.1", "https://10.0.0.2/auth", false),
            ("https://quay.io", "file:///etc/passwd", false),
        ];
        for (registry, realm, expected) in cases {
            let [registry, realm] = [registry, realm].map(|text| Location::parse(text).unwrap());
            assert_eq!(
                registry.is_trusted_with(&realm),
                expected,
                "{registry:?} {realm:?}"
            );
        }
    }

    #[test]
    fn a_tunnel_is_asked_for_by_host_and_port_alone() {
        let cases = [
            ("Evil.example:443", Some("evil.example:443")),
            ("[::1]:443", Some("[::1]:443")),
            ("evil.example.:443", Some("evil.example:443")),
            ("evil.example", None),
            ("good@evil.example:443", None),
            ("evil.example:443/x", None),
            ("evil.example\\@good:443", None),
        ];
        for (text, expected) in cases {
            assert_eq!(authority(text).as_deref(), expected, "{text}");
        }
    }
}
