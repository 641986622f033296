//! Users and passwords of repositories. They are told to the servers that they were given for, and to nobody else.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use osbuild_wasm_manifest::location::Location;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use std::collections::BTreeMap;
use std::fmt;

/// A user and a password for HTTP (RFC 7617).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BasicLogin {
    user: String,
    password: String,
}

impl fmt::Debug for BasicLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicLogin")
    }
}

impl BasicLogin {
    /// # Errors
    /// One line: the name of a user has no colon.
    pub fn new(user: &str, password: &str) -> Result<Self, String> {
        match user.contains(':') {
            true => Err("the name of the user has a colon".to_owned()),
            false => Ok(Self {
                user: user.to_owned(),
                password: password.to_owned(),
            }),
        }
    }

    /// A URL without its user and password, and these.
    ///
    /// # Errors
    /// One line: it is no URL, or the name of the user has a colon.
    pub fn split(url: &str) -> Result<(String, Option<Self>), String> {
        if !url.contains('@') {
            return Ok((url.to_owned(), None));
        }
        let location = Location::parse(url)?;
        let (user, password) = (location.url().username(), location.url().password());
        if user.is_empty() && password.is_none() {
            return Ok((url.to_owned(), None));
        }
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let login = Self::new(&plain(user), &plain(password.unwrap_or_default()))?;
        Ok((location.without_credentials(), Some(login)))
    }

    /// What a request says of it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut value = HeaderValue::try_from(format!("Basic {text}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Logins by the URLs of the mirrors in a manifest that they are for: a manifest itself has no place for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logins(BTreeMap<String, BasicLogin>);

impl Logins {
    /// No login at all.
    pub fn none() -> &'static Self {
        static NONE: Logins = Logins(BTreeMap::new());
        &NONE
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the login for a URL, which has none in it.
    pub fn add(&mut self, url: &str, login: BasicLogin) {
        self.0.insert(url.to_owned(), login);
    }

    /// The login for a mirror with its origin.
    pub(crate) fn of(&self, url: &str, location: &Location) -> Vec<(String, BasicLogin)> {
        let login = self.0.get(url).cloned();
        login
            .map(|login| (location.origin(), login))
            .into_iter()
            .collect()
    }
}
