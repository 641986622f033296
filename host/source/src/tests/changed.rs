//! What was changed in the store is not used.

use super::server::{Reply, Server};
use super::{World, curl, sha256, source};
use crate::verify_file;
use std::fs;
use std::io::Write;
use std::path::Path;

type Change = fn(&Path);

/// Ways to give a file another content; the last one leaves its times and its size.
const CHANGES: [(&str, Change); 4] = [
    ("written", |path| {
        let mut file = fs::File::options().write(true).open(path).unwrap();
        file.write_all(b"evil!").unwrap();
    }),
    ("appended", |path| {
        let mut file = fs::File::options().append(true).open(path).unwrap();
        file.write_all(b"!").unwrap();
    }),
    ("linked", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
    }),
    ("replaced", |path| {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        let other = path.with_file_name("other");
        fs::write(&other, "evil!").unwrap();
        fs::File::open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(other, path).unwrap();
    }),
];

#[test]
fn a_file_that_was_changed_in_the_store_is_fetched_again() {
    let server = Server::start(|_| Reply::ok(b"hello"));
    let key = sha256(b"hello");
    let download = curl(&[(key.clone(), format!("{:?}", server.url))]);
    let data = r#"{"encoding": "base64", "data": "aGVsbG8="}"#;
    let inline = source("org.osbuild.inline", &format!("{{{key:?}: {data}}}"));
    for source in [download, inline] {
        for (name, change) in CHANGES {
            let world = World::new();
            let cached = |expected: bool| {
                let outcome = world.fetch(&source);
                assert!(outcome.success, "{}", outcome.output);
                assert_eq!(outcome.items[0].cached, Some(expected), "{name}");
                assert_eq!(fs::read(world.file(&key)).unwrap(), b"hello", "{name}");
            };
            cached(false);
            cached(true);
            change(&world.file(&key));
            cached(false);
            cached(true);
        }
    }
}

#[test]
fn a_file_that_was_changed_since_it_was_fetched_is_not_given_to_a_stage() {
    let server = Server::start(|_| Reply::ok(b"hello"));
    let key = sha256(b"hello");
    for (name, change) in CHANGES {
        let world = World::new();
        let item = (key.clone(), format!("{:?}", server.url));
        assert!(world.fetch(&curl(&[item])).success);
        let path = world.file(&key);
        verify_file(&world.store, &key, &path).unwrap();
        change(&path);
        let error = verify_file(&world.store, &key, &path).unwrap_err();
        assert!(
            error.contains("was changed in the store"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_file_of_an_older_store_is_verified_once() {
    let world = World::new();
    let server = Server::start(|_| Reply::ok(b"hello"));
    let url = format!("{:?}", server.url);
    let [good, bad] = [b"hello", b"wrong"].map(|content| sha256(content));
    fs::create_dir_all(world.file(&good).parent().unwrap()).unwrap();
    for key in [&good, &bad] {
        fs::write(world.file(key), "hello").unwrap();
    }
    let outcome = world.fetch(&curl(&[(good.clone(), url.clone()), (bad.clone(), url)]));
    assert_eq!(outcome.items[0].cached, Some(true));
    assert!(outcome.items[1].error.is_some() && !world.file(&bad).exists());
}
