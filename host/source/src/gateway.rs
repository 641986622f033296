//! The only server that `ostree` asks: this program, on the loopback interface of this machine, while one commit is pulled.
//!
//! So its requests go the way of all other downloads: to servers that may be asked, over redirects that were looked at, with a
//! client certificate for one origin only, within the limits of the source. Who does not know the first part of the paths, a
//! random number that stands in a file of the store alone, gets nothing.

use crate::download::{Engine, Failure, Security, refused};
use futures_util::stream::{FuturesUnordered, StreamExt};
use osbuild_wasm_manifest::location::Location;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use std::cell::RefCell;
use std::io::{Error, Read, Result};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Most bytes of the head of a request.
const HEAD: usize = 16 * 1024;

/// Requests at a time; `ostree` makes eight.
const CONNECTIONS: usize = 32;

/// How often a server is asked that fails in a way that may pass, with a pause that doubles from the first one.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// How long one side may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The source of numbers that cannot be guessed.
const RANDOM: &str = "/dev/urandom";

/// A server for one pull.
pub(crate) struct Gateway<'a> {
    listener: TcpListener,
    secret: String,
    engine: &'a Engine<'a>,
    security: Security,
    /// What lies below each of the paths: places of the same content, the best first.
    places: Vec<Vec<Location>>,
    problem: RefCell<Option<String>>,
}

impl<'a> Gateway<'a> {
    /// Listens; nothing is answered before [`Gateway::serve`].
    pub(crate) async fn open(
        engine: &'a Engine<'a>,
        security: Security,
    ) -> std::result::Result<Self, String> {
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
            engine,
            security,
            places: Vec::new(),
            problem: RefCell::default(),
        })
    }

    /// The URL below which the content of these places is had.
    pub(crate) fn add(&mut self, places: Vec<Location>) -> Result<String> {
        let (port, secret) = (self.listener.local_addr()?.port(), &self.secret);
        self.places.push(places);
        let number = self.places.len() - 1;
        Ok(format!("http://127.0.0.1:{port}/{secret}/{number}"))
    }

    /// The last thing that went wrong, which `ostree` does not know.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.borrow().clone()
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(&self) {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    if let Ok((stream, _)) = accepted {
                        connections.push(self.answer(stream));
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

    async fn answer(&self, mut stream: TcpStream) -> Result<()> {
        let head = timeout(PATIENCE, read_head(&mut stream)).await??;
        let asked = target(&head).and_then(|target| self.find(target));
        let Some((places, path)) = asked else {
            return say(&mut stream, StatusCode::NOT_FOUND).await;
        };
        let mut statuses = Vec::new();
        // Where there are others, they are asked instead.
        let attempts = if places.len() == 1 { ATTEMPTS } else { 1 };
        for place in places {
            match self.pass(place, path, attempts, &mut stream).await? {
                Passed::Everything => return Ok(()),
                Passed::Nothing(status) => statuses.push(status),
            }
        }
        // All places have the same: what one knows to be missing is missing.
        let missing = statuses.contains(&StatusCode::NOT_FOUND);
        let last = statuses.pop().filter(|_| !missing);
        say(&mut stream, last.unwrap_or(StatusCode::NOT_FOUND)).await
    }

    /// The places of what is asked for, and its path below them.
    fn find<'b>(&self, target: &'b str) -> Option<(&[Location], &'b str)> {
        let rest = target.strip_prefix('/')?.strip_prefix(&*self.secret)?;
        let (number, path) = rest.strip_prefix('/')?.split_once('/')?;
        Some((self.places.get(number.parse::<usize>().ok()?)?, path))
    }

    /// Asks until there is an answer, or no more sense in it; none when the server has no such file.
    async fn ask(
        &self,
        location: &Location,
        attempts: u32,
    ) -> std::result::Result<Option<Response>, Failure> {
        let (mut pause, mut attempt) = (PAUSE, 1);
        loop {
            let line = self.engine.line(&self.security);
            let failure = match line.get(location, HeaderMap::new()).await {
                Ok(response) if response.status().is_success() => return Ok(Some(response)),
                Ok(response) if response.status() == StatusCode::NOT_FOUND => return Ok(None),
                Ok(response) => refused(&response),
                Err(failure) => failure,
            };
            if attempt == attempts || matches!(failure, Failure::Lasting(_)) {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
            (pause, attempt) = (pause * 2, attempt + 1);
        }
    }

    /// Passes an answer on while it comes.
    async fn pass(
        &self,
        place: &Location,
        path: &str,
        attempts: u32,
        stream: &mut TcpStream,
    ) -> Result<Passed> {
        let Ok(location) = place.below(path) else {
            return Ok(Passed::Nothing(StatusCode::NOT_FOUND));
        };
        let mut response = match self.ask(&location, attempts).await {
            Ok(Some(response)) => response,
            Ok(None) => return Ok(Passed::Nothing(StatusCode::NOT_FOUND)),
            Err(failure) => return Ok(self.failed(&location, failure)),
        };
        let line = self.engine.line(&self.security);
        let length = response.content_length();
        if let Err(failure) = line.expect(length.unwrap_or_default()) {
            return Ok(self.failed(&location, failure));
        }
        let length = length.map(|length| format!("Content-Length: {length}\r\n"));
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\n{}\r\n",
            length.unwrap_or_default()
        );
        stream.write_all(head.as_bytes()).await?;
        loop {
            let chunk = timeout(PATIENCE, response.chunk()).await?;
            let Some(chunk) = chunk.map_err(Error::other)? else {
                stream.shutdown().await?;
                return Ok(Passed::Everything);
            };
            if let Err(failure) = line.receive(chunk.len() as u64) {
                return Err(Error::other(failure.to_string()));
            }
            timeout(PATIENCE, stream.write_all(&chunk)).await??;
        }
    }

    fn failed(&self, location: &Location, failure: Failure) -> Passed {
        *self.problem.borrow_mut() = Some(format!("{}: {failure}", location.shown()));
        Passed::Nothing(StatusCode::BAD_GATEWAY)
    }
}

enum Passed {
    Everything,
    Nothing(StatusCode),
}

async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// What a request wants to read.
fn target(head: &[u8]) -> Option<&str> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|method| *method == "GET")?;
    words.next()
}

async fn say(stream: &mut TcpStream, status: StatusCode) -> Result<()> {
    let status = status.as_u16();
    let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}
