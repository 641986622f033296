//! Where results go: never through a link of somebody else, and what gives privileges never where others reach it.
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest, paths};
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

/// A command that makes files in or below the directory.
type Making = fn(&Scratch, &Path) -> Program;

/// One for each way in which a command line names a place for files.
const MAKING: [(&str, Making); 15] = [
    ("man", |_, there| Program::new("man").arg(there)),
    ("man below", |_, there| {
        Program::new("man").arg(there.join("man1"))
    }),
    ("compile", |_, there| {
        Program::new("compile").arg(there).arg("org.osbuild.noop")
    }),
    ("stage run", |scratch, there| {
        stage_run(scratch, there.to_owned())
    }),
    ("stage run below", |scratch, there| {
        stage_run(scratch, there.join("tree"))
    }),
    ("store", |scratch, there| {
        Program::new("run")
            .arg(scratch.json("manifest.json", &manifest::two_modules("a")))
            .option("--store", there.join("store"))
    }),
    ("rundir", |scratch, there| {
        Program::new("osbuild")
            .arg(scratch.json("manifest.json", &manifest::two_modules("a")))
            .option("--store", scratch.path("store"))
            .option("--rundir", there.join("run"))
            .option("--export", "tree")
            .option("--output-directory", scratch.path("out"))
    }),
    ("cache", |scratch, there| {
        stage_run(scratch, scratch.path("tree")).env("XDG_CACHE_HOME", there)
    }),
    ("metadata", |_, there| {
        Program::new("depsolve a")
            .option("--repo", "file:///nothing")
            .option("--cache", there)
    }),
    ("metadata below", |_, there| {
        image("manifest").option("--rpmmd-cache", there.join("metadata"))
    }),
    ("image", |scratch, there| {
        image("build")
            .option("--rpmmd-cache", scratch.path("metadata"))
            .option("--store", scratch.path("store"))
            .option("--output-dir", there)
    }),
    ("plugin new", |_, there| {
        Program::new("plugin new com.example.a --lang c").option("--directory", there.join("new"))
    }),
    ("plugin keygen", |_, there| {
        Program::new("plugin keygen").arg(there.join("key"))
    }),
    ("plugin pack", |scratch, there| {
        let document = scratch.json("module.json", &hostile::document("files"));
        Program::new("plugin pack")
            .arg(scratch.write("component.wasm", hostile::component("files")))
            .option("--metadata", document)
            .option("--output", there.join("a.wasm"))
    }),
    ("plugin install", |_, there| {
        Program::new("plugin install")
            .arg(hostile::library().join("files.wasm"))
            .option("--plugins", there)
    }),
];

/// A command about an image, for which nothing has to be had to refuse its directories.
fn image(command: &str) -> Program {
    Program::new(command)
        .args("tar --distro demo-1 --arch x86_64".split(' '))
        .option("--definitions", paths::sample("definitions"))
        .option("--force-repo", "file:///nothing")
}

fn stage_run(scratch: &Scratch, tree: PathBuf) -> Program {
    Program::new("stage run org.osbuild.noop")
        .option("--tree", tree)
        .option("--args", scratch.json("arguments.json", &json!({})))
}

#[test]
fn a_link_of_another_user_is_not_followed_by_any_command() {
    if !machine::offers(&[]) {
        return;
    }
    for (name, command) in MAKING {
        let scratch = Scratch::new();
        shared(&scratch);
        let victim = trap(&scratch, &scratch.path("shared/directory"));
        let ended = command(&scratch, &scratch.path("shared/directory")).run();
        assert_ne!(ended.code(), 0, "{name}: {}", ended.all());
        assert!(
            ended.all().contains("is a link of user 4711"),
            "{name}: {}",
            ended.all()
        );
        untouched(&victim);
    }
    // One's own link is one's own choice, and what somebody else has in a place that only they write is too.
    let scratch = Scratch::new();
    symlink(scratch.directory("real"), scratch.path("link")).unwrap();
    Program::new("man")
        .arg(scratch.path("link"))
        .run()
        .expect(0);
    assert!(scratch.path("real/osbuild-wasm-run.1").exists());
    chown(scratch.directory("theirs"), Some(OTHER), None).unwrap();
    stage_run(&scratch, scratch.path("theirs")).run().expect(0);
    // Not in a place where anybody makes names.
    shared(&scratch);
    chown(scratch.directory("shared/theirs"), Some(OTHER), None).unwrap();
    stage_run(&scratch, scratch.path("shared/theirs"))
        .run()
        .expect(2)
        .says("belongs to user 4711");
}

#[test]
fn a_store_that_others_can_write_is_refused() {
    let shared = |what: &str, mode: u32| {
        let scratch = Scratch::new();
        let again = || {
            run(&scratch, &manifest::two_modules("a"))
                .option("--export", "tree")
                .option("--output-directory", scratch.path("out"))
        };
        again().run().expect(0);
        fs::set_permissions(scratch.path(what), Permissions::from_mode(mode)).unwrap();
        again()
            .run()
            .expect(1)
            .says("can be written by other users")
            .says(what);
    };
    shared("store", 0o777);
    shared("store", 0o775);
    shared("store", 0o1777);
    shared("store/objects", 0o770);
    shared("store/store.json", 0o666);
    // A store that this program makes is not one, whatever the umask.
    let scratch = Scratch::new();
    let document = scratch.json("manifest.json", &manifest::two_modules("a"));
    for _ in 0..2 {
        Program::shell("umask 0; exec \"$0\" run \"$@\"")
            .arg(&document)
            .option("--store", scratch.path("new/store"))
            .option("--output-directory", scratch.path("out"))
            .option("--export", "tree")
            .run()
            .expect(0);
    }
}

#[test]
fn with_the_environment_of_another_user_root_uses_places_of_its_own() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    for directory in ["theirs", "theirs/.cache", "theirs/.local/share"] {
        chown(scratch.directory(directory), Some(OTHER), Some(OTHER)).unwrap();
    }
    scratch.directory("root");
    let passwd = scratch.write(
        "passwd",
        format!("root:x:0:0::{}:/bin/sh\n", scratch.path("root").display()),
    );
    let bind = format!(
        "mount --bind {} /etc/passwd && exec \"$@\"",
        passwd.display()
    );
    for variable in ["HOME", "XDG_CACHE_HOME"] {
        through_shell_in_namespace(&bind, "stage run org.osbuild.noop")
            .option("--tree", scratch.path("tree"))
            .option("--args", scratch.json("arguments.json", &json!({})))
            .env("XDG_CACHE_HOME", "")
            .env(variable, scratch.path("theirs"))
            .run()
            .expect(0);
    }
    let names = |directory: &str| fs::read_dir(scratch.path(directory)).unwrap().count();
    assert_eq!((names("theirs"), names("theirs/.cache")), (2, 0));
    let store = scratch.path("root/.cache/osbuild-wasm/stage-run");
    assert!(store.join("store.json").exists());
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

/// A tree with a file and a set-id program of somebody else.
fn owned() -> serde_json::Value {
    let items = json!({ "/o": { "user": 5000, "group": 6000 } });
    manifest::tree(json!([
        manifest::stage(
            "org.osbuild.mkdir",
            json!({ "paths": [{ "path": "/o" }, { "path": "/own" }] })
        ),
        manifest::stage("org.osbuild.chown", json!({ "items": items })),
        manifest::stage(
            "org.osbuild.chmod",
            json!({ "items": { "/o": { "mode": "6755" }, "/own": { "mode": "2755" } } })
        ),
    ]))
}

#[test]
fn an_export_goes_into_a_directory_of_ours_that_was_given_to_somebody() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("out/tree/mine", "kept");
    let tree = scratch.path("out/tree");
    // Twice: the second time what was exported is there.
    for _ in 0..2 {
        chown(&tree, Some(OTHER), Some(OTHER)).unwrap();
        run(&scratch, &owned())
            .option("--export", "tree")
            .option("--output-directory", scratch.path("out"))
            .run()
            .expect(0);
        assert_eq!(tree.join("o").metadata().unwrap().uid(), 5000);
        assert_eq!(scratch.read("out/tree/mine"), "kept");
    }
}

#[test]
fn exports_belong_to_the_caller_where_owners_shall_not_be_kept() {
    if !machine::offers(&[]) {
        return;
    }
    for (value, uid, mode) in [("1", 0, 0o755), ("", 5000, 0o6755), ("0", 5000, 0o6755)] {
        let scratch = Scratch::new();
        run(&scratch, &owned())
            .option("--export", "tree")
            .option("--output-directory", scratch.path("out"))
            .env("OSBUILD_EXPORT_FORCE_NO_PRESERVE_OWNER", value)
            .run()
            .expect(0);
        let found = scratch.path("out/tree/o").metadata().unwrap();
        // What was set-id for somebody else is not so for the caller.
        assert_eq!((found.uid(), found.mode() & 0o7777), (uid, mode), "{value}");
        let own = scratch.path("out/tree/own").metadata().unwrap();
        assert_eq!(own.mode() & 0o7777, 0o2755, "{value}");
    }
}
