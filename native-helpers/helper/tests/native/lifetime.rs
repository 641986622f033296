//! Sessions and helpers that end, and messages that are none.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{Charter, Client, ErrorCode, FileSystem, Interface, Mount, Request};

use crate::mount::{formatted, mount};
use crate::support::{
    Bench, HELPER, MOUNTS, attach, can_attach, can_run, eventually, loops_below, run,
};

fn mounted(bench: &Bench) -> bool {
    let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
    mounts.contains(bench.top().join("mounts").to_str().unwrap())
}

#[test]
fn a_dropped_session_releases_what_it_holds() {
    if !can_attach(&["mkfs.ext4"]) {
        return;
    }
    let bench = Bench::new();
    let (loopback, mounting) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Mount),
    );
    let (devices, mounts) = (bench.begin(&loopback), bench.begin(&mounting));
    let device = formatted(&devices, &bench.disk("disk.img", 16));
    for target in ["a", "a/b"] {
        let target = format!("{MOUNTS}/{target}");
        let mount = mount(&device, FileSystem::Ext4);
        mounts.call(Mount { target, ..mount }, &[]).unwrap();
    }
    assert!(mounted(&bench));
    drop(mounts);
    assert!(!mounted(&bench));
    drop(devices);
    assert!(loops_below(bench.top()).is_empty());
}

#[test]
fn cancelling_kills_a_running_tool_at_once() {
    if !can_run(&["sleep"]) {
        return;
    }
    let bench = Bench::granting(&["sleep"]);
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let cancel = session.cancel_handle();
    let start = Instant::now();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancel.cancel();
    });
    let failure = session.run(run("sleep", &["98.7654"])).unwrap_err();
    killer.join().unwrap();
    assert_eq!(failure.code, ErrorCode::Interrupted);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(!running("98.7654"));
    assert_eq!(
        session.run(run("sleep", &["0"])).unwrap_err().code,
        ErrorCode::Interrupted
    );
    bench.begin(&client).run(run("sleep", &["0"])).unwrap();
}

/// Whether some process has this word among its arguments.
fn running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| line.split('\0').any(|part| part == word))
}

/// Process number of the helper that has this scope and interface.
fn helper_of(bench: &Bench, interface: Interface) -> rustix::process::Pid {
    let is_it = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let words: Vec<_> = line.split('\0').collect();
        words.first() == Some(&HELPER)
            && words.get(1) == Some(&interface.as_str())
            && words.contains(&bench.top().to_str().unwrap())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut found = processes.filter(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| is_it(&line))
    });
    let name = found.next().unwrap().file_name().into_string().unwrap();
    rustix::process::Pid::from_raw(name.parse().unwrap()).unwrap()
}

#[test]
fn killed_helpers_leave_no_device_and_no_process() {
    if !can_attach(&["sleep"]) {
        return;
    }
    let bench = Bench::granting(&["sleep"]);
    let (loopback, commands) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Command),
    );
    let (devices, session) = (bench.begin(&loopback), bench.begin(&commands));
    devices.attach(attach(&bench.disk("disk.img", 16))).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| session.run(run("sleep", &["87.6543"])).unwrap_err());
        eventually("the tool's start", || running("87.6543"));
        for interface in [Interface::Loopback, Interface::Command] {
            rustix::process::kill_process(
                helper_of(&bench, interface),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        }
        call.join().unwrap();
    });
    eventually("the tool's end", || !running("87.6543"));
    eventually("the detaching", || loops_below(bench.top()).is_empty());
}

#[test]
fn mounts_end_with_the_run_even_when_all_is_killed() {
    if !can_attach(&["mkfs.ext4"]) {
        return;
    }
    let bench = Bench::new();
    let disk = bench.disk("disk.img", 16);
    let top = bench.top().to_owned();
    // A thread with a mount namespace of its own stands for the run.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            osbuild_wasm_sys::namespace::private_mounts().unwrap();
            let (loopback, mounting) = (
                bench.client(Interface::Loopback),
                bench.client(Interface::Mount),
            );
            let (devices, mounts) = (bench.begin(&loopback), bench.begin(&mounting));
            let device = formatted(&devices, &disk);
            mounts.call(mount(&device, FileSystem::Ext4), &[]).unwrap();
            for interface in [Interface::Mount, Interface::Loopback] {
                rustix::process::kill_process(
                    helper_of(&bench, interface),
                    rustix::process::Signal::KILL,
                )
                .unwrap();
            }
        });
    });
    eventually("the detaching", || loops_below(&top).is_empty());
    assert!(!mounted(&bench));
}

#[test]
fn grants_outside_of_the_scopes_are_denied() {
    if !can_run(&[]) {
        return;
    }
    let mut bench = Bench::new();
    std::os::unix::fs::symlink("/etc", bench.top().join("link")).unwrap();
    let client = bench.client(Interface::Tree);
    let tree = bench.directories[0].host.clone();
    for outside in ["/etc", "tree/../../..", "link", "../"] {
        bench.directories[0].host = bench.top().join(outside).canonicalize().unwrap();
        let log = std::fs::File::open("/dev/null").unwrap();
        let failure = client.begin(&bench.granted(), log.into()).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Denied, "{outside}: {failure}");
    }
    bench.directories[0].host = tree;
    bench.begin(&client).end().unwrap();
}

#[test]
fn a_helper_serves_only_its_interface() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::granting(&["sh"]);
    let client = bench.client(Interface::Loopback);
    let failure = bench.begin(&client).run(run("sh", &[])).unwrap_err();
    assert_eq!(failure.code, ErrorCode::Denied);
    assert!(failure.detail.contains("loopback"));
}

#[test]
fn a_helper_that_cannot_serve_says_why() {
    if !can_run(&[]) {
        return;
    }
    let spawn = |program: &str, scope: &str| {
        let charter = Charter::of_scopes([scope.into()]);
        Client::spawn(Path::new(program), Interface::Tree, &charter).unwrap_err()
    };
    assert_eq!(
        spawn("/nonexistent/helper", "/").code,
        ErrorCode::MissingTool
    );
    assert_eq!(spawn(HELPER, "/nonexistent").code, ErrorCode::NotFound);
}

/// A helper with a control socket that we write to ourselves.
fn raw_helper(bench: &Bench) -> (std::process::Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(HELPER);
    command
        .args(["tree", "--scope"])
        .arg(bench.top())
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null());
    let child = command.spawn().unwrap();
    drop(command);
    (child, ours)
}

#[test]
fn an_oversized_frame_ends_the_helper() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::new();
    let (mut child, mut socket) = raw_helper(&bench);
    socket.write_all(&(100_u32 << 20).to_le_bytes()).unwrap();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_message_with_unknown_fields_is_answered_with_a_failure() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::new();
    let (mut child, socket) = raw_helper(&bench);
    let connection = osbuild_wasm_protocol::Connection::from(socket);
    connection.receive::<serde_json::Value>().unwrap().unwrap();
    connection
        .send(&serde_json::json!({"grant": {"shell": true}}), &[])
        .unwrap();
    let (reply, _) = connection.receive::<serde_json::Value>().unwrap().unwrap();
    assert_eq!(reply["failed"]["code"], "invalid");
    connection.send(&Request::End, &[]).unwrap();
    assert_eq!(
        connection
            .receive::<serde_json::Value>()
            .unwrap()
            .unwrap()
            .0["failed"]["code"],
        "invalid"
    );
    drop(connection);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_sandbox_ends_with_its_session_or_helper_at_whatever_moment() {
    if !can_run(&["sleep"]) {
        return;
    }
    let bench = Bench::granting(&["sleep"]);
    for milliseconds in (0..60).step_by(3) {
        let client = bench.client(Interface::Command);
        let session = bench.begin(&client);
        let cancel = session.cancel_handle();
        std::thread::scope(|scope| {
            let call = scope.spawn(|| session.run(run("sleep", &["76.5432"])).unwrap_err());
            std::thread::sleep(Duration::from_millis(milliseconds));
            if milliseconds % 2 == 0 {
                cancel.cancel();
                assert_eq!(call.join().unwrap().code, ErrorCode::Interrupted);
                assert!(!running("76.5432"), "cancelled after {milliseconds} ms");
            } else {
                let helper = helper_of(&bench, Interface::Command);
                rustix::process::kill_process(helper, rustix::process::Signal::KILL).unwrap();
                call.join().unwrap();
            }
        });
        drop(session);
        drop(client);
        eventually("the end of the sandbox", || !running("76.5432"));
    }
}
