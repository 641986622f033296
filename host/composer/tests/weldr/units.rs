//! The units that `make install` lays down, as systemd judges them.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs systemd-analyze over the units as they are installed; none where systemd is not there, which CI takes for a failure.
fn analyze(words: &[&str], unit: &str) -> Option<(bool, String)> {
    let directory = tempfile::tempdir().unwrap();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    for entry in std::fs::read_dir(units).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
        let text = text.replace("@prefix@/bin", programs.parent().unwrap().to_str().unwrap());
        std::fs::write(directory.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.args(words).arg(directory.path().join(unit));
    let Ok(output) = command.output() else {
        assert!(std::env::var_os("CI").is_none(), "systemd is not installed");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

#[test]
fn the_unit_of_the_composer_is_hardened() {
    let words = ["security", "--offline=true", "--threshold=30", "--no-pager"];
    if let Some((passed, text)) = analyze(&words, "osbuild-wasm-composer.service") {
        assert!(passed, "{text}");
    }
}

#[test]
fn units_have_no_mistakes() {
    for unit in [
        "osbuild-wasm-composer.service",
        "osbuild-wasm-composer.socket",
        "osbuild-wasm-composer-workers.socket",
    ] {
        if let Some((passed, text)) =
            analyze(&["verify", "--man=no", "--recursive-errors=no"], unit)
        {
            assert!(passed, "{unit}: {text}");
        }
    }
}

/// What a socket answers to a request; it is tried until it is there.
fn answer(socket: &Path, path: &str) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > end => panic!("{}: {error}", socket.display()),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn sockets_of_systemd_are_taken_by_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // The order is not that in which the program looks for them.
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg("-l")
        .arg(path("second"))
        .arg("-l")
        .arg(path("first"))
        .arg("--fdname=worker:weldr");
    command.arg(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
    for name in ["state", "cache", "weldr-socket", "worker-socket"] {
        command.arg(format!("--{name}")).arg(path(name));
    }
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "systemd is not installed");
        return;
    };
    let clients = answer(&path("first"), "/api/status");
    let workers = answer(&path("second"), "/api/worker/v1/status");
    // The service's own worker finds the socket that was passed.
    let end = Instant::now() + Duration::from_secs(60);
    let registered = || {
        let status = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"))
            .args(["status", "--json", "--state"])
            .arg(path("state"))
            .output()
            .unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["workers"]
            .as_array()
            .is_some_and(|workers| !workers.is_empty())
    };
    while !registered() {
        assert!(Instant::now() < end, "no worker came");
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        clients.contains("\"backend\":\"osbuild-composer\""),
        "{clients}"
    );
    assert!(workers.contains("\"kind\":\"Status\""), "{workers}");
    assert!(!path("weldr-socket").exists() && !path("worker-socket").exists());
}
