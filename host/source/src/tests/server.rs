//! A small HTTP server that misbehaves as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    /// How many requests for this path came before.
    pub(super) earlier: usize,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Where the content that is asked for begins.
    pub(super) fn offset(&self) -> usize {
        let range = self
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        range.map_or(0, |offset| offset.parse().unwrap())
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Length that is announced, if it is not that of the body.
    pub(super) announce: Option<usize>,
    /// Pause before the head, and before each byte of the body.
    pub(super) delay: Duration,
    pub(super) byte_delay: Duration,
}

impl Reply {
    pub(super) fn ok(body: &[u8]) -> Self {
        Self {
            status: 200,
            body: body.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What a server that knows ranges answers.
    pub(super) fn ranged(request: &Request, body: &[u8], tag: &str) -> Self {
        let offset = request.offset();
        let current = request
            .header("if-range")
            .is_none_or(|wanted| wanted == tag);
        if offset == 0 || !current {
            return Self::ok(body).with("ETag", tag);
        }
        let range = format!("bytes {offset}-{}/{}", body.len() - 1, body.len());
        let reply = Self {
            status: 206,
            body: body[offset..].to_vec(),
            ..Self::default()
        };
        reply.with("Content-Range", range).with("ETag", tag)
    }

    /// Sends only the first `length` bytes and closes the connection.
    pub(super) fn cut(mut self, length: usize) -> Self {
        self.announce = Some(self.body.len());
        self.body.truncate(length);
        self
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub(super) struct Server {
    pub(super) url: String,
    state: Arc<State>,
}

struct State {
    handler: Box<Handler>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

impl Server {
    pub(super) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, handler)
    }

    pub(super) fn start_tls(
        config: rustls::ServerConfig,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(Arc::new(config)), handler)
    }

    fn listen(
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!(
            "{scheme}://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let state = Arc::new(State {
            handler: Box::new(handler),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (shared.clone(), tls.clone());
                state.connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || match tls {
                    None => state.serve(stream.try_clone().unwrap(), &stream),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        let raw = stream.try_clone().unwrap();
                        state.serve(rustls::StreamOwned::new(connection, stream), &raw);
                    }
                });
            }
        });
        Self { url, state }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// How many requests were answered at the same time.
    pub(super) fn busiest(&self) -> usize {
        self.state.busiest.load(Ordering::Relaxed)
    }
}

impl State {
    fn serve(&self, stream: impl Read + Write, raw: &TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = self.read(&mut stream) {
            let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
            self.busiest.fetch_max(busy, Ordering::SeqCst);
            let reply = (self.handler)(&request);
            let whole = reply.announce.is_none();
            let sent = send(stream.get_mut(), &reply);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if sent.is_err() || !whole {
                break;
            }
        }
        let _ = raw.shutdown(Shutdown::Both);
    }

    fn read(&self, stream: &mut impl BufRead) -> Option<Request> {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut requests = self.requests.lock().unwrap();
        let earlier = requests
            .iter()
            .filter(|earlier| earlier.path == path)
            .count();
        let request = Request {
            path,
            headers,
            earlier,
        };
        requests.push(request.clone());
        Some(request)
    }
}

fn send(stream: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
    std::thread::sleep(reply.delay);
    let length = reply.announce.unwrap_or(reply.body.len());
    let mut head = format!(
        "HTTP/1.1 {} Some Reason\r\nContent-Length: {length}\r\n",
        reply.status
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if reply.byte_delay.is_zero() {
        stream.write_all(&reply.body)?;
    } else {
        for byte in &reply.body {
            stream.write_all(&[*byte])?;
            stream.flush()?;
            std::thread::sleep(reply.byte_delay);
        }
    }
    stream.flush()
}
