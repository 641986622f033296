use super::server::{Reply, Request, Server};
use super::tls::Authority;
use super::tools::{have, run};
use super::{World, source};
use osbuild_wasm_events::SourceOutcome;
use std::path::{Path, PathBuf};

/// A repository with one commit.
pub(super) struct Upstream {
    pub(super) directory: tempfile::TempDir,
    commit: String,
}

impl Upstream {
    /// None if a program is missing.
    pub(super) fn new(options: &[&str]) -> Option<Self> {
        if !have(&["ostree", "gpg"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        std::fs::create_dir_all(tree.join("usr/bin")).unwrap();
        std::fs::write(tree.join("usr/bin/program"), b"content").unwrap();
        let upstream = Self {
            directory,
            commit: String::new(),
        };
        let repository = format!("--repo={}", upstream.repository().display());
        run("ostree", &[&repository, "init", "--mode=archive"]);
        let tree = format!("--tree=dir={}", tree.display());
        let commit = run(
            "ostree",
            &[
                &[&repository, "commit", "--branch=main", "--subject=x", &tree],
                options,
            ]
            .concat(),
        );
        run("ostree", &[&repository, "summary", "-u"]);
        Some(Self { commit, ..upstream })
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.directory.path().join("repo")
    }

    pub(super) fn serve(&self) -> Server {
        Server::start(self.handler())
    }

    /// Serves files; to a client that takes it for a proxy too.
    pub(super) fn handler(&self) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
        let repository = self.repository();
        move |request| {
            let path = request
                .path
                .rsplit_once("/repo/")
                .map_or("none", |(_, path)| path);
            std::fs::read(repository.join(path))
                .map_or(Reply::status(404), |content| Reply::ok(&content))
        }
    }

    pub(super) fn items(&self, url: &str, rest: &str) -> String {
        format!(
            r#"{{"{}": {{"remote": {{"url": "{url}/repo"{rest}}}}}}}"#,
            self.commit
        )
    }
}

pub(super) fn fetch(world: &World, items: &str) -> SourceOutcome {
    let outcome = world.fetch(&source("org.osbuild.ostree", items));
    assert!(world.scratch().is_empty());
    let config = std::fs::read_to_string(repository(world).join("config")).unwrap();
    assert!(!config.contains("remote"), "{config}");
    outcome
}

pub(super) fn repository(world: &World) -> PathBuf {
    world
        .dir
        .path()
        .join("store/sources/org.osbuild.ostree/verified")
}

fn content(world: &World, commit: &str) -> String {
    run(
        "ostree",
        &[
            &format!("--repo={}", repository(world).display()),
            "cat",
            commit,
            "/usr/bin/program",
        ],
    )
}

/// The environment of programs: a home of their own.
pub(super) fn world<'a>(home: &'a Path, variables: &[(&'a str, &'a str)]) -> World {
    let own = [("PATH", "/usr/bin:/bin"), ("HOME", home.to_str().unwrap())];
    World::with(own.into_iter().chain(variables.iter().copied()))
}

#[test]
fn a_commit_is_pulled_once_into_a_repository_that_knows_no_remote() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let world = world(upstream.directory.path(), &[]);
    let outcome = fetch(&world, &upstream.items(&server.url, ""));
    assert!(outcome.success, "{}", outcome.output);
    assert_eq!(outcome.items[0].cached, Some(false));
    assert_eq!(content(&world, &upstream.commit), "content");
    run(
        "ostree",
        &[&format!("--repo={}", repository(&world).display()), "fsck"],
    );
    let before = server.requests().len();
    assert_eq!(
        fetch(&world, &upstream.items(&server.url, "")).items[0].cached,
        Some(true)
    );
    assert_eq!(server.requests().len(), before);
}

#[test]
fn what_the_store_has_already_is_not_transferred_again() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let world = world(upstream.directory.path(), &[]);
    assert!(fetch(&world, &upstream.items(&server.url, "")).success);
    let files = || {
        server
            .requests()
            .iter()
            .filter(|request| request.path.ends_with(".filez"))
            .count()
    };
    assert_eq!(files(), 1);
    let (repository, tree) = (
        upstream.repository(),
        upstream.directory.path().join("tree"),
    );
    std::fs::write(tree.join("usr/bin/second"), b"second").unwrap();
    let arguments = [
        &format!("--repo={}", repository.display()),
        "commit",
        "--branch=main",
        "--subject=y",
        &format!("--tree=dir={}", tree.display()),
    ];
    let next = Upstream {
        commit: run("ostree", &arguments),
        ..upstream
    };
    let outcome = fetch(&world, &next.items(&server.url, ""));
    assert!(outcome.success, "{}", outcome.output);
    assert_eq!(files(), 2, "only the new file");
    run(
        "ostree",
        &[
            &format!("--repo={}", self::repository(&world).display()),
            "fsck",
        ],
    );
}

#[test]
fn a_commit_that_is_not_there_is_an_error_and_leaves_nothing() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let world = world(upstream.directory.path(), &[]);
    let missing = "0".repeat(64);
    let outcome = fetch(
        &world,
        &upstream
            .items(&server.url, "")
            .replace(&upstream.commit, &missing),
    );
    assert!(
        outcome.output.starts_with(&format!(
            "cannot fetch the commit {missing}: ostree pull failed: "
        )),
        "{}",
        outcome.output
    );
    assert!(outcome.output.contains("404"), "{}", outcome.output);
    let outcome = fetch(
        &world,
        &upstream
            .items(&server.url, "")
            .replace(&upstream.commit, "abcde"),
    );
    assert!(
        outcome.output.contains("is not the checksum of a commit"),
        "{}",
        outcome.output
    );
}

#[test]
fn objects_come_from_the_content_url() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let (metadata, contents) = (upstream.serve(), upstream.serve());
    let world = world(upstream.directory.path(), &[]);
    let outcome = fetch(
        &world,
        &upstream.items(
            &metadata.url,
            &format!(r#", "contenturl": "{}/repo""#, contents.url),
        ),
    );
    assert!(outcome.success, "{}", outcome.output);
    assert!(
        contents
            .requests()
            .iter()
            .any(|request| request.path.ends_with(".filez"))
    );
}

#[test]
fn a_commit_must_be_signed_with_one_of_the_keys_if_there_are_any() {
    if !have(&["ostree", "gpg"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let keyring = home.path().join("gpg");
    std::fs::create_dir(&keyring).unwrap();
    run("chmod", &["700", keyring.to_str().unwrap()]);
    let gpg = |arguments: &[&str]| {
        run(
            "gpg",
            &[
                &["--homedir", keyring.to_str().unwrap(), "--batch", "--quiet"],
                arguments,
            ]
            .concat(),
        )
    };
    for user in ["good@example.org", "bad@example.org"] {
        gpg(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            user,
            "ed25519",
            "sign",
            "never",
        ]);
    }
    let sign = [
        "--gpg-sign=good@example.org",
        &format!("--gpg-homedir={}", keyring.display()),
    ];
    let Some(upstream) = Upstream::new(&sign) else {
        return;
    };
    let server = upstream.serve();
    let fetch_with = |keys: &[&str]| {
        let world = world(home.path(), &[]);
        let keys: Vec<_> = keys
            .iter()
            .map(|user| gpg(&["--armor", "--export", user]).replace('\n', "\\n"))
            .collect();
        let keys = keys
            .iter()
            .map(|key| format!("\"{key}\""))
            .collect::<Vec<_>>()
            .join(",");
        fetch(
            &world,
            &upstream.items(&server.url, &format!(r#", "gpgkeys": [{keys}]"#)),
        )
    };
    let outcome = fetch_with(&["good@example.org"]);
    assert!(outcome.success, "{}", outcome.output);
    let outcome = fetch_with(&["bad@example.org", "good@example.org"]);
    assert!(outcome.success, "{}", outcome.output);
    let outcome = fetch_with(&["bad@example.org"]);
    assert!(outcome.output.contains("ignature"), "{}", outcome.output);
    // The agents that gpg has started would keep the directory in use.
    run(
        "gpgconf",
        &["--homedir", keyring.to_str().unwrap(), "--kill", "all"],
    );
}

#[test]
fn the_proxy_of_the_environment_is_used_also_without_certificates() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let proxy = upstream.serve();
    let world = world(
        upstream.directory.path(),
        &[("OSBUILD_SOURCES_OSTREE_PROXY", &proxy.url)],
    );
    let outcome = fetch(&world, &upstream.items("http://upstream.invalid", ""));
    assert!(outcome.success, "{}", outcome.output);
    assert!(
        proxy.requests()[0]
            .path
            .starts_with("http://upstream.invalid/repo/")
    );
}

#[test]
fn certificates_are_shown_and_checked_unless_the_environment_says_otherwise() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let home = upstream.directory.path();
    let authority = Authority::new();
    let [key, certificate, ca] =
        ["key.pem", "cert.pem", "ca.pem"].map(|name| home.join("etc/pki/consumer").join(name));
    authority.write(&key, &certificate, &ca);
    let secrets = r#", "secrets": {"name": "org.osbuild.mtls"}"#;
    let server = authority.server_of(true, upstream.handler());
    let variables = [
        (
            "OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY",
            key.to_str().unwrap(),
        ),
        (
            "OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT",
            certificate.to_str().unwrap(),
        ),
        ("OSBUILD_SOURCES_OSTREE_SSL_CA_CERT", ca.to_str().unwrap()),
    ];
    let outcome = fetch(
        &world(home, &variables),
        &upstream.items(&server.url, secrets),
    );
    assert!(outcome.success, "{}", outcome.output);
    let without = fetch(&world(home, &[]), &upstream.items(&server.url, secrets));
    assert!(
        without
            .output
            .contains("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY"),
        "{}",
        without.output
    );

    let open = authority.server_of(false, upstream.handler());
    let outcome = fetch(&world(home, &[]), &upstream.items(&open.url, ""));
    assert!(!outcome.success, "an unknown authority");
    for value in ["true", "YES", "1"] {
        let outcome = fetch(
            &world(home, &[("OSBUILD_SOURCES_OSTREE_INSECURE", value)]),
            &upstream.items(&open.url, ""),
        );
        assert!(outcome.success, "{value}: {}", outcome.output);
    }

    let consumer = r#", "secrets": {"name": "org.osbuild.rhsm.consumer"}"#;
    let host = world(home, &[("OSBUILD_SOURCES_OSTREE_INSECURE", "true")]);
    let outcome = fetch(&host, &upstream.items(&server.url, consumer));
    assert!(
        outcome.output.contains("register this host"),
        "{}",
        outcome.output
    );
    let place = host.dir.path().join("etc/pki/consumer");
    authority.write(
        &place.join("key.pem"),
        &place.join("cert.pem"),
        &place.join("ca.pem"),
    );
    let outcome = fetch(&host, &upstream.items(&server.url, consumer));
    assert!(outcome.success, "{}", outcome.output);

    let unknown = fetch(
        &world(home, &[]),
        &upstream.items(&open.url, r#", "secrets": {"name": "x"}"#),
    );
    assert!(
        unknown.output.contains("\"x\" is not known"),
        "{}",
        unknown.output
    );
}

#[test]
fn two_runs_may_fetch_the_same_commit_at_the_same_time() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let world = world(upstream.directory.path(), &[]);
    let items = upstream.items(&server.url, "");
    std::thread::scope(|scope| {
        let fetch = || world.fetch(&source("org.osbuild.ostree", &items));
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(fetch)).collect();
        for run in runs {
            let outcome = run.join().unwrap();
            assert!(outcome.success, "{}", outcome.output);
        }
    });
    run(
        "ostree",
        &[&format!("--repo={}", repository(&world).display()), "fsck"],
    );
}
