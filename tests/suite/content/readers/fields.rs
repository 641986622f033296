//! What the readers of files that stages write take from them: the values that were given.
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::{Value, json};
use std::process::Command;

/// Runs a stage on a small tree.
fn stage(scratch: &Scratch, name: &str, options: &Value) {
    for directory in ["etc", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d", "root"] {
        std::fs::create_dir_all(scratch.path("tree").join(directory)).unwrap();
    }
    Program::new("stage run")
        .arg(name)
        .option("--tree", scratch.path("tree"))
        .option(
            "--args",
            scratch.json("a.json", &json!({ "options": options })),
        )
        .run()
        .expect(0);
}

/// What a program of this machine prints.
fn printed(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {errors}");
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn findmnt_reads_the_fields_of_fstab_as_they_were_given() {
    let rows = [
        ("/dev/sda1", "/srv/my disk", "defaults"),
        ("/srv/a\tb", "/mnt/#1", "x=a b,ro"),
        ("#first", "/ä", "subvol=/a\\b"),
    ];
    let entry = |(device, path, options): &(&str, &str, &str)| json!({ "device": device, "path": path, "vfs_type": "ext4", "options": options });
    let entries: Vec<_> = rows.iter().map(entry).collect();
    let scratch = Scratch::new();
    stage(
        &scratch,
        "org.osbuild.fstab",
        &json!({ "filesystems": entries }),
    );
    let mut findmnt = Command::new("findmnt");
    findmnt.args(["--json", "--output", "SOURCE,TARGET,OPTIONS", "--tab-file"]);
    let read = printed(findmnt.arg(scratch.path("tree/etc/fstab")));
    let read: Value = serde_json::from_str(&read).unwrap();
    let wanted = rows.map(|(source, target, options)| json!({ "source": source, "target": target, "options": options }));
    assert_eq!(read["filesystems"], json!(wanted));
}

#[test]
fn systemd_makes_what_its_lines_of_tmpfiles_were_given() {
    let scratch = Scratch::new();
    let entries = json!([
        { "type": "d", "path": "/a b/c", "mode": "0701" },
        { "type": "f", "path": "/text", "argument": "two  words" }
    ]);
    stage(
        &scratch,
        "org.osbuild.tmpfilesd",
        &json!({ "filename": "a.conf", "config": entries }),
    );
    let mut tmpfiles = Command::new("systemd-tmpfiles");
    tmpfiles.args(["--create", "--root"]);
    printed(tmpfiles.arg(scratch.path("tree")));
    assert!(scratch.path("tree/a b/c").is_dir());
    assert_eq!(scratch.read("tree/text"), "two  words");
}

#[test]
fn systemd_makes_the_users_that_its_lines_were_given() {
    let scratch = Scratch::new();
    let user = json!({ "type": "u", "name": "joe", "id": "800", "gecos": "Joe \"J\" Doe", "home": "/srv", "shell": "/bin/sh" });
    stage(
        &scratch,
        "org.osbuild.systemd-sysusers.d",
        &json!({ "config": { "filename": "a.conf", "entries": [user] } }),
    );
    let mut sysusers = Command::new("systemd-sysusers");
    printed(sysusers.arg("--root").arg(scratch.path("tree")));
    let accounts = scratch.read("tree/etc/passwd");
    assert!(
        accounts.contains("joe:x:800:800:Joe \"J\" Doe:/srv:/bin/sh\n"),
        "{accounts}"
    );
}

#[test]
fn a_field_that_its_file_cannot_hold_is_refused_with_its_option() {
    for (stage, options, option) in [
        (
            "crypttab",
            json!({ "volumes": [{ "volume": "a b", "path": "/dev/sda" }] }),
            "volumes.volume",
        ),
        ("resolv-conf", json!({ "search": ["a b"] }), "search"),
        (
            "sysctld",
            json!({ "filename": "a.conf", "config": [{ "key": "a b", "value": "1" }] }),
            "config.key",
        ),
        (
            "pam.limits.conf",
            json!({ "filename": "a.conf", "config": [{ "domain": "a b", "type": "soft", "item": "core", "value": 1 }] }),
            "config.domain",
        ),
        ("chrony", json!({ "timeservers": ["a b"] }), "timeservers"),
    ] {
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.path("tree/etc")).unwrap();
        scratch.write("tree/etc/chrony.conf", "");
        Program::new("stage run")
            .arg(format!("org.osbuild.{stage}"))
            .option("--tree", scratch.path("tree"))
            .option(
                "--args",
                scratch.json("a.json", &json!({ "options": options })),
            )
            .run()
            .expect(1)
            .says(&format!("options.{option}: "));
    }
}
