//! Who runs the program and where: the same image for every caller, in a chroot, and in containers of several kinds.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, paths};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// A chroot of this machine's own userland, with the program in /opt. It ends with the words that follow.
const CHROOT: &str = r#"
set -e; R=$1; shift
mkdir -p $R/usr $R/etc $R/proc $R/sys $R/dev $R/tmp $R/var/tmp $R/opt $R/run $R/root
chmod 1777 $R/tmp
for l in bin sbin lib lib64; do ln -s usr/$l $R/$l; done
mount --bind /usr $R/usr; mount --rbind /etc $R/etc; mount --rbind /dev $R/dev
mount -t proc proc $R/proc; mount --rbind /sys $R/sys
before=$(wc -l < /proc/self/mountinfo)
chroot $R "$@"; code=$?
test $before = $(wc -l < /proc/self/mountinfo) || exit 99
exit $code
"#;

/// As other systems may make one: with the directory as a mount point, and below mounts that others are told of.
const CHROOTS: [&str; 3] = [
    "",
    "mount --bind $1 $1",
    "mount --bind $1 $1; mount --make-rshared /",
];

fn in_chroot(scratch: &Scratch, before: &str) -> Program {
    let root = scratch.directory("root");
    for program in [
        paths::program(),
        paths::program().with_file_name("osbuild-wasm-helper"),
    ] {
        let name = program.file_name().unwrap();
        scratch.directory("root/opt");
        fs::copy(&program, root.join("opt").join(name)).unwrap();
    }
    Program::of("unshare", "--mount sh -c")
        .arg(format!("{before}\n{CHROOT}"))
        .arg("sh")
        .arg(root)
}

#[test]
fn a_disk_is_built_in_a_chroot() {
    if !machine::offers(&["unshare", "mount", "chroot", "mkfs.ext4", "sfdisk"]) {
        return;
    }
    for before in CHROOTS {
        let scratch = Scratch::new();
        scratch.json("root/opt/manifest.json", &manifest::disk());
        // Relative names are those of the caller's directory.
        in_chroot(&scratch, before)
            .args(["sh", "-c"])
            .arg("cd /var/tmp; exec /opt/osbuild-wasm run ../../opt/manifest.json --store s --export image --output-directory o")
            .env("XDG_CACHE_HOME", "/var/tmp/cache")
            .run()
            .expect(0);
        let disk = fs::metadata(scratch.path("root/var/tmp/o/image/disk.img")).unwrap();
        assert_eq!(disk.len(), 64 << 20);
        machine::assert_nothing_left(scratch.root());
    }
}

#[test]
fn an_ordinary_user_in_a_chroot_is_told_that_the_kernel_refuses() {
    if !machine::offers(&["unshare", "mount", "chroot", "setpriv", "newuidmap"]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.json("root/opt/manifest.json", &manifest::two_modules("a"));
    for file in ["subuid", "subgid"] {
        scratch.write(file, "4242:300000:65536\n");
    }
    let bind = |file: &str| format!("mount --bind {} /etc/{file};", scratch.path(file).display());
    in_chroot(&scratch, &(bind("subuid") + &bind("subgid")))
        .args(["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"])
        .arg("/opt/osbuild-wasm")
        .args(["run", "/opt/manifest.json", "--store", "/tmp/s"])
        .env("XDG_CACHE_HOME", "/tmp/cache")
        .run()
        .expect(1)
        .says("a chroot");
}

/// Containers by what they lack, as lines of sh, and a program in between.
const CONTAINERS: [(&str, &str); 7] = [
    (
        "no loop devices",
        "mkdir $S/dev; mount -t tmpfs d $S/dev; for n in null zero full random urandom tty; do touch $S/dev/$n; mount --bind /dev/$n $S/dev/$n; done; mount --move $S/dev /dev",
    ),
    (
        "/proc/sys is read-only",
        "mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys",
    ),
    (
        "settings are hidden",
        "mount -t tmpfs x /proc/sys/user; mount -t tmpfs y /proc/sys/kernel",
    ),
    ("no control groups", "mount -t tmpfs x /sys/fs/cgroup"),
    (
        "control groups cannot be written",
        "mount --rbind /sys/fs/cgroup /sys/fs/cgroup; mount -o remount,ro,bind /sys/fs/cgroup",
    ),
    ("/sys is read-only", "mount -o remount,ro,bind /sys"),
    (
        "files of /proc are masked",
        "for f in kcore keys timer_list sched_debug; do test -e /proc/$f && mount --bind /dev/null /proc/$f; done; mount --bind /proc/irq /proc/irq; mount -o remount,ro,bind /proc/irq",
    ),
];

#[test]
fn a_disk_is_built_in_containers_of_several_kinds() {
    if !machine::offers(&["unshare", "mount", "mkfs.ext4", "sfdisk"]) {
        return;
    }
    for (name, lines) in CONTAINERS {
        let scratch = Scratch::new();
        let ended = Program::of("unshare", "--mount sh -c")
            .arg(format!(
                "set -e; S={}; {lines}; exec \"$@\"",
                scratch.root().display()
            ))
            .arg("sh")
            .arg(paths::program())
            .args(["run", "--export", "image"])
            .arg(scratch.json("manifest.json", &manifest::disk()))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .run();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.all());
    }
}

#[test]
fn root_of_a_container_without_privileges_is_told_how_to_start_it() {
    if !machine::offers(&["setpriv", "mkfs.ext4"]) {
        return;
    }
    // What docker and podman leave to root.
    let left = "chown,dac_override,fsetid,fowner,mknod,setgid,setuid,setfcap,setpcap,net_bind_service,sys_chroot,kill,audit_write";
    let wrapper = format!("setpriv --bounding-set=-all,+{}", left.replace(',', ",+"));
    let run = |document: &Value, export: &str| {
        let scratch = Scratch::new();
        Program::through(&wrapper, "run --export")
            .arg(export)
            .arg(scratch.json("manifest.json", document))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .run()
    };
    run(&manifest::two_modules("a"), "tree").expect(0);
    run(&manifest::disk(), "image")
        .expect(1)
        .says("--cap-add=SYS_ADMIN");
}

#[test]
fn root_without_the_capabilities_of_files_is_told_before_the_first_stage() {
    if !machine::offers(&["setpriv"]) {
        return;
    }
    for missing in ["chown", "dac_override", "fowner", "fsetid"] {
        let scratch = Scratch::new();
        let document = scratch.json("manifest.json", &manifest::two_modules("a"));
        let ended = Program::through(
            &format!("setpriv --bounding-set=-{missing}"),
            "run --export tree",
        )
        .arg(document)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .run()
        .expect(1);
        ended
            .says(&format!("CAP_{}", missing.to_uppercase()))
            .never_says("org.osbuild.");
    }
}

/// Ways to start the program, as lines of sh that end in `exec`.
const CALLERS: [(&str, &str); 17] = [
    ("umask 077", r#"umask 077; exec "$0" "$@""#),
    ("umask 000", r#"umask 000; exec "$0" "$@""#),
    ("umask 027", r#"umask 027; exec "$0" "$@""#),
    ("no environment", r#"exec env -i "$0" "$@""#),
    (
        "another environment",
        r#"export LC_ALL=tr_TR.UTF-8 LANG=de_DE.UTF-8 TZ=Asia/Kathmandu TMPDIR=/nonexistent PATH=/nonexistent IFS=x SOURCE_DATE_EPOCH=7 TAR_OPTIONS=-v MKE2FS_CONFIG=/nonexistent LD_PRELOAD= HOME=/nonexistent; exec "$0" "$@""#,
    ),
    ("the root directory", r#"cd /; exec "$0" "$@""#),
    (
        "a directory that is gone",
        r#"d=$(mktemp -d); cd $d; rmdir $d; exec "$0" "$@""#,
    ),
    ("nothing open", r#"exec "$0" "$@" <&- >&- 2>&-"#),
    ("no standard input", r#"exec "$0" "$@" <&-"#),
    (
        "signals ignored",
        r#"trap '' PIPE CHLD HUP INT QUIT USR1 ALRM; exec "$0" "$@""#,
    ),
    (
        "signals blocked",
        r#"exec python3 -c 'import os,signal,sys; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)); os.execv(sys.argv[1], sys.argv[1:])' "$0" "$@""#,
    ),
    (
        "streams that do not wait",
        r#"exec python3 -c 'import fcntl,os,sys; [fcntl.fcntl(n, fcntl.F_SETFL, fcntl.fcntl(n, fcntl.F_GETFL) | os.O_NONBLOCK) for n in (0, 1, 2)]; os.execv(sys.argv[1], sys.argv[1:])' "$0" "$@""#,
    ),
    (
        "limits",
        r#"ulimit -S -n 256; ulimit -S -s 1024; ulimit -c 0; exec "$0" "$@""#,
    ),
    (
        "groups and priority",
        r#"exec nice -n 19 setpriv --groups 1,2,3,100 "$0" "$@""#,
    ),
    (
        "the group of another login",
        r#"exec setpriv --regid 5 --clear-groups "$0" "$@""#,
    ),
    (
        "directories that pass their group on",
        r#"for a in "$@"; do case $a in */store | */out | */tree) d=$(dirname "$a"); chgrp 5 "$d"; chmod 2755 "$d";; esac; done; exec "$0" "$@""#,
    ),
    (
        "directories that pass access lists on",
        r#"for a in "$@"; do case $a in */store | */out | */tree) setfacl -d -m u:1234:rwx "$(dirname "$a")";; esac; done; exec "$0" "$@""#,
    ),
];

const EXPORTS: [&str; 4] = ["tree", "copied", "archives", "image"];

/// Stages and sources that make files in every way there is.
fn document() -> Value {
    let tree_input = json!({ "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] });
    let hello = json!({ "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] });
    let copied =
        json!({ "from": format!("input://hello/{}", manifest::HELLO), "to": "tree:///etc/hello" });
    let unit = json!({
        "filename": "x.service",
        "config": { "Unit": {}, "Service": { "ExecStart": ["/bin/true"] }, "Install": { "WantedBy": ["multi-user.target"] } },
    });
    let image = |stage: Value| {
        let loopback =
            json!({ "type": "org.osbuild.loopback", "options": { "filename": "d.img" } });
        let mut stage = stage;
        stage["devices"] = json!({ "device": loopback });
        stage
    };
    json!({ "version": "2", "sources": manifest::hello_source(), "pipelines": [
        { "name": "tree", "source-epoch": 1_700_000_000, "stages": [
            manifest::stage("org.osbuild.mkdir", json!({ "paths": [
                { "path": "/a/b/c", "parents": true }, { "path": "/s", "mode": 0o1777 }, { "path": "/etc" },
                { "path": "/usr/lib/systemd/system", "parents": true },
            ] })),
            manifest::hostname("u"),
            manifest::stage("org.osbuild.systemd.unit.create", unit),
            manifest::stage("org.osbuild.kickstart", json!({ "path": "/k/ks", "lang": "C" })),
            manifest::stage("org.osbuild.truncate", json!({ "filename": "sparse", "size": "1M" })),
        ] },
        // The source's file keeps its time.
        { "name": "copied", "stages": [
            manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/etc" }] })),
            { "type": "org.osbuild.copy", "inputs": { "hello": hello }, "options": { "paths": [copied] } },
        ] },
        { "name": "archives", "source-epoch": 1_700_000_000, "stages": [
            { "type": "org.osbuild.tar", "options": { "filename": "t.tar" }, "inputs": { "tree": tree_input } },
            { "type": "org.osbuild.squashfs", "options": { "filename": "t.sqfs" }, "inputs": { "tree": tree_input } },
        ] },
        { "name": "image", "source-epoch": 1_700_000_000, "stages": [
            manifest::stage("org.osbuild.truncate", json!({ "filename": "d.img", "size": "16M" })),
            image(manifest::stage("org.osbuild.mkfs.ext4", json!({ "uuid": "156f0420-627b-4151-ae6f-fda298097515" }))),
        ] },
    ] })
}

/// Each object below a directory: its mode, owner, size, and where it leads.
fn listing(top: &Path, found: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(top)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let stat = fs::symlink_metadata(&path).unwrap();
        let mode = stat.permissions().mode();
        let text = fs::read_link(&path).unwrap_or_default();
        let size = if stat.is_file() { stat.len() } else { 0 };
        found.push(format!(
            "{} {mode:o} {}:{} {size} {}",
            path.file_name().unwrap().display(),
            stat.uid(),
            stat.gid(),
            text.display()
        ));
        if stat.is_dir() {
            listing(&path, found);
        }
    }
}

#[test]
fn every_caller_builds_the_same() {
    if !machine::offers(&["python3", "setpriv", "nice", "mksquashfs", "mkfs.ext4"]) {
        return;
    }
    let build = |name: &str, script: &str| {
        let scratch = Scratch::new();
        let document = scratch.json("manifest.json", &document());
        for out in ["out", "cached"] {
            let mut program = Program::shell(script)
                .arg("run")
                .arg(&document)
                .option("--store", scratch.path("store"))
                .option("--output-directory", scratch.path(out))
                .option("--checkpoint", "*");
            for export in EXPORTS {
                program = program.option("--export", export);
            }
            let ended = program.run();
            assert_eq!(ended.code(), 0, "{name}: {}", ended.all());
        }
        let mut found = Vec::new();
        for out in ["out", "cached"] {
            for export in EXPORTS {
                let export = scratch.path(&format!("{out}/{export}"));
                let mode = fs::metadata(&export).unwrap().permissions().mode();
                found.push(format!("{mode:o}"));
                listing(&export, &mut found);
            }
        }
        let objects = fs::read_dir(scratch.path("store/objects")).unwrap();
        let mut names: Vec<_> = objects.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        found.extend(names.iter().map(|name| name.display().to_string()));
        (found, fs::read(scratch.path("out/archives/t.tar")).unwrap())
    };
    let expected = build("plain", r#"umask 022; exec "$0" "$@""#);
    for (name, script) in CALLERS {
        let (listing, archive) = build(name, script);
        assert_eq!(listing, expected.0, "{name}");
        assert!(archive == expected.1, "{name}: another archive");
    }
}

#[test]
fn every_caller_of_one_stage_gets_the_same() {
    for (name, script) in CALLERS {
        if !machine::offers(&["python3", "setpriv", "nice", "setfacl"]) {
            return;
        }
        let scratch = Scratch::new();
        let arguments = json!({ "options": { "hostname": "h" } });
        let ended = Program::shell(script)
            .args(["stage", "run", "org.osbuild.hostname"])
            .option("--tree", scratch.path("tree"))
            .option("--args", scratch.json("arguments.json", &arguments))
            .run();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.all());
        let mut found = Vec::new();
        listing(&scratch.path("tree"), &mut found);
        assert_eq!(
            found,
            ["etc 40755 0:0 0 ", "hostname 100644 0:0 2 "],
            "{name}"
        );
    }
}
