//! One file: attempts until it is there, each continuing where the last one broke off.

use super::Limits;
use super::failure::{Failure, refused};
use super::line::Line;
use super::partial::Partial;
use super::places::{Place, Places};
use crate::checksum::Checksum;
use bytes::Bytes;
use osbuild_wasm_manifest::location::Location;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

/// How much of a local file is read at a time.
const CHUNK: usize = 256 * 1024;

/// How often content with a wrong checksum is fetched again: a proxy may have damaged it, but usually the
/// manifest is outdated.
const MISMATCHES: u32 = 2;

/// What a download is to be.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// Content with this checksum.
    Item(&'a Checksum),
    /// Content that nothing is known of, in bytes not more than this.
    Document { largest: u64 },
}

/// The download of one file.
pub(super) struct Transfer<'a> {
    line: Line<'a>,
    places: &'a Places,
    target: Target<'a>,
    limits: &'a Limits,
    largest: u64,
    partial: Partial,
}

/// A round in which no place had the file.
#[derive(Default)]
struct Failed {
    /// The last problem.
    problem: String,
    /// The longest time that a server asks to wait.
    wait: Option<Duration>,
    /// The most bytes that were there.
    reached: u64,
    /// Whether the server answered.
    answered: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self {
            problem: failure.to_string(),
            ..Self::default()
        }
    }
}

impl<'a> Transfer<'a> {
    /// Prepares to download to `path`, which must not exist.
    pub(super) fn new(line: Line<'a>, places: &'a Places, target: Target<'a>, path: &Path) -> Self {
        let (hasher, largest) = match target {
            Target::Item(checksum) => (Some(checksum.hasher()), u64::MAX),
            Target::Document { largest } => (None, largest),
        };
        Self {
            line,
            places,
            target,
            limits: line.limits,
            largest,
            partial: Partial::new(path, hasher, largest),
        }
    }

    /// Downloads and verifies; `received` hears of bytes, `log` of failures that are not the end.
    ///
    /// One round tries every place once; between rounds there are pauses.
    pub(super) async fn run(
        mut self,
        received: &dyn Fn(u64),
        log: &dyn Fn(String),
    ) -> Result<(), String> {
        let mut places = self.places.in_order();
        let rounds = self.limits.attempts.div_ceil(places.len().max(1) as u32);
        let several = places.len() > 1;
        let (mut failed, mut furthest) = (0, 0);
        loop {
            let Err(round) = self.round(&mut places, several, received, log).await else {
                return Ok(());
            };
            let Failed {
                problem,
                wait,
                reached,
                answered,
            } = round;
            if places.is_empty() {
                return Err(problem);
            }
            failed = if reached > furthest { 1 } else { failed + 1 };
            furthest = furthest.max(reached);
            let rounds = if answered {
                rounds
            } else {
                rounds.min(self.limits.calls)
            };
            if failed >= rounds {
                let tried = if several {
                    "rounds through all mirrors"
                } else {
                    "attempts"
                };
                let hint = "try again later, or another mirror";
                return Err(format!("{problem}; gave up after {failed} {tried}: {hint}"));
            }
            let pause = self.pause(failed, wait);
            let seconds = pause.as_secs_f64();
            let shown = self.places.shown();
            log(format!(
                "{shown}: {problem}; trying again in {seconds:.1} s\n"
            ));
            tokio::time::sleep(pause).await;
        }
    }

    /// Tries every place once. One that cannot have the file is taken off the list.
    async fn round(
        &mut self,
        places: &mut Vec<Place>,
        several: bool,
        received: &dyn Fn(u64),
        log: &dyn Fn(String),
    ) -> Result<(), Failed> {
        let (mut next, mut failed) = (0, Failed::default());
        while let Some(place) = places.get_mut(next) {
            if several {
                // What another mirror has sent may be of another version.
                self.partial.restart().await.map_err(Failed::from)?;
            }
            let Err(failure) = self.attempt(place, received).await else {
                return Ok(());
            };
            self.places.failed(place);
            failed.reached = failed.reached.max(self.partial.length());
            let shown = several.then(|| place.location.shown());
            failed.answered |= !matches!(failure, Failure::Unreachable(_));
            match &failure {
                Failure::Unreachable(_) => next += 1,
                Failure::Passing { wait, .. } => {
                    failed.wait = failed.wait.max(*wait);
                    next += 1;
                }
                Failure::Lasting(_) => drop(places.remove(next)),
            }
            let problem = failure.to_string();
            failed.problem = shown.map_or(problem.clone(), |shown| format!("{shown}: {problem}"));
            if next < places.len() {
                log(format!("{}; trying the next mirror\n", failed.problem));
            }
        }
        Err(failed)
    }

    fn pause(&self, failed: u32, wait: Option<Duration>) -> Duration {
        let doubled = self.limits.pause.saturating_mul(1 << (failed - 1).min(16));
        wait.unwrap_or_default()
            .max(doubled)
            .min(self.limits.longest_pause)
    }

    async fn attempt(&mut self, place: &mut Place, received: &dyn Fn(u64)) -> Result<(), Failure> {
        match place.location.file() {
            Some(path) => self.copy(&path, received).await?,
            None => self.request(&place.location, received).await?,
        }
        self.verify(place).await
    }

    async fn verify(&mut self, place: &mut Place) -> Result<(), Failure> {
        let found = self.partial.finish().await?;
        let (Target::Item(checksum), Some(found)) = (self.target, found) else {
            return Ok(());
        };
        if found == *checksum {
            return Ok(());
        }
        self.partial.restart().await?;
        if place.location.file().is_some() {
            // The author of the manifest may not be allowed to read the file, and is not told what it has.
            return Err(Failure::Lasting(
                "checksum mismatch: its content is another one".to_owned(),
            ));
        }
        place.mismatches += 1;
        let problem = format!("checksum mismatch: its content has {found}");
        if place.mismatches == MISMATCHES {
            return Err(Failure::Lasting(format!(
                "{problem}; {}",
                self.places.remedy()
            )));
        }
        Err(Failure::passing(problem))
    }

    async fn request(
        &mut self,
        location: &Location,
        received: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let mut response = self.line.get(location, self.range()).await?;
        self.begin(&response).await?;
        self.receive(&mut response, received).await
    }

    /// Asks for the rest only, if something was received and is still what the server has.
    fn range(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.partial.length() > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={}-", self.partial.length()))
        {
            headers.insert(header::RANGE, range);
            headers.extend(
                self.partial
                    .validator
                    .clone()
                    .map(|validator| (header::IF_RANGE, validator)),
            );
        }
        headers
    }

    /// Looks at the head of an answer: does its content follow what is there, or replace it?
    async fn begin(&mut self, response: &Response) -> Result<(), Failure> {
        match response.status() {
            StatusCode::PARTIAL_CONTENT if continues(response, self.partial.length()) => {
                return self.expect(response.content_length().unwrap_or_default());
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.partial.restart().await?;
                return Err(Failure::passing(
                    "the server cannot continue a broken download",
                ));
            }
            status if !status.is_success() => return Err(refused(response)),
            _ => {}
        }
        if self.partial.length() > 0 {
            self.partial.restart().await?;
        }
        self.partial.validator = validator(response.headers());
        self.expect(response.content_length().unwrap_or_default())
    }

    /// Looks at the length that is announced: what is too much is not received at all.
    fn expect(&self, length: u64) -> Result<(), Failure> {
        if length > self.largest {
            let largest = self.largest;
            let problem = format!("it has {length} bytes, more than {largest}");
            return Err(Failure::Lasting(problem));
        }
        self.line.expect(length)
    }

    async fn receive(
        &mut self,
        response: &mut Response,
        received: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let partial = &mut self.partial;
        let keep = async |chunk: Bytes| {
            let count = chunk.len() as u64;
            partial.append(chunk).await?;
            received(count);
            Ok(())
        };
        self.line.read(response, keep).await
    }

    async fn copy(&mut self, path: &Path, received: &dyn Fn(u64)) -> Result<(), Failure> {
        let unreadable = |error: std::io::Error| Failure::io("read the file", &error);
        let file = open(path, self.line.allowance.links).map_err(unreadable)?;
        let mut file = file.ok_or_else(|| Failure::Lasting("it is not a file".to_owned()))?;
        self.expect(file.metadata().map_err(unreadable)?.len())?;
        loop {
            let mut chunk = vec![0; CHUNK];
            let count = file.read(&mut chunk).map_err(unreadable)?;
            if count == 0 {
                return Ok(());
            }
            chunk.truncate(count);
            self.line.receive(count as u64)?;
            self.partial.append(Bytes::from(chunk)).await?;
            received(count as u64);
            tokio::task::yield_now().await;
        }
    }
}

/// Opens a file of this machine; none for what is no regular file, which is not even opened: to open some devices does something.
pub(crate) fn open(path: &Path, links: bool) -> std::io::Result<Option<File>> {
    let resolve = if links {
        ResolveFlags::empty()
    } else {
        ResolveFlags::NO_SYMLINKS
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(CWD, path, flags, Mode::empty(), resolve)?;
    let found = File::from(found);
    if !found.metadata()?.is_file() {
        return Ok(None);
    }
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd())).map(Some)
}

/// Whether the content of a partial answer begins at `length`.
fn continues(response: &Response, length: u64) -> bool {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {length}-")))
}

/// What may stand in `If-Range` (RFC 9110, 13.1.5): an entity tag that is not weak, else a date.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers
        .get(header::ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    tag.or_else(|| headers.get(header::LAST_MODIFIED)).cloned()
}
