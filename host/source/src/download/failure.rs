//! Why an attempt failed, and whether another one makes sense.

use reqwest::{Response, StatusCode, header};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An attempt that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may go better next time; the server may have said when.
    Passing {
        /// What happened.
        problem: String,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
    /// There is no answer: a service that starts may come soon, a host that is down will not.
    Unreachable(String),
    /// It will not.
    Lasting(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing { problem, .. } | Self::Unreachable(problem) | Self::Lasting(problem) => {
                f.write_str(problem)
            }
        }
    }
}

impl Failure {
    pub(super) fn passing(problem: impl Into<String>) -> Self {
        Self::Passing {
            problem: problem.into(),
            wait: None,
        }
    }

    /// Of a local file: no repetition helps.
    pub(super) fn io(action: &str, error: &std::io::Error) -> Self {
        Self::Lasting(format!("cannot {action}: {error}"))
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let causes = causes(&error);
        if let Some(tls) = causes
            .iter()
            .find_map(|cause| cause.downcast_ref::<rustls::Error>())
        {
            return Self::Lasting(tls_problem(tls));
        }
        let cause = causes
            .last()
            .map_or_else(|| error.to_string(), |cause| cause.to_string());
        if error.is_builder() {
            Self::Lasting(cause)
        } else if error.is_timeout() {
            Self::passing("it took too long to connect")
        } else if error.is_connect() {
            Self::Unreachable(format!("cannot connect: {cause}"))
        } else {
            Self::passing(format!("the connection broke: {cause}"))
        }
    }
}

/// An error and all its causes, also those that an I/O error wraps without giving them as its source.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = vec![error];
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = wrapped
            .map(|wrapped| wrapped as &(dyn Error + 'static))
            .or_else(|| error.source());
        causes.extend(next);
    }
    causes
}

fn tls_problem(error: &rustls::Error) -> String {
    let hint = match error {
        rustls::Error::InvalidCertificate(_) => {
            "; if the server is the right one, add its certificate authority to those of this system"
        }
        rustls::Error::AlertReceived(_) => {
            "; if the server wants a client certificate, name its provider in \"secrets\""
        }
        _ => "",
    };
    format!("no secure connection: {error}{hint}")
}

/// What an answer means that brings no content.
pub(crate) fn refused(response: &Response) -> Failure {
    let status = response.status();
    let answer = format!("the server answered {status}");
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY
        );
    if passing {
        let seconds = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        return Failure::Passing {
            problem: answer,
            wait: seconds.map(Duration::from_secs),
        };
    }
    let hint = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            "the file is not there (any more): correct the URL, or update what names it"
        }
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "it wants a login, or another one: check user and password, the certificate, or the provider in \"secrets\""
        }
        _ => "check the URL",
    };
    Failure::Lasting(format!("{answer}; {hint}"))
}
