//! What comes into the repository of commits, and from where.

use super::ostree::{Upstream, fetch, repository, world};
use super::server::{Reply, Server};
use super::tls::Authority;
use super::tools::{have, run};
use super::{World, source};
use crate::Allowance;
use osbuild_wasm_events::SourceOutcome;
use std::fs;
use std::path::{Path, PathBuf};

fn fsck(world: &World) {
    let repository = format!("--repo={}", repository(world).display());
    run("ostree", &[&repository, "fsck"]);
}

/// The file of the one object with content.
fn object(repository: &Path) -> PathBuf {
    let found = run("find", &[repository.to_str().unwrap(), "-name", "*.filez"]);
    PathBuf::from(found.lines().next().unwrap())
}

/// Gives an object the content of another one; its name stays.
fn poison(repository: &Path, directory: &Path) {
    let (tree, other) = (directory.join("evil-tree"), directory.join("evil"));
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("program"), "evil").unwrap();
    let evil = format!("--repo={}", other.display());
    run("ostree", &[&evil, "init", "--mode=archive"]);
    let tree = format!("--tree=dir={}", tree.display());
    run(
        "ostree",
        &[&evil, "commit", "--branch=main", "--subject=x", &tree],
    );
    let target = object(repository);
    fs::remove_file(&target).unwrap();
    fs::copy(object(&other), target).unwrap();
}

#[test]
fn objects_of_a_repository_of_this_machine_are_compared_with_their_names() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let home = upstream.directory.path();
    let copy = home.join("copied/repo");
    fs::create_dir(home.join("copied")).unwrap();
    run(
        "cp",
        &[
            "-a",
            upstream.repository().to_str().unwrap(),
            copy.to_str().unwrap(),
        ],
    );
    poison(&copy, home);
    let world = world(home, &[]);
    let url = format!("file://{}", home.join("copied").display());
    for url in [url.clone(), url.replace("file://", "FILE:")] {
        let outcome = fetch(&world, &upstream.items(&url, ""));
        assert!(outcome.output.contains("orrupted"), "{}", outcome.output);
    }
    fsck(&world);
    // The real one is not in the way of anything that was left.
    let outcome = fetch(
        &world,
        &upstream.items(&format!("file://{}", home.display()), ""),
    );
    assert!(outcome.success, "{}", outcome.output);
    fsck(&world);
}

#[test]
fn the_repository_of_an_older_store_is_not_used() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let world = world(upstream.directory.path(), &[]);
    let old = repository(&world).with_file_name("repo");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    run(
        "cp",
        &[
            "-a",
            upstream.repository().to_str().unwrap(),
            old.to_str().unwrap(),
        ],
    );
    let server = upstream.serve();
    let outcome = fetch(&world, &upstream.items(&server.url, ""));
    assert_eq!(
        (outcome.success, outcome.items[0].cached),
        (true, Some(false))
    );
}

#[test]
fn an_object_that_was_changed_in_the_store_is_fetched_again() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let world = world(upstream.directory.path(), &[]);
    assert!(fetch(&world, &upstream.items(&server.url, "")).success);
    assert!(crate::ostree_is_as_noted(&world.store).unwrap());
    poison(&repository(&world), upstream.directory.path());
    assert!(!crate::ostree_is_as_noted(&world.store).unwrap());
    for cached in [false, true] {
        let outcome = fetch(&world, &upstream.items(&server.url, ""));
        assert_eq!(
            (outcome.success, outcome.items[0].cached),
            (true, Some(cached)),
            "{}",
            outcome.output
        );
        fsck(&world);
    }
}

/// Keys of two users.
struct Keys {
    home: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        run("chmod", &["700", home.path().to_str().unwrap()]);
        let keys = Self { home };
        for user in ["good@example.org", "bad@example.org"] {
            keys.gpg(&[
                "--passphrase",
                "",
                "--quick-generate-key",
                user,
                "ed25519",
                "sign",
                "never",
            ]);
        }
        keys
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let home = self.home.path().to_str().unwrap();
        run(
            "gpg",
            &[&["--homedir", home, "--batch", "--quiet"], arguments].concat(),
        )
    }

    /// The member `gpgkeys` with the key of one user.
    fn option(&self, user: &str) -> String {
        let key = self
            .gpg(&["--armor", "--export", user])
            .replace('\n', "\\n");
        format!(r#", "gpgkeys": ["{key}"]"#)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let home = self.home.path().to_str().unwrap();
        run("gpgconf", &["--homedir", home, "--kill", "all"]);
    }
}

#[test]
fn a_commit_that_is_there_must_be_signed_too() {
    if !have(&["ostree", "gpg"]) {
        return;
    }
    let keys = Keys::new();
    let home = keys.home.path().display();
    let sign = [
        "--gpg-sign=good@example.org",
        &format!("--gpg-homedir={home}"),
    ];
    for (options, accepted) in [(&sign[..], true), (&[], false)] {
        let Some(upstream) = Upstream::new(options) else {
            return;
        };
        let server = upstream.serve();
        let world = world(upstream.directory.path(), &[]);
        assert!(fetch(&world, &upstream.items(&server.url, "")).success);
        let outcome = fetch(
            &world,
            &upstream.items(&server.url, &keys.option("bad@example.org")),
        );
        assert!(
            !outcome.success && outcome.output.contains("ignature"),
            "{}",
            outcome.output
        );
        let outcome = fetch(
            &world,
            &upstream.items(&server.url, &keys.option("good@example.org")),
        );
        assert_eq!(outcome.success, accepted, "{}", outcome.output);
        let before = server.requests().len();
        if accepted {
            let signed = upstream.items(&server.url, &keys.option("good@example.org"));
            assert_eq!(fetch(&world, &signed).items[0].cached, Some(true));
            assert_eq!(server.requests().len(), before, "nobody is asked again");
        }
    }
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let handler = upstream.handler();
    let server = Server::start(move |request| match request.earlier {
        0 if request.path.ends_with(".commit") => Reply::status(503),
        _ => handler(request),
    });
    let world = world(upstream.directory.path(), &[]);
    let outcome = fetch(&world, &upstream.items(&server.url, ""));
    assert!(outcome.success, "{}", outcome.output);
}

/// A server with the list `/list` of mirrors, each on a line.
fn list(lines: String, metalink: bool) -> Server {
    Server::start(move |_| {
        if !metalink {
            return Reply::ok(lines.as_bytes());
        }
        let urls: String = lines
            .lines()
            .map(|line| format!("<url>{line}/summary</url>"))
            .collect();
        Reply::ok(format!("<metalink><file name='summary'>{urls}</file></metalink>").as_bytes())
    })
}

#[test]
fn lists_of_mirrors_lead_to_servers_and_not_to_files() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let home = upstream.directory.path();
    let files = format!("file://{}", upstream.repository().display());
    for (kind, metalink) in [("mirrorlist", false), ("metalink", true)] {
        let of = |lines: String, contents: bool| {
            let list = list(lines, metalink);
            let listed = format!("{kind}={}/list", list.url);
            let items = match contents {
                true => upstream.items(&server.url, &format!(r#", "contenturl": "{listed}""#)),
                false => upstream.items("URL", "").replace("URL/repo", &listed),
            };
            fetch(&world(home, &[]), &items)
        };
        for contents in [false, true] {
            let outcome = of(files.clone(), contents);
            assert!(
                outcome.output.contains("names no mirror"),
                "{}",
                outcome.output
            );
            let gone = "http://127.0.0.1:1/repo";
            let good = format!(
                "{gone}\n{}/nowhere\n{}/repo\n{files}",
                server.url, server.url
            );
            let outcome = of(good, contents);
            assert!(outcome.success, "{kind}: {}", outcome.output);
        }
    }
}

fn fetch_allowed(world: &World, items: &str, allowance: Allowance<'_>) -> SourceOutcome {
    let source = source("org.osbuild.ostree", items);
    crate::fetch(&source, &world.context_with(allowance))
}

#[test]
fn the_program_asks_only_servers_that_the_policy_lists() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let target = server.url.clone();
    let leading = Server::start(move |request| {
        Reply::status(302).with("Location", format!("{target}{}", request.path))
    });
    let listed = leading.url.trim_start_matches("http://").to_owned();
    let allowance = Allowance {
        host: &|host| host == listed,
        ..Allowance::EVERYTHING
    };
    let world = world(upstream.directory.path(), &[]);
    let items = upstream.items(&leading.url, "");
    let outcome = fetch_allowed(&world, &items, allowance);
    assert!(
        outcome.output.contains("which the policy does not list"),
        "{}",
        outcome.output
    );
    assert_eq!(server.connections(), 0);
    let outcome = fetch_allowed(&world, &items, Allowance::EVERYTHING);
    assert!(outcome.success, "{}", outcome.output);
}

#[test]
fn commits_count_for_the_limit_of_their_source() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let server = upstream.serve();
    let world = world(upstream.directory.path(), &[]);
    let allowance = Allowance {
        bytes: 200,
        ..Allowance::EVERYTHING
    };
    let outcome = fetch_allowed(&world, &upstream.items(&server.url, ""), allowance);
    assert!(
        outcome.output.contains("the limit of 200 bytes"),
        "{}",
        outcome.output
    );
}

#[test]
fn a_client_certificate_of_a_commit_is_for_its_server_alone() {
    let Some(upstream) = Upstream::new(&[]) else {
        return;
    };
    let home = upstream.directory.path();
    let authority = Authority::new();
    let files = ["key.pem", "cert.pem", "ca.pem"].map(|name| home.join(name));
    authority.write(&files[0], &files[1], &files[2]);
    let [key, certificate, ca] = files.each_ref().map(|file| file.to_str().unwrap());
    let world = world(
        home,
        &[
            ("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY", key),
            ("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT", certificate),
            ("OSBUILD_SOURCES_OSTREE_SSL_CA_CERT", ca),
            ("OSBUILD_SOURCES_OSTREE_INSECURE", "true"),
        ],
    );
    let elsewhere = authority.server_of(true, upstream.handler());
    let open = upstream.serve();
    let secrets = r#", "secrets": {"name": "org.osbuild.mtls"}"#;
    for (target, reason) in [
        (elsewhere.url.clone(), "no secure connection"),
        (open.url.clone(), "a connection that is not secured"),
    ] {
        let leading = authority.server_of(true, move |request| {
            Reply::status(302).with("Location", format!("{target}{}", request.path))
        });
        let outcome = fetch(&world, &upstream.items(&leading.url, secrets));
        assert!(outcome.output.contains(reason), "{}", outcome.output);
        assert!(!leading.requests().is_empty());
    }
    assert_eq!((elsewhere.requests().len(), open.requests().len()), (0, 0));
}
