//! Files of web servers.
use super::failed;
use crate::error::Result;
use osbuild_wasm_files::with_causes;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};
use std::future::Future;
use std::time::Duration;

/// Time in which a server has to answer or to send something.
const PATIENCE: Duration = Duration::from_secs(30);

/// The content of a file of up to `largest` bytes; none when the server has no such file.
pub(super) fn get(url: &str, largest: u64) -> Result<Option<Vec<u8>>> {
    block_on(async {
        let error = |error: reqwest::Error| failed(url, with_causes(&error));
        let answer = client()?.get(url).send().await.map_err(error)?;
        if [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&answer.status()) {
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(failed(url, format!("the server says {}", answer.status())));
        }
        body(url, answer, largest).await.map(Some)
    })
}

/// What a server answers, up to `largest` bytes.
pub(super) async fn body(url: &str, mut answer: Response, largest: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let error = |error: reqwest::Error| failed(url, with_causes(&error));
    while let Some(chunk) = answer.chunk().await.map_err(error)? {
        if bytes.len() as u64 + chunk.len() as u64 > largest {
            return Err(failed(url, format!("it is larger than {largest} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Everything of this room runs on the calling thread.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    // An error means that somebody else in this process has chosen a provider: that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("network", error.to_string()))?
        .block_on(work)
}

pub(super) fn client() -> Result<Client> {
    let builder = || {
        Client::builder()
            .user_agent(concat!("osbuild-wasm/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            // What is in a URL is nothing to the server that another one leads to.
            .referer(false)
            .redirect(Policy::custom(follow))
    };
    // A machine without any certificate authority: what needs none shall work there.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(|error| failed("network", with_causes(&error)))
}

/// Never from a secured connection to one that is not.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_secure = attempt
        .previous()
        .last()
        .is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > 10 {
        attempt.error("too many redirections")
    } else if was_secure && attempt.url().scheme() != "https" {
        attempt.error("it leads to a connection that is not secured")
    } else {
        attempt.follow()
    }
}
