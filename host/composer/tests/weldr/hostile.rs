//! Clients that want the service for themselves, or more than is theirs.
use crate::recorded::busy;
use crate::support::Composer;
use axum::Router;
use axum::routing::post;
use osbuild_wasm_composer::listen::Listener;
use osbuild_wasm_composer::server::Server;
use osbuild_wasm_composer::telemetry::Metrics;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;
use tokio::sync::watch;

/// More than are looked up at a time.
const MANY: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_ends_with_the_client_that_waits_for_it() {
    let composer = Composer::start().await;
    let source = "id = \"silent\"\nname = \"s\"\ntype = \"yum-baseurl\"\nurl = \"http://x/\"\ncheck_gpg = false\ncheck_ssl = false\n";
    let new = "/api/v1/projects/source/new";
    let added = composer
        .send("POST", new, Some("text/x-toml"), source)
        .await;
    assert_eq!(added.status.as_u16(), 200);
    let list = "/api/v1/projects/list?limit=1";
    for _ in 0..MANY {
        // The future is dropped, as that of a client that goes is.
        let gone = tokio::time::timeout(Duration::from_millis(50), composer.get(list)).await;
        assert!(gone.is_err(), "nothing answers");
    }
    let deleted = composer
        .send("DELETE", "/api/v1/projects/source/delete/silent", None, "")
        .await;
    assert_eq!(deleted.status.as_u16(), 200);
    assert_eq!(composer.get(list).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_blueprint_that_is_named_many_times_is_answered_once() {
    let composer = Composer::start().await;
    let pushed = composer
        .send(
            "POST",
            "/api/v1/blueprints/new",
            Some("text/x-toml"),
            "name = \"a\"\n",
        )
        .await;
    assert_eq!(pushed.status.as_u16(), 200);
    for route in ["info", "depsolve", "freeze", "changes"] {
        let path = format!("/api/v1/blueprints/{route}/{}", "a,".repeat(500));
        let answer = composer.get(&path).await.json();
        let blueprints = answer["blueprints"].as_array().map(Vec::len);
        assert_eq!(blueprints, Some(1), "{route}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for_without_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let router = Router::new().route("/", post(async |body: String| body));
    let listener = Listener::bind(&path, None).unwrap();
    let (_end, ended) = watch::channel(false);
    let short = listener.with_silence(Duration::from_millis(100));
    let serving = short.serve(router, ended);
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nx")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        answer = answer => answer.unwrap().expect("the connection is closed"),
        served = serving => panic!("{served:?}"),
    };
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_link_or_a_pipe_in_place_of_a_file_is_neither_followed_nor_waited_for() {
    let (composer, words) = busy().await;
    let (_, id) = &words[0];
    let artefacts = composer.directory.path().join("artefacts");
    let entries = std::fs::read_dir(artefacts)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let image = entries
        .map(|directory| directory.join("disk.qcow2"))
        .find(|image| image.exists())
        .unwrap();
    let secret = composer.directory.path().join("secret");
    std::fs::write(&secret, "canary").unwrap();
    for kind in ["link", "pipe"] {
        std::fs::remove_file(&image).unwrap();
        match kind {
            "link" => symlink(&secret, &image).unwrap(),
            _ => assert!(
                Command::new("mkfifo")
                    .arg(&image)
                    .status()
                    .unwrap()
                    .success()
            ),
        }
        let answer = composer.get(&format!("/api/v1/compose/image/{id}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{kind}");
        assert!(!answer.text.contains("canary"), "{kind}");
    }
}

#[tokio::test]
async fn a_task_that_ends_ends_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::new(Metrics::default());
    let listener = Listener::bind(&directory.path().join("socket"), None).unwrap();
    server.add("nobody", listener, Router::new());
    server.meanwhile(async { panic!("it broke") });
    assert!(server.run().await.is_err());
}
