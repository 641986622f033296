//! What surrounds a tool: build root, mounts, other sessions, what stays between programs.

use std::fs;

use osbuild_wasm_protocol::{Bind, ErrorCode, FileSystem, Interface, Mount, Run, Unmount};

use crate::command::{script, shell};
use crate::mount::{formatted, mount};
use crate::support::{Bench, MOUNTS, TREE, can_attach, can_run, run};

/// A build root that has nothing but one program under several names.
fn busybox_root(bench: &mut Bench, applets: &[&str]) {
    let root = bench.top().join("root");
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    for applet in applets {
        fs::copy("/usr/bin/busybox", root.join("usr/bin").join(applet)).unwrap();
    }
    bench.build_root = Some(root);
}

#[test]
fn a_build_root_of_its_own_hides_that_of_the_machine() {
    if !can_run(&["busybox"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh", "bash"]);
    busybox_root(&mut bench, &["sh", "ls", "touch"]);
    bench.grant.runner = Some("org.osbuild.fedora38".into());
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    assert_eq!(
        script(&session, "ls /usr /usr/bin"),
        (0, "/usr:\nbin\n\n/usr/bin:\nls\nsh\ntouch".into())
    );
    assert_ne!(script(&session, "touch /usr/x").0, 0);
    assert_eq!(
        session.run(run("bash", &[])).unwrap_err().code,
        ErrorCode::MissingTool
    );
    fs::rename(bench.top().join("root/usr"), bench.top().join("root/other")).unwrap();
    std::os::unix::fs::symlink("/usr", bench.top().join("root/usr")).unwrap();
    assert!(
        session.run(run("sh", &["-c", "true"])).is_err(),
        "a link must not bring in the machine's /usr"
    );
}

#[test]
fn a_program_that_prepares_the_build_root_reaches_neither_the_machine_nor_the_tree() {
    if !can_run(&["busybox"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    busybox_root(&mut bench, &["sh", "ln", "rm", "touch"]);
    bench.grant.runner = Some("org.osbuild.fedora38".into());
    let (root, outside) = (bench.top().join("root"), bench.top().join("outside"));
    let policies = root.join("usr/share/crypto-policies/back-ends/DEFAULT");
    fs::create_dir_all(&policies).unwrap();
    fs::write(policies.join("evil"), "evil").unwrap();
    fs::create_dir(&outside).unwrap();
    let hostile = format!(
        "#!/bin/sh\ncd /etc/crypto-policies && rm -r back-ends && ln -s {} back-ends\ntouch {TREE}/mine\nexit 1\n",
        outside.display()
    );
    let ldconfig = root.join("usr/bin/ldconfig");
    fs::write(&ldconfig, hostile).unwrap();
    fs::set_permissions(
        &ldconfig,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let client = bench.client(Interface::Command);
    for _ in 0..2 {
        let session = bench.begin(&client);
        for _ in 0..2 {
            session.run(run("sh", &["-c", "true"])).unwrap_err();
        }
    }
    assert!(
        bench.log().contains("mine"),
        "it did not run: {}",
        bench.log()
    );
    for directory in [outside, bench.tree()] {
        assert_eq!(
            fs::read_dir(&directory).unwrap().count(),
            0,
            "{directory:?}"
        );
    }
}

#[test]
fn what_a_session_mounts_is_seen_by_its_tools() {
    if !can_attach(&["sh", "mkfs.ext4"]) {
        return;
    }
    let bench = Bench::granting(&["sh"]);
    let (loopback, mounting) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Mount),
    );
    let client = bench.client(Interface::Command);
    let (devices, mounts) = (bench.begin(&loopback), bench.begin(&mounting));
    let session = bench.begin(&client);
    let device = formatted(&devices, &bench.disk("disk.img", 16));
    let mount = Mount {
        target: MOUNTS.to_owned(),
        ..mount(&device, FileSystem::Ext4)
    };
    let mounted = mounts.call(mount, &[]).unwrap();
    assert_eq!(
        script(
            &session,
            "ls /run/osbuild/mounts; echo x > /run/osbuild/mounts/x"
        ),
        (0, "lost+found".into())
    );
    mounts.call(Unmount(mounted.handle), &[]).unwrap();
    assert_eq!(
        script(&session, "ls /run/osbuild/mounts"),
        (0, String::new())
    );
    devices.end().unwrap();
}

#[test]
fn what_a_tool_leaves_in_etc_and_var_stays_for_the_stage_and_leads_nowhere() {
    shell(|bench, session| {
        assert_eq!(
            script(
                session,
                "echo a > /etc/a; echo b > /var/b; echo c > /tmp/c; echo d > /run/d"
            )
            .0,
            0
        );
        assert_eq!(
            script(session, "cat /etc/a /var/b; ls /tmp; ls /run").1,
            "a\nb\nosbuild"
        );
        let outside = bench.top().join("outside");
        let link = format!(
            "rm -r /var/tmp; ln -s {0} /var/tmp; ln -s {0} /etc/containers; ln -s /oldroot{0} /var/x",
            outside.display()
        );
        assert_eq!(script(session, &link).0, 0);
        assert_eq!(script(session, "true").0, 0);
        assert!(!outside.exists());
    });
}

#[test]
fn a_program_that_chroots_can_have_the_sandboxs_kernel_files_there() {
    shell(|bench, session| {
        let bind = |source: &str, read_only: bool| Bind {
            source: source.into(),
            target: format!("{TREE}{source}"),
            read_only,
        };
        let binds = vec![
            bind("/dev", false),
            bind("/proc", false),
            bind("/sys", true),
        ];
        let look = "cd /run/osbuild/tree; test -c dev/null && test -d proc/self && test -d sys/kernel && ! echo x > proc/sys/kernel/core_pattern";
        let outcome = session
            .run(Run {
                binds,
                ..run("sh", &["-c", look])
            })
            .unwrap();
        assert_eq!(outcome.status, 0, "{}", bench.log());
        assert!(
            fs::read_dir(bench.tree().join("dev"))
                .unwrap()
                .next()
                .is_none()
        );
        let writable = Run {
            binds: vec![bind("/sys", false)],
            ..run("sh", &[])
        };
        assert_eq!(session.run(writable).unwrap_err().code, ErrorCode::Invalid);
        let etc = Run {
            binds: vec![bind("/etc", true)],
            ..run("sh", &[])
        };
        assert_eq!(session.run(etc).unwrap_err().code, ErrorCode::Denied);
    });
}

#[test]
fn a_program_inherits_nothing_but_its_standard_streams() {
    shell(|_, session| {
        assert_eq!(script(session, "ls /proc/$$/fd").1, "0\n1\n2");
    });
}

#[test]
fn sockets_that_no_network_namespace_holds_are_refused() {
    if !can_run(&["python3"]) {
        return;
    }
    let bench = Bench::granting(&["python3"]);
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let open = |family: &str| {
        let code = format!("import socket; socket.socket(socket.{family}, socket.SOCK_STREAM)");
        session.run(run("python3", &["-c", &code])).unwrap().status
    };
    assert_eq!(
        (open("AF_VSOCK"), open("AF_UNIX"), open("AF_INET")),
        (1, 0, 0)
    );
    assert!(
        bench.log().contains("Operation not permitted"),
        "{}",
        bench.log()
    );
}

#[test]
fn parallel_sessions_of_one_helper_do_not_disturb_each_other() {
    if !can_run(&["sh", "sleep"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh", "sleep"]);
    bench.grant.runner = Some("org.osbuild.fedora38".into());
    bench.runner_cache = true;
    let client = bench.client(Interface::Command);
    let mut sessions = Vec::new();
    for index in 0..4 {
        bench.scratch = bench.top().join(format!("scratch-{index}"));
        fs::create_dir(&bench.scratch).unwrap();
        sessions.push(bench.begin(&client));
    }
    let cancelled = sessions.pop().unwrap();
    let cancel = cancelled.cancel_handle();
    std::thread::scope(|scope| {
        let victim = scope.spawn(|| cancelled.run(run("sleep", &["60"])).unwrap_err().code);
        let others: Vec<_> = sessions
            .iter()
            .enumerate()
            .map(|(index, session)| {
                scope.spawn(move || {
                    script(
                        session,
                        &format!("echo {index} > /var/mine; sleep 1; cat /var/mine"),
                    )
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(500));
        cancel.cancel();
        assert_eq!(victim.join().unwrap(), ErrorCode::Interrupted);
        for (index, other) in others.into_iter().enumerate() {
            assert_eq!(other.join().unwrap(), (0, index.to_string()));
        }
    });
}
