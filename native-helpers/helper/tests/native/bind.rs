//! Bind mounts and deployments.

use std::fs;
use std::path::Path;

use osbuild_wasm_protocol::{
    BindMount, Deployment, DeploymentName, ErrorCode, FileSystem, Interface, Unmount,
};

use crate::mount::{Sessions, mount, with_sessions};
use crate::support::{Bench, MOUNTS, TREE, attach, can_attach, can_run, host};

fn bind(source: &str, target: &str) -> BindMount {
    BindMount {
        source: format!("{MOUNTS}{source}"),
        target: format!("{TREE}{target}"),
    }
}

/// Whether something is mounted at a path.
fn is_mounted(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let path = path.to_str().unwrap();
    table
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(path))
}

#[test]
fn whole_paths_are_bound_and_released() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::new();
    fs::create_dir_all(bench.top().join("mounts/a/b")).unwrap();
    fs::create_dir_all(bench.tree().join("x/y")).unwrap();
    fs::write(bench.top().join("mounts/a/b/file"), "content").unwrap();
    fs::write(bench.tree().join("x/file"), "below").unwrap();
    let client = bench.client(Interface::Mount);
    let session = bench.begin(&client);
    let bound = session.call(bind("/a/b", "/x/y"), &[]).unwrap();
    let file = session.call(bind("/a/b/file", "/x/file"), &[]).unwrap();
    assert_eq!(
        fs::read_to_string(bench.tree().join("x/y/file")).unwrap(),
        "content"
    );
    assert_eq!(
        fs::read_to_string(bench.tree().join("x/file")).unwrap(),
        "content"
    );
    session.call(Unmount(file.handle), &[]).unwrap();
    session.call(Unmount(bound.handle), &[]).unwrap();
    assert!(!bench.tree().join("x/y/file").exists());
    assert_eq!(
        fs::read_to_string(bench.tree().join("x/file")).unwrap(),
        "below"
    );
    let code = |bind| session.call(bind, &[]).unwrap_err().code;
    assert_eq!(code(bind("/a", "/missing")), ErrorCode::NotFound);
    assert_eq!(code(bind("/missing", "/x")), ErrorCode::NotFound);
    let outside = BindMount {
        source: TREE.into(),
        ..bind("/a", "/x")
    };
    assert_eq!(code(outside), ErrorCode::Denied);
    session.end().unwrap();
}

#[test]
fn what_is_mounted_below_is_bound_too() {
    if !can_attach(&["mkfs.ext4"]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 16);
    fs::create_dir(bench.tree().join("mnt")).unwrap();
    with_sessions(&bench, |Sessions { mounts, devices }| {
        let attached = devices.attach(attach(&path)).unwrap();
        host("/usr/bin/env", &["mkfs.ext4", "-q", &attached.device]);
        mounts
            .call(mount(&attached.device, FileSystem::Ext4), &[])
            .unwrap();
        mounts.call(bind("", "/mnt"), &[]).unwrap();
        assert!(bench.tree().join("mnt/root/lost+found").exists());
        // The end of the session takes both away, in reverse order.
    });
    assert!(!bench.tree().join("mnt/root").exists());
}

/// A system root with one deployment.
fn sysroot(top: &Path) {
    for directory in [
        "ostree/deploy/os/deploy/abc.0/sysroot",
        "ostree/deploy/os/deploy/abc.0/boot",
        "ostree/deploy/os/deploy/abc.0/var",
        "ostree/deploy/os/deploy/abc.0/etc",
        "ostree/deploy/os/var/lib",
        "boot/loader",
    ] {
        fs::create_dir_all(top.join(directory)).unwrap();
    }
}

#[test]
fn a_deployment_becomes_the_root_and_everything_is_undone() {
    if !can_run(&[]) {
        return;
    }
    for (contract, directory) in [(TREE, "tree"), (MOUNTS, "mounts")] {
        let bench = Bench::new();
        let root = bench.top().join(directory);
        sysroot(&root);
        let client = bench.client(Interface::Mount);
        let session = bench.begin(&client);
        let name = DeploymentName {
            osname: "os".into(),
            commit: "abc".into(),
            serial: 0,
        };
        for name in [None, Some(name)] {
            let call = Deployment {
                root: contract.into(),
                name,
            };
            let mounted = session.call(call, &[]).unwrap();
            for path in [
                "etc",
                "var/lib",
                "boot/loader",
                "sysroot/ostree/deploy/os",
                "sysroot/boot/loader",
            ] {
                assert!(root.join(path).is_dir(), "{path}");
            }
            assert!(!root.join("ostree").exists());
            fs::write(root.join("etc/file"), "1").unwrap();
            fs::write(root.join("var/lib/file"), "2").unwrap();
            session.call(Unmount(mounted.handle), &[]).unwrap();
            assert!(!is_mounted(&root));
            let read =
                |path: &str| fs::read_to_string(root.join("ostree/deploy/os").join(path)).unwrap();
            assert_eq!(
                (read("deploy/abc.0/etc/file"), read("var/lib/file")),
                ("1".into(), "2".into())
            );
        }
        session.end().unwrap();
    }
}

#[test]
fn a_deployment_that_is_not_complete_leaves_no_mount() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::new();
    sysroot(&bench.tree());
    fs::remove_dir(bench.tree().join("ostree/deploy/os/deploy/abc.0/var")).unwrap();
    let client = bench.client(Interface::Mount);
    let session = bench.begin(&client);
    let call = |commit: &str| Deployment {
        root: TREE.into(),
        name: Some(DeploymentName {
            osname: "os".into(),
            commit: commit.into(),
            serial: 0,
        }),
    };
    for commit in ["abc", "missing"] {
        let failure = session.call(call(commit), &[]).unwrap_err();
        assert_eq!(failure.code, ErrorCode::NotFound, "{failure}");
        assert!(!is_mounted(&bench.tree()));
    }
    let elsewhere = Deployment {
        root: format!("{TREE}/boot"),
        name: None,
    };
    assert_eq!(
        session.call(elsewhere, &[]).unwrap_err().code,
        ErrorCode::Denied
    );
    session.end().unwrap();
}
