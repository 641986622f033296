//! Files whose lines have fields.
use super::{WRITER, Writer, check, python};
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn stage(scratch: &Scratch, name: &str, options: &Value) {
    for directory in ["etc", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d", "root"] {
        std::fs::create_dir_all(scratch.path("tree").join(directory)).unwrap();
    }
    super::stage(scratch, name, options).expect(0);
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
fn systemd_reads_what_lines_of_accounts_and_files_were_given() {
    const ACCOUNT: Writer = Writer {
        stage: "org.osbuild.systemd-sysusers.d",
        programs: &["systemd-sysusers"],
        before: &[("usr/lib/sysusers.d/x", ""), ("etc/x", "")],
        ..WRITER
    };
    check(&[
        Writer {
            option: "entries",
            options: |value| user("gecos", value),
            read: |tree| account(tree, 4),
            // Not given; the reader drops blanks at the ends.
            meant: |value| value == "-" || value.trim() != value,
            ..ACCOUNT
        },
        Writer {
            option: "entries",
            options: |value| user("home", &format!("/{value}")),
            read: |tree| account(tree, 5)?.strip_prefix('/').map(str::to_owned),
            ..ACCOUNT
        },
        Writer {
            option: "entries",
            options: |value| user("shell", &format!("/{value}")),
            read: |tree| account(tree, 6)?.strip_prefix('/').map(str::to_owned),
            ..ACCOUNT
        },
        Writer {
            stage: "org.osbuild.tmpfilesd",
            option: "config",
            programs: &["systemd-tmpfiles"],
            before: &[("usr/lib/tmpfiles.d/x", "")],
            options: |value| json!({ "filename": "a.conf", "config": [{ "type": "f", "path": "/text", "argument": value }] }),
            read: |tree| {
                let root = format!("--root={}", tree.display());
                super::printed("systemd-tmpfiles", &["--create", &root])?;
                std::fs::read_to_string(tree.join("text")).ok()
            },
            // Escapes and specifiers are the file's own.
            meant: is_escaped,
        },
        Writer {
            stage: "org.osbuild.tmpfilesd",
            option: "config",
            programs: &["systemd-tmpfiles"],
            before: &[("usr/lib/tmpfiles.d/x", "")],
            options: |value| json!({ "filename": "a.conf", "config": [{ "type": "L", "path": "/link", "argument": value }] }),
            read: |tree| {
                let root = format!("--root={}", tree.display());
                super::printed("systemd-tmpfiles", &["--create", &root])?;
                let target = std::fs::read_link(tree.join("link")).ok()?;
                target.to_str().map(str::to_owned)
            },
            meant: |value| is_escaped(value) || value.is_empty(),
        },
    ]);
}

fn is_escaped(value: &str) -> bool {
    ["%", "\\n", "\\b"]
        .iter()
        .any(|escape| value.contains(escape))
}

fn user(field: &str, value: &str) -> Value {
    let mut user = json!({ "type": "u", "name": "joe", "id": "800" });
    user[field] = json!(value);
    json!({ "config": { "filename": "a.conf", "entries": [user] } })
}

/// A field of the account that systemd makes.
fn account(tree: &Path, field: usize) -> Option<String> {
    let root = format!("--root={}", tree.display());
    super::printed("systemd-sysusers", &[&root])?;
    let accounts = std::fs::read_to_string(tree.join("etc/passwd")).ok()?;
    let line = accounts.lines().find(|line| line.starts_with("joe:"))?;
    line.split(':').nth(field).map(str::to_owned)
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
        (
            "fstab",
            json!({ "filesystems": [{ "device": "/dev/sda", "path": "/a\0b" }] }),
            "filesystems.path",
        ),
        (
            "fstab",
            json!({ "filesystems": [{ "label": "a\\000b", "path": "/a" }] }),
            "filesystems",
        ),
        (
            "udev.rules",
            json!({ "filename": "/etc/udev/rules.d/a.rules", "rules": [[{ "key": "SYMLINK", "op": "+=", "val": "a\\" }]] }),
            "rules",
        ),
        (
            "grub2",
            json!({ "rootfs": { "label": "--hint" } }),
            "rootfs",
        ),
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

/// What a program prints about the file of a tree.
fn lines(program: &str, words: &[&str], file: &Path) -> Option<Vec<String>> {
    let words: Vec<&str> = words.iter().copied().chain([file.to_str()?]).collect();
    let text = super::printed(program, &words)?;
    Some(text.split('\n').map(str::to_owned).collect())
}

fn after(lines: &[String], start: &str) -> Option<String> {
    let mut found = lines.iter().filter_map(|line| line.strip_prefix(start));
    found.next().map(str::to_owned)
}

#[test]
fn programs_of_the_system_read_the_fields_of_their_files() {
    check(&[
        Writer {
            stage: "org.osbuild.sysctld",
            option: "value",
            programs: &["sysctl"],
            before: &[("usr/lib/sysctl.d/x", "")],
            options: |value| json!({ "filename": "a.conf", "config": [{ "key": "kernel.hostname", "value": value }] }),
            read: |tree| {
                after(
                    &lines(
                        "sysctl",
                        &["--dry-run", "--load"],
                        &tree.join("usr/lib/sysctl.d/a.conf"),
                    )?,
                    "kernel.hostname = ",
                )
            },
            // A key alone: an exception of a pattern.
            meant: str::is_empty,
        },
        Writer {
            stage: "org.osbuild.modprobe",
            option: "commands",
            programs: &["modprobe"],
            options: |value| json!({ "filename": "a.conf", "commands": [{ "command": "install", "modulename": "m", "cmdline": value }] }),
            read: |tree| {
                after(
                    &lines(
                        "modprobe",
                        &["--showconfig", "--config"],
                        &tree.join("usr/lib/modprobe.d"),
                    )?,
                    "install m ",
                )
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.modprobe",
            option: "commands",
            programs: &["modprobe"],
            options: |value| json!({ "filename": "a.conf", "commands": [{ "command": "blacklist", "modulename": value }] }),
            read: |tree| {
                after(
                    &lines(
                        "modprobe",
                        &["--showconfig", "--config"],
                        &tree.join("usr/lib/modprobe.d"),
                    )?,
                    "blacklist ",
                )
            },
            // The kernel's name of a module has no hyphens.
            meant: |value| value.contains('-'),
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.chrony",
            option: "hostname",
            programs: &["chronyd"],
            before: &[("etc/chrony.conf", "rtcsync\n")],
            options: |value| json!({ "servers": [{ "hostname": value }] }),
            read: |tree| {
                after(
                    &lines("chronyd", &["-p", "-f"], &tree.join("etc/chrony.conf"))?,
                    "server ",
                )?
                .strip_suffix(" iburst")
                .map(str::to_owned)
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.rpm.macros",
            option: "_dbpath",
            programs: &["rpm"],
            options: |value| json!({ "filename": "/etc/rpm/macros.a", "macros": { "_dbpath": value } }),
            read: |tree| {
                let macros = format!("--macros={}", tree.join("etc/rpm/macros.a").display());
                super::printed("rpm", &[&macros, "--eval", "%_dbpath"])?
                    .strip_suffix('\n')
                    .map(str::to_owned)
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.dnf4.versionlock",
            option: "add",
            before: &[("etc/dnf/plugins/x", "")],
            options: |value| json!({ "add": [value] }),
            // As the plugin does.
            read: |tree| {
                python(
                    "lines = [line.strip() for line in open(path, encoding='utf-8')]\nvalue, = [line for line in lines if line and not line.startswith('#')]",
                    &tree.join("etc/dnf/plugins/versionlock.list"),
                )
            },
            ..WRITER
        },
    ]);
}

/// What nginx says of its configuration, in a directory in which it can test it.
fn nginx(tree: &Path) -> Option<String> {
    let file = tree.join("etc/nginx/nginx.conf");
    let ended = Command::new("nginx")
        .args(["-t", "-e", "stderr", "-c"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    // It opens the file of its number last, which names the value.
    let named = said.split("open() \"").nth(1);
    named
        .and_then(|rest| rest.split_once("\" failed"))
        .map(|(path, _)| path.to_owned())
}

#[test]
fn nginx_reads_the_values_of_its_configuration() {
    check(&[
        Writer {
            stage: "org.osbuild.nginx.conf",
            option: "pid",
            programs: &["nginx"],
            before: &[("etc/nginx/x", "")],
            options: |value| json!({ "config": { "pid": format!("/nonexistent/{value}") } }),
            read: |tree| {
                nginx(tree)?
                    .strip_prefix("/nonexistent/")
                    .map(str::to_owned)
            },
            ..WRITER
        },
        Writer {
            stage: "org.osbuild.nginx.conf",
            option: "root",
            programs: &["nginx"],
            before: &[("etc/nginx/x", "")],
            // The file of its number is opened when all else is right.
            options: |value| json!({ "config": { "pid": "/nonexistent/p", "root": format!("/srv/{value}") } }),
            read: |tree| {
                let text = std::fs::read_to_string(tree.join("etc/nginx/nginx.conf")).ok()?;
                let root = text.split("root ").nth(1)?.split_once(";\n")?.0.to_owned();
                let inner = root
                    .strip_prefix('"')
                    .and_then(|root| root.strip_suffix('"'));
                let root = inner
                    .unwrap_or(&root)
                    .replace("\\\"", "\"")
                    .replace("\\\\", "\\");
                nginx(tree).filter(|path| path == "/nonexistent/p")?;
                root.strip_prefix("/srv/").map(str::to_owned)
            },
            ..WRITER
        },
    ]);
}

#[test]
fn sshd_reads_the_options_that_were_given() {
    if !osbuild_wasm_tests::machine::offers(&["sshd", "ssh-keygen"]) {
        return;
    }
    let scratch = Scratch::new();
    let key = scratch.path("key");
    printed(
        Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-t", "ed25519", "-f"])
            .arg(&key),
    );
    scratch.write(
        "tree/etc/ssh/sshd_config",
        format!(
            "HostKey {}\n#PermitRootLogin yes\nPasswordAuthentication yes\n",
            key.display()
        ),
    );
    stage(
        &scratch,
        "org.osbuild.sshd.config",
        &json!({ "config": { "PasswordAuthentication": false, "ClientAliveInterval": 7, "PermitRootLogin": "prohibit-password" } }),
    );
    std::fs::create_dir_all("/run/sshd").unwrap();
    let said = printed(
        Command::new("/usr/sbin/sshd")
            .arg("-T")
            .arg("-f")
            .arg(scratch.path("tree/etc/ssh/sshd_config")),
    );
    for line in [
        "passwordauthentication no",
        "clientaliveinterval 7",
        "permitrootlogin without-password",
    ] {
        assert!(said.lines().any(|read| read == line), "{line}: {said}");
    }
}
