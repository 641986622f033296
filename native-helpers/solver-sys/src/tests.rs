use super::*;
use std::io::{Seek, Write};

/// A pool with `a`, which requires `b`, and two versions of `b`.
fn pool() -> (Pool, Vec<Package>) {
    let mut pool = Pool::new("x86_64").unwrap();
    let repository = pool.add_repository("r", 0, 0).unwrap();
    let mut filler = pool.fill(repository).unwrap();
    let mut packages = Vec::new();
    for (name, evr) in [("a", "1-1"), ("b", "1-1"), ("b", "1:0.9-1")] {
        let package = filler.package();
        filler.identity(name, "noarch", evr, "");
        let (id, version) = (filler.pool().intern(name), filler.pool().intern(evr));
        let own = filler.pool().relation(id, Operator::Equal, version);
        filler.relate(Relation::Provides, own, false);
        if name == "a" {
            let b = filler.pool().intern("b");
            filler.relate(Relation::Requires, b, false);
        }
        filler.file(package, "/usr/bin/x").unwrap();
        packages.push(package);
    }
    drop(filler);
    pool.prepare();
    (pool, packages)
}

fn one_of(packages: &[Package]) -> Job {
    Job::OneOf {
        packages: packages.to_vec(),
        optional: false,
    }
}

#[test]
fn wishes_bring_what_they_need_in_its_newest_version() {
    let (mut pool, packages) = pool();
    let solution = pool.solve(&[one_of(&packages[..1])], false).unwrap();
    let mut found = solution.packages;
    found.sort_by_key(|(package, _)| *package);
    assert_eq!(
        found,
        [
            (packages[0], Reason::Job(0)),
            (packages[2], Reason::Dependency)
        ]
    );
    assert_eq!(
        (pool.evr(packages[2]), pool.vendor(packages[2])),
        ("1:0.9-1".into(), "".into())
    );
    assert_eq!(pool.files(packages[0]), ["/usr/bin/x"]);
}

#[test]
fn what_excludes_one_another_is_told_with_the_wishes() {
    let (mut pool, packages) = pool();
    let problems = pool
        .solve(&[one_of(&packages[1..2]), one_of(&packages[2..])], false)
        .unwrap_err();
    let jobs: Vec<_> = problems[0]
        .rules
        .iter()
        .filter_map(|rule| rule.job)
        .collect();
    assert!(jobs.contains(&0) || jobs.contains(&1));
    assert!(
        problems[0]
            .rules
            .iter()
            .any(|rule| rule.kind == RuleKind::SameName)
    );
    let mut visible = vec![true; 8];
    visible[packages[1].index()] = false;
    visible[packages[2].index()] = false;
    pool.consider(Some(&visible));
    assert!(pool.solve(&[one_of(&packages[..1])], false).is_err());
    pool.consider(None);
    assert!(pool.solve(&[one_of(&packages[..1])], false).is_ok());
}

#[test]
fn what_is_of_another_pool_is_nothing_or_something_else_but_no_crash() {
    let (mut pool, _) = pool();
    let (far, id) = (Package(i32::MAX), Id(i32::MAX));
    for package in [far, Package(-1), Package(0), Package(1)] {
        assert!(pool.repository(package).is_none() && pool.files(package).is_empty());
        assert!(
            pool.relations(package, Relation::Requires, false)
                .is_empty()
        );
        _ = (
            pool.name(package).len(),
            pool.checksum(package),
            pool.location(package),
        );
        assert!(!pool.matches(package, id));
    }
    for id in [id, Id(-1), Id(i32::MIN), Id(i32::MIN + 5000)] {
        assert!(pool.providers(id).is_empty(), "{id:?}");
        _ = (pool.text(id).len(), pool.dependency(id));
        let made = pool.relation(id, Operator::And, id);
        _ = pool.providers(made);
    }
    assert!(pool.fill(Repository(7)).is_err() && pool.empty(Repository(7)).is_err());
    _ = pool.solve(&[one_of(&[far]), Job::Multiversion(id)], true);
    assert!(Pool::new("x\0").is_err() && pool.add_repository("\0", 0, 0).is_err());
}

#[test]
fn a_repository_is_the_same_after_it_was_written_and_read() {
    let (mut pool, packages) = pool();
    let mut file = tempfile();
    pool.write(Repository(0), file.try_clone().unwrap())
        .unwrap();
    file.rewind().unwrap();
    let other = pool.add_repository("other", 0, 0).unwrap();
    pool.read(other, file).unwrap();
    pool.prepare();
    let read: Vec<_> = pool
        .packages()
        .filter(|package| !packages.contains(package))
        .collect();
    let names: Vec<_> = read
        .iter()
        .map(|package| pool.name(*package).into_owned())
        .collect();
    assert_eq!(names, ["a", "b", "b"]);
    assert_eq!(pool.files(read[0]), ["/usr/bin/x"]);
    let mut broken = tempfile();
    broken.write_all(&[0xff; 100]).unwrap();
    broken.rewind().unwrap();
    assert_eq!(pool.read(other, broken), Err(SolvError::File));
    assert_eq!(pool.packages().count(), packages.len());
}

/// A file without a name.
fn tempfile() -> std::fs::File {
    let path = std::env::temp_dir().join(format!(
        "solv-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let options = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    std::fs::remove_file(path).unwrap();
    options.unwrap()
}
