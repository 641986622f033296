//! What the programs of a session may use up.

use osbuild_wasm_protocol::{ErrorCode, Failure, Interface, Limits, Outcome};

use crate::command::script;
use crate::support::{Bench, Calls, TREE, can_run, host, run};

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
fn programs_get_no_space_without_writing_where_it_is_measured() {
    if !can_run(&["sh", "fallocate"]) {
        return;
    }
    let bytes = Limits {
        written_bytes: Some(1 << 30),
        ..Limits::default()
    };
    let status = |limits, script| limited(limits, script).unwrap().status;
    let allocate = "fallocate -l 1M /run/osbuild/tree/x";
    assert_eq!(status(Limits::default(), allocate), 0);
    assert_ne!(status(bytes, allocate), 0);
    let others = "echo x > /run/osbuild/tree/y && fallocate -p -l 1 /run/osbuild/tree/y && fallocate -x -l 1M /run/osbuild/tree/z";
    assert_eq!(status(bytes, others), 0);
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

/// Each file is smaller than the limit, all are larger, and none has a name; then it waits.
fn nameless(keep: &str) -> String {
    format!(
        r#"
import mmap, os, socket, time
kept, (ours, theirs) = [], socket.socketpair()
for number in range(8):
    path = "{TREE}/%d" % number
    file = os.open(path, os.O_RDWR | os.O_CREAT) if number % 2 else os.open("{TREE}", os.O_RDWR | os.O_TMPFILE)
    os.write(file, os.urandom(900_000))
    if number % 2:
        os.unlink(path)
    {keep}
time.sleep(600)
"#
    )
}

#[test]
fn files_without_a_name_count_as_written() {
    if !can_run(&["python3"]) {
        return;
    }
    let limits = Limits {
        written_bytes: Some(2 << 20),
        ..Limits::default()
    };
    for keep in [
        // Open, mapped, on its way between two processes.
        "kept.append(file)",
        "kept.append(mmap.mmap(file, 4096)); os.close(file)",
        "socket.send_fds(ours, [b'x'], [file]); os.close(file)",
    ] {
        let mut bench = Bench::granting(&["python3"]);
        bench.grant.limits = limits;
        let client = bench.client(Interface::Command);
        let session = bench.begin(&client);
        let failure = session.run(run("python3", &["-c", &nameless(keep)]));
        let failure = failure.expect_err(keep);
        assert!(
            failure.detail.contains("limit of 2097152 bytes"),
            "{keep}: {failure}"
        );
    }
}

/// A machine without control groups.
fn without_control_groups(test: impl FnOnce()) {
    osbuild_wasm_sys::namespace::private_mounts().unwrap();
    host("mount", &["-t", "tmpfs", "none", "/sys/fs/cgroup"]);
    test();
}

/// A call of this program that waits at its end.
fn python(code: &str) -> String {
    let libraries = "import ctypes, fcntl, mmap, os, select, socket, struct, time";
    let system = "libc = ctypes.CDLL(None, use_errno=True)";
    format!("exec python3 -c '{libraries}\n{system}\n{code}\ntime.sleep(600)'")
}

/// Attributes of files in memory.
const ATTRIBUTES: &str = r#"
for place in ("/tmp/x", "/dev/shm/x"):
    open(place, "w")
    for number in range(700): os.setxattr(place, "user.%d" % number, b"x" * 60000)"#;

/// Files that are watched by epoll, in several processes.
const WATCHES: &str = r#"
os.fork(); os.fork()
watched = [os.eventfd(0) for _ in range(500)]
watches = [select.epoll() for _ in range(500)]
for watch in watches:
    for file in watched: watch.register(file)"#;

/// Pipes that no process reads.
const PIPES: &str = r#"
os.fork(); os.fork()
for _ in range(480):
    reading, writing = os.pipe()
    os.write(writing, bytes(65536))"#;

/// Locks of every other byte of many files.
const LOCKS: &str = r#"
for name in range(900):
    file = os.open("/tmp/%d" % name, os.O_RDWR | os.O_CREAT)
    for number in range(350): fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * number)"#;

/// Shared memory that no process has attached.
const SEGMENTS: &str = r#"
libc.shmat.restype = ctypes.c_void_p
for size in (40, 20):
    place = libc.shmat(libc.shmget(0, size << 20, 0o600), None, 0)
    ctypes.memset(place, 1, size << 20)
    libc.shmdt(ctypes.c_void_p(place))
open("/tmp/x", "wb").write(bytes(20 << 20))"#;

/// Shared memory of which hardly anything is mapped any more.
const MAPPED: &str = r#"
libc.mmap.restype = ctypes.c_void_p
for _ in range(4):
    place = libc.mmap(None, 30 << 20, 3, 0x21, -1, 0)
    ctypes.memset(place, 1, 30 << 20)
    libc.munmap(ctypes.c_void_p(place + 4096), (30 << 20) - 4096)"#;

#[test]
fn memory_is_limited_for_all_processes_together_without_control_groups_too() {
    if !can_run(&[
        "sh", "tail", "head", "sleep", "mount", "python3", "touch", "seq",
    ]) {
        return;
    }
    let memory = Limits {
        memory: Some(64 << 20),
        ..Limits::default()
    };
    without_control_groups(|| {
        for code in [
            "for i in 1 2 3; do (head -c 40M /dev/zero; sleep 600) | tail & done; wait",
            "head -c 40M /dev/zero >/tmp/a; head -c 40M /dev/zero >/dev/shm/a; sleep 600",
            "python3 -c 'import socket, time; kept = [socket.socketpair() for _ in range(400)]; time.sleep(600)'",
            "cd /dev/shm; touch $(seq 90000 | head -40000); touch $(seq 180000 | tail -40000); sleep 600",
            &python(ATTRIBUTES),
            &python(WATCHES),
            &python(PIPES),
            &python(LOCKS),
            &python(SEGMENTS),
            &python(MAPPED),
        ] {
            let failure = limited(memory, code).expect_err(code);
            assert!(
                failure.detail.contains("67108864 bytes of memory"),
                "{code}: {failure}"
            );
        }
        let little =
            "for i in 1 2 3; do (head -c 4M /dev/zero; sleep 0.5) | tail -c 1 & done; wait";
        assert_eq!(limited(memory, little).unwrap().status, 0);
    });
}

/// What would have memory elsewhere than where it is looked for: namespaces, file systems, larger pipes, and the root directory.
const ELSEWHERE: &str = r#"
import ctypes, fcntl, os
libc = ctypes.CDLL(None, use_errno=True)
def attributes():
    os.close(os.open("/x", os.O_CREAT))
    for number in range(700): os.setxattr("/x", "user.%d" % number, b"x" * 60000)
def pipe():
    fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)
def call(function, *arguments):
    if function(*arguments) < 0: raise OSError(ctypes.get_errno(), "")
def vmsplice():
    class Part(ctypes.Structure): _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]
    call(libc.vmsplice, os.pipe()[1], ctypes.byref(Part(b"x" * 4096, 4096)), 1, 0)
os.mkdir("/tmp/here")
for name, attempt in [
    ("attributes", attributes),
    ("pipe", pipe),
    ("vmsplice", vmsplice),
    ("splice", lambda: os.splice(os.open("/etc/passwd", 0), os.pipe()[1], 10)),
    ("sendfile", lambda: os.sendfile(os.open("/tmp/copy", os.O_CREAT | os.O_WRONLY), os.open("/etc/passwd", 0), 0, 10)),
    ("ipc", lambda: call(libc.unshare, 0x08000000)),
    ("net", lambda: call(libc.unshare, 0x40000000)),
    ("tmpfs", lambda: call(libc.mount, b"x", b"/tmp/here", b"tmpfs", 0, None)),
    ("ramfs", lambda: call(libc.mount, b"x", b"/tmp/here", b"ramfs", 6, None)),
    ("context", lambda: call(libc.syscall, 430, b"tmpfs", 0)),
    ("bind", lambda: call(libc.mount, b"/tmp", b"/tmp/here", None, 4096, None)),
    ("mounts", lambda: call(libc.unshare, 0x00020000)),
]:
    try: attempt()
    except OSError: continue
    print(name, end=" ")
"#;

#[test]
fn programs_have_no_memory_elsewhere_than_where_it_is_measured() {
    if !can_run(&["python3", "mount"]) {
        return;
    }
    without_control_groups(|| {
        let works_with = |memory| {
            let mut bench = Bench::granting(&["python3"]);
            bench.grant.limits.memory = memory;
            bench.grant.capabilities = vec!["CAP_SYS_ADMIN".into()];
            let client = bench.client(Interface::Command);
            let outcome = bench
                .begin(&client)
                .run(run("python3", &["-c", ELSEWHERE]))
                .unwrap();
            assert_eq!(outcome.status, 0, "{}", bench.log());
            crate::command::text(&outcome)
        };
        assert_eq!(works_with(Some(200 << 20)), "bind mounts");
        let all = works_with(None);
        assert!(
            all.contains("vmsplice splice sendfile ipc net tmpfs ramfs"),
            "{all}"
        );
    });
}

#[test]
fn processes_and_threads_are_counted_without_control_groups_too() {
    if !can_run(&["python3", "mount"]) {
        return;
    }
    let many = "import _thread, time\n_thread.stack_size(65536)\nfor _ in range(17000): _thread.start_new_thread(time.sleep, (60,))\ntime.sleep(60)";
    without_control_groups(|| {
        let bench = Bench::granting(&["python3"]);
        let client = bench.client(Interface::Command);
        let failure = bench.begin(&client).run(run("python3", &["-c", many]));
        let failure = failure.unwrap_err();
        assert!(failure.detail.contains("16384 processes"), "{failure}");
    });
}

/// How many a program can have of what is counted for each user of the machine: instances and watches of inotify, queues, signals that
/// wait, terminals; and blocks of shared memory of 40 MiB each.
const TAKES: &str = r#"
import ctypes, os, signal
libc = ctypes.CDLL(None)
def count(take, most):
    return next((number for number in range(most) if take(number) < 0), most)
def terminal(_):
    try: return os.open("/dev/ptmx", os.O_RDWR)
    except OSError: return -1
def watch(number):
    os.mkdir("/tmp/%d" % number)
    return libc.inotify_add_watch(notifier, b"/tmp/%d" % number, 2)
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
queue = lambda number: libc.mq_open(b"/%d" % number, os.O_CREAT | os.O_RDWR, 0o600, None)
print(count(lambda _: libc.inotify_init1(0), 1000), end=" ")
notifier = 3
print(count(watch, 10000), count(queue, 100), count(lambda _: libc.sigqueue(os.getpid(), 40, None), 20000), count(terminal, 1000), end=" ")
print(count(lambda _: libc.shmget(0, 40 << 20, 0o600), 10))
"#;

#[test]
fn what_is_counted_for_each_user_is_not_used_up_for_the_machines_root() {
    if !can_run(&["python3"]) {
        return;
    }
    let mut bench = Bench::granting(&["python3"]);
    bench.grant.limits.memory = Some(100 << 20);
    let client = bench.client(Interface::Command);
    let outcome = bench.begin(&client).run(run("python3", &["-c", TAKES]));
    let outcome = outcome.unwrap();
    let counts = crate::command::text(&outcome);
    let counts: Vec<u32> = counts
        .split_whitespace()
        .map(|count| count.parse().unwrap())
        .collect();
    for (count, most) in counts.iter().zip([16, 4096, 1, 1024, 64, 2]) {
        assert!(
            count <= &most && *count > 0,
            "{counts:?}: {count} of {most}"
        );
    }
    assert_eq!(counts.len(), 6, "{counts:?} {}", bench.log());
}
