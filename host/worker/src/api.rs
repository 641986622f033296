//! The composer as a worker sees it.
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::fs::File;

/// How long it may take until the composer is connected to.
const CONNECT: Duration = Duration::from_secs(30);

/// How long an answer may take that waits for nothing.
const ANSWER: Duration = Duration::from_secs(60);

/// Where a composer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A server.
    Url(String),
    /// A socket of this machine.
    Socket(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Socket(path.into()));
        }
        match text.starts_with("https://") {
            true => Ok(Self::Url(text.trim_end_matches('/').to_owned())),
            false => Err("a composer is https://HOST:PORT or unix:PATH".into()),
        }
    }
}

/// Who the worker is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    /// Its certificate.
    pub(crate) certificate: &'a Path,
    /// The key of the certificate.
    pub(crate) key: &'a Path,
}

/// Why the composer could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// A file for the connection cannot be used.
    #[error("cannot use {}: {cause}", path.display())]
    File { path: PathBuf, cause: String },
    /// The composer is not reached, or does not answer in time.
    #[error("the composer does not answer")]
    Away(#[source] reqwest::Error),
    /// The composer refuses.
    #[error("the composer refuses: {reason} ({id})")]
    Refused { id: u32, reason: String },
    /// The answer is not one of the worker API.
    #[error("the composer's answer is none of the worker API: {0}")]
    Odd(String),
    /// A file of a result cannot be read.
    #[error("cannot send {name}: {cause}")]
    Artefact { name: String, cause: std::io::Error },
}

impl ApiError {
    /// Whether the same call may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Refused { id, .. } => *id >= 1000,
            Self::File { .. } | Self::Odd(_) | Self::Artefact { .. } => false,
        }
    }

    /// Whether the job is not this worker's any longer: it was canceled, given away, or is over.
    pub(crate) fn is_lost_job(&self) -> bool {
        matches!(self, Self::Refused { id: 5 | 6, .. })
    }

    /// Whether the composer does not know this worker, or not any longer.
    pub(crate) fn is_unknown_worker(&self) -> bool {
        matches!(self, Self::Refused { id: 18, .. })
    }
}

/// A job to do.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    /// The job's id.
    pub(crate) id: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The path by which it is told of.
    pub(crate) location: String,
    /// The path below which files are sent.
    pub(crate) artifact_location: String,
    /// What is to be done.
    #[serde(default)]
    pub(crate) args: Value,
    /// The results of the jobs that it reads, in their order.
    #[serde(default)]
    pub(crate) dynamic_args: Vec<Value>,
}

/// A composer.
#[derive(Clone, Debug)]
pub(crate) struct Composer {
    client: Client,
    origin: String,
    base: String,
}

impl Composer {
    /// A composer at an address.
    ///
    /// # Errors
    /// A file for the connection cannot be used.
    pub(crate) fn new(
        address: &Address,
        base: &str,
        identity: Option<Identity<'_>>,
        authorities: Option<&Path>,
    ) -> Result<Self, ApiError> {
        // A second call finds the provider set, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = authorities {
            let pem = read(path)?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|error| unusable(path, &error))?;
            client = client.tls_certs_only(certificates);
        }
        if let Some(Identity { certificate, key }) = identity {
            let pem = [read(certificate)?, read(key)?].concat();
            let identity =
                reqwest::Identity::from_pem(&pem).map_err(|error| unusable(certificate, &error))?;
            client = client.identity(identity);
        }
        let origin = match address {
            Address::Url(url) => url.clone(),
            Address::Socket(path) => {
                client = client.unix_socket(path.clone());
                "http://composer".to_owned()
            }
        };
        let client = client.build().map_err(ApiError::Away)?;
        Ok(Self {
            client,
            origin,
            base: base.to_owned(),
        })
    }

    /// Registers this worker.
    pub(crate) async fn register(&self, arch: &str) -> Result<String, ApiError> {
        let request = self
            .at(Method::POST, &format!("{}/workers", self.base))
            .timeout(ANSWER);
        let answer = answer(with_json(request, &json!({ "arch": arch }))).await?;
        let worker = value(answer).await?;
        worker["worker_id"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| ApiError::Odd(worker.to_string()))
    }

    /// Says that this worker is alive.
    pub(crate) async fn alive(&self, worker: &str) -> Result<(), ApiError> {
        let request = self
            .at(
                Method::POST,
                &format!("{}/workers/{worker}/status", self.base),
            )
            .timeout(ANSWER);
        answer(with_json(request, &json!({}))).await.map(drop)
    }

    /// Waits for a job; none after the composer's patience.
    pub(crate) async fn job(
        &self,
        kinds: &[&str],
        arch: &str,
        worker: &str,
    ) -> Result<Option<Job>, ApiError> {
        let asked = json!({ "types": kinds, "arch": arch, "worker_id": worker });
        let request = self.at(Method::POST, &format!("{}/jobs", self.base));
        let answer = answer(with_json(request, &asked)).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let job = value(answer).await?;
        serde_json::from_value(job)
            .map(Some)
            .map_err(|error| ApiError::Odd(error.to_string()))
    }

    /// Whether a job was canceled; a sign of life, too.
    pub(crate) async fn is_canceled(&self, job: &Job) -> Result<bool, ApiError> {
        let status =
            value(answer(self.at(Method::GET, &job.location).timeout(ANSWER)).await?).await?;
        Ok(status["canceled"] == true)
    }

    /// Tells how far a job is, or what came of it.
    pub(crate) async fn update(&self, job: &Job, update: &Value) -> Result<(), ApiError> {
        let request = self.at(Method::PATCH, &job.location).timeout(ANSWER);
        answer(with_json(request, update)).await.map(drop)
    }

    /// Sends a file.
    pub(crate) async fn send(&self, job: &Job, name: &str, path: &Path) -> Result<(), ApiError> {
        let artefact = |cause| ApiError::Artefact {
            name: name.to_owned(),
            cause,
        };
        let file = File::open(path).await.map_err(artefact)?;
        let size = file.metadata().await.map_err(artefact)?.len();
        let location = format!("{}{name}", job.artifact_location);
        let request = self.at(Method::PUT, &location).header(CONTENT_LENGTH, size);
        answer(request.body(Body::from(file))).await.map(drop)
    }

    fn at(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.origin))
    }
}

fn with_json(request: RequestBuilder, value: &Value) -> RequestBuilder {
    request
        .header(CONTENT_TYPE, "application/json")
        .body(value.to_string())
}

/// Sends a request; an answer that refuses is an error.
async fn answer(request: RequestBuilder) -> Result<Response, ApiError> {
    let answer = request.send().await.map_err(ApiError::Away)?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let error = value(answer).await.unwrap_or_default();
    let id = error["id"].as_str().and_then(|id| id.parse().ok());
    match (id, error["reason"].as_str()) {
        (Some(id), Some(reason)) => Err(ApiError::Refused {
            id,
            reason: reason.to_owned(),
        }),
        // A proxy or an overloaded server answers for the composer.
        _ if status.is_server_error() => Err(ApiError::Refused {
            id: 10000,
            reason: status.to_string(),
        }),
        _ => Err(ApiError::Odd(status.to_string())),
    }
}

async fn value(answer: Response) -> Result<Value, ApiError> {
    let text = answer.text().await.map_err(ApiError::Away)?;
    serde_json::from_str(&text).map_err(|error| ApiError::Odd(error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, ApiError> {
    let text = osbuild_wasm_files::read_text(path, osbuild_wasm_files::LARGEST_DOCUMENT);
    text.map(String::into_bytes)
        .map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::File {
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_composer_is_reached_by_tls_or_by_a_socket() {
        assert_eq!(
            "https://c:8700/".parse(),
            Ok(Address::Url("https://c:8700".into()))
        );
        assert_eq!(
            "unix:/run/job.socket".parse(),
            Ok(Address::Socket("/run/job.socket".into()))
        );
        for wrong in ["http://c", "c:8700", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
