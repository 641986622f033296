//! Environment variables as data.

use std::collections::BTreeMap;

/// The environment variables that sources may look at.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process; what is not UTF-8 is left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// All variables, for programs that are started.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same without proxies, for programs whose only server is this one.
    pub(crate) fn without_proxies(&self) -> Self {
        let is_proxy = |name: &str| name.to_ascii_lowercase().ends_with("_proxy");
        let others = self.0.iter().filter(|(name, _)| !is_proxy(name));
        Self(
            others
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// The same with one proxy for everything.
    pub(crate) fn with_proxy(&self, url: &str) -> Self {
        let mut all = self.without_proxies();
        let names = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];
        let named = names.map(|name| (name.to_owned(), url.to_owned()));
        all.0.extend(named);
        all
    }

    /// The value of a variable; one that is set but empty counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
