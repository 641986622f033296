//! The names of all settings: osbuild-composer's, and below `osbuild-wasm` our own.

/// What a setting is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A list of texts; in the environment or on the command line, what commas part.
    Texts,
    /// `true` or `false`.
    Switch,
    /// A whole number that is not negative.
    Number,
    /// Text such as `90s` or `1h30m`.
    Duration,
}

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// Its tables and its name; `*` stands for any name.
    pub(super) path: &'static [&'static str],
    /// What it is written as.
    pub(super) kind: Kind,
    /// Its value where nobody sets it, in TOML.
    pub(super) default: Option<&'static str>,
    /// The variable that sets it.
    pub(super) variable: Option<&'static str>,
    /// Whether nobody may see its value.
    pub(super) secret: bool,
}

const fn key(path: &'static [&'static str], kind: Kind) -> Key {
    Key {
        path,
        kind,
        default: None,
        variable: None,
        secret: false,
    }
}

impl Key {
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn variable(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Whether a path is this setting's.
    pub(super) fn is(&self, path: &[String]) -> bool {
        self.path.len() == path.len() && self.is_below(path)
    }

    /// Whether a path is this setting's or that of a table with it.
    pub(super) fn is_below(&self, path: &[String]) -> bool {
        let same = |(known, given): (&&str, &String)| *known == "*" || known == given;
        self.path.len() >= path.len() && self.path.iter().zip(path).all(same)
    }
}

/// The table of our own settings.
pub(super) const OWN: &str = "osbuild-wasm";

/// The variable with aliases of distributions, `a=b,c=d`.
pub(super) const ALIASES: &str = "DISTRO_ALIASES";

/// The listeners' tables: that of the cloud API has its name from its first client.
pub(super) const TABLES: [&str; 2] = ["koji", "worker"];

/// Settings of these tables that are of listeners of the network.
const OF_NETWORK: [&str; 9] = [
    "allowed_domains",
    "ca",
    "enable_tls",
    "enable_mtls",
    "enable_jwt",
    "jwt_keys_urls",
    "jwt_ca_file",
    "jwt_acl_file",
    "jwt_tenant_provider_fields",
];

/// Our own settings of these listeners, and of the cloud API.
const OWN_OF_NETWORK: [&str; 5] = [
    "cloud_socket",
    "cloud_listen",
    "worker_listen",
    "certificate",
    "key",
];

/// Whether a setting is of something that the service does not have yet.
pub(super) fn is_without_effect(path: &[String]) -> bool {
    match path {
        [table, name] if table == OWN => OWN_OF_NETWORK.contains(&&**name),
        [table, name] => TABLES.contains(&&**table) && OF_NETWORK.contains(&&**name),
        _ => false,
    }
}

/// Every setting, in the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    key(&["log_level"], Kind::Text).or("\"info\""),
    key(&["log_format"], Kind::Text).or("\"journal\""),
    key(&["dnf-json"], Kind::Text),
    key(&["ignore_missing_repos"], Kind::Switch).or("false"),
    key(&["koji", "allowed_domains"], Kind::Texts).or("[]"),
    key(&["koji", "ca"], Kind::Text),
    key(&["koji", "enable_tls"], Kind::Switch).or("true"),
    key(&["koji", "enable_mtls"], Kind::Switch).or("true"),
    key(&["koji", "enable_jwt"], Kind::Switch).or("false"),
    key(&["koji", "jwt_keys_urls"], Kind::Texts).or("[]"),
    key(&["koji", "jwt_ca_file"], Kind::Text),
    key(&["koji", "jwt_acl_file"], Kind::Text),
    key(&["koji", "jwt_tenant_provider_fields"], Kind::Texts).or("[]"),
    key(&["worker", "allowed_domains"], Kind::Texts).or("[]"),
    key(&["worker", "ca"], Kind::Text),
    key(&["worker", "enable_tls"], Kind::Switch).or("true"),
    key(&["worker", "enable_mtls"], Kind::Switch).or("true"),
    key(&["worker", "enable_jwt"], Kind::Switch).or("false"),
    key(&["worker", "jwt_keys_urls"], Kind::Texts).or("[]"),
    key(&["worker", "jwt_ca_file"], Kind::Text),
    key(&["worker", "jwt_acl_file"], Kind::Text),
    key(&["worker", "jwt_tenant_provider_fields"], Kind::Texts).or("[]"),
    key(&["worker", "request_job_timeout"], Kind::Duration).or("\"0\""),
    key(&["worker", "worker_heartbeat_timeout"], Kind::Duration).or("\"1h\""),
    key(&["worker", "base_path"], Kind::Text).or("\"/api/worker/v1\""),
    key(&["worker", "enable_artifacts"], Kind::Switch).or("true"),
    key(&["worker", "pg_host"], Kind::Text).variable("PGHOST"),
    key(&["worker", "pg_port"], Kind::Text).variable("PGPORT"),
    key(&["worker", "pg_database"], Kind::Text).variable("PGDATABASE"),
    key(&["worker", "pg_user"], Kind::Text).variable("PGUSER"),
    key(&["worker", "pg_password"], Kind::Text)
        .variable("PGPASSWORD")
        .secret(),
    key(&["worker", "pg_ssl_mode"], Kind::Text).variable("PGSSLMODE"),
    key(&["worker", "pg_max_conns"], Kind::Number)
        .or("16")
        .variable("PGMAXCONNS"),
    key(
        &["weldr_api", "distros", "*", "image_type_denylist"],
        Kind::Texts,
    ),
    key(&["distro_aliases", "*"], Kind::Text),
    key(&[OWN, "weldr_socket"], Kind::Text).or("\"/run/weldr/api.socket\""),
    key(&[OWN, "cloud_socket"], Kind::Text).or("\"/run/cloudapi/api.socket\""),
    key(&[OWN, "worker_socket"], Kind::Text).or("\"/run/osbuild-wasm-composer/job.socket\""),
    key(&[OWN, "cloud_listen"], Kind::Texts).or("[]"),
    key(&[OWN, "worker_listen"], Kind::Texts).or("[]"),
    key(&[OWN, "certificate"], Kind::Text).or("\"/etc/osbuild-composer/composer-crt.pem\""),
    key(&[OWN, "key"], Kind::Text).or("\"/etc/osbuild-composer/composer-key.pem\""),
    key(&[OWN, "state"], Kind::Text).or("\"/var/lib/osbuild-wasm-composer\""),
    key(&[OWN, "cache"], Kind::Text).or("\"/var/cache/osbuild-wasm-composer\""),
    key(&[OWN, "database"], Kind::Text),
    key(&[OWN, "definitions"], Kind::Texts).or("[]"),
    key(&[OWN, "repositories"], Kind::Text),
    key(&[OWN, "distro"], Kind::Text),
    key(&[OWN, "job_timeout"], Kind::Duration).or("\"2m\""),
    key(&[OWN, "metrics_listen"], Kind::Text),
    key(&[OWN, "retention", "age"], Kind::Duration),
    key(&[OWN, "retention", "composes"], Kind::Number),
    key(&[OWN, "retention", "bytes"], Kind::Number),
    key(&[OWN, "retention", "interval"], Kind::Duration).or("\"1h\""),
    key(&[OWN, "quota", "queued"], Kind::Number),
    key(&[OWN, "quota", "composes"], Kind::Number),
    key(&[OWN, "quota", "window"], Kind::Duration).or("\"336h\""),
    key(&[OWN, "quota", "bytes"], Kind::Number),
    key(&[OWN, "builtin_worker"], Kind::Switch).or("true"),
];

/// Aliases of distributions that are there without any setting.
pub(super) const DEFAULT_ALIASES: [(&str, &str); 4] = [
    ("rhel-7", "rhel-7.9"),
    ("rhel-8", "rhel-8.10"),
    ("rhel-9", "rhel-9.6"),
    ("rhel-10", "rhel-10.0"),
];

/// Variables of osbuild-composer's that send logs elsewhere, which this service does not do.
pub(super) const REFUSED_VARIABLES: [&str; 4] = [
    "SPLUNK_HEC_HOST",
    "SPLUNK_HEC_PORT",
    "SPLUNK_HEC_TOKEN",
    "GLITCHTIP_DSN",
];
