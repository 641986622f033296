//! An ordinary user builds what root builds, or is told before anything is built what is missing.
use base64::prelude::{BASE64_STANDARD, Engine};
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest, paths, user};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

fn can_run() -> bool {
    machine::offers(&[&user::PROGRAMS[..], &["tar", "getfattr"]].concat())
}

/// An archive with what makes trees differ: owners, set-id bits, links, a pipe.
fn archive(scratch: &Scratch) -> Vec<u8> {
    let script = r#"mkdir -p usr/bin home/web && cd usr/bin && echo ping >ping && echo su >su && ln ping same && ln -s ping link && mkfifo pipe &&
        chown 33:44 su && chmod 4755 su && chown -h 7:8 link && chown 65534:65535 pipe && chown 1001:1001 ../../home/web && chmod 2770 ../../home/web &&
        cd ../.. && tar --numeric-owner --format=pax --sort=name --mtime=@1700000000 -cf ../content.tar usr home"#;
    let directory = scratch.directory("content");
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(directory)
        .status();
    assert!(made.expect("sh").success());
    std::fs::read(scratch.path("content.tar")).expect("the archive")
}

/// A tree with that content and owners by name, and stages that pack it.
fn owned(scratch: &Scratch) -> Value {
    let content = archive(scratch);
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
    let attributes = ["set-capability", "set-xattr"]
        .map(|verb| hostile::step(&format!("tree {verb} /run/osbuild/tree/usr/bin/ping")));
    let of_tree = json!({ "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] });
    json!({
        "version": "2",
        "pipelines": [
            { "name": "tree", "source-epoch": 1_700_000_000, "stages": [
                { "type": "org.osbuild.untar", "inputs": { "file": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } } },
                manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/etc" }, { "path": "/srv", "mode": 0o1777 }] })),
                manifest::stage("org.osbuild.chown", json!({ "items": { "/srv": { "user": 1234, "group": 60000 } } })),
                manifest::stage("org.osbuild.chmod", json!({ "items": { "/usr/bin/su": { "mode": "g+s" } } })),
                manifest::stage("test.files", json!({ "steps": attributes })),
            ] },
            { "name": "tar", "source-epoch": 1_700_000_000, "stages": [
                { "type": "org.osbuild.tar", "options": { "filename": "tree.tar" }, "inputs": { "tree": of_tree } },
            ] },
            { "name": "oci", "source-epoch": 1_700_000_000, "stages": [
                { "type": "org.osbuild.oci-archive", "options": { "filename": "image.tar", "architecture": "amd64" }, "inputs": { "base": of_tree } },
            ] },
        ],
        "sources": { "org.osbuild.inline": { "items": { digest.clone(): { "encoding": "base64", "data": BASE64_STANDARD.encode(&content) } } } },
    })
}

fn by_root(scratch: &Scratch, options: &str, file: &Path) -> Ended {
    Program::new(&format!("run {options}"))
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("root/store"))
        .option("--output-directory", scratch.path("root/out"))
        .arg(file)
        .run()
}

/// What an archive holds, with owners as numbers.
fn listing(archive: &Path) -> String {
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "-tvf"]).arg(archive);
    String::from_utf8_lossy(&tar.output().expect("tar").stdout).into_owned()
}

#[test]
fn an_ordinary_user_builds_the_same_archives_as_root() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &owned(&scratch));
    let exports = "--export tar --export oci --quiet";
    by_root(&scratch, exports, &file).expect(0);
    user::machine(&scratch)
        .build(exports)
        .option("--libdir", hostile::library())
        .arg(&file)
        .run()
        .expect(0);
    for archive in ["out/tar/tree.tar", "out/oci/image.tar"] {
        let bytes = |path: PathBuf| std::fs::read(path).expect("the archive");
        let (own, roots) = (
            bytes(scratch.path(archive)),
            bytes(scratch.path(&format!("root/{archive}"))),
        );
        assert!(own == roots, "{archive} differs from root's");
    }
    let listing = listing(&scratch.path("out/tar/tree.tar"));
    assert!(
        listing.contains("1234/60000") && listing.contains("33/44"),
        "{listing}"
    );
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn an_assembler_of_an_ordinary_user_keeps_owners() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let chown = json!({ "name": "org.osbuild.chown", "options": { "items": { "/srv": { "user": 1234, "group": 60000 } } } });
    let mkdir =
        json!({ "name": "org.osbuild.mkdir", "options": { "paths": [{ "path": "/srv" }] } });
    let file = scratch.json(
        "manifest.json",
        &json!({ "pipeline": { "stages": [mkdir, chown], "assembler": { "name": "org.osbuild.tar", "options": { "filename": "tree.tar" } } } }),
    );
    user::machine(&scratch)
        .build("--export assembler --quiet")
        .arg(file)
        .run()
        .expect(0);
    let listing = listing(&scratch.path("out/assembler/tree.tar"));
    assert!(listing.contains("1234/60000"), "{listing}");
}

#[test]
fn an_exported_tree_is_seen_and_removed_through_unshare() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &owned(&scratch));
    let user = user::machine(&scratch);
    let exports = "--export tree --checkpoint tree --quiet";
    by_root(&scratch, exports, &file).expect(0);
    user.build(exports)
        .option("--libdir", hostile::library())
        .arg(&file)
        .run()
        .expect(0);
    // Kind, mode, owner, size, hard links, text of links; contents; attributes of all namespaces.
    let list = scratch.write(
        "list.sh",
        r#"cd "$1" && { find . -not -type d -printf '%p|%y|%m|%U|%G|%s|%n|%l\n' && find . -type d -printf '%p|%y|%m|%U|%G\n' &&
            find . -type f -exec sha256sum {} + && getfattr --dump --match=- --no-dereference --recursive . ; } | sort"#,
    );
    let list = |tree: &str| {
        format!(
            "unshare sh {} {}",
            list.display(),
            scratch.path(tree).display()
        )
    };
    let own = user.run(&list("out/tree")).run().expect(0).stdout;
    let roots = Program::new(&list("root/out/tree")).run().expect(0).stdout;
    assert_eq!(own, roots);
    assert!(
        own.contains("security.capability") && own.contains("su|f|6755|33|44"),
        "{own}"
    );
    let capability = user.run(&format!(
        "unshare getfattr --absolute-names -d -m - {}",
        scratch.path("out/tree/usr/bin/ping").display()
    ));
    capability
        .run()
        .expect(0)
        .says("security.capability=0sAQAAAgAgAAAAAAAAAAAAAAAAAAA=")
        .says("user.hostile=\"HOSTILE\"");
    let remove = format!(
        "unshare rm -r {} {}",
        scratch.path("out").display(),
        scratch.path("store").display()
    );
    user.run(&remove).run().expect(0);
    assert!(!scratch.path("out").exists() && !scratch.path("store").exists());
}

#[test]
fn a_stage_alone_gives_files_to_anybody() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let user = user::machine(&scratch);
    let arguments = scratch.json(
        "arguments.json",
        &json!({ "options": { "items": { "/srv": { "user": 7, "group": 8 } } } }),
    );
    let tree = scratch.directory("tree");
    scratch.directory("tree/srv");
    for path in ["tree", "tree/srv"] {
        std::os::unix::fs::chown(scratch.path(path), Some(user::ID), Some(user::ID))
            .expect("root may");
    }
    user.run("stage run org.osbuild.chown")
        .option("--tree", &tree)
        .option("--args", arguments)
        .run()
        .expect(0);
    let owner = std::os::unix::fs::MetadataExt::uid(&tree.join("srv").metadata().expect("srv"));
    assert_eq!(owner, user::SUBORDINATE + 6);
}

#[test]
fn the_umask_of_the_caller_is_not_in_the_tree() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("a")])),
    );
    Program::shell("umask 077 && exec \"$0\" \"$@\"")
        .args(["run", "--export", "tree", "--quiet"])
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(file)
        .run()
        .expect(0);
    let mode = |path: &str| {
        std::os::unix::fs::MetadataExt::mode(&scratch.path(path).metadata().expect("there")) & 0o777
    };
    assert_eq!(
        (mode("out/tree/etc"), mode("out/tree/etc/hostname")),
        (0o755, 0o644)
    );
}

/// What only root of the machine has: the stage, what is said about it.
fn impossible() -> Vec<(Value, &'static str)> {
    let device = |module: &str, options: Value| json!({ "type": module, "options": options });
    let on_file = |devices: Value| json!({ "type": "org.osbuild.noop", "devices": devices });
    let mut crypt = device("org.osbuild.luks2", json!({ "passphrase": "a" }));
    crypt["parent"] = "below".into();
    let below = device("org.osbuild.loopback", json!({ "filename": "a" }));
    let crypt = json!({ "below": below, "disk": crypt });
    let flags = |immutable: bool| {
        manifest::stage(
            "org.osbuild.chattr",
            json!({ "items": { "tree:///etc": { "immutable": immutable } } }),
        )
    };
    vec![
        (flags(true), "needs inode flags"),
        (on_file(crypt), "needs "),
    ]
}

#[test]
fn what_only_root_has_is_refused_before_the_first_stage() {
    if !can_run() {
        return;
    }
    for (stage, what) in impossible() {
        let scratch = Scratch::new();
        let module = stage["type"].as_str().expect("a type").to_owned();
        let file = scratch.json(
            "manifest.json",
            &manifest::tree(json!([manifest::hostname("a"), stage])),
        );
        user::machine(&scratch)
            .build("--export tree")
            .arg(file)
            .run()
            .expect(1)
            .says(&format!(".pipelines[0].stages[1] ({module}): "))
            .says(what)
            .says("build it as root")
            .never_says("org.osbuild.hostname");
    }
}

#[test]
fn what_only_content_shows_is_an_error_that_explains_itself() {
    if !can_run() {
        return;
    }
    let steps = [
        "tree mkdir /run/osbuild/tree/a",
        "tree device /run/osbuild/tree/a/null",
    ];
    let node = json!({ "steps": steps.map(hostile::step) });
    let stranger = json!({ "items": { "/a": { "user": 70000 } } });
    let strangers = json!({ "items": { "/a": ["70000:0:1"] } });
    let mkdir = || manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/a" }] }));
    for (stages, what) in [
        (
            json!([manifest::stage("test.files", node)]),
            "device nodes are made by root of the machine only",
        ),
        (
            json!([mkdir(), manifest::stage("org.osbuild.chown", stranger)]),
            "the build has no such id",
        ),
        (
            json!([mkdir(), manifest::stage("org.osbuild.idmap", strangers)]),
            "the build has no such id",
        ),
    ] {
        let scratch = Scratch::new();
        let file = scratch.json("manifest.json", &manifest::tree(stages));
        let user = user::machine(&scratch);
        let build = user
            .build("--export tree --quiet")
            .option("--libdir", hostile::library());
        build.arg(file).run().expect(1).says(what);
    }
}

#[test]
fn a_pipeline_that_is_not_built_needs_nothing() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let mut document: Value =
        serde_json::from_slice(&std::fs::read(paths::sample("tar.json")).expect("sample"))
            .expect("JSON");
    let flags = manifest::stage(
        "org.osbuild.chattr",
        json!({ "items": { "tree:///": { "immutable": true } } }),
    );
    let crypt = json!({ "type": "org.osbuild.noop", "devices": {
        "below": { "type": "org.osbuild.loopback", "options": { "filename": "a" } },
        "disk": { "type": "org.osbuild.luks2", "parent": "below", "options": { "passphrase": "b" } },
    } });
    let unrelated = json!({ "name": "unrelated", "stages": [flags, crypt] });
    document["pipelines"]
        .as_array_mut()
        .expect("pipelines")
        .push(unrelated);
    let file = scratch.json("manifest.json", &document);
    user::machine(&scratch)
        .build("--export archive --quiet")
        .arg(file)
        .run()
        .expect(0);
}

#[test]
fn a_machine_without_subordinate_ids_is_told_what_is_missing() {
    if !can_run() {
        return;
    }
    let cases = [
        (
            0,
            "true",
            "/etc/subuid gives 0 ids to builder, 65535 are needed",
        ),
        (
            1000,
            "true",
            "/etc/subuid gives 1000 ids to builder, 65535 are needed",
        ),
        (
            65536,
            "mount --bind /dev/null /usr/bin/newuidmap",
            "newuidmap is not installed",
        ),
        (
            65536,
            "mount --bind /dev/null /etc/subgid",
            "/etc/subgid gives 0 ids",
        ),
    ];
    for (ids, before, what) in cases {
        let scratch = Scratch::new();
        let user = user::machine(&scratch).subordinate(ids).before(before);
        let ended = user
            .build("--export tree")
            .arg(scratch.json("manifest.json", &manifest::two_modules("a")))
            .run();
        ended
            .expect(1)
            .says(what)
            .says("or build as root")
            .never_says("org.osbuild.mkdir");
        assert!(!scratch.path("out").exists());
        user.run("doctor").run().expect(1).says(what);
    }
}

#[test]
fn a_kernel_without_user_namespaces_is_told() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &manifest::two_modules("a"));
    // The setting of a namespace of the test, not of the machine.
    let namespace =
        "unshare --user --map-users=0,0,70000 --map-groups=0,0,70000 --setuid=0 --setgid=0";
    let off = "sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"' sh";
    let ended = user::machine(&scratch)
        .within(&format!("{namespace} {off}"))
        .build("--export tree")
        .arg(file)
        .run();
    ended
        .expect(1)
        .says("the kernel refuses a user namespace")
        .says("user.max_user_namespaces is 0");
}

#[test]
fn links_and_directories_of_strangers_in_a_shared_directory_are_not_used_by_an_ordinary_user() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("a")])),
    );
    let user = user::machine(&scratch);
    let shared = scratch.directory("shared");
    std::fs::set_permissions(
        &shared,
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .expect("root may");
    let own = scratch.directory("own");
    std::os::unix::fs::chown(&own, Some(user::ID), Some(user::ID)).expect("root may");
    let stranger = Some(5555);
    let link = scratch.link(&own, "shared/link");
    std::os::unix::fs::lchown(link, stranger, stranger).expect("root may");
    let theirs = scratch.directory("shared/tree");
    std::os::unix::fs::chown(&theirs, stranger, stranger).expect("root may");
    for (output, what) in [
        ("shared/link", "which is not followed"),
        ("shared", "is there and belongs to user"),
    ] {
        let run = user
            .run("run --quiet --export tree")
            .option("--store", scratch.path("store"));
        run.option("--output-directory", scratch.path(output))
            .arg(&file)
            .run()
            .expect(1)
            .says(what);
        assert_eq!(std::fs::read_dir(&own).expect("own").count(), 0);
        assert_eq!(std::fs::read_dir(&theirs).expect("theirs").count(), 0);
    }
}
