//! What `ostree` asks for: files of repositories, each of which several places may have.

use super::{Door, Request, pass_on, say};
use crate::download::{Engine, Failure, Security, refused};
use osbuild_wasm_manifest::location::Location;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use std::io::Result;
use std::time::Duration;
use tokio::net::TcpStream;

/// How often a server is asked that fails in a way that may pass, with a pause that doubles from the first one.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// A server for one pull.
pub(crate) struct Gateway<'a> {
    door: Door,
    engine: &'a Engine<'a>,
    security: Security,
    /// What lies below each of the paths: places of the same content, the best first.
    places: Vec<Vec<Location>>,
}

impl<'a> Gateway<'a> {
    /// Listens; nothing is answered before [`Gateway::serve`].
    pub(crate) async fn open(
        engine: &'a Engine<'a>,
        security: Security,
    ) -> std::result::Result<Self, String> {
        Ok(Self {
            door: Door::open().await?,
            engine,
            security,
            places: Vec::new(),
        })
    }

    /// The URL below which the content of these places is had.
    pub(crate) fn add(&mut self, places: Vec<Location>) -> Result<String> {
        let (port, secret) = (self.door.port()?, &self.door.secret);
        self.places.push(places);
        let number = self.places.len() - 1;
        Ok(format!("http://127.0.0.1:{port}/{secret}/{number}"))
    }

    /// The last thing that went wrong, which `ostree` does not know.
    pub(crate) fn problem(&self) -> Option<String> {
        self.door.problem.borrow().clone()
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(&self) {
        let answer = async |request, stream| self.answer(request, stream).await;
        self.door.serve(answer).await;
    }

    async fn answer(&self, request: Request, mut stream: TcpStream) -> Result<()> {
        let target = Some(&*request.target).filter(|_| request.method == "GET");
        let Some((places, path)) = target.and_then(|target| self.find(target)) else {
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
        let rest = target.strip_prefix('/')?.strip_prefix(&*self.door.secret)?;
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
        let response = match self.ask(&location, attempts).await {
            Ok(Some(response)) => response,
            Ok(None) => return Ok(Passed::Nothing(StatusCode::NOT_FOUND)),
            Err(failure) => return Ok(self.failed(&location, failure)),
        };
        let line = self.engine.line(&self.security);
        let length = response.content_length();
        if let Err(failure) = line.expect(length.unwrap_or_default()) {
            return Ok(self.failed(&location, failure));
        }
        pass_on(response, &[], stream, |bytes| line.receive(bytes)).await?;
        Ok(Passed::Everything)
    }

    fn failed(&self, location: &Location, failure: Failure) -> Passed {
        self.door.failed(location, &failure);
        Passed::Nothing(StatusCode::BAD_GATEWAY)
    }
}

enum Passed {
    Everything,
    Nothing(StatusCode),
}
