//! The proxies that the caller's environment names. Through which one a server is asked is decided here, for plans and for downloads.

use crate::Environment;
use crate::gateway::read_head;
use hyper_util::client::proxy::matcher::Matcher;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::origin::{ANY_HOST, Reach};
use reqwest::Url;
use std::collections::BTreeSet;
use std::io::{self, Error};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The variables that name a proxy for one kind of source, by module; they rule over the usual ones.
const OWN: [(&str, &str); 3] = [
    ("org.osbuild.curl", "OSBUILD_SOURCES_CURL_PROXY"),
    ("org.osbuild.librepo", "OSBUILD_SOURCES_CURL_PROXY"),
    ("org.osbuild.ostree", "OSBUILD_SOURCES_OSTREE_PROXY"),
];

/// What stands for any server, or any proxy, where only whether there is one counts.
const ANY: &str = "http://any/";

/// How proxies are talked to, with their usual ports: HTTP (RFC 9110, 3.7), SOCKS (RFC 1928).
const SCHEMES: [(&str, u16); 6] = [
    ("http", 80),
    ("https", 443),
    ("socks4", 1080),
    ("socks4a", 1080),
    ("socks5", 1080),
    ("socks5h", 1080),
];

/// One proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Proxy {
    /// With user and password, if it wants these.
    pub(crate) url: Url,
    /// `HOST:PORT`, as policies judge it.
    pub(crate) host: String,
}

impl Proxy {
    /// A connection to `HOST:PORT` (RFC 9110, 9.3.6).
    pub(crate) async fn connect(&self, host: &str) -> io::Result<TcpStream> {
        if self.url.scheme() != "http" {
            let problem = format!(
                "no connection is asked of the proxy {} in its way",
                self.host
            );
            return Err(Error::other(problem));
        }
        let mut stream = TcpStream::connect(&self.host).await?;
        let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
        let own = Matcher::builder().all(self.url.as_str()).build();
        if let Some(shown) = own.intercept(&ANY.parse().map_err(Error::other)?)
            && let Some(login) = shown.basic_auth()
        {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(login.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        let answer = read_head(&mut stream).await?;
        match answer.split(|byte| *byte == b' ').nth(1) {
            Some(b"200") => Ok(stream),
            _ => Err(Error::other(format!(
                "the proxy {} makes no connection to it",
                self.host
            ))),
        }
    }
}

/// The proxies for servers of both kinds.
#[derive(Debug)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Intercepts what is not exempt.
    exempt: Matcher,
}

impl Proxies {
    /// Those for a kind of source.
    ///
    /// # Errors
    /// The name of the variable that does not hold the URL of a proxy; what it holds may be secret.
    pub(crate) fn of(environment: &Environment, module: &str) -> Result<Self, String> {
        let read = |names: &[&str]| first(environment, names).map(read).transpose();
        let own = OWN.iter().find(|(of, _)| *of == module);
        let own = own.map_or(Ok(None), |(_, variable)| read(&[variable]))?;
        // `HTTP_PROXY` in capitals is left out, as by curl: a web server could set it by a header.
        let (http, https) = (
            read(&["http_proxy"])?,
            read(&["https_proxy", "HTTPS_PROXY"])?,
        );
        let all = read(&["all_proxy", "ALL_PROXY"])?;
        let exempt = first(environment, &["no_proxy", "NO_PROXY"]);
        let exempt = exempt.map_or("", |(_, hosts)| hosts);
        // The matcher takes it for the star of names alone, curl for that of addresses too.
        let none = exempt.split(',').any(|entry| entry.trim() == "*");
        let either = |of_kind: Option<Proxy>| {
            let proxy = own.clone().or(of_kind).or_else(|| all.clone());
            proxy.filter(|_| !none)
        };
        Ok(Self {
            http: either(http),
            https: either(https),
            exempt: Matcher::builder().all(ANY).no(exempt).build(),
        })
    }

    /// The proxy through which the server of a location is asked; none: it is asked itself.
    pub(crate) fn toward(&self, location: &Location) -> Option<&Proxy> {
        let uri = location.origin().parse().ok()?;
        self.exempt.intercept(&uri)?;
        match location.is_https() {
            true => self.https.as_ref(),
            false => self.http.as_ref(),
        }
    }
}

/// `HOST:PORT` of the proxies through which a source of that kind asks its servers, those that lists of mirrors name included.
///
/// # Errors
/// One line: a variable does not hold the URL of a proxy.
pub fn proxies(
    module: &str,
    reach: &Reach,
    environment: &Environment,
) -> Result<BTreeSet<String>, String> {
    if reach.hosts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let proxies = Proxies::of(environment, module)?;
    let any = reach.hosts.contains(ANY_HOST);
    let any = [&proxies.http, &proxies.https]
        .into_iter()
        .filter(|_| any)
        .flatten();
    let named = reach.servers.iter();
    let named = named.filter_map(|server| proxies.toward(server));
    Ok(named.chain(any).map(|proxy| proxy.host.clone()).collect())
}

/// The first of some variables that is set, with its name.
fn first<'a>(environment: &'a Environment, names: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let mut names = names.iter();
    names.find_map(|name| Some((*name, environment.get(name)?)))
}

/// Reads the URL of a proxy; `http://` may be left out.
fn read((variable, text): (&str, &str)) -> Result<Proxy, String> {
    let wrong = || format!("the variable {variable} does not hold the URL of a proxy");
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    let (scheme, usual) = known.ok_or_else(wrong)?;
    // Hosts have one spelling, whatever is spoken with them.
    let read = |scheme| Location::parse(&format!("{scheme}://{rest}")).map_err(|_| wrong());
    let (location, other) = (read("https")?, read("http")?);
    let url = location.url();
    // A port that is the usual one of a scheme is not kept with that.
    let port = url.port().or(other.url().port()).unwrap_or(*usual);
    let host = url.host_str().ok_or_else(wrong)?;
    let user = match (url.username(), url.password()) {
        ("", None) => String::new(),
        (user, password) => format!("{user}:{}@", password.unwrap_or_default()),
    };
    let url = Url::parse(&format!("{scheme}://{user}{host}:{port}/")).map_err(|_| wrong())?;
    let host = format!("{host}:{port}");
    Ok(Proxy { url, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toward(variables: &[(&str, &str)], module: &str, server: &str) -> Option<String> {
        let environment: Environment = variables.iter().copied().collect();
        let proxies = Proxies::of(&environment, module).expect("proxies");
        let location = Location::parse(server).expect("a URL");
        proxies.toward(&location).map(|proxy| proxy.host.clone())
    }

    #[test]
    fn the_variable_of_the_kind_of_source_rules_and_capitals_count_as_for_curl() {
        let (http, https) = ("http://a.example/x", "https://a.example/x");
        let curl = "org.osbuild.curl";
        for (variables, module, server, proxy) in [
            (&[][..], curl, http, None),
            (
                &[("http_proxy", "p.example")],
                curl,
                http,
                Some("p.example:80"),
            ),
            (&[("http_proxy", "p.example")], curl, https, None),
            (&[("HTTP_PROXY", "p.example")], curl, http, None),
            (
                &[("HTTPS_PROXY", "https://p.example")],
                curl,
                https,
                Some("p.example:443"),
            ),
            (
                &[("all_proxy", "socks5h://u:p@p.example")],
                curl,
                https,
                Some("p.example:1080"),
            ),
            (
                &[("all_proxy", "q.example:1"), ("http_proxy", "p.example:2")],
                curl,
                http,
                Some("p.example:2"),
            ),
            (
                &[("OSBUILD_SOURCES_CURL_PROXY", "q:1"), ("http_proxy", "p:2")],
                curl,
                http,
                Some("q:1"),
            ),
            (
                &[("OSBUILD_SOURCES_CURL_PROXY", "q:1")],
                "org.osbuild.librepo",
                https,
                Some("q:1"),
            ),
            (
                &[("OSBUILD_SOURCES_CURL_PROXY", "q:1")],
                "org.osbuild.ostree",
                https,
                None,
            ),
            (
                &[("OSBUILD_SOURCES_OSTREE_PROXY", "q:1")],
                "org.osbuild.ostree",
                https,
                Some("q:1"),
            ),
            (
                &[("all_proxy", "HTTP://P.example.:3128/")],
                curl,
                http,
                Some("p.example:3128"),
            ),
            (
                &[("all_proxy", "http://0x7f.1:3128")],
                curl,
                http,
                Some("127.0.0.1:3128"),
            ),
            (
                &[("all_proxy", "q:1"), ("no_proxy", "example")],
                curl,
                http,
                None,
            ),
            (
                &[("all_proxy", "q:1"), ("NO_PROXY", "b.example, *")],
                curl,
                http,
                None,
            ),
            (
                &[("all_proxy", "q:1"), ("no_proxy", "b.example")],
                curl,
                http,
                Some("q:1"),
            ),
        ] {
            let found = toward(variables, module, server);
            assert_eq!(found.as_deref(), proxy, "{variables:?} {module} {server}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_without_its_value() {
        for value in [
            "::",
            "ftp://p.example",
            "http://",
            "u:geheim@",
            "http://evil\\@p.example",
        ] {
            let environment: Environment = [("all_proxy", value)].into_iter().collect();
            let error = Proxies::of(&environment, "").expect_err(value);
            let expected = "the variable all_proxy does not hold the URL of a proxy";
            assert_eq!(error, expected, "{value}");
        }
    }
}
