//! What the programs of a session may use up.

use osbuild_wasm_protocol::{ErrorCode, Failure, Interface, Limits, Outcome};

use crate::command::script;
use crate::support::{Bench, Calls, can_run, run};

/// What becomes of a shell script within limits.
fn limited(limits: Limits, code: &str) -> Result<Outcome, Failure> {
    with_session(limits, |_, session| session.run(run("sh", &["-c", code])))
}

fn with_session<T>(limits: Limits, test: impl FnOnce(&Bench, &Calls) -> T) -> T {
    let mut bench = Bench::granting(&["sh"]);
    bench.grant.limits = limits;
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    test(&bench, &session)
}

#[test]
fn programs_write_no_more_than_their_limit() {
    if !can_run(&["sh", "dd", "seq"]) {
        return;
    }
    let bytes = Limits {
        written_bytes: Some(1 << 20),
        ..Limits::default()
    };
    let many = "for i in $(seq 200); do dd if=/dev/urandom of=/run/osbuild/tree/$i bs=1M count=1 status=none; done";
    let failure = limited(bytes, many).unwrap_err();
    assert_eq!(failure.code, ErrorCode::NoSpace, "{failure}");
    assert!(
        failure.detail.contains("limit of 1048576 bytes"),
        "{failure}"
    );
    // One file is stopped at its limit by the kernel, or by the same watch.
    let one = "dd if=/dev/zero of=/var/one bs=1M count=100 status=none";
    assert!(limited(bytes, one).map_or(true, |outcome| outcome.status != 0));
    assert_eq!(
        limited(bytes, "echo x > /run/osbuild/tree/x")
            .unwrap()
            .status,
        0
    );
}

#[test]
fn programs_make_no_more_files_than_their_limit() {
    if !can_run(&["sh", "touch", "seq"]) {
        return;
    }
    let inodes = Limits {
        created_inodes: Some(20),
        ..Limits::default()
    };
    let failure = limited(inodes, "cd /run/osbuild/tree; touch $(seq 400)").unwrap_err();
    assert!(failure.detail.contains("limit of 20 files"), "{failure}");
    assert_eq!(
        limited(inodes, "cd /run/osbuild/tree; touch $(seq 10)")
            .unwrap()
            .status,
        0
    );
}

#[test]
fn programs_have_no_more_memory_than_their_limit() {
    if !can_run(&["sh", "tail", "head"]) {
        return;
    }
    let memory = Limits {
        memory: Some(64 << 20),
        ..Limits::default()
    };
    // Keeps a line of any length in memory.
    let failure = limited(memory, "head -c 1G /dev/zero | tail");
    match failure {
        Err(failure) => assert!(
            failure.detail.contains("67108864 bytes of memory"),
            "{failure}"
        ),
        // Without control groups the process itself finds no more.
        Ok(outcome) => assert_ne!(outcome.status, 0),
    }
    assert_eq!(
        limited(memory, "head -c 1M /dev/zero | tail -c 1")
            .unwrap()
            .status,
        0
    );
}

#[test]
fn programs_of_a_session_have_a_control_group_that_goes_with_it() {
    if !can_run(&["sh"]) {
        return;
    }
    let groups = || {
        let find = std::process::Command::new("find")
            .args(["/sys/fs/cgroup", "-type", "d", "-name", "osbuild-wasm-*"])
            .output()
            .unwrap();
        String::from_utf8(find.stdout).unwrap()
    };
    let helper = with_session(Limits::default(), |_, session| {
        let (_, group) = script(session, "cat /proc/self/cgroup");
        // In its own namespace of groups its group is the root.
        assert!(group.lines().all(|line| line.ends_with(":/")), "{group}");
        groups()
    });
    let gone = groups();
    for group in helper.lines() {
        let process = group.rsplit('-').nth(1).unwrap();
        let alive = std::path::Path::new("/proc").join(process).exists();
        assert!(alive || !gone.contains(group), "{group}");
    }
}
