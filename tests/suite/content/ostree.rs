//! A commit of an OSTree repository, pulled, checked out and deployed.
use super::{Server, build, tool};
use base64::{Engine, engine::general_purpose::STANDARD};
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// A repository over HTTP with one bootable commit on branch `main`.
pub(super) fn upstream(scratch: &Scratch) -> (Server, String) {
    let top = scratch.path("upstream");
    let tree = top.join("tree");
    for (path, content) in [
        ("usr/bin/program", "program\n"),
        ("usr/lib/os-release", "NAME=test\nID=test\n"),
        ("usr/lib/modules/5.0/vmlinuz", "kernel\n"),
        ("usr/lib/modules/5.0/initramfs.img", "initramfs\n"),
        ("usr/etc/hosts", "hosts\n"),
    ] {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    // Where the whole system and its state are seen in a deployment.
    for directory in ["sysroot", "var", "boot", "run"] {
        fs::create_dir(tree.join(directory)).unwrap();
    }
    let repository = format!("--repo={}", top.join("repo").display());
    tool("ostree", &format!("{repository} init --mode=archive"));
    let commit = tool(
        "ostree",
        &format!(
            "{repository} commit --branch=main --subject=x --add-metadata-string=version=1 --tree=dir={}",
            tree.display()
        ),
    );
    tool("ostree", &format!("{repository} summary -u"));
    let server = Server::start(|port| {
        let mut command = Command::new("python3");
        command
            .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(&top)
            .arg(port.to_string());
        command
    });
    (server, commit)
}

fn document(url: &str, commit: &str) -> Value {
    let commits = json!({ "commits": {
        "type": "org.osbuild.ostree", "origin": "org.osbuild.source", "references": { commit: { "ref": "main" } },
    }});
    let checkout = json!({ "tree": {
        "type": "org.osbuild.ostree.checkout", "origin": "org.osbuild.source", "references": [commit],
    }});
    let pull = |repository: &str| {
        let options = json!({ "repo": repository });
        json!({ "type": "org.osbuild.ostree.pull", "options": options, "inputs": commits })
    };
    let copied = json!([{ "from": format!("input://tree/{commit}/usr"), "to": "tree:///usr" }]);
    let deployment = json!({ "deployment": { "osname": "test", "ref": "main", "serial": 0 } });
    json!({
        "version": "2",
        "sources": { "org.osbuild.ostree": { "items": { commit: { "remote": { "url": url } } } } },
        "pipelines": [
            { "name": "pull", "stages": [{ "type": "org.osbuild.ostree.init", "options": { "path": "/repo" } }, pull("/repo")] },
            { "name": "checkout", "stages": [{ "type": "org.osbuild.copy", "inputs": checkout, "options": { "paths": copied } }] },
            { "name": "deploy", "stages": [
                { "type": "org.osbuild.ostree.init-fs" },
                pull("/ostree/repo"),
                { "type": "org.osbuild.ostree.os-init", "options": { "osname": "test" } },
                { "type": "org.osbuild.ostree.deploy", "options": { "osname": "test", "ref": "main" } },
                {
                    "type": "org.osbuild.hostname",
                    "options": { "hostname": "deployed" },
                    "mounts": [{ "name": "deployment", "type": "org.osbuild.ostree.deployment", "options": deployment }],
                },
            ]},
        ],
    })
}

/// A system deployed from a branch of a remote; everything after names the branch alone, as real manifests do.
fn deployed_from_remote(url: &str, commit: &str) -> Value {
    let commits = json!({ "commits": {
        "type": "org.osbuild.ostree", "origin": "org.osbuild.source", "references": { commit: { "ref": "main" } },
    }});
    let deployment = json!({ "osname": "test", "ref": "main", "serial": 0 });
    let remote = json!({ "name": "upstream", "url": url, "branches": ["main"] });
    let mount = json!([{ "name": "deployment", "type": "org.osbuild.ostree.deployment", "options": { "deployment": deployment } }]);
    let file_systems = json!([{ "label": "root", "path": "/", "vfs_type": "ext4" }]);
    json!({
        "version": "2",
        "sources": { "org.osbuild.ostree": { "items": { commit: { "remote": { "url": url } } } } },
        "pipelines": [{ "name": "deploy", "stages": [
            { "type": "org.osbuild.ostree.init-fs" },
            { "type": "org.osbuild.ostree.pull", "options": { "repo": "/ostree/repo", "remote": "upstream" }, "inputs": commits },
            { "type": "org.osbuild.ostree.os-init", "options": { "osname": "test" } },
            { "type": "org.osbuild.ostree.config", "options": { "repo": "/ostree/repo", "config": { "sysroot": { "readonly": true, "bootloader": "none" } } } },
            { "type": "org.osbuild.mkdir", "options": { "paths": [{ "path": "/boot/efi", "mode": 448 }] } },
            { "type": "org.osbuild.ostree.deploy", "options": {
                "osname": "test", "ref": "main", "remote": "upstream", "mounts": ["/boot", "/boot/efi"],
                "kernel_opts": ["rw"], "rootfs": { "label": "root" },
            } },
            { "type": "org.osbuild.ostree.remotes", "options": { "repo": "/ostree/repo", "remotes": [remote] } },
            { "type": "org.osbuild.ostree.fillvar", "options": { "deployment": deployment } },
            { "type": "org.osbuild.fstab", "options": { "ostree": { "deployment": deployment }, "filesystems": file_systems } },
            { "type": "org.osbuild.hostname", "options": { "hostname": "deployed" }, "mounts": mount },
            { "type": "org.osbuild.ostree.aleph", "options": { "deployment": deployment } },
        ]}],
    })
}

#[test]
fn a_branch_of_a_remote_is_deployed_and_then_named_alone() {
    if !machine::offers(&["ostree", "python3", "systemd-tmpfiles"]) {
        return;
    }
    let scratch = Scratch::new();
    let (server, commit) = upstream(&scratch);
    let url = format!("http://127.0.0.1:{}/repo", server.port);
    build(&scratch, &deployed_from_remote(&url, &commit), "deploy");
    let out = scratch.path("out/deploy");
    let read = |path: &str| fs::read_to_string(out.join(path)).unwrap();
    let deployment = format!("ostree/deploy/test/deploy/{commit}.0");
    assert_eq!(read(&format!("{deployment}/etc/hostname")), "deployed\n");
    assert_eq!(
        read(&format!("{deployment}/etc/fstab")),
        "LABEL=root\t/\text4\tdefaults\t0\t0\n"
    );
    assert!(read(&format!("{deployment}.origin")).contains("refspec=upstream:main\n"));
    assert!(out.join("ostree/deploy/test/var/lib").is_dir());
    let aleph: Value = serde_json::from_str(&read(".aleph-version.json")).unwrap();
    assert_eq!(
        (&aleph["ref"], &aleph["ostree-commit"]),
        (&json!("upstream:main"), &json!(commit))
    );
    let status = tool(
        "ostree",
        &format!("admin status --sysroot={}", out.display()),
    );
    assert!(status.contains(&format!("test {commit}.0")), "{status}");
    drop(server);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_commit_is_pulled_checked_out_and_deployed() {
    if !machine::offers(&["ostree", "python3"]) {
        return;
    }
    let scratch = Scratch::new();
    let (server, commit) = upstream(&scratch);
    let document = document(&format!("http://127.0.0.1:{}/repo", server.port), &commit);
    for name in ["pull", "checkout", "deploy"] {
        build(&scratch, &document, name);
    }
    let out = scratch.path("out");
    let read = |path: String| fs::read_to_string(out.join(path)).unwrap();
    let branch = tool(
        "ostree",
        &format!("--repo={} rev-parse main", out.join("pull/repo").display()),
    );
    assert_eq!(branch, commit);
    assert_eq!(read("checkout/usr/bin/program".into()), "program\n");
    let deployed = format!("deploy/ostree/deploy/test/deploy/{commit}.0/etc/hostname");
    assert_eq!(read(deployed), "deployed\n");
    drop(server);
    machine::assert_nothing_left(scratch.root());
}

/// A key in DER: what RFC 8410 has before the 32 bytes of an Ed25519 key.
fn der(before: &str, key: &[u8]) -> Vec<u8> {
    [hex::decode(before).unwrap(), key.to_vec()].concat()
}

#[test]
fn what_one_half_of_a_key_pair_for_commits_signs_the_other_half_verifies() {
    if !machine::offers(&["openssl"]) {
        return;
    }
    let scratch = Scratch::new();
    let options = json!({ "publickey": "/public", "secretkey": "/secret" });
    let stage = json!({ "type": "org.osbuild.ostree.genkey", "options": options });
    let document = json!({ "version": "2", "pipelines": [{ "name": "keys", "stages": [stage] }] });
    build(&scratch, &document, "keys");
    let key = |name: &str| {
        STANDARD
            .decode(scratch.read(&format!("out/keys/{name}")))
            .unwrap()
    };
    let (public, secret) = (key("public"), key("secret"));
    // As libsodium keeps it, the secret half has the public one behind its seed.
    let (seed, same) = secret.split_at(32);
    assert_eq!(same, public);
    scratch.write("seed.der", der("302e020100300506032b657004220420", seed));
    scratch.write("public.der", der("302a300506032b6570032100", &public));
    scratch.write("message", "a commit");
    let openssl = |arguments: &str| {
        let program = Program::of(
            "openssl",
            &format!("pkeyutl -rawin -keyform DER -in message {arguments}"),
        );
        program.directory(scratch.root()).run().expect(0)
    };
    openssl("-sign -inkey seed.der -out signature");
    openssl("-verify -pubin -inkey public.der -sigfile signature").says("Verified");
}
