//! `file-resolve`: files that a blueprint names by URLs.
use crate::solver::Resolver;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use osbuild_wasm_source::{CURL, remote_document};
use osbuild_wasm_tasks::{Failure, JobError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most bytes of all files of a job: they become part of the manifest.
const LARGEST: usize = 16 << 20;

/// The files that are wished for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Their URLs: `http` or `https`.
    #[serde(default)]
    pub urls: Vec<String>,
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileAnswer {
    /// Whether all files are there.
    pub success: bool,
    /// The files, in the order of the wishes.
    pub results: Vec<FoundFile>,
    /// Why the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_error: Option<JobError>,
}

/// A file, or why it is not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundFile {
    /// Its URL.
    pub url: String,
    /// Its bytes, in base64.
    pub content: String,
    /// Why it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_error: Option<JobError>,
}

impl FoundFile {
    /// Its bytes; none where they are no base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.content).ok()
    }
}

/// Whether a file of a blueprint is one that has to be fetched.
#[must_use]
pub fn is_remote(uri: &str) -> bool {
    let begins = |scheme: &str| {
        let head = uri.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    begins("http://") || begins("https://")
}

impl Files {
    pub(super) fn answer(&self, resolver: &Resolver<'_>) -> FileAnswer {
        let mut left = LARGEST;
        let results = self.urls.iter();
        let results: Vec<_> = results
            .map(|url| found(url, fetch(url, resolver, &mut left)))
            .collect();
        let errors = results.iter().filter_map(|file| file.target_error.as_ref());
        let errors: Vec<Value> = errors.map(JobError::to_value).collect();
        let reason = "at least one file is not to be had";
        let failed = !errors.is_empty();
        FileAnswer {
            success: !failed,
            results,
            job_error: failed
                .then(|| JobError::with(Failure::RemoteFile, reason, Value::Array(errors))),
        }
    }
}

fn found(url: &str, fetched: Result<Vec<u8>, String>) -> FoundFile {
    let (content, problem) = match fetched {
        Ok(bytes) => (BASE64_STANDARD.encode(bytes), None),
        Err(problem) => (String::new(), Some(problem)),
    };
    FoundFile {
        url: url.to_owned(),
        content,
        target_error: problem.map(|problem| JobError::new(Failure::RemoteFile, problem)),
    }
}

fn fetch(url: &str, resolver: &Resolver<'_>, left: &mut usize) -> Result<Vec<u8>, String> {
    if !is_remote(url) {
        return Err(format!(
            "{url:?} is no URL of a web server: it begins with neither http:// nor https://"
        ));
    }
    let bytes = remote_document(url, &resolver.context(CURL))?;
    match left.checked_sub(bytes.len()) {
        Some(rest) => *left = rest,
        None => return Err(format!("the files have more than {LARGEST} bytes")),
    }
    Ok(bytes)
}
