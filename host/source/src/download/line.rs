//! How servers are asked: those that may be asked, with what they may see, for as much as there may be.

use super::Limits;
use super::budget::Budget;
use super::client::{Clients, Security};
use super::failure::Failure;
use crate::Allowance;
use crate::proxies::Proxy;
use bytes::Bytes;
use osbuild_wasm_manifest::location::Location;
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// As many redirects as curl follows.
const MAX_REDIRECTS: usize = 50;

/// What requests of one job have in common.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(super) clients: &'a Clients,
    pub(super) security: &'a Security,
    pub(super) allowance: &'a Allowance<'a>,
    pub(super) budget: &'a Budget,
    pub(super) limits: &'a Limits,
}

impl Line<'_> {
    /// The client for the server of a location, if that and the proxy before it may be asked at all.
    pub(crate) fn client(&self, location: &Location) -> Result<Client, String> {
        let proxy = self.way(location)?;
        self.clients.get(self.security, location, proxy)
    }

    /// The proxy before the server of a location, if both may be asked.
    fn way(&self, location: &Location) -> Result<Option<&Proxy>, String> {
        self.allowance.check(location)?;
        let proxy = self.clients.proxies.toward(location);
        if let Some(proxy) = proxy {
            self.allowance.check_proxy(&proxy.host, location)?;
        }
        Ok(proxy)
    }

    /// A connection to the server of a location for a caller that secures it.
    pub(crate) async fn dial(&self, location: &Location) -> Result<TcpStream, Failure> {
        let proxy = self.way(location).map_err(Failure::Lasting)?;
        let host = location.host().unwrap_or_default();
        let connect = async {
            match proxy {
                None => TcpStream::connect(&host).await,
                Some(proxy) => proxy.connect(&host).await,
            }
        };
        let late = |_| Failure::passing("the server did not answer in time");
        let connected = timeout(self.limits.connect, connect).await.map_err(late)?;
        connected.map_err(|error| Failure::Unreachable(error.to_string()))
    }

    /// Asks for a location and wherever its server leads to; each server on the way is one that may be asked.
    pub(crate) async fn get(
        &self,
        location: &Location,
        mut headers: HeaderMap,
    ) -> Result<Response, Failure> {
        let mut location = location.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(&location, headers.clone()).await?;
            match redirect(&location, &response)? {
                Some(next) => {
                    // Who the user is to one server is nothing to others.
                    if next.origin() != location.origin() {
                        headers.remove(header::AUTHORIZATION);
                    }
                    location = next;
                }
                None => return Ok(response),
            }
        }
        Err(Failure::Lasting(
            "the server redirects too often".to_owned(),
        ))
    }

    /// Asks for a location alone; an answer that leads elsewhere is the answer.
    pub(crate) async fn ask(
        &self,
        location: &Location,
        headers: HeaderMap,
    ) -> Result<Response, Failure> {
        let client = self.client(location).map_err(Failure::Lasting)?;
        let mut headers = headers;
        if let Some(login) = self.security.login(location) {
            headers.entry(header::AUTHORIZATION).or_insert(login);
        }
        let request = client.get(location.url().clone()).headers(headers);
        let patience = self.limits.connect + self.limits.low_speed_time;
        let late = |_| Failure::passing("the server did not answer in time");
        Ok(timeout(patience, request.send()).await.map_err(late)??)
    }

    /// Reads an answer, piece by piece, as long as there may be more and it comes fast enough.
    pub(crate) async fn read(
        &self,
        response: &mut Response,
        mut keep: impl AsyncFnMut(Bytes) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let time = self.limits.low_speed_time;
        let enough = (self.limits.bytes_per_second as f64 * time.as_secs_f64()) as u64;
        let (mut until, mut moved) = (Instant::now() + time, 0);
        loop {
            if let Ok(chunk) = timeout_at(until, response.chunk()).await {
                let Some(chunk) = chunk? else { return Ok(()) };
                let count = chunk.len() as u64;
                self.budget.take(count)?;
                keep(chunk).await?;
                moved += count;
            }
            if Instant::now() >= until {
                if moved < enough {
                    let limit = self.limits.bytes_per_second;
                    return Err(Failure::passing(format!(
                        "the server sends less than {limit} bytes per second"
                    )));
                }
                (until, moved) = (Instant::now() + time, 0);
            }
        }
    }

    /// Whether so many bytes may come.
    pub(crate) fn expect(&self, bytes: u64) -> Result<(), Failure> {
        self.budget.check(bytes)
    }

    /// Counts bytes that came.
    pub(crate) fn receive(&self, bytes: u64) -> Result<(), Failure> {
        self.budget.take(bytes)
    }
}

/// Where an answer leads to, if it leads elsewhere.
fn redirect(from: &Location, response: &Response) -> Result<Option<Location>, Failure> {
    let target = response.headers().get(header::LOCATION);
    let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(target) = target.filter(|_| leads) else {
        return Ok(None);
    };
    let target = String::from_utf8_lossy(target.as_bytes());
    from.redirected(&target).map(Some).map_err(Failure::Lasting)
}
