use super::server::{Reply, Server};
use super::tls::Authority;
use super::{World, quick, sha256, with_options};
use crate::Item;
use crate::download::Limits;
use crate::librepo::fetch_within;
use std::time::Duration;

/// Fetches files whose content is their path from a mirror `m`.
fn fetch(world: &World, paths: &[&str], mirror: &str) -> Vec<Item> {
    let item = |path: &&str| {
        format!(
            r#""{}": {{"path": "{path}", "mirror": "m"}}"#,
            sha256(path.as_bytes())
        )
    };
    let items = paths.iter().map(item).collect::<Vec<_>>().join(",");
    let source = with_options(
        "org.osbuild.librepo",
        &format!("{{{items}}}"),
        &format!(r#"{{"mirrors": {{"m": {mirror}}}}}"#),
    );
    fetch_within(
        &source,
        &world.context(),
        &Limits {
            attempts: 4,
            ..quick()
        },
    )
}

fn mirror(kind: &str, url: &str, rest: &str) -> String {
    format!(r#"{{"type": "{kind}", "url": "{url}"{rest}}}"#)
}

/// A server whose directories are mirrors: some good, some not. `{}` in the lists stands for its URL.
fn mirrors(metalink: &'static [&str]) -> Server {
    Server::start(move |request| {
        let base = format!("http://{}", request.header("host").unwrap());
        let mirror = |path: &str| path.replace("{}", &base);
        match request.path.as_str() {
            "/mirrorlist" => Reply::ok(
                metalink
                    .iter()
                    .map(|path| mirror(path) + "\n")
                    .collect::<String>()
                    .as_bytes(),
            ),
            "/metalink" => {
                let url = |path: &&str| format!("<url>{}repodata/repomd.xml</url>", mirror(path));
                let urls: String = metalink.iter().map(url).collect();
                let file = format!("<file name='repomd.xml'><resources>{urls}</resources></file>");
                Reply::ok(format!("<metalink><files>{file}</files></metalink>").as_bytes())
            }
            path => match path[1..].split_once('/').unwrap_or_default() {
                ("good", path) => Reply::ok(path.as_bytes()),
                ("slow", path) => Reply {
                    delay: Duration::from_millis(400),
                    ..Reply::ok(path.as_bytes())
                },
                ("wrong", _) => Reply::ok(b"something else"),
                ("broken", path) => Reply::ok(path.as_bytes()).cut(1),
                ("busy", _) => Reply::status(503),
                _ => Reply::status(404),
            },
        }
    })
}

fn requests_below(server: &Server, prefix: &str) -> usize {
    server
        .requests()
        .iter()
        .filter(|request| request.path.starts_with(prefix))
        .count()
}

#[test]
fn every_kind_of_list_leads_past_broken_mirrors_to_a_good_one() {
    for kind in ["metalink", "mirrorlist"] {
        let server = mirrors(&[
            "http://127.0.0.1:1/",
            "{}/gone/",
            "{}/wrong/",
            "{}/busy/",
            "{}/broken/",
            "{}/good/",
        ]);
        let world = World::new();
        let items = fetch(
            &world,
            &["a/file.rpm"],
            &mirror(kind, &format!("{}/{kind}", server.url), ""),
        );
        assert_eq!(items[0].result, Ok(false), "{kind}");
        let key = sha256(b"a/file.rpm");
        assert_eq!(std::fs::read(world.file(&key)).unwrap(), b"a/file.rpm");
        assert!(world.scratch().is_empty());
        assert!(world.logs().contains("404 Not Found"), "{}", world.logs());
        let before = server.requests().len();
        let items = fetch(
            &world,
            &["a/file.rpm"],
            &mirror(kind, &format!("{}/{kind}", server.url), ""),
        );
        assert_eq!(
            items[0].result,
            Ok(true),
            "what is there is not asked for, not even the list"
        );
        assert_eq!(server.requests().len(), before);
    }
}

#[test]
fn a_mirror_that_failed_is_not_the_first_choice_for_other_files() {
    let server = mirrors(&["{}/gone/", "{}/good/"]);
    let paths: Vec<_> = (0..40).map(|number| format!("file-{number}")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let items = fetch(
        &World::new(),
        &paths,
        &mirror(
            "metalink",
            &format!("{}/metalink", server.url),
            r#", "max-parallels": 2"#,
        ),
    );
    assert!(items.iter().all(|item| item.result == Ok(false)));
    assert_eq!(requests_below(&server, "/good/"), 40);
    assert!(
        requests_below(&server, "/gone/") <= 2,
        "{}",
        requests_below(&server, "/gone/")
    );
    assert!(server.busiest() <= 2, "{}", server.busiest());
}

#[test]
fn a_base_url_that_is_busy_is_tried_four_times_and_told_in_osbuilds_words() {
    let server = mirrors(&[]);
    let world = World::new();
    let items = fetch(
        &world,
        &["a+b.rpm"],
        &mirror("baseurl", &format!("{}/busy", server.url), ""),
    );
    let error = items[0].result.clone().unwrap_err();
    let expected = "error downloading a+b.rpm: No more mirrors to try - All mirrors were already tried without success";
    assert!(
        error.starts_with(expected) && error.contains("503"),
        "{error}"
    );
    assert_eq!(requests_below(&server, "/busy/a%2Bb.rpm"), 4);
}

#[test]
fn a_file_that_no_mirror_has_is_asked_for_once_at_each() {
    let server = mirrors(&["{}/gone/", "{}/nowhere/"]);
    let items = fetch(
        &World::new(),
        &["x"],
        &mirror("mirrorlist", &format!("{}/mirrorlist", server.url), ""),
    );
    let error = items[0].result.clone().unwrap_err();
    assert!(
        error.contains("All mirrors were already tried")
            && error.contains("/nowhere/x: the server answered 404"),
        "{error}"
    );
    assert_eq!(
        requests_below(&server, "/gone/") + requests_below(&server, "/nowhere/"),
        2
    );
}

#[test]
fn the_fastest_mirror_is_preferred_if_that_is_wanted() {
    for (option, slow) in [(r#", "fastest-mirror": true"#, 1), ("", 3)] {
        let server = mirrors(&["{}/slow/", "{}/good/"]);
        let url = format!("{}/mirrorlist", server.url);
        let rest = format!(r#"{option}, "max-parallels": 1"#);
        let world = World::new();
        let limits = Limits {
            low_speed_time: Duration::from_secs(5),
            ..quick()
        };
        let item = |path: &str| {
            format!(
                r#""{}": {{"path": "{path}", "mirror": "m"}}"#,
                sha256(path.as_bytes())
            )
        };
        let items = format!("{{{}, {}, {}}}", item("1"), item("2"), item("3"));
        let options = format!(
            r#"{{"mirrors": {{"m": {}}}}}"#,
            mirror("mirrorlist", &url, &rest)
        );
        let found = fetch_within(
            &with_options("org.osbuild.librepo", &items, &options),
            &world.context(),
            &limits,
        );
        assert!(found.iter().all(|item| item.result == Ok(false)));
        assert_eq!(
            requests_below(&server, "/slow/"),
            slow,
            "{option}: one is the measurement"
        );
    }
}

#[test]
fn what_is_missing_or_wrong_in_the_options_is_told() {
    let server = mirrors(&[]);
    let url = &server.url;
    let cases = [
        ("{}".to_owned(), "no option `mirrors`"),
        (r#"{"mirrors": {}}"#.to_owned(), "Missing mirror: m"),
        (r#"{"mirrors": {"m": {"type": "baseurl"}}}"#.to_owned(), "it has no \"url\""),
        (r#"{"mirrors": {"m": {"url": "http://h"}}}"#.to_owned(), "it has no \"type\""),
        (r#"{"mirrors": {"m": {"url": "http://h", "type": "x"}}}"#.to_owned(), "the type \"x\" is not known"),
        (r#"{"mirrors": {"m": {"url": "ftp://h", "type": "baseurl"}}}"#.to_owned(), "ftp URLs are not supported"),
        (r#"{"mirrors": {"m": {"url": "http://h", "type": "baseurl", "max-parallels": 0}}}"#.to_owned(), "max-parallels must be 1"),
        (
            r#"{"mirrors": {"m": {"url": "http://h", "type": "baseurl", "secrets": {"name": "org.osbuild.mtls"}}}}"#.to_owned(),
            "OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY",
        ),
        (format!(r#"{{"mirrors": {{"m": {{"url": "{url}/none", "type": "metalink"}}}}}}"#), "cannot learn the servers"),
        (format!(r#"{{"mirrors": {{"m": {{"url": "{url}/good/x", "type": "metalink"}}}}}}"#), "it is not a metalink"),
        (format!(r#"{{"mirrors": {{"m": {{"url": "{url}/mirrorlist", "type": "mirrorlist"}}}}}}"#), "names no mirror"),
    ];
    let item = format!(r#"{{"{}": {{"path": "x", "mirror": "m"}}}}"#, sha256(b"x"));
    for (options, expected) in cases {
        let outcome = World::new().fetch(&with_options("org.osbuild.librepo", &item, &options));
        let error = outcome.items[0].error.clone().unwrap();
        assert!(
            error.contains(expected) && !error.contains('\n'),
            "{options}: {error}"
        );
        assert!(error.starts_with("error downloading x: "), "{error}");
    }
    let item = format!(r#"{{"{}": {{"path": 1}}}}"#, sha256(b"x"));
    let outcome = World::new().fetch(&with_options("org.osbuild.librepo", &item, "{}"));
    assert!(
        outcome.output.contains("it has no \"path\""),
        "{}",
        outcome.output
    );
}

#[test]
fn an_insecure_mirror_is_used_without_checking_its_certificate() {
    let server = Authority::new().server(false);
    let world = World::new();
    for (rest, success) in [("", false), (r#", "insecure": true"#, true)] {
        let item = format!(
            r#"{{"{}": {{"path": "x", "mirror": "m"}}}}"#,
            sha256(b"hello")
        );
        let options = format!(
            r#"{{"mirrors": {{"m": {}}}}}"#,
            mirror("baseurl", &server.url, rest)
        );
        let outcome = world.fetch(&with_options("org.osbuild.librepo", &item, &options));
        assert_eq!(outcome.success, success, "{}", outcome.output);
    }
}
