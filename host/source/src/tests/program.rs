//! How `skopeo` and other programs are started, repeated and stopped; others stand in for them.

use super::skopeo::error;
use super::tools::stand_in;
use super::{World, sha256};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
fn command_lines_are_those_of_osbuild() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let programs = stand_in(
        directory.path(),
        "skopeo",
        &format!("echo \"$*\" >> {}; exit 1", log.display()),
    );
    let world = World::with([("PATH", programs.to_str().unwrap())]);
    let digest = sha256(b"x");
    let storage = directory.path().join("storage");
    std::fs::create_dir_all(storage.join("overlay-images")).unwrap();
    let storage = storage.to_str().unwrap();
    let located = format!(
        r#", "containers-transport": "containers-storage", "storage-location": "{storage}""#
    );
    let images = [
        (
            "",
            format!("copy --src-no-creds docker://h/n@{digest} dir:"),
        ),
        (
            r#", "tls-verify": true"#,
            format!("copy --src-no-creds docker://h/n@{digest} dir:"),
        ),
        (
            r#", "tls-verify": false"#,
            format!("copy --src-no-creds docker://h/n@{digest} dir:"),
        ),
        (
            r#", "containers-transport": "containers-storage""#,
            format!("copy containers-storage:h/n@{digest} dir:"),
        ),
        (
            located.as_str(),
            format!("copy containers-storage:[overlay@{storage}]h/n@{digest} dir:"),
        ),
    ];
    for (rest, expected) in images {
        for (kind, member) in [
            ("skopeo", format!(r#", "digest": "{digest}""#)),
            ("skopeo-index", String::new()),
        ] {
            let items = format!(r#"{{"{digest}": {{"image": {{"name": "h/n"{member}{rest}}}}}}}"#);
            error(&world, kind, &items);
            let lines = std::fs::read_to_string(&log).unwrap();
            // No file of the machine leads an image elsewhere; registries are asked by this program.
            let settings = match expected.contains("docker:") {
                true => world.dir.path().join("store"),
                false => "/dev/null".into(),
            };
            let expected = match kind {
                "skopeo" => expected.clone(),
                _ => expected.replace("copy", "copy --multi-arch=index-only"),
            };
            assert!(
                lines.lines().last().is_some_and(|line| {
                    line.starts_with(&format!("--registries-conf {}", settings.display()))
                        && line.contains(&format!(" {expected}"))
                }),
                "{lines}\n{expected}"
            );
        }
    }
}

#[test]
fn a_storage_location_takes_no_options_and_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let script = format!("echo \"$*\" >> {}", log.display());
    let programs = stand_in(directory.path(), "skopeo", &script);
    let world = World::with([("PATH", programs.to_str().unwrap())]);
    let (digest, root) = (sha256(b"x"), directory.path().display().to_string());
    std::fs::create_dir_all(directory.path().join("s/overlay-images")).unwrap();
    for location in [
        format!("{root}/s+{root}/run"),
        format!("{root}/s:overlay.mount_program=/bin/x"),
        format!("{root}/s]evil/n"),
        format!("{root}/s,x"),
        format!("{root}/missing"),
        format!("{root}/missing/../s"),
        "relative".to_owned(),
        String::new(),
    ] {
        let image = format!(
            r#"{{"name": "h/n", "digest": "{digest}", "containers-transport": "containers-storage", "storage-location": {location:?}}}"#
        );
        for kind in ["skopeo", "skopeo-index"] {
            error(
                &world,
                kind,
                &format!(r#"{{"{digest}": {{"image": {image}}}}}"#),
            );
        }
        assert!(!log.exists(), "{location}: skopeo was started");
    }
    assert!(!directory.path().join("missing").exists() && !directory.path().join("run").exists());
}

#[test]
fn a_login_is_not_told_without_a_secured_connection() {
    use super::server::{Reply, Server};
    if !super::tools::have(&["skopeo"]) {
        return;
    }
    let realm = Server::start(|_| Reply::ok(br#"{"token": "x"}"#));
    let challenge = format!(r#"Bearer realm="{}/token",service="x""#, realm.url);
    let registry =
        Server::start(move |_| Reply::status(401).with("WWW-Authenticate", challenge.clone()));
    let host = registry.url.trim_start_matches("http://");
    let directory = tempfile::tempdir().unwrap();
    let logins = directory.path().join("auth.json");
    let login = r#"{"auth": "dXNlcjpzZWNyZXQ="}"#;
    std::fs::write(&logins, format!(r#"{{"auths": {{"{host}": {login}}}}}"#)).unwrap();
    let world = World::with([
        ("PATH", "/usr/bin:/bin"),
        ("HOME", directory.path().to_str().unwrap()),
        ("REGISTRY_AUTH_FILE", logins.to_str().unwrap()),
    ]);
    let digest = sha256(b"x");
    for (kind, member) in [
        ("skopeo", format!(r#", "digest": "{digest}""#)),
        ("skopeo-index", String::new()),
    ] {
        for verify in [true, false] {
            let items = format!(
                r#"{{"{digest}": {{"image": {{"name": "{host}/n", "tls-verify": {verify}{member}}}}}}}"#
            );
            error(&world, kind, &items);
        }
    }
    assert!(
        world.logs().contains("the login for it is not used"),
        "{}",
        world.logs()
    );
    let requests = [registry.requests(), realm.requests()].concat();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(
            request
                .header("authorization")
                .filter(|value| value.starts_with("Basic")),
            None
        );
    }
}

#[test]
fn failures_of_the_network_are_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let script = format!(
        "echo x >> {0}; [ $(wc -l < {0}) = 1 ] && echo 'read: connection reset by peer' >&2 || echo gone >&2; exit 1",
        log.display()
    );
    let programs = stand_in(directory.path(), "skopeo", &script);
    let world = World::with([(
        "PATH",
        format!("{}:/usr/bin:/bin", programs.display()).as_str(),
    )]);
    let digest = sha256(b"x");
    let items = format!(r#"{{"{digest}": {{"image": {{"name": "h/n", "digest": "{digest}"}}}}}}"#);
    let error = error(&world, "skopeo", &items);
    assert!(error.ends_with("unable to copy image: gone"), "{error}");
    assert!(
        world
            .logs()
            .contains("connection reset by peer; trying again"),
        "{}",
        world.logs()
    );
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 2);
}

#[test]
fn a_missing_program_is_told_with_its_package() {
    let world = World::with([("PATH", "/nonexistent")]);
    let digest = sha256(b"x");
    let conf = world.dir.path().join("etc/containers/storage.conf");
    std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
    std::fs::write(conf, "").unwrap();
    let image = format!(r#"{{"{digest}": {{"image": {{"name": "h/n", "digest": "{digest}"}}}}}}"#);
    let commit = format!(
        r#"{{"{}": {{"remote": {{"url": "http://h"}}}}}}"#,
        &digest[7..]
    );
    let storage = format!(r#"{{"{digest}": {{}}}}"#);
    let cases = [
        ("skopeo", &image, "skopeo"),
        ("skopeo-index", &image, "skopeo"),
        ("containers-storage", &storage, "skopeo"),
        ("ostree", &commit, "ostree"),
    ];
    for (kind, items, package) in cases {
        let error = error(&world, kind, items);
        assert!(
            error.contains(&format!(
                "the program {package} is not there: install the package {package}"
            )),
            "{error}"
        );
    }
}

#[test]
fn a_request_to_stop_ends_programs_and_what_they_have_started() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let script = format!(
        "sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait",
        pid.display()
    );
    let programs = stand_in(directory.path(), "skopeo", &script);
    let world = World::with([(
        "PATH",
        format!("{}:/usr/bin:/bin", programs.display()).as_str(),
    )]);
    let digest = sha256(b"x");
    let items = format!(r#"{{"{digest}": {{"image": {{"name": "h/n", "digest": "{digest}"}}}}}}"#);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            while !pid.exists() {
                assert!(
                    started.elapsed() < Duration::from_secs(20),
                    "skopeo was not started"
                );
                std::thread::sleep(Duration::from_millis(10));
            }
            world.cancel.store(true, Ordering::Relaxed);
        });
        let error = error(&world, "skopeo", &items);
        assert!(error.contains("was interrupted"), "{error}");
    });
    let process = format!(
        "/proc/{}/stat",
        std::fs::read_to_string(&pid).unwrap().trim()
    );
    let runs = || std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z "));
    let started = Instant::now();
    while runs() {
        assert!(started.elapsed() < Duration::from_secs(5), "it still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_that_takes_too_long_is_stopped() {
    use crate::program::Program;
    let world = World::new();
    let sleep = Program {
        name: "sleep",
        package: "coreutils",
        limit: Duration::from_millis(100),
    };
    crate::work::run(async {
        let failed = sleep
            .run(&world.context(), &["1000"], b"")
            .await
            .unwrap_err();
        assert!(
            failed
                .problem
                .contains("sleep was stopped: it took more than"),
            "{}",
            failed.problem
        );
    })
    .unwrap();
}

#[test]
fn what_is_not_a_digest_is_refused() {
    let digest = sha256(b"x");
    let cases = [
        (format!("zz{digest}"), digest.clone(), "is not an id"),
        (digest.clone(), format!("{digest}0"), "is not a digest"),
        (
            digest.clone(),
            format!("--authfile={digest}"),
            "is not a digest",
        ),
    ];
    for (key, manifest, expected) in cases {
        let items =
            format!(r#"{{"{key}": {{"image": {{"name": "h/n", "digest": "{manifest}"}}}}}}"#);
        let error = error(&World::new(), "skopeo", &items);
        assert!(error.contains(expected), "{error}");
    }
}
