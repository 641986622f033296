//! Ctrl-C while content is looked up, and while it is fetched.
use super::{COMMAND, of_tester};
use osbuild_wasm_tests::{Program, Scratch};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server of a directory that never answers for packages; what it says when it is asked for one.
fn without_packages(directory: PathBuf) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, hears) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            let line = head.next().and_then(Result::ok).unwrap_or_default();
            let path = line.split(' ').nth(1).unwrap_or_default();
            if path.contains("Packages") {
                open.push(stream);
                _ = asked.send(());
                continue;
            }
            let body = fs::read(directory.join(path.trim_start_matches('/'))).unwrap_or_default();
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    (url, hears)
}

#[test]
fn ctrl_c_ends_a_build_while_it_resolves_and_after_that() {
    let scratch = Scratch::new();
    let complete = |program: Program, url: &str| {
        of_tester(program, &scratch, "tar").option("--extra-repo", url)
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let run = complete(Program::new(COMMAND), &address).start();
    let _asked = silent.accept().unwrap();
    run.signal(Signal::INT);
    run.wait().expect(130);

    let (url, asked) = without_packages(scratch.path("packages"));
    let build = Program::new("build --distro tester-1 --seed 1")
        .arg("tar")
        .option("--definitions", scratch.path("definitions"))
        .option("--rpmmd-cache", scratch.path("cache"))
        .option("--store", scratch.path("store"))
        .option("--output-dir", scratch.path("out"))
        .option("--force-repo", url);
    let run = build.start();
    asked.recv_timeout(Duration::from_secs(60)).unwrap();
    run.signal(Signal::INT);
    run.wait().expect(130);
}
