//! The sandbox of tools.

use std::fs;
use std::os::unix::fs::MetadataExt;

use osbuild_wasm_protocol::{Bind, Bytes, ErrorCode, Input, Interface, Outcome, Output, Root, Run};

use crate::support::{Bench, Calls, TREE, attach, can_attach, can_run, run};

/// Lists them; `find -type` would show what is below the mounts.
const BLOCK_DEVICES: &str = "for node in /dev/*; do test ! -b $node || echo $node; done";

pub fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.output.0).trim().to_owned()
}

/// A script in the build root: its status and output.
pub fn script(session: &Calls, script: &str) -> (i32, String) {
    let outcome = session.run(run("sh", &["-c", script])).unwrap();
    (outcome.status, text(&outcome))
}

pub fn shell(test: impl FnOnce(&Bench, &Calls)) {
    if !can_run(&["sh"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    bench.grant.environment = vec!["MORE".into()];
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    test(&bench, &session);
}

#[test]
fn a_program_that_is_not_in_the_grant_is_denied() {
    shell(|_, session| {
        for program in ["cat", "/bin/sh", "/usr/bin/sh", "../bin/sh"] {
            assert_eq!(
                session.run(run(program, &[])).unwrap_err().code,
                ErrorCode::Denied,
                "{program}"
            );
        }
    });
}

#[test]
fn a_program_that_the_root_lacks_is_a_missing_tool() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::granting(&["mkfs.nothing"]);
    let client = bench.client(Interface::Command);
    let failure = bench
        .begin(&client)
        .run(run("mkfs.nothing", &[]))
        .unwrap_err();
    assert_eq!(
        (failure.code, failure.path.as_str()),
        (ErrorCode::MissingTool, "mkfs.nothing")
    );
}

#[test]
fn status_streams_and_environment_are_as_promised() {
    shell(|bench, session| {
        assert_eq!(script(session, "exit 7").0, 7);
        assert_eq!(script(session, "kill -9 $$").0, 137);
        let names = script(session, "env | sed 's/=.*//' | sort | tr '\\n' ' '").1;
        assert_eq!(names, "LC_CTYPE PATH PWD TERM container", "{names}");
        assert_eq!(
            script(session, "echo $container $PATH; pwd; id -u; umask").1,
            "bwrap-osbuild /usr/sbin:/usr/bin\n/\n0\n0022"
        );
        session
            .run(Run {
                output: Output::Log,
                ..run("sh", &["-c", "echo out; echo err >&2"])
            })
            .unwrap();
        assert_eq!(bench.log(), "out\nerr\n");
        let input = Run {
            input: Input::Bytes(Bytes(b"in".to_vec())),
            ..run("sh", &["-c", "cat; echo $MORE"])
        };
        let input = Run {
            environment: vec![("MORE".into(), "more".into())],
            directory: Some(TREE.into()),
            ..input
        };
        assert_eq!(text(&session.run(input).unwrap()), "inmore");
        session
            .run(Run {
                output: Output::File(format!("{TREE}/file")),
                ..run("sh", &["-c", "echo text"])
            })
            .unwrap();
        let file = bench.tree().join("file");
        assert_eq!(
            (
                fs::read_to_string(&file).unwrap().as_str(),
                fs::metadata(&file).unwrap().mode() & 0o7777
            ),
            ("text\n", 0o644)
        );
        let from_file = Run {
            input: Input::File(format!("{TREE}/file")),
            ..run("sh", &["-c", "cat"])
        };
        assert_eq!(text(&session.run(from_file).unwrap()), "text");
        let bad = Run {
            environment: vec![("A B".into(), String::new())],
            ..run("sh", &[])
        };
        assert_eq!(session.run(bad).unwrap_err().code, ErrorCode::Invalid);
    });
}

#[test]
fn captured_output_has_a_limit() {
    shell(|_, session| {
        let most = session
            .run(run("sh", &["-c", "head -c 16777216 /dev/zero"]))
            .unwrap();
        assert_eq!(most.output.0.len(), 16 << 20);
        let failure = session
            .run(run("sh", &["-c", "cat /dev/zero"]))
            .unwrap_err();
        assert_eq!(failure.code, ErrorCode::NoSpace, "{failure}");
    });
}

#[test]
fn there_is_no_network() {
    shell(|_, session| {
        let interfaces = script(session, "cut -d: -f1 -s /proc/net/dev | tr -d ' '").1;
        assert_eq!(interfaces, "lo");
        assert_eq!(script(session, "cat /proc/net/route | wc -l").1, "1");
    });
}

#[test]
fn the_machine_is_neither_seen_nor_written() {
    shell(|bench, session| {
        assert_ne!(script(session, "cat /etc/shadow").0, 0);
        assert_ne!(script(session, "ls /home /root /srv").0, 0);
        for path in [
            "/usr/x",
            "/sys/x",
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/core_pattern",
            "/bin/x",
        ] {
            assert_ne!(script(session, &format!("echo x > {path}")).0, 0, "{path}");
        }
        assert_eq!(script(session, "cat /proc/cmdline").1, "root=/dev/osbuild");
        assert_eq!(script(session, "ls -d /proc/[0-9]* | wc -l").0, 0);
        assert!(
            script(session, "ls -d /proc/[0-9]* | wc -l")
                .1
                .parse::<u32>()
                .unwrap()
                < 8
        );
        let devices = script(session, BLOCK_DEVICES).1;
        assert_eq!(devices, "");
        let seen = script(session, "ls /run/osbuild").1;
        assert_eq!(seen, "mounts\ntree");
        assert_eq!(
            script(
                session,
                "echo x > /run/osbuild/tree/new; touch /tmp/a /var/a /run/a /etc/a"
            )
            .0,
            0
        );
        assert!(bench.tree().join("new").exists());
    });
}

#[test]
fn a_disk_of_the_machine_cannot_be_reached_by_making_its_node() {
    shell(|_, session| {
        let numbers = fs::read_to_string("/proc/partitions").unwrap();
        let mut disk = numbers.lines().nth(2).unwrap().split_whitespace().take(2);
        let (major, minor) = (disk.next().unwrap(), disk.next().unwrap());
        for place in [
            "/run/osbuild/tree",
            "/run",
            "/tmp",
            "/var",
            "/etc",
            "/dev",
            "/dev/shm",
        ] {
            let reach = format!("mknod {place}/disk b {major} {minor} && head -c 1 {place}/disk");
            assert_ne!(script(session, &reach).0, 0, "{place}");
        }
    });
}

#[test]
fn dangerous_system_calls_are_refused() {
    shell(|_, session| {
        for refused in [
            "mount -t tmpfs x /tmp",
            "umount /tmp",
            "unshare -m true",
            "mount -o remount,rw /usr",
            "unshare -U true",
            "dmesg",
        ] {
            assert_ne!(script(session, refused).0, 0, "{refused}");
        }
    });
}

#[test]
fn capabilities_are_the_default_ones_in_the_bounding_set_too() {
    shell(|_, session| {
        let status = script(
            session,
            "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status",
        )
        .1;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .trim()
                .to_owned()
        };
        let bits = |name: &str| u64::from_str_radix(&field(name), 16).unwrap();
        let (effective, bounding) = (bits("CapEff:"), bits("CapBnd:"));
        assert_eq!(effective, bounding, "{status}");
        // CAP_NET_ADMIN, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_PTRACE, CAP_SYS_BOOT, CAP_SYS_TIME, CAP_MAC_ADMIN, CAP_BPF.
        for bit in [12, 16, 17, 19, 22, 25, 33, 39] {
            assert_eq!(effective & (1 << bit), 0, "capability {bit}");
        }
        assert_ne!(effective & 1, 0, "CAP_CHOWN");
        assert_eq!(
            (field("NoNewPrivs:").as_str(), field("Seccomp:").as_str()),
            ("1", "2")
        );
    });
}

#[test]
fn a_capability_of_the_metadata_is_given_or_its_lack_is_named() {
    if !can_run(&["sh"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    bench.grant.capabilities = vec!["CAP_MAC_ADMIN".into()];
    let client = bench.client(Interface::Command);
    let bits = script(
        &bench.begin(&client),
        "sed -n 's/^CapEff:.//p' /proc/self/status",
    )
    .1;
    assert_ne!(u64::from_str_radix(&bits, 16).unwrap() & (1 << 33), 0);
    for (name, code) in [
        ("CAP_SYS_MODULE", ErrorCode::NotPermitted),
        ("CAP_FROBNICATE", ErrorCode::Invalid),
    ] {
        bench.grant.capabilities = vec![name.into()];
        let client = bench.client(Interface::Command);
        let failure = client
            .begin(
                &bench.granted(),
                fs::File::open("/dev/null").unwrap().into(),
            )
            .unwrap_err();
        assert_eq!((failure.code, failure.path.as_str()), (code, name));
    }
}

#[test]
fn cap_sys_admin_by_name_allows_mounts_inside() {
    if !can_run(&["sh", "mount"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    bench.grant.capabilities = vec!["CAP_SYS_ADMIN".into()];
    let client = bench.client(Interface::Command);
    assert_eq!(
        script(&bench.begin(&client), "mount -t tmpfs x /tmp"),
        (0, String::new())
    );
}

#[test]
fn devices_attached_by_the_run_are_seen_by_its_tools() {
    if !can_attach(&["sh"]) {
        return;
    }
    let bench = Bench::granting(&["sh"]);
    let (loopback, client) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Command),
    );
    let devices = bench.begin(&loopback);
    let session = bench.begin(&client);
    let device = devices
        .attach(attach(&bench.disk("disk.img", 1)))
        .unwrap()
        .device;
    assert_eq!(
        script(&session, &format!("echo hello > {device}; {BLOCK_DEVICES}")),
        (0, device)
    );
    devices.end().unwrap();
    assert!(
        fs::read(bench.tree().join("disk.img"))
            .unwrap()
            .starts_with(b"hello")
    );
}

#[test]
fn binds_show_paths_of_the_run_elsewhere_and_nothing_else() {
    shell(|bench, session| {
        fs::write(bench.tree().join("file"), "text").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", bench.tree().join("link")).unwrap();
        let with = |source: &str, target: &str, read_only: bool| {
            let bind = Bind {
                source: source.into(),
                target: target.into(),
                read_only,
            };
            session.run(Run {
                binds: vec![bind],
                ..run("sh", &["-c", "cat /run/x && echo more > /run/x"])
            })
        };
        let both = with(&format!("{TREE}/file"), "/run/x", false).unwrap();
        assert_eq!((both.status, text(&both).as_str()), (0, "text"));
        let read = with(&format!("{TREE}/file"), "/run/x", true).unwrap();
        assert_eq!((read.status == 0, text(&read).as_str()), (false, "more"));
        let code = |source: &str, target: &str| with(source, target, true).unwrap_err().code;
        assert_eq!(code("/etc/passwd", "/run/x"), ErrorCode::Denied);
        assert_eq!(code(&format!("{TREE}/link"), "/run/x"), ErrorCode::NotFound);
        assert_eq!(
            code(&format!("{TREE}/file"), "/usr/bin/sh"),
            ErrorCode::Denied
        );
        assert_eq!(
            code(&format!("{TREE}/file"), "/run/../usr/bin/sh"),
            ErrorCode::Denied
        );
    });
}

#[test]
fn a_program_can_run_in_the_tree_itself() {
    if !can_run(&["busybox"]) {
        return;
    }
    let bench = Bench::granting(&["sh"]);
    fs::create_dir_all(bench.tree().join("bin")).unwrap();
    fs::create_dir_all(bench.tree().join("tmp")).unwrap();
    fs::copy("/usr/bin/busybox", bench.tree().join("bin/sh")).unwrap();
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let outcome = session.run(Run {
        root: Root::Tree,
        ..run(
            "sh",
            &[
                "-c",
                "echo x > /tmp/x; echo y > /y; test -c /dev/null && test -e /proc/self && echo *",
            ],
        )
    });
    assert_eq!(text(&outcome.unwrap()), "bin dev proc sys tmp y");
    assert!(!bench.tree().join("tmp/x").exists() && bench.tree().join("y").exists());
    fs::remove_dir(bench.tree().join("proc")).unwrap();
    std::os::unix::fs::symlink("/etc", bench.tree().join("proc")).unwrap();
    let failure = session
        .run(Run {
            root: Root::Tree,
            ..run("sh", &[])
        })
        .unwrap_err();
    assert_eq!(
        (failure.code, failure.path.as_str()),
        (ErrorCode::NotADirectory, "/proc")
    );
}

#[test]
fn the_runner_prepares_etc_once_and_keeps_it() {
    if !can_run(&["sh"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    bench.grant.runner = Some("org.osbuild.fedora38".into());
    bench.runner_cache = true;
    let client = bench.client(Interface::Command);
    let prepared = "cat /etc/machine-id; grep -c ^root: /etc/passwd; ls /etc/ld.so.cache; ls -ld /var/tmp | cut -c1-10";
    let expected = format!("{}\n1\n/etc/ld.so.cache\ndrwxrwxrwt", "f".repeat(32));
    assert_eq!(
        script(&bench.begin(&client), prepared),
        (0, expected.clone())
    );
    assert!(bench.top().join("cache/etc/ld.so.cache").exists());
    assert_eq!(bench.log(), "", "the runner's noise is not for the log");
    bench.scratch = bench.top().join("second");
    fs::create_dir(&bench.scratch).unwrap();
    assert_eq!(script(&bench.begin(&client), prepared), (0, expected));
}
