//! The only server that programs of sources ask: this program, on the loopback interface of this machine, while one thing is fetched.
//!
//! So their requests go the way of all other downloads: to servers and through proxies that may be asked, over redirects that were
//! looked at, with a client certificate for one origin only, within the limits of the source. Who does not know the secret, a random
//! number that stands in a file of the store alone, gets nothing.

pub(crate) mod registry;
pub(crate) mod repository;

use crate::download::Failure;
use futures_util::stream::{FuturesUnordered, StreamExt};
use osbuild_wasm_manifest::location::Location;
use reqwest::{Response, StatusCode};
use std::cell::RefCell;
use std::io::{Error, Read, Result};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Most bytes of the head of a request.
const HEAD: usize = 16 * 1024;

/// Requests at a time; `ostree` makes eight, `skopeo` six.
const CONNECTIONS: usize = 32;

/// How long one side may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The source of numbers that cannot be guessed.
const RANDOM: &str = "/dev/urandom";

/// Where requests come in.
struct Door {
    listener: TcpListener,
    secret: String,
    problem: RefCell<Option<String>>,
}

impl Door {
    /// Listens; nothing is answered before [`Door::serve`].
    async fn open() -> std::result::Result<Self, String> {
        let open = async {
            let mut number = [0; 16];
            std::fs::File::open(RANDOM)?.read_exact(&mut number)?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            Ok::<_, Error>((listener, hex::encode(number)))
        };
        let opened = open.await;
        let (listener, secret) = opened.map_err(|error| format!("cannot listen: {error}"))?;
        Ok(Self {
            listener,
            secret,
            problem: RefCell::default(),
        })
    }

    fn port(&self) -> Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Answers until it is dropped.
    async fn serve(&self, answer: impl AsyncFn(Request, TcpStream) -> Result<()>) {
        let mut connections = FuturesUnordered::new();
        let one = async |mut stream: TcpStream| {
            let head = timeout(PATIENCE, read_head(&mut stream)).await??;
            match Request::read(&head) {
                Some(request) => answer(request, stream).await,
                // Who begins with TLS tries without it next.
                None => Ok(()),
            }
        };
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    if let Ok((stream, _)) = accepted {
                        connections.push(one(stream));
                    }
                }
                Some(ended) = connections.next(), if !connections.is_empty() => {
                    // A client that sees its connection end asks again, and gives up in the end.
                    if let Err(error) = ended {
                        self.problem.borrow_mut().get_or_insert(error.to_string());
                    }
                }
            }
        }
    }

    /// Keeps what went wrong, which the client cannot know.
    fn failed(&self, location: &Location, failure: &Failure) {
        *self.problem.borrow_mut() = Some(format!("{}: {failure}", location.shown()));
    }
}

/// The head of a request.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// None for what is no request.
    fn read(head: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Some(Self {
            method,
            target,
            headers: headers.collect(),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The head of a request or of an answer; nothing where something else comes.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await?;
        head.push(byte);
        // A request begins with the letters of its method.
        if head.len() == HEAD || !head[0].is_ascii_uppercase() {
            return Ok(Vec::new());
        }
    }
    Ok(head)
}

async fn say(stream: &mut TcpStream, status: StatusCode) -> Result<()> {
    let status = status.as_u16();
    let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}

/// Passes an answer on while it comes, with these of its headers; `receive` counts its bytes.
async fn pass_on(
    mut response: Response,
    headers: &[&str],
    stream: &mut TcpStream,
    receive: impl Fn(u64) -> std::result::Result<(), Failure>,
) -> Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} -\r\nConnection: close\r\n",
        response.status().as_u16()
    );
    if let Some(length) = response.content_length() {
        head += &format!("Content-Length: {length}\r\n");
    }
    for name in headers {
        let value = response.headers().get(*name);
        if let Some(value) = value.and_then(|value| value.to_str().ok()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).await?;
    loop {
        let chunk = timeout(PATIENCE, response.chunk()).await?;
        let Some(chunk) = chunk.map_err(Error::other)? else {
            return stream.shutdown().await;
        };
        receive(chunk.len() as u64).map_err(|failure| Error::other(failure.to_string()))?;
        timeout(PATIENCE, stream.write_all(&chunk)).await??;
    }
}
