use super::server::{Reply, Server};
use super::{World, curl, sha256};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn marks(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.store.path().join("unsynced"));
    entries
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn what_a_crash_of_the_machine_damaged_is_fetched_again() {
    let server = Server::start(|request| Reply::ok(request.path.as_bytes()));
    let world = World::new();
    let item = |path: &str| {
        let url = format!("{:?}", format!("{}{path}", server.url));
        (sha256(path.as_bytes()), url)
    };
    let items = [item("/whole"), item("/damaged")];
    assert!(world.fetch(&curl(&items)).success);
    // What a file system may have made of it.
    std::fs::write(world.file(&items[1].0), "\0\0\0").unwrap();
    let mark = world.store.path().join("unsynced/another-boot-1");
    std::fs::write(&mark, "").unwrap();
    let outcome = world.fetch(&curl(&items));
    assert!(outcome.success, "{}", outcome.output);
    let cached: Vec<_> = outcome.items.iter().map(|item| item.cached).collect();
    assert_eq!(cached, [Some(true), Some(false)]);
    assert_eq!(std::fs::read(world.file(&items[1].0)).unwrap(), b"/damaged");
    assert!(!mark.exists());
}

#[test]
fn the_mark_of_a_run_goes_when_its_files_are_on_the_disk() {
    let server = Server::start(|_| Reply::ok(b"hello"));
    let world = World::new();
    let item = (sha256(b"hello"), format!("{:?}", server.url));
    assert!(world.fetch(&curl(&[item])).success);
    let started = Instant::now();
    while !marks(&world).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(10));
    }
}
