//! The only way out of a stage's sandbox: an HTTP proxy on a Unix socket that passes the hosts named in the stage's options.
use crate::failure::{BuildError, Result};
use osbuild_wasm_manifest::json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Most bytes of a request's head.
const HEAD: usize = 64 << 10;
/// Most header lines of a request.
const HEADERS: usize = 100;
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// A running proxy; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: PathBuf,
    /// A short way to the socket: addresses of sockets have at most 107 bytes.
    address: Address,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens on `socket` and passes requests to these hosts (with port).
    pub(crate) fn start(socket: &Path, hosts: &[String]) -> Result<Self> {
        let address = Address::of(socket)?;
        let listener = UnixListener::bind(address.path()).map_err(BuildError::io(socket))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let allowed: Arc<BTreeSet<String>> = Arc::new(hosts.iter().cloned().collect());
        let serve = move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                let allowed = allowed.clone();
                // A client that cannot be served sees its connection end.
                _ = std::thread::Builder::new()
                    .name("proxy".into())
                    .spawn(move || pass(client, &allowed));
            }
        };
        std::thread::Builder::new()
            .name("proxy".into())
            .spawn(serve)
            .map_err(BuildError::io(socket))?;
        Ok(Self {
            socket: socket.to_owned(),
            address,
            stop,
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for clients; without it the thread would only end with the process.
        _ = UnixStream::connect(self.address.path());
        _ = std::fs::remove_file(&self.socket);
    }
}

/// A path's directory, held open, and its name.
#[derive(Debug)]
struct Address(File, OsString);

impl Address {
    fn of(socket: &Path) -> Result<Self> {
        let directory = socket.parent().unwrap_or(Path::new("/"));
        let opened = File::open(directory).map_err(BuildError::io(directory))?;
        Ok(Self(
            opened,
            socket.file_name().unwrap_or_default().to_owned(),
        ))
    }

    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(self.0.as_raw_fd().to_string())
            .join(&self.1)
    }
}

/// `host:port` of every http and https URL anywhere in the options.
pub(crate) fn hosts_of(options: &Value) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    collect(options, &mut hosts);
    hosts
}

fn collect(value: &Value, hosts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => hosts.extend(text.as_str().and_then(authority_of)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, hosts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, hosts)),
        _ => {}
    }
}

/// `host:port` of a URL.
pub(crate) fn authority_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    Some(if has_port {
        host
    } else {
        format!("{host}:{default}")
    })
}

fn pass(mut client: UnixStream, allowed: &BTreeSet<String>) -> io::Result<()> {
    let head = read_head(&mut client)?;
    let Some(request) = Request::parse(&head) else {
        return refuse(&mut client, "400 Bad Request", "not a proxy request");
    };
    if !allowed.contains(&request.authority) {
        let reason = format!("{} is not named in the stage's options", request.authority);
        return refuse(&mut client, "403 Forbidden", &reason);
    }
    let mut server = match connect(&request.authority) {
        Ok(server) => server,
        Err(error) => return refuse(&mut client, "502 Bad Gateway", &error.to_string()),
    };
    match &request.forward {
        Some(bytes) => server.write_all(bytes)?,
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
    }
    relay(client, server)
}

fn connect(authority: &str) -> io::Result<TcpStream> {
    use std::net::ToSocketAddrs;
    let mut last = io::Error::other("the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn read_head(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD || client.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(byte[0]);
    }
    Ok(head)
}

fn refuse(client: &mut UnixStream, status: &str, reason: &str) -> io::Result<()> {
    write!(
        client,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{reason}",
        reason.len()
    )
}

/// Both directions until either side ends.
fn relay(client: UnixStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upload = std::thread::Builder::new()
        .name("proxy".into())
        .spawn(move || {
            _ = io::copy(&mut from_client, &mut to_server);
            _ = to_server.shutdown(Shutdown::Write);
        })?;
    let (mut from_server, mut to_client) = (server, client);
    let download = io::copy(&mut from_server, &mut to_client);
    _ = to_client.shutdown(Shutdown::Both);
    _ = upload.join();
    download.map(drop)
}

/// Where a request wants to go, and what is sent there first.
struct Request {
    authority: String,
    /// None: a tunnel (CONNECT).
    forward: Option<Vec<u8>>,
}

impl Request {
    fn parse(head: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(head).ok()?.is_complete().then_some(())?;
        let (method, target) = (request.method?, request.path?);
        if method == "CONNECT" {
            return Some(Self {
                authority: target.to_ascii_lowercase(),
                forward: None,
            });
        }
        let authority = authority_of(target).filter(|_| target.starts_with("http://"))?;
        let after_scheme = &target["http://".len()..];
        let path = after_scheme.find('/').map_or("/", |at| &after_scheme[at..]);
        // One request for one connection: the next one may be for another host.
        let mut forward = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
        for header in request
            .headers
            .iter()
            .filter(|header| !is_hop_by_hop(header.name))
        {
            forward.extend_from_slice(header.name.as_bytes());
            forward.extend_from_slice(b": ");
            forward.extend_from_slice(header.value);
            forward.extend_from_slice(b"\r\n");
        }
        forward.extend_from_slice(b"\r\n");
        Some(Self {
            authority,
            forward: Some(forward),
        })
    }
}

/// Headers that are about the connection to the proxy (RFC 9110, section 7.6.1).
fn is_hop_by_hop(name: &str) -> bool {
    [
        "connection",
        "proxy-connection",
        "proxy-authorization",
        "keep-alive",
    ]
    .iter()
    .any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_from_every_url_of_the_options() {
        let options = br#"{"repos":[{"baseurl":"http://a.example/x"},{"metalink":"https://u@B.example:8443/y"}],"packages":["bash","file:///z"]}"#;
        let options = osbuild_wasm_manifest::json::parse(options).unwrap();
        let expected = BTreeSet::from(["a.example:80".to_owned(), "b.example:8443".to_owned()]);
        assert_eq!(hosts_of(&options), expected);
    }

    #[test]
    fn a_proxy_listens_at_a_path_of_any_length_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let socket = deep.join("proxy");
        let proxy = Proxy::start(&socket, &Value::object()).unwrap();
        UnixStream::connect(Address::of(&socket).unwrap().path()).unwrap();
        drop(proxy);
        assert!(!socket.exists());
    }

    #[test]
    fn a_host_that_is_not_named_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("proxy");
        let options =
            osbuild_wasm_manifest::json::parse(br#"{"u":"http://named.example/"}"#).unwrap();
        let _proxy = Proxy::start(&socket, &options).unwrap();
        for request in [
            "GET http://other.example/ HTTP/1.1\r\n\r\n",
            "CONNECT other.example:443 HTTP/1.1\r\n\r\n",
        ] {
            let mut client = UnixStream::connect(&socket).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
    }

    #[test]
    fn a_named_host_is_passed_with_the_path_alone() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("proxy");
        let options =
            osbuild_wasm_manifest::json::parse(format!(r#"["http://{address}/"]"#).as_bytes())
                .unwrap();
        let _proxy = Proxy::start(&socket, &options).unwrap();
        let mut client = UnixStream::connect(&socket).unwrap();
        write!(client, "GET http://{address}/repodata HTTP/1.1\r\nHost: {address}\r\nProxy-Connection: Keep-Alive\r\n\r\n").unwrap();
        let (mut seen, _) = server.accept().unwrap();
        let mut head = [0; 512];
        let count = seen.read(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head[..count]).into_owned();
        assert!(
            head.starts_with("GET /repodata HTTP/1.1\r\n") && !head.contains("Proxy-"),
            "{head}"
        );
    }
}
