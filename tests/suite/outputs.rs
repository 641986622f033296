//! Where results go: never through a link of somebody else, and what gives privileges never where others reach it.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

/// Somebody else.
const OTHER: u32 = 4711;

/// A directory that everybody may write, as /tmp.
fn shared(scratch: &Scratch) -> PathBuf {
    let shared = scratch.directory("shared");
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    shared
}

/// A directory with a file that must stay as it is, and a link of somebody else to it.
fn trap(scratch: &Scratch, link: &Path) -> PathBuf {
    let victim = scratch.write("victim/record.json", "precious");
    let directory = victim.parent().unwrap().to_owned();
    symlink(&directory, link).unwrap();
    lchown(link, Some(OTHER), Some(OTHER)).unwrap();
    directory
}

fn untouched(victim: &Path) {
    let names: Vec<_> = fs::read_dir(victim).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(
        fs::read_to_string(victim.join("record.json")).unwrap(),
        "precious"
    );
}

fn run(scratch: &Scratch, document: &serde_json::Value) -> Program {
    Program::new("run")
        .arg(scratch.json("manifest.json", document))
        .option("--store", scratch.path("store"))
}

#[test]
fn a_link_of_another_user_is_not_followed_by_an_export() {
    if !machine::offers(&[]) {
        return;
    }
    let document = manifest::two_modules("a");
    // In place of the export itself, and of the directory above it.
    for (output, link) in [("shared", "shared/tree"), ("shared/out", "shared/out")] {
        let scratch = Scratch::new();
        shared(&scratch);
        let victim = trap(&scratch, &scratch.path(link));
        run(&scratch, &document)
            .option("--export", "tree")
            .option("--output-directory", scratch.path(output))
            .run()
            .expect(1)
            .says("shared/");
        untouched(&victim);
    }
    // A directory of somebody else in place of the export.
    let scratch = Scratch::new();
    shared(&scratch);
    let theirs = scratch.directory("shared/tree");
    chown(&theirs, Some(OTHER), Some(OTHER)).unwrap();
    run(&scratch, &document)
        .option("--export", "tree")
        .option("--output-directory", scratch.path("shared"))
        .run()
        .expect(1)
        .says("belongs to user 4711");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    // One's own link is one's own choice.
    let scratch = Scratch::new();
    symlink(scratch.directory("real"), scratch.path("link")).unwrap();
    run(&scratch, &document)
        .option("--export", "tree")
        .option("--output-directory", scratch.path("link"))
        .run()
        .expect(0);
    assert!(scratch.path("real/tree/etc/hostname").exists());
}

#[test]
fn a_link_of_another_user_is_not_followed_by_any_document() {
    if !machine::offers(&[]) {
        return;
    }
    let record = Scratch::new();
    run(&record, &manifest::two_modules("a"))
        .option("--export", "tree")
        .option("--output-directory", record.path("out"))
        .option("--record", record.path("record.json"))
        .run()
        .expect(0);
    let options = ["--record", "--learn", "--provenance"];
    for option in options.into_iter().chain(["lock", "report"]) {
        let scratch = Scratch::new();
        shared(&scratch);
        let victim = trap(&scratch, &scratch.path("shared/directory"));
        symlink(victim.join("record.json"), scratch.path("shared/file")).unwrap();
        lchown(scratch.path("shared/file"), Some(OTHER), Some(OTHER)).unwrap();
        let write = |path: &Path| match option {
            "lock" => Program::new("lock")
                .arg(scratch.json("manifest.json", &manifest::two_modules("a")))
                .option("--output", path),
            "report" => Program::new("report")
                .arg(record.path("record.json"))
                .option("--output", path),
            option => run(&scratch, &manifest::two_modules("a"))
                .option("--export", "tree")
                .option("--output-directory", scratch.path("out"))
                .option(option, path),
        };
        let ended = write(&scratch.path("shared/directory/record.json")).run();
        assert_ne!(ended.code(), 0, "{option}: {}", ended.all());
        ended.says("is a link of user 4711");
        untouched(&victim);
        // A link of that name is replaced by the file.
        write(&scratch.path("shared/file")).run().expect(0);
        untouched(&victim);
        let kind = fs::symlink_metadata(scratch.path("shared/file")).unwrap();
        assert!(kind.is_file(), "{option}");
    }
}

/// A tree with what gives its users more than they have.
fn privileged() -> serde_json::Value {
    let made = json!({ "paths": [{ "path": "/bin" }, { "path": "/etc" }] });
    manifest::tree(json!([
        manifest::stage("org.osbuild.mkdir", made),
        manifest::hostname("a"),
        manifest::stage(
            "org.osbuild.chmod",
            json!({ "items": { "/etc/hostname": { "mode": "u+s,a+x" } } })
        ),
    ]))
}

#[test]
fn the_directory_above_a_tree_with_set_uid_files_is_closed_to_others() {
    if !machine::offers(&[]) {
        return;
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let export = |scratch: &Scratch, document: &serde_json::Value| {
        run(scratch, document)
            .option("--export", "tree")
            .option("--output-directory", scratch.path("out"))
            .run()
    };
    let scratch = Scratch::new();
    export(&scratch, &privileged()).expect(0);
    assert_eq!(mode(&scratch.path("out")), 0o700);
    assert_eq!(
        mode(&scratch.path("out/tree/etc/hostname")) & 0o4000,
        0o4000
    );
    // An empty directory that was there, and one more export into it.
    for _ in 0..2 {
        fs::set_permissions(scratch.path("out"), Permissions::from_mode(0o755)).unwrap();
        export(&scratch, &privileged()).expect(0);
        assert_eq!(mode(&scratch.path("out")), 0o700);
    }
    // Where others have something to do, nothing is taken from them and nothing put before them.
    let scratch = Scratch::new();
    fs::set_permissions(scratch.root(), Permissions::from_mode(0o755)).unwrap();
    scratch.write("out/other", "");
    fs::set_permissions(scratch.path("out"), Permissions::from_mode(0o755)).unwrap();
    export(&scratch, &privileged()).expect(1).says("chmod 0700");
    assert!(!scratch.path("out/tree").exists());
    assert_eq!(mode(&scratch.path("out")), 0o755);
    export(&scratch, &manifest::two_modules("a")).expect(0);
    // A directory of somebody else.
    let scratch = Scratch::new();
    chown(scratch.directory("out"), Some(OTHER), Some(OTHER)).unwrap();
    export(&scratch, &privileged())
        .expect(1)
        .says("belongs to user 4711");
    assert!(!scratch.path("out/tree").exists());
    // What is harmless stays where everybody can read it.
    let scratch = Scratch::new();
    export(&scratch, &manifest::two_modules("a")).expect(0);
    assert_eq!(mode(&scratch.path("out")) & 0o755, 0o755);
}
