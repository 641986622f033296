//! Settings as the service takes them.
use super::keys::{OWN, TABLES, is_without_effect};
use super::layers::{ConfigError, Setting, Settings, Source, dotted, owned};
use super::{ClientCertificates, Config, Door, Tokens, duration};
use crate::service::{DeniedTypes, Quota, Retention};
use crate::telemetry::log::LogFormat;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;
use tracing::level_filters::LevelFilter;
use url::{Url, form_urlencoded};

/// The levels of the log.
const LEVELS: [&str; 6] = ["error", "warn", "warning", "info", "debug", "trace"];

/// How a connection to PostgreSQL may be encrypted, in libpq's words.
const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// A job is not taken from a worker sooner: it tells of the job every few seconds.
const SHORTEST_JOB: Duration = Duration::from_secs(2);

/// A worker is not forgotten sooner: it tells of itself twice a minute.
const SHORTEST_WORKER: Duration = Duration::from_secs(60);

/// How the URL of a database begins that is named by its parts.
const BASE: &str = "postgresql:///?";

/// Makes a configuration of what is set.
pub(super) fn config(settings: Settings) -> Result<Config, ConfigError> {
    let level = settings.one_of(&["log_level"], &LEVELS)?;
    let format = settings.one_of(&["log_format"], &["journal", "text", "json"])?;
    let [cloud, workers] = TABLES;
    let patience = settings.duration(&["worker", "request_job_timeout"]);
    let config = Config {
        log_level: level_of(&level),
        log_format: match &*format {
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            _ => LogFormat::Journal,
        },
        solver: settings.path(&["dnf-json"]),
        ignore_missing_repos: settings.switch(&["ignore_missing_repos"]),
        cloud: settings.door(cloud, "cloud_listen")?,
        workers: settings.door(workers, "worker_listen")?,
        job_patience: Some(patience).filter(|patience| !patience.is_zero()),
        worker_silence: settings
            .duration_from(&["worker", "worker_heartbeat_timeout"], SHORTEST_WORKER)?,
        worker_path: settings.base_path(&["worker", "base_path"])?,
        artefacts_enabled: settings.switch(&["worker", "enable_artifacts"]),
        denied: settings.denied(),
        aliases: settings.aliases()?,
        weldr_socket: settings.own_path("weldr_socket")?,
        cloud_socket: settings.own_path("cloud_socket")?,
        worker_socket: settings.own_path("worker_socket")?,
        state: settings.own_path("state")?,
        cache: settings.own_path("cache")?,
        database: settings.database()?,
        connections: settings.connections()?,
        definitions: settings
            .texts(&[OWN, "definitions"])
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        repositories: settings.path(&[OWN, "repositories"]),
        distro: settings.text(&[OWN, "distro"]),
        metrics_listen: settings.address(&[OWN, "metrics_listen"])?,
        retention: Retention {
            age: settings.long_duration(&[OWN, "retention", "age"]),
            composes: settings.number(&[OWN, "retention", "composes"]),
            bytes: settings.number(&[OWN, "retention", "bytes"]),
        },
        retention_interval: settings.duration(&[OWN, "retention", "interval"]),
        job_silence: settings.duration_from(&[OWN, "job_timeout"], SHORTEST_JOB)?,
        quota: Quota {
            queued: settings.number(&[OWN, "quota", "queued"]),
            composes: settings.number(&[OWN, "quota", "composes"]),
            window: settings
                .long_duration(&[OWN, "quota", "window"])
                .unwrap_or_default(),
            bytes: settings.number(&[OWN, "quota", "bytes"]),
        },
        builtin_worker: settings.switch(&[OWN, "builtin_worker"]),
        settings,
    };
    config.settings.check_effect()?;
    Ok(config)
}

/// The level of a word of [`LEVELS`].
fn level_of(word: &str) -> LevelFilter {
    match word {
        "warning" => LevelFilter::WARN,
        word => word.parse().unwrap_or(LevelFilter::INFO),
    }
}

impl Settings {
    fn get(&self, path: &[&str]) -> Option<&Setting> {
        self.0.get(&owned(path))
    }

    fn value(&self, path: &[&str]) -> Option<&Value> {
        self.get(path).map(|setting| &setting.value)
    }

    /// Who sets a lock where there is no door would feel safe: what changes nothing has to be as the program has it.
    fn check_effect(&self) -> Result<(), ConfigError> {
        let defaults = Self::defaults().0;
        let is_changed = |path: &&Vec<String>| {
            let default = defaults.get(*path).map(|setting| &setting.value);
            is_without_effect(path) && self.0.get(*path).map(|setting| &setting.value) != default
        };
        match self.0.keys().find(is_changed) {
            Some(path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                Err(self.wrong(&path, "has no effect: the service listens on sockets of this machine only, and has no cloud API; leave it out"))
            }
            None => Ok(()),
        }
    }

    /// A text; an empty one is none.
    fn text(&self, path: &[&str]) -> Option<String> {
        let text = self.value(path).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn path(&self, path: &[&str]) -> Option<PathBuf> {
        self.text(path).map(PathBuf::from)
    }

    /// A path that has to be there.
    fn own_path(&self, name: &str) -> Result<PathBuf, ConfigError> {
        let path = [OWN, name];
        self.path(&path)
            .ok_or_else(|| self.wrong(&path, "has to be a path"))
    }

    fn texts(&self, path: &[&str]) -> Vec<String> {
        let list = self.value(path).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    fn switch(&self, path: &[&str]) -> bool {
        self.value(path)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    fn duration(&self, path: &[&str]) -> Duration {
        let text = self.value(path).and_then(Value::as_str);
        text.and_then(duration::parse).unwrap_or_default()
    }

    /// A number, if it is set. Numbers of settings are not negative.
    fn number(&self, path: &[&str]) -> Option<u64> {
        let number = self.value(path).and_then(Value::as_integer);
        number.and_then(|number| u64::try_from(number).ok())
    }

    /// A duration, if it is set.
    fn long_duration(&self, path: &[&str]) -> Option<SignedDuration> {
        self.value(path)?;
        // One of a century at most is one of these.
        SignedDuration::try_from(self.duration(path)).ok()
    }

    /// A duration that is not shorter than makes sense.
    fn duration_from(&self, path: &[&str], shortest: Duration) -> Result<Duration, ConfigError> {
        match self.duration(path) {
            duration if duration >= shortest => Ok(duration),
            _ => Err(self.wrong(path, &format!("is at least {} s", shortest.as_secs()))),
        }
    }

    /// An address with a port, if it is set.
    fn address(&self, path: &[&str]) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        let wrong = || {
            self.wrong(
                path,
                "has to be an address with a port, such as 127.0.0.1:9100",
            )
        };
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// What is wrong with a setting, and where that is.
    fn wrong(&self, path: &[&str], problem: &str) -> ConfigError {
        let place = self.get(path).map(|setting| setting.source.to_string());
        let problem = format!("{} {problem}", dotted(&owned(path)));
        ConfigError::new(&place.unwrap_or_default(), problem)
    }

    fn one_of(&self, path: &[&str], known: &[&str]) -> Result<String, ConfigError> {
        let text = self.text(path).unwrap_or_default();
        match known.contains(&&*text) {
            true => Ok(text),
            false => Err(self.wrong(path, &format!("is one of {}", known.join(", ")))),
        }
    }

    fn base_path(&self, path: &[&str]) -> Result<String, ConfigError> {
        let text = self.text(path).unwrap_or_default();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_.".contains(letter);
        let is_name = |name: &str| !["", ".", ".."].contains(&name);
        let mut names = text.split('/');
        match names.next() == Some("")
            && names.all(is_name)
            && text.chars().all(is_plain)
            && text.len() > 1
        {
            true => Ok(text),
            false => Err(self.wrong(path, "begins with `/` and does not end with it")),
        }
    }

    fn denied(&self) -> DeniedTypes {
        let lists = self.0.iter().filter_map(|(path, setting)| match &path[..] {
            [_, _, distro, last] if last == "image_type_denylist" => {
                let types = setting.value.as_array().into_iter().flatten();
                let types = types.filter_map(Value::as_str).map(str::to_owned);
                Some((distro.clone(), types.collect()))
            }
            _ => None,
        });
        DeniedTypes::new(lists.collect())
    }

    fn aliases(&self) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut aliases = BTreeMap::new();
        for path in self.0.keys() {
            if let [table, alias] = &path[..]
                && table == "distro_aliases"
            {
                let path = [&**table, &**alias];
                let name = self.text(&path);
                let name = name.ok_or_else(|| self.wrong(&path, "names no distribution"))?;
                aliases.insert(alias.clone(), name);
            }
        }
        Ok(aliases)
    }

    fn door(&self, table: &'static str, listen: &str) -> Result<Door, ConfigError> {
        let mut addresses = Vec::new();
        for text in self.texts(&[OWN, listen]) {
            let address = text.parse::<SocketAddr>().map_err(|_| {
                self.wrong(
                    &[OWN, listen],
                    "has addresses with ports, such as \"0.0.0.0:8700\" or \"[::]:8700\"",
                )
            })?;
            addresses.push(address);
        }
        let clients = self
            .switch(&[table, "enable_mtls"])
            .then(|| ClientCertificates {
                ca: self.path(&[table, "ca"]),
                allowed: self.texts(&[table, "allowed_domains"]),
            });
        let tokens = self.switch(&[table, "enable_jwt"]).then(|| Tokens {
            keys: self.texts(&[table, "jwt_keys_urls"]),
            ca: self.path(&[table, "jwt_ca_file"]),
            acl: self.path(&[table, "jwt_acl_file"]),
            tenants: self.texts(&[table, "jwt_tenant_provider_fields"]),
        });
        for url in tokens.iter().flat_map(|tokens| &tokens.keys) {
            if !is_trusted(url) {
                let problem = "has URLs that begin with `https://`; `http://` only of this machine's own addresses";
                return Err(self.wrong(&[table, "jwt_keys_urls"], problem));
            }
        }
        Ok(Door {
            table,
            listen: addresses,
            tls: self.switch(&[table, "enable_tls"]),
            certificate: self.own_path("certificate")?,
            key: self.own_path("key")?,
            clients,
            tokens,
        })
    }

    fn connections(&self) -> Result<u32, ConfigError> {
        let path = ["worker", "pg_max_conns"];
        let number = self.value(&path).and_then(Value::as_integer);
        let number = number.and_then(|number| u32::try_from(number).ok());
        number
            .filter(|&number| number > 0)
            .ok_or_else(|| self.wrong(&path, "is at least 1"))
    }

    /// Without a host nothing else that is said of PostgreSQL would do anything. Variables are there for other programs, too.
    fn check_parts(&self) -> Result<(), ConfigError> {
        let of_file = |path: &&Vec<String>| {
            let of_file = self.0.get(*path).map(|setting| &setting.source);
            let is_part = |name: &String| name.starts_with("pg_") && name != "pg_max_conns";
            matches!(of_file, Some(Source::File(_))) && path.iter().any(is_part)
        };
        match self.0.keys().find(of_file) {
            Some(path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                Err(self.wrong(&path, "needs worker.pg_host"))
            }
            None => Ok(()),
        }
    }

    /// The URL of the database: the one that is named where settings come before others, else a file of our own.
    fn database(&self) -> Result<String, ConfigError> {
        let (url, host) = ([OWN, "database"], ["worker", "pg_host"]);
        let source = |path| self.get(path).map(|setting| &setting.source);
        match (self.text(&url), self.text(&host)) {
            (Some(_), Some(_)) if source(&url) == source(&host) => {
                Err(self.wrong(&url, "names a database, and worker.pg_host another one"))
            }
            (Some(text), host)
                if host.is_none() || source(&url) > source(&["worker", "pg_host"]) =>
            {
                match is_database(&text) {
                    true => Ok(text),
                    // What cannot be read may have a password anywhere in it.
                    false => Err(self.wrong(
                        &url,
                        "is neither sqlite:PATH nor postgresql://USER@HOST/DATABASE",
                    )),
                }
            }
            (_, Some(host)) => self.postgresql(&host),
            _ => {
                self.check_parts()?;
                let file = self.own_path("state")?.join("composer.db");
                Ok(format!("sqlite:{}", file.display()))
            }
        }
    }

    /// The URL of a database by its parts.
    fn postgresql(&self, host: &str) -> Result<String, ConfigError> {
        let mut parts = form_urlencoded::Serializer::for_suffix(BASE.to_owned(), BASE.len());
        parts.append_pair("host", host);
        let known = [
            ("port", "pg_port"),
            ("dbname", "pg_database"),
            ("user", "pg_user"),
            ("password", "pg_password"),
        ];
        let port = self.text(&["worker", "pg_port"]);
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(self.wrong(&["worker", "pg_port"], "is a number from 1 to 65535"));
        }
        for (parameter, name) in known {
            if let Some(text) = self.text(&["worker", name]) {
                parts.append_pair(parameter, &text);
            }
        }
        let mode = ["worker", "pg_ssl_mode"];
        if self.text(&mode).is_some() {
            parts.append_pair("sslmode", &self.one_of(&mode, &SSL_MODES)?);
        }
        Ok(parts.finish())
    }
}

/// Whether a text is the URL of a database.
fn is_database(text: &str) -> bool {
    let is_url = ["postgresql://", "postgres://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    text.strip_prefix("sqlite:")
        .is_some_and(|path| !path.is_empty())
        || is_url && Url::parse(text).is_ok()
}

/// Whether nobody on the way can change what a server answers.
fn is_trusted(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_own = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_own
}
