//! URLs, read once: the value is what a plan shows, what a policy judges, and what a download asks for.
//!
//! The rules are those of the URL standard (url.spec.whatwg.org). Spellings that programs read differently are errors here: a
//! missing `//`, a backslash before the path, control characters.
use std::path::{Path, PathBuf};
use url::{Host, Url};

/// Where something is: an `http` or `https` URL with a host, or a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(Url);

/// Whether the path of a file below a server may, to some reader, lead elsewhere on it.
pub fn may_lead_out(path: &str) -> bool {
    let is_dots = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == ".." || part == "."
    };
    path.split(['/', '\\']).any(is_dots) || path.chars().any(char::is_control)
}

impl Location {
    /// Reads a URL. What its path and query may not contain is percent-encoded; what is encoded already stays as it is (osbuild
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
        read.map(strict)
            .map(Self)
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
        let mut next = Self(strict(url));
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
        if may_lead_out(path) {
            return Err(format!("the path {path:?} may lead out of its mirror"));
        }
        let path = path.trim_start_matches('/');
        let path = escape(&path.replace('?', "%3F").replace('#', "%23"));
        let mut url = self.0.clone();
        let directory = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{directory}/{path}"));
        match url.scheme() {
            "file" => local(url.path()).map(Self),
            _ => Ok(Self(strict(url))),
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

    /// The server alone: scheme, host and port; none for a file of this machine.
    pub fn server(&self) -> Option<Self> {
        self.host()?;
        Self::parse(&format!("{}/", self.origin())).ok()
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

/// Whether what is sent there stays on this machine.
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

/// A text without what stands where a URL has user and password: what is no URL may still contain one.
pub fn redact(text: &str) -> String {
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

/// The URL without what the URL standard leaves as it is and RFC 3986 does not have: there are servers that refuse it.
fn strict(mut url: Url) -> Url {
    let path = encode(url.path());
    let query = url.query().map(encode);
    url.set_path(&path);
    url.set_query(query.as_deref());
    url
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '<' | '>' | '[' | '\\' | ']' | '^' | '`' | '{' | '|' | '}' => {
                encoded += &format!("%{:02X}", u32::from(character));
            }
            other => encoded.push(other),
        }
    }
    encoded
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
mod tests;
