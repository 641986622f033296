//! What a program of a sandbox could do to the machine with the identity of user 0.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Interface, Run};

use crate::command::{script, shell, text};
use crate::support::{Bench, Calls, Shown, TREE, can_run, host, run};

/// Where the tests show a directory read-only.
const INPUT: &str = "/run/osbuild/inputs/stored";

/// Calls the kernel directly: `call(number, ...)` is the name of the error, or `done`.
const PRELUDE: &str = r#"
import ctypes, errno, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]
def ioctl(path, request, argument=0):
    file = os.open(path, os.O_RDONLY)
    return call({"x86_64": 16, "aarch64": 29}[os.uname().machine], file, request, argument)
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
"#;

/// A session of a program in Python that sees a directory read-only; `capabilities` are those of the module's document.
fn python(capabilities: &[&str], test: impl FnOnce(&Bench, &dyn Fn(&str) -> String)) {
    if !can_run(&["python3"]) {
        return;
    }
    let mut bench = Bench::granting(&["python3"]);
    bench.grant.capabilities = capabilities.iter().map(ToString::to_string).collect();
    fs::create_dir(bench.top().join("stored")).unwrap();
    fs::write(bench.top().join("stored/file"), "kept").unwrap();
    bench.directories.push(Shown {
        contract: INPUT.into(),
        host: bench.top().join("stored"),
        writable: false,
    });
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let evaluate = |code: &str| {
        let code = format!("{PRELUDE}\n{code}");
        let outcome = session.run(run("python3", &["-c", &code])).unwrap();
        assert_eq!(outcome.status, 0, "{}", bench.log());
        text(&outcome)
    };
    test(&bench, &evaluate);
    let kept = fs::read_to_string(bench.top().join("stored/file")).unwrap();
    assert_eq!(kept, "kept");
}

#[test]
fn a_program_is_root_of_a_user_namespace_of_its_own() {
    shell(|_, session| {
        let own = fs::read_link("/proc/self/ns/user").unwrap();
        let (_, theirs) = script(session, "readlink /proc/self/ns/user; id -u");
        let (namespace, user) = theirs.split_once('\n').unwrap();
        assert_ne!(namespace, own.to_string_lossy());
        assert_eq!(user, "0");
        let (_, status) = script(
            session,
            "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status",
        );
        assert_eq!(status, "NoNewPrivs:\t1\nSeccomp:\t2");
    });
}

#[test]
fn a_program_gives_files_any_owner_and_set_id_bits_and_keeps_those_that_are_there() {
    shell(|bench, session| {
        fs::write(bench.tree().join("theirs"), "").unwrap();
        std::os::unix::fs::chown(bench.tree().join("theirs"), Some(1_234_567), Some(70_000))
            .unwrap();
        let code = "cd /run/osbuild/tree; stat -c %u:%g theirs; touch mine; chown 100000:7 mine; chmod 4755 mine";
        assert_eq!(script(session, code), (0, "1234567:70000".into()));
        let mine = fs::metadata(bench.tree().join("mine")).unwrap();
        assert_eq!(
            (mine.uid(), mine.gid(), mine.mode() & 0o7777),
            (100_000, 7, 0o4755)
        );
    });
}

#[test]
fn a_program_cannot_make_what_it_sees_read_only_writable() {
    // The mount interface is there for modules that ask for it by name; the kernel must refuse all the same.
    python(&["CAP_SYS_ADMIN"], |_, evaluate| {
        let code = format!(
            r#"
AT_EMPTY_PATH, AT_RECURSIVE, CLONE, RDONLY = 0x1000, 0x8000, 1, 1
clear = struct.pack("QQQQ", 0, RDONLY, 0, 0)
for path in [b"{INPUT}", b"/usr", b"/proc", b"/sys"]:
    print(call(442, -100, path, AT_RECURSIVE, clear, len(clear)))
    print(call(467, -100, path, CLONE, clear, len(clear)))
    print(call(165 if os.uname().machine == "x86_64" else 40, 0, path, 0, 32 | 4096, 0))
    tree = libc.syscall(428, -100, path, CLONE)
    print(call(442, tree, b"", AT_EMPTY_PATH, clear, len(clear)) if tree >= 0 else "EPERM")
    print(attempt(lambda: open(path + b"/new", "w")))
"#
        );
        let answers = evaluate(&code);
        for (number, answer) in answers.lines().enumerate() {
            let fine = match number % 5 {
                1 => ["ENOSYS"].contains(&answer),
                // A copy of a mount may be had, but it is not its own either.
                3 => ["EPERM", "EINVAL"].contains(&answer),
                4 => ["EROFS", "EACCES", "ENOENT"].contains(&answer),
                _ => answer == "EPERM",
            };
            assert!(fine, "{number}: {answers}");
        }
    });
}

#[test]
fn no_program_makes_a_namespace_of_control_groups() {
    python(&["CAP_SYS_ADMIN"], |_, evaluate| {
        let (unshare, clone) = match std::env::consts::ARCH {
            "x86_64" => (272, 56),
            _ => (97, 220),
        };
        const NEWCGROUP: u32 = 0x0200_0000;
        for (call, expected) in [(unshare, "EPERM"), (clone, "EPERM"), (435, "ENOSYS")] {
            let answer = evaluate(&format!("print(call({call}, {NEWCGROUP}, 0, 0, 0, 0))"));
            assert_eq!(answer, expected, "{call}");
        }
    });
}

#[test]
fn a_program_does_not_reach_the_machine_by_system_calls() {
    python(&[], |_, evaluate| {
        let numbers = match std::env::consts::ARCH {
            "x86_64" => [
                ("open_by_handle_at", 304),
                ("mount", 165),
                ("unshare", 272),
                ("bpf", 321),
                ("reboot", 169),
                ("keyctl", 250),
            ],
            _ => [
                ("open_by_handle_at", 265),
                ("mount", 40),
                ("unshare", 97),
                ("bpf", 280),
                ("reboot", 142),
                ("keyctl", 219),
            ],
        };
        for (name, number) in numbers {
            let expected = if name == "keyctl" { "ENOSYS" } else { "EPERM" };
            assert_eq!(
                evaluate(&format!("print(call({number}, 0, 0, 0, 0, 0))")),
                expected,
                "{name}"
            );
        }
        for (name, number) in [
            ("io_uring_setup", 425),
            ("open_tree_attr", 467),
            ("a call of the future", 700),
        ] {
            assert_eq!(
                evaluate(&format!("print(call({number}, 0, 0, 0, 0, 0))")),
                "ENOSYS",
                "{name}"
            );
        }
    });
}

#[test]
fn a_file_knows_only_requests_that_programs_need() {
    python(&[], |_, evaluate| {
        let requests = [
            ("FIFREEZE", 0xc004_5877_u32),
            ("XFS_IOC_FSBULKSTAT", 0xc020_5865),
            ("XFS_IOC_OPEN_BY_HANDLE", 0x8038_586b),
            ("XFS_IOC_SWAPEXT", 0xc0c0_586d),
            ("EXT4_IOC_SWAP_BOOT", 0x6611),
            ("BTRFS_IOC_TREE_SEARCH", 0xd000_9411),
            ("FITRIM", 0xc018_5879),
            ("LOOP_CLR_FD", 0x4c01),
            ("TIOCSTI", 0x5412),
        ];
        for (name, request) in requests {
            let code = format!(
                "buffer = ctypes.create_string_buffer(4096); print(ioctl('{TREE}', {request}, buffer))"
            );
            let answer = evaluate(&code);
            assert!(
                ["ENOTTY", "EPERM"].contains(&answer.as_str()),
                "{name}: {answer}"
            );
        }
        // Flags of a file.
        let code = format!(
            "buffer = ctypes.create_string_buffer(8); print(ioctl('{TREE}', 0x80086601, buffer))"
        );
        assert_ne!(evaluate(&code), "ENOSYS");
    });
}

#[test]
fn proc_sys_and_the_nodes_of_devices_cannot_be_changed() {
    let mode = || fs::metadata("/dev/null").unwrap().mode();
    let before = mode();
    python(&[], |_, evaluate| {
        let code = r#"
for path in ["/proc/mtrr", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj",
             "/proc/timer_list", "/sys/kernel/uevent_helper", "/sys/power/state"]:
    if os.path.exists(path):
        print(path, attempt(lambda: os.open(path, os.O_WRONLY)))
print("chmod", attempt(lambda: os.chmod("/dev/null", 0)))
print("mknod", attempt(lambda: os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0))))
print("root", attempt(lambda: os.listdir("/proc/1/root/")))
print("kcore", len(open("/proc/kcore", "rb").read(10)) if os.path.exists("/proc/kcore") else 0)
"#;
        let answers = evaluate(code);
        for answer in answers.lines() {
            let (what, answer) = answer.split_once(' ').unwrap();
            let expected: &[&str] = match what {
                "mknod" => &["EPERM"],
                "root" => &["EACCES", "EPERM"],
                "kcore" => &["0"],
                // Not even the owner may write some files.
                _ => &["EROFS", "EACCES"],
            };
            assert!(expected.contains(&answer), "{what}: {answer}");
        }
    });
    assert_eq!(mode(), before);
}

#[test]
fn sys_shows_what_programs_need_and_nothing_more() {
    shell(|_, session| {
        let (_, shown) = script(
            session,
            "cd /sys && ls . class devices devices/virtual kernel fs",
        );
        for hidden in [
            "firmware",
            "net",
            "dmi",
            "bus",
            "module",
            "power",
            "hypervisor",
            "cgroup",
            "debug",
            "tty",
        ] {
            assert!(
                !shown.lines().any(|line| line == hidden),
                "{hidden}: {shown}"
            );
        }
        let there = "test -e /sys/block && test -e /sys/class/block && test -e /sys/dev/block && test -e /sys/devices/system/cpu/online";
        assert_eq!(script(session, there).0, 0, "{shown}");
        for path in ["/sys/x", "/sys/kernel/x", "/sys/devices/virtual/x"] {
            assert_ne!(script(session, &format!("mkdir {path}")).0, 0, "{path}");
        }
    });
}

/// The run of a program that shows whether a variable made it load something.
fn with_variable(session: &Calls, name: &str) -> Result<i32, ErrorCode> {
    let run = Run {
        environment: vec![(name.into(), format!("{TREE}/evil.so"))],
        ..run("true", &[])
    };
    session
        .run(run)
        .map(|outcome| outcome.status)
        .map_err(|failure| failure.code)
}

#[test]
fn variables_that_load_code_are_refused_and_others_must_be_named() {
    if !can_run(&["true"]) {
        return;
    }
    let mut bench = Bench::granting(&["true"]);
    bench.grant.environment = vec!["NAMED".into(), "LD_PRELOAD".into()];
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    for name in [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "GLIBC_TUNABLES",
        "BASH_ENV",
        "PATH",
        "OTHER",
    ] {
        assert_eq!(
            with_variable(&session, name),
            Err(ErrorCode::Denied),
            "{name}"
        );
    }
    assert_eq!(with_variable(&session, "NAMED"), Ok(0));
}

#[test]
fn links_of_a_build_root_show_nothing_of_the_machine() {
    if !can_run(&["busybox"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    let root = bench.top().join("root");
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::copy("/usr/bin/busybox", root.join("usr/bin/sh")).unwrap();
    let secret = bench.top().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "").unwrap();
    std::os::unix::fs::symlink(&secret, root.join("etc/containers")).unwrap();
    std::os::unix::fs::symlink(&secret, root.join("ostree")).unwrap();
    std::os::unix::fs::symlink(&secret, root.join("boot")).unwrap();
    bench.build_root = Some(root);
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let look = "for i in /etc/containers /ostree /boot; do test -e $i/key && echo $i; done; true";
    assert_eq!(script(&session, look), (0, String::new()));
}

#[test]
fn a_program_of_this_machine_sees_how_containers_are_trusted_but_no_key() {
    let top = Path::new("/etc/containers");
    if !can_run(&["mount"]) || !top.is_dir() {
        return;
    }
    // In mounts of this test's own.
    let bench = Bench::granting(&["sh"]);
    host("mount", &["-t", "tmpfs", "none", "/etc/containers"]);
    fs::create_dir_all(top.join("certs.d/registry.example")).unwrap();
    fs::write(top.join("certs.d/registry.example/client.key"), "key").unwrap();
    fs::write(top.join("policy.json"), "trusted").unwrap();
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let look = "cd /etc/containers && cat policy.json && ls";
    let (status, output) = script(&session, look);
    host("umount", &["/etc/containers"]);
    assert_eq!((status, output.as_str()), (0, "trustedpolicy.json"));
}
