//! `osbuild-composer.toml`, through the program.
use osbuild_wasm_composer::catalogue::{Catalogue, Places};
use osbuild_wasm_composer::service::{Images, Target};
use std::fs;
use std::process::Command;
use tempfile::tempdir;

/// What nobody may see.
const CANARY: &str = "canary-5b1f";

/// What `check-config` does with a file, variables and options: its exit code, standard output and standard error.
fn checked(file: &str, variables: &[(&str, &str)], options: &[&str]) -> (i32, String, String) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("composer.toml");
    fs::write(&path, file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
    command.env_clear().envs(variables.iter().copied());
    let output = command
        .arg("check-config")
        .arg(&path)
        .args(options)
        .output()
        .unwrap();
    let text = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(&*path.to_string_lossy(), "FILE")
    };
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn a_file_comes_before_defaults_variables_before_files_and_options_before_all() {
    let file = "log_level = \"debug\"\n[worker]\npg_port = \"1\"\npg_host = \"h\"\npg_max_conns = 3\n\
        [osbuild-wasm]\nstate = \"/of/file\"\ncache = \"/of/file\"\n[distro_aliases]\nmine = \"fedora-43\"\nrhel-8 = \"rhel-8.9\"\n";
    let variables = [
        ("PGPORT", "2"),
        ("PGMAXCONNS", "4"),
        ("DISTRO_ALIASES", "mine=fedora-44,b=rhel-9.5"),
    ];
    let (code, shown, error) = checked(file, &variables, &["--state", "/of/option"]);
    assert_eq!((code, &*error), (0, ""));
    for line in [
        "log_level = \"debug\"  # FILE",
        "log_format = \"journal\"  # default",
        "worker.pg_port = \"2\"  # PGPORT",
        "worker.pg_max_conns = 4  # PGMAXCONNS",
        "worker.pg_host = \"h\"  # FILE",
        "# worker.pg_user is not set",
        "osbuild-wasm.state = \"/of/option\"  # --state",
        "osbuild-wasm.cache = \"/of/file\"  # FILE",
        "distro_aliases.mine = \"fedora-44\"  # DISTRO_ALIASES",
        "distro_aliases.b = \"rhel-9.5\"  # DISTRO_ALIASES",
        "distro_aliases.rhel-8 = \"rhel-8.9\"  # FILE",
        "distro_aliases.rhel-9 = \"rhel-9.6\"  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    // What is shown is a file that says the same.
    let (code, again, error) = checked(&shown, &[], &[]);
    assert_eq!((code, &*error), (0, ""));
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split("  # ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values(&again), values(&shown));
}

#[test]
fn what_is_no_setting_or_cannot_be_one_is_refused_with_its_place() {
    #[rustfmt::skip]
    let cases = [
        ("[worker]\nrequest_job_timout = \"1s\"", "FILE: there is no setting worker.request_job_timout: did you mean `request_job_timeout`?"),
        ("[koij]\nca = \"x\"", "FILE: there is no setting koij: did you mean `koji`?"),
        ("[weldr_api.distros.\"rhel-*\"]\nimage_type_denylst = []", "FILE: there is no setting weldr_api.distros.\"rhel-*\".image_type_denylst: did you mean `image_type_denylist`?"),
        ("log_level = 3", "FILE: log_level has to be text in quotes"),
        ("log_level = \"loud\"", "FILE: log_level is one of error, warn, warning, info, debug, trace"),
        ("log_format = \"xml\"", "FILE: log_format is one of journal, text, json"),
        ("worker = 1", "FILE: worker has to be a table"),
        ("[worker]\nenable_tls = \"yes\"", "FILE: worker.enable_tls has to be true or false"),
        ("[koji]\nallowed_domains = \"a.example\"", "FILE: koji.allowed_domains has to be a list of texts"),
        ("[worker]\nrequest_job_timeout = \"soon\"", "FILE: worker.request_job_timeout has to be a duration in quotes, such as \"90s\" or \"1h30m\""),
        ("[worker]\nbase_path = \"api/\"", "FILE: worker.base_path begins with `/` and does not end with it"),
        ("[worker]\nbase_path = \"/a{b\"", "FILE: worker.base_path begins with `/` and does not end with it"),
        ("[worker]\npg_max_conns = 0", "FILE: worker.pg_max_conns is at least 1"),
        ("[worker]\npg_max_conns = -1", "FILE: worker.pg_max_conns has to be a whole number"),
        ("[worker]\npg_user = \"u\"", "FILE: worker.pg_user needs worker.pg_host"),
        ("[worker]\npg_host = \"h\"\npg_ssl_mode = \"maybe\"", "FILE: worker.pg_ssl_mode is one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("[worker]\npg_host = \"h\"\n[osbuild-wasm]\ndatabase = \"sqlite:x\"", "FILE: osbuild-wasm.database names a database, and worker.pg_host another one"),
        ("[osbuild-wasm]\nworker_listen = [\"localhost\"]", "FILE: osbuild-wasm.worker_listen has addresses with ports"),
        ("[worker]\nenable_jwt = true\njwt_keys_urls = [\"http://10.0.0.1/keys\"]", "FILE: worker.jwt_keys_urls has URLs that begin with `https://`"),
        ("[worker]\nenable_jwt = true\njwt_keys_urls = [\"http://localhost.example/keys\"]", "FILE: worker.jwt_keys_urls has URLs that begin with `https://`"),
        ("[worker]\nenable_jwt = true\njwt_keys_urls = [\"file:///etc/passwd\"]", "FILE: worker.jwt_keys_urls has URLs that begin with `https://`"),
        ("[distro_aliases]\nx = \"\"", "FILE: distro_aliases.x names no distribution"),
        ("[osbuild-wasm]\njob_timeout = \"5000000000000h\"", "FILE: osbuild-wasm.job_timeout has to be a duration in quotes, such as \"90s\" or \"1h30m\", of a century at most"),
        ("[worker]\nworker_heartbeat_timeout = \"5000000000000h\"", "FILE: worker.worker_heartbeat_timeout has to be a duration"),
        ("[osbuild-wasm.retention]\nage = \"900000h\"", "FILE: osbuild-wasm.retention.age has to be a duration"),
        ("[osbuild-wasm]\njob_timeout = \"0\"", "FILE: osbuild-wasm.job_timeout is at least 2 s"),
        ("[osbuild-wasm]\njob_timeout = \"1ms\"", "FILE: osbuild-wasm.job_timeout is at least 2 s"),
        ("[worker]\nworker_heartbeat_timeout = \"0\"", "FILE: worker.worker_heartbeat_timeout is at least 60 s"),
        ("[worker]\nbase_path = \"//a/../b\"", "FILE: worker.base_path begins with `/`"),
        ("[worker]\npg_host = \"h\"\npg_port = \"notaport\"", "FILE: worker.pg_port is a number from 1 to 65535"),
        ("[osbuild-wasm]\nstate = \"\"", "FILE: osbuild-wasm.state has to be a path"),
        ("[osbuild-wasm]\nweldr_socket = \"\"", "FILE: osbuild-wasm.weldr_socket has to be a path"),
        ("[osbuild-wasm]\ndatabase = \"mysql://x\"", "FILE: osbuild-wasm.database is neither sqlite:PATH nor postgresql://"),
        ("\n\nx = [", "FILE:3: "),
    ];
    for (file, message) in cases {
        let (code, shown, error) = checked(file, &[], &[]);
        assert_eq!((code, &*shown), (2, ""), "{file}: {error}");
        assert!(
            error.starts_with(&format!("error: {message}")),
            "{file}: {error}"
        );
    }
    let variables = [
        ("PGMAXCONNS", "many", "PGMAXCONNS: a whole number"),
        (
            "DISTRO_ALIASES",
            "x",
            "DISTRO_ALIASES: has pairs `ALIAS=NAME` with commas between",
        ),
        (
            "SPLUNK_HEC_HOST",
            "splunk",
            "SPLUNK_HEC_HOST: logs are sent nowhere",
        ),
    ];
    for (name, value, message) in variables {
        let (code, _, error) = checked("", &[(name, value)], &[]);
        assert_eq!(code, 2, "{name}: {error}");
        assert!(
            error.starts_with(&format!("error: {message}")),
            "{name}: {error}"
        );
    }
}

/// Who sets a lock where there is no door would feel safe.
#[test]
fn a_setting_without_effect_is_refused() {
    for (table, setting) in [
        ("koji", "enable_jwt = true"),
        ("koji", "enable_tls = false"),
        ("koji", "enable_mtls = false"),
        ("koji", "allowed_domains = [\"a.example\"]"),
        ("worker", "ca = \"/etc/ca.pem\""),
        ("worker", "enable_jwt = true"),
        ("worker", "jwt_acl_file = \"/etc/acl.yaml\""),
        ("worker", "jwt_tenant_provider_fields = [\"account_id\"]"),
        ("osbuild-wasm", "worker_listen = [\"127.0.0.1:8700\"]"),
        ("osbuild-wasm", "cloud_listen = [\"127.0.0.1:443\"]"),
        ("osbuild-wasm", "cloud_socket = \"/tmp/x\""),
        ("osbuild-wasm", "certificate = \"/tmp/x\""),
        ("osbuild-wasm", "key = \"/tmp/x\""),
    ] {
        let (code, shown, error) = checked(&format!("[{table}]\n{setting}\n"), &[], &[]);
        assert_eq!((code, &*shown), (2, ""), "{table}.{setting}: {error}");
        let name = setting.split(' ').next().unwrap();
        let begin = format!("error: FILE: {table}.{name} has no effect");
        assert!(error.starts_with(&begin), "{table}.{setting}: {error}");
    }
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
    let output = command
        .args(["--config", "/no/such/file"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.starts_with("error: /no/such/file: cannot be read: "),
        "{error}"
    );
}

#[test]
fn check_config_shows_no_secret() {
    let file = format!(
        "[worker]\npg_host = \"h\"\npg_password = \"{CANARY}\"\n\
        [osbuild-wasm]\ndefinitions = [\"https://u:{CANARY}@keys.example/jwks?token={CANARY}\"]\n"
    );
    let refused = format!("[worker]\njwt_keys_urls = [\"https://u:{CANARY}@keys.example/\"]");
    let url = format!("postgresql://u:{CANARY}@db.example/x?sslpassword={CANARY}");
    let shown = [
        checked(&file, &[], &[]),
        checked("", &[("PGHOST", "h"), ("PGPASSWORD", CANARY)], &[]),
        checked("", &[], &["--database", &url]),
        // What cannot be used is not repeated either.
        checked(&format!("[worker]\npg_password = \"{CANARY}"), &[], &[]),
        checked(&format!("[worker]\npg_password = [\"{CANARY}\"]"), &[], &[]),
        checked("", &[("PGMAXCONNS", CANARY)], &[]),
        checked(&refused, &[], &[]),
        checked(
            "",
            &[],
            &["--database", &format!("postgresql://u:{CANARY}@h:bad/db")],
        ),
        checked(
            "",
            &[],
            &["--database", &format!("host=h password={CANARY}")],
        ),
        checked(
            "",
            &[],
            &["--database", &format!("postgresql:u:{CANARY}@h/db")],
        ),
    ];
    let codes: Vec<i32> = shown.iter().map(|(code, _, _)| *code).collect();
    assert_eq!(codes, [0, 0, 0, 2, 2, 2, 2, 2, 2, 2]);
    for (_, shown, error) in &shown {
        assert!(
            !shown.contains(CANARY) && !error.contains(CANARY),
            "{shown}{error}"
        );
    }
    let first = &shown[0].1;
    assert!(
        first.contains("# worker.pg_password is set, and not shown  # FILE"),
        "{first}"
    );
    assert!(
        first.contains("https://u:hidden@keys.example/jwks?hidden"),
        "{first}"
    );
    assert!(
        shown[2]
            .1
            .contains("postgresql://u:hidden@db.example/x?hidden"),
        "{}",
        shown[2].1
    );
}

#[test]
fn aliases_are_other_names_of_distributions_and_never_hide_one() {
    let load = |alias: &str| {
        Catalogue::load(Places {
            aliases: [(alias.to_owned(), "fedora-43".to_owned())].into(),
            ..Places::default()
        })
    };
    let catalogue = load("ours").unwrap();
    assert_eq!(catalogue.distro("ours").as_deref(), Some("fedora-43"));
    let target = Target {
        distro: "ours".into(),
        arch: "x86_64".into(),
    };
    assert!(catalogue.image_type(&target, "qcow2").is_some());
    let error = load("fedora-44").err().unwrap().to_string();
    assert_eq!(error, "distro_aliases: fedora-44 is a distribution");
}

#[test]
fn a_service_without_repositories_starts_only_if_it_may() {
    let directory = tempdir().unwrap();
    let load = |may_lack_repositories| {
        Catalogue::load(Places {
            repositories: Some(directory.path().to_owned()),
            may_lack_repositories,
            ..Places::default()
        })
    };
    let error = load(false).err().unwrap().to_string();
    assert_eq!(
        error,
        "no distribution has repositories: name a directory with them, or set ignore_missing_repos"
    );
    assert!(load(true).unwrap().distros("x86_64").is_empty());
}
