use super::server::{Reply, Server};
use super::{World, curl, quick, sha256};
use crate::download::Limits;
use osbuild_wasm_events::Event;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn body() -> Vec<u8> {
    (0..200_000u32).flat_map(u32::to_le_bytes).collect()
}

/// Downloads one item that must arrive.
fn arrives(world: &World, content: &[u8], url: &str) {
    let key = sha256(content);
    let items = world.download(&[(key.clone(), format!("{url:?}"))]);
    assert_eq!(items[0].result, Ok(false));
    assert!(std::fs::read(world.file(&key)).unwrap() == content);
    assert!(world.scratch().is_empty());
}

#[test]
fn files_arrive_with_any_kind_of_checksum_and_are_found_the_next_time() {
    let server = Server::start(|_| Reply::ok(b"hello"));
    let world = World::new();
    let keys = [
        "md5:5d41402abc4b2a76b9719d911017c592",
        "sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "sha384:59e1748777448c69de6b800d7a33bbfb9ff1b463e44354c3553bcdb9c666fa90125a3c79f90397bdf5f6a13de828684f",
        "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043",
    ];
    let mut items = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        items.push((
            key.to_string(),
            format!(r#"{{"url": "{}/{number}"}}"#, server.url),
        ));
    }
    let outcome = world.fetch(&curl(&items[..4]));
    assert!(outcome.success, "{}", outcome.output);
    let outcome = world.fetch(&curl(&items));
    assert!(outcome.success, "{}", outcome.output);
    let cached: Vec<_> = outcome
        .items
        .iter()
        .map(|item| item.cached.unwrap())
        .collect();
    assert_eq!(cached, [true, true, true, true, false]);
    assert_eq!(server.requests().len(), 5);
    for key in keys {
        assert_eq!(std::fs::read(world.file(key)).unwrap(), b"hello", "{key}");
    }
}

#[test]
fn the_server_sees_osbuilds_name_and_nothing_of_where_a_redirect_came_from() {
    let server = Server::start(|request| match request.path.as_str() {
        "/old" => Reply::status(302).with("Location", "/new"),
        _ => Reply::ok(b"hello"),
    });
    arrives(&World::new(), b"hello", &format!("{}/old", server.url));
    let requests = server.requests();
    let agent = requests[0].header("user-agent").unwrap();
    assert!(
        agent.starts_with("osbuild (Linux.") && agent.ends_with("; https://osbuild.org/)"),
        "{agent}"
    );
    assert_eq!(requests[1].path, "/new");
    assert_eq!(requests[1].header("referer"), None);
}

#[test]
fn a_redirect_in_a_circle_ends() {
    let server = Server::start(|_| Reply::status(301).with("Location", "/again"));
    let error = World::new().error(&sha256(b"hello"), &format!("{}/again", server.url));
    assert!(error.contains("redirects too often"), "{error}");
    assert_eq!(server.requests().len(), 51);
}

#[test]
fn a_broken_download_goes_on_where_it_broke_off() {
    let server = Server::start(|request| {
        let reply = Reply::ranged(request, &body(), "\"v1\"");
        if request.earlier < 5 {
            reply.cut(100_000)
        } else {
            reply
        }
    });
    let world = World::new();
    arrives(&world, &body(), &format!("{}/file", server.url));
    let requests = server.requests();
    let offsets: Vec<_> = requests
        .iter()
        .map(super::server::Request::offset)
        .collect();
    assert_eq!(
        offsets,
        [0, 100_000, 200_000, 300_000, 400_000, 500_000],
        "more attempts than may fail in a row"
    );
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
    assert!(
        world.logs().contains("the connection broke"),
        "{}",
        world.logs()
    );
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_from_the_beginning() {
    let server = Server::start(|request| match request.earlier {
        0 => Reply::ranged(request, &[b'x'; 500_000], "\"v1\"").cut(100_000),
        _ => Reply::ranged(request, &body(), "\"v2\""),
    });
    arrives(&World::new(), &body(), &format!("{}/file", server.url));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_knows_no_ranges_sends_everything_again() {
    let server = Server::start(|request| match request.earlier {
        0 => Reply::ok(&body()).cut(100_000),
        _ => Reply::ok(&body()),
    });
    arrives(&World::new(), &body(), &format!("{}/file", server.url));
}

#[test]
fn a_server_that_refuses_the_range_is_asked_for_everything() {
    let server = Server::start(|request| match (request.earlier, request.offset()) {
        (0, _) => Reply::ok(&body()).cut(100_000),
        (_, 0) => Reply::ok(&body()),
        _ => Reply::status(416),
    });
    arrives(&World::new(), &body(), &format!("{}/file", server.url));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn less_than_was_announced_is_an_error_in_the_end() {
    let server = Server::start(|_| Reply::ok(&body()).cut(1000));
    let error = World::new().error(&sha256(&body()), &format!("{}/file", server.url));
    assert!(
        error.contains("the connection broke") && error.contains("gave up after 3 attempts"),
        "{error}"
    );
}

#[test]
fn what_may_pass_is_tried_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = Server::start(move |request| match request.earlier {
            0 | 1 => Reply::status(status).with("Retry-After", "1"),
            _ => Reply::ok(b"hello"),
        });
        arrives(&World::new(), b"hello", &format!("{}/file", server.url));
        assert_eq!(server.requests().len(), 3, "{status}");
    }
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    for (status, hint) in [
        (404, "correct the URL"),
        (410, "correct the URL"),
        (403, "secrets"),
        (400, "check"),
    ] {
        let server = Server::start(move |_| Reply::status(status));
        let error = World::new().error(&sha256(b"hello"), &format!("{}/file", server.url));
        assert!(
            error.contains(&format!("answered {status}")) && error.contains(hint),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_wrong_checksum_is_tried_once_more_and_never_stored() {
    let server = Server::start(|_| Reply::ok(b"something else"));
    let key = sha256(b"hello");
    let error = World::new().error(&key, &format!("{}/file", server.url));
    assert!(
        error.contains(&key) && error.contains(&sha256(b"something else")),
        "{error}"
    );
    assert!(error.contains("checksum mismatch"), "{error}");
    assert_eq!(server.requests().len(), 2);
    let healing = Server::start(|request| {
        Reply::ok(if request.earlier == 0 {
            b"junk!"
        } else {
            b"hello"
        })
    });
    arrives(&World::new(), b"hello", &format!("{}/file", healing.url));
}

#[test]
fn a_refused_connection_is_an_error_without_passwords() {
    let error = World::new().error(
        &sha256(b"hello"),
        "http://user:secret@127.0.0.1:1/file?token=secret",
    );
    assert!(error.contains("http://127.0.0.1:1/file?..."), "{error}");
    assert!(
        error.contains("cannot connect: Connection refused"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn credentials_of_the_url_are_used() {
    let server = Server::start(|request| match request.header("authorization") {
        Some("Basic dXNlcjpwYXNz") => Reply::ok(b"hello"),
        _ => Reply::status(401),
    });
    arrives(
        &World::new(),
        b"hello",
        &server.url.replace("//", "//user:pass@"),
    );
}

#[test]
fn a_server_that_hardly_sends_anything_is_given_up() {
    let slow = Reply {
        byte_delay: Duration::from_millis(50),
        ..Reply::ok(&[b'x'; 100])
    };
    let server = Server::start(move |_| slow.clone());
    let started = Instant::now();
    let world = World::new();
    let limits = Limits {
        attempts: 1,
        ..quick()
    };
    let items = world.download_with(
        &[(sha256(&[b'x'; 100]), format!("{:?}", server.url))],
        &limits,
    );
    assert!(
        items[0]
            .result
            .as_ref()
            .unwrap_err()
            .contains("less than 1000 bytes per second"),
        "{items:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(|_| Reply {
        delay: Duration::from_secs(5),
        ..Reply::ok(b"hello")
    });
    let limits = Limits {
        attempts: 1,
        connect: Duration::from_millis(100),
        ..quick()
    };
    let items =
        World::new().download_with(&[(sha256(b"hello"), format!("{:?}", server.url))], &limits);
    assert!(
        items[0]
            .result
            .as_ref()
            .unwrap_err()
            .contains("did not answer in time"),
        "{items:?}"
    );
}

#[test]
fn a_host_where_nobody_answers_is_called_three_times() {
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!("\"http://{}/x\"", free.unwrap());
    let limits = Limits {
        attempts: 6,
        ..quick()
    };
    let items = World::new().download_with(&[(sha256(b"hello"), url)], &limits);
    let problem = items[0].result.as_ref().unwrap_err();
    assert!(problem.contains("cannot connect"), "{problem}");
    assert!(problem.contains("gave up after 3 attempts"), "{problem}");
}

#[test]
fn a_request_to_stop_is_followed_at_once() {
    let server = Server::start(|request| match request.path.as_str() {
        "/fast" => Reply::ok(b"fast"),
        _ => Reply {
            delay: Duration::from_secs(5),
            ..Reply::ok(b"slow")
        },
    });
    let world = World::new();
    let urls = [("fast", "fast"), ("slow", "slow"), ("other", "slow2")];
    let items = urls.map(|(text, path)| {
        (
            sha256(text.as_bytes()),
            format!("\"{}/{path}\"", server.url),
        )
    });
    let started = Instant::now();
    let found = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            world.cancel.store(true, Ordering::Relaxed);
        });
        world.download(&items)
    });
    assert!(
        started.elapsed() < Duration::from_millis(800),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(found[0].result, Ok(false));
    for item in &found[1..] {
        assert!(
            item.result.as_ref().unwrap_err().contains("interrupted"),
            "{item:?}"
        );
    }
    assert!(world.scratch().is_empty());
}

#[test]
fn many_files_share_few_connections() {
    let content = |path: &str| path.as_bytes().to_vec();
    let server = Server::start(move |request| Reply {
        delay: Duration::from_millis(2),
        ..Reply::ok(&content(&request.path))
    });
    let world = World::new();
    let items: Vec<_> = (0..300)
        .map(|number| {
            (
                sha256(format!("/{number}").as_bytes()),
                format!("\"{}/{number}\"", server.url),
            )
        })
        .collect();
    let found = world.download(&items);
    assert!(found.iter().all(|item| item.result == Ok(false)));
    let keys: Vec<_> = found.iter().map(|item| &item.key).collect();
    assert_eq!(keys, items.iter().map(|(key, _)| key).collect::<Vec<_>>());
    assert!((2..=16).contains(&server.busiest()), "{}", server.busiest());
    // One that a transfer has just left may be found too late by the next one.
    assert!(server.connections() <= 32, "{}", server.connections());
    let events = world.recorder.0.lock().unwrap();
    let Some(Event::SourceProgress {
        items_done,
        items_total,
        bytes_done,
        ..
    }) = events.last()
    else {
        panic!()
    };
    let bytes: usize = (0..300).map(|number| format!("/{number}").len()).sum();
    assert_eq!(
        (*items_done, *items_total, *bytes_done),
        (300, 300, bytes as u64)
    );
}

#[test]
fn one_failed_item_does_not_stop_the_others() {
    let server = Server::start(|request| match request.path.as_str() {
        "/good" => Reply::ok(b"good"),
        _ => Reply::status(404),
    });
    let world = World::new();
    let url = |path: &str| format!("\"{}/{path}\"", server.url);
    let items = [
        (sha256(b"bad"), url("bad")),
        (sha256(b"good"), url("good")),
        (sha256(b"odd"), "17".to_owned()),
    ];
    let outcome = world.fetch(&curl(&items));
    let failed: Vec<_> = outcome
        .items
        .iter()
        .map(|item| item.error.is_some())
        .collect();
    assert_eq!((outcome.success, failed), (false, vec![true, false, true]));
    assert_eq!(outcome.output.lines().count(), 2, "{}", outcome.output);
    assert!(
        outcome.output.contains("it has no \"url\""),
        "{}",
        outcome.output
    );
    assert!(world.file(&sha256(b"good")).exists());
}

#[test]
fn files_of_this_machine_are_copied() {
    let world = World::new();
    let path = world.dir.path().join("my file+1");
    std::fs::write(&path, body()).unwrap();
    arrives(&world, &body(), &format!("file://{}", path.display()));
    assert!(path.exists());
    let error = world.error(&sha256(b"x"), "file:///does/not/exist");
    assert!(
        error.contains("cannot read the file: No such file"),
        "{error}"
    );
    let error = world.error(&sha256(b"x"), "file:///proc");
    assert!(error.contains("not a file"), "{error}");
}

#[test]
fn proxies_are_used_but_for_hosts_that_are_exempt() {
    let proxy = Server::start(|_| Reply::ok(b"by proxy"));
    let direct = Server::start(|_| Reply::ok(b"direct"));
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(Variables, &[u8]); 6] = [
        (&[("OSBUILD_SOURCES_CURL_PROXY", "P")], b"by proxy"),
        (&[("http_proxy", "P")], b"by proxy"),
        (&[("all_proxy", "P")], b"by proxy"),
        (&[("https_proxy", "P"), ("HTTP_PROXY", "P")], b"direct"),
        (
            &[
                ("OSBUILD_SOURCES_CURL_PROXY", "P"),
                ("no_proxy", "localhost"),
            ],
            b"direct",
        ),
        (&[("OSBUILD_SOURCES_CURL_PROXY", "")], b"direct"),
    ];
    for (variables, expected) in cases {
        let address = proxy.url.trim_start_matches("http://");
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, if *value == "P" { address } else { *value }));
        arrives(
            &World::with(variables),
            expected,
            &format!("{}/file", direct.url),
        );
    }
    assert_eq!(proxy.requests()[0].path, format!("{}/file", direct.url));
    let error = World::with([("http_proxy", "::")]).error(&sha256(b"x"), &direct.url);
    assert!(
        error.contains("http_proxy does not hold the URL of a proxy"),
        "{error}"
    );
}
