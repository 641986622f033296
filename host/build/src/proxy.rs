//! The only way out of a stage's sandbox: an HTTP proxy on a Unix socket that passes the hosts named in the stage's options.
use crate::failure::{BuildError, Result};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::location::{Location, authority};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Most bytes of a request's head.
const HEAD: usize = 64 << 10;
/// Most header lines of a request.
const HEADERS: usize = 100;
/// Connections at a time, each with two threads; a package manager opens some twenty at most.
const CLIENTS: usize = 64;
/// How long a client may take to say what it wants.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long both sides of a connection may say nothing.
const IDLE_TIME: Duration = Duration::from_secs(300);
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
        let places = Arc::new(AtomicUsize::new(0));
        let serve = move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                let Some(place) = Place::take(&places) else {
                    turn_away(client);
                    continue;
                };
                let allowed = allowed.clone();
                // A client that cannot be served sees its connection end.
                _ = std::thread::Builder::new()
                    .name("proxy".into())
                    .spawn(move || {
                        _ = pass(client, &allowed);
                        drop(place);
                    });
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

/// One of the places that clients of a proxy have; free again when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// None: all are taken.
    fn take(places: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = places.fetch_add(1, Ordering::Relaxed);
        let place = Self(places.clone());
        (taken < CLIENTS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        Value::String(text) => hosts.extend(text.as_str().and_then(host_of)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, hosts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, hosts)),
        _ => {}
    }
}

fn host_of(url: &str) -> Option<String> {
    Location::parse(url).ok()?.host()
}

fn pass(mut client: UnixStream, allowed: &BTreeSet<String>) -> io::Result<()> {
    client.set_read_timeout(Some(HEAD_TIME))?;
    client.set_write_timeout(Some(IDLE_TIME))?;
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

/// Tells a client that comes when all places are taken; it may come again.
fn turn_away(mut client: UnixStream) {
    let reason = format!("this proxy serves {CLIENTS} connections at a time");
    _ = client
        .set_write_timeout(Some(HEAD_TIME))
        .and_then(|()| refuse(&mut client, "503 Service Unavailable", &reason));
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

/// Both directions until either side ends, or says nothing for too long.
fn relay(client: UnixStream, server: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(IDLE_TIME))?;
    server.set_read_timeout(Some(IDLE_TIME))?;
    server.set_write_timeout(Some(IDLE_TIME))?;
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
                authority: authority(target)?,
                forward: None,
            });
        }
        let location = Location::parse(target).ok()?;
        let authority = location.host().filter(|_| !location.is_https())?;
        let url = location.url();
        let query = url.query().map(|query| format!("?{query}"));
        let path = format!("{}{}", url.path(), query.unwrap_or_default());
        // One request for one connection, and for the host that was judged: the client's own `Host` could be another one.
        let mut forward =
            format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n")
                .into_bytes();
        for header in request
            .headers
            .iter()
            .filter(|header| !is_replaced(header.name))
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

/// Headers that are about the connection to the proxy (RFC 9110, section 7.6.1), and the one that the proxy writes itself.
fn is_replaced(name: &str) -> bool {
    [
        "host",
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
        let options = br#"{"repos":[{"baseurl":"HTTP://a.example/x"},{"metalink":"https://u@B.example:8443/y"}],
            "packages":["bash","file:///z","http:c.example","http://d.example\\@good/"]}"#;
        let options = osbuild_wasm_manifest::json::parse(options).unwrap();
        let expected = BTreeSet::from(["a.example:80".to_owned(), "b.example:8443".to_owned()]);
        assert_eq!(hosts_of(&options), expected);
    }

    /// Threads of this process that serve a proxy.
    fn threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |task: io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
        };
        tasks
            .map(name)
            .filter(|name| name.trim() == "proxy")
            .count()
    }

    #[test]
    fn idle_connections_do_not_take_threads_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("proxy");
        let _proxy = Proxy::start(&socket, &[]).unwrap();
        let clients: Vec<_> = (0..900)
            .map(|_| UnixStream::connect(&socket).unwrap())
            .collect();
        // The last one is answered when all before it were.
        let mut answer = String::new();
        let mut last = clients.last().unwrap();
        last.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        // Other tests have proxies too.
        assert!(threads() < 2 * CLIENTS + 50, "{}", threads());
        drop(clients);
        loop {
            let mut client = UnixStream::connect(&socket).unwrap();
            _ = client.write_all(b"CONNECT other.example:443 HTTP/1.1\r\n\r\n");
            let mut answer = String::new();
            _ = client.read_to_string(&mut answer);
            if answer.starts_with("HTTP/1.1 403 ") {
                break;
            }
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 503 "),
                "{answer}"
            );
        }
    }

    #[test]
    fn a_proxy_listens_at_a_path_of_any_length_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let socket = deep.join("proxy");
        let proxy = Proxy::start(&socket, &[]).unwrap();
        UnixStream::connect(Address::of(&socket).unwrap().path()).unwrap();
        drop(proxy);
        assert!(!socket.exists());
    }

    #[test]
    fn a_host_that_is_not_named_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("proxy");
        let _proxy = Proxy::start(&socket, &["named.example:80".to_owned()]).unwrap();
        for request in [
            "GET http://other.example/ HTTP/1.1\r\n\r\n",
            "CONNECT other.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT named.example:443 HTTP/1.1\r\n\r\n",
            "GET http://named.example@other.example/ HTTP/1.1\r\n\r\n",
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
        let _proxy = Proxy::start(&socket, &[address.to_string()]).unwrap();
        let mut client = UnixStream::connect(&socket).unwrap();
        write!(client, "GET http://{address}/repodata HTTP/1.1\r\nHost: other.example\r\nProxy-Connection: Keep-Alive\r\n\r\n").unwrap();
        let (mut seen, _) = server.accept().unwrap();
        let mut head = [0; 512];
        let count = seen.read(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head[..count]).into_owned();
        assert!(
            head.starts_with("GET /repodata HTTP/1.1\r\n") && !head.contains("Proxy-"),
            "{head}"
        );
        let host = format!("\r\nHost: {address}\r\n");
        assert!(
            head.contains(&host) && !head.contains("other.example"),
            "{head}"
        );
    }
}
