//! Extended attributes are kept by every copy, or what is lost is said in one line.
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const LABEL: &str = "security.selinux";

fn has(path: &Path, name: &str) -> bool {
    getxattr(path, name, &mut [0; 256][..]).is_ok()
}

/// A directory with files that have attributes, some of which only CAP_SYS_ADMIN may set.
fn labelled(scratch: &Scratch) {
    for file in ["in/a", "in/d/b", "in/d/c"] {
        let path = scratch.write(file, "x\n");
        for (name, value) in [(LABEL, "system_u:object_r:etc_t:s0\0"), ("user.a", "1")] {
            setxattr(&path, name, value.as_bytes(), XattrFlags::empty()).unwrap();
        }
    }
}

fn copy(scratch: &Scratch, before: &str) -> Program {
    let arguments = json!({
        "inputs": { "in": { "path": scratch.path("in") } },
        "options": { "paths": [{ "from": "input://in/", "to": "tree:///" }] },
    });
    Program::of("unshare", "--mount sh -c")
        .arg(format!("{before}; exec \"$@\""))
        .arg("sh")
        .arg(osbuild_wasm_tests::paths::program())
        .args(["stage", "run", "org.osbuild.copy"])
        .option("--tree", scratch.directory("tree"))
        .option("--args", scratch.json("arguments.json", &arguments))
}

#[test]
fn a_copied_tree_keeps_labels_also_where_the_kernel_has_no_policy() {
    if !machine::offers(&["unshare"]) {
        return;
    }
    let scratch = Scratch::new();
    labelled(&scratch);
    copy(&scratch, "true").run().expect(0).never_says("lost");
    for file in ["tree/a", "tree/d/b", "tree/d/c"] {
        for name in [LABEL, "user.a"] {
            assert!(has(&scratch.path(file), name), "{file} {name}");
        }
    }
}

#[test]
fn a_copy_to_a_file_system_without_attributes_says_in_one_line_what_is_lost() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    labelled(&scratch);
    let tree = scratch.directory("tree");
    let ended = copy(&scratch, &format!("mount -t ramfs r {}", tree.display()))
        .run()
        .expect(0)
        .says("attributes are lost: security.selinux of /run/osbuild/tree/a and 2 more, user.a of /run/osbuild/tree/a and 2 more");
    assert_eq!(ended.all().matches("are lost").count(), 1);
}

/// Files with an attribute, kept in the store between the stages.
fn document() -> Value {
    let attribute = |file: &str| json!({ "door": "tree", "do": "set-xattr", "path": format!("/run/osbuild/tree/{file}") });
    manifest::tree(json!([
        manifest::hostname("a"),
        { "type": "test.files", "options": { "steps": [attribute("etc/hostname"), attribute("etc")] } },
        manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/srv" }] })),
    ]))
}

#[test]
fn an_export_to_a_file_system_without_attributes_warns_once() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let out = scratch.directory("out");
    let run = |before: &str, out: &Path| {
        Program::of("unshare", "--mount sh -c")
            .arg(format!("{before}; exec \"$@\""))
            .arg("sh")
            .arg(osbuild_wasm_tests::paths::program())
            .args(["run", "--export", "tree", "--checkpoint", "*"])
            .arg(scratch.json("manifest.json", &document()))
            .option("--libdir", hostile::library())
            .option("--store", scratch.path("store"))
            .option("--output-directory", out)
    };
    let ended = run(&format!("mount -t ramfs r {}", out.display()), &out)
        .run()
        .expect(0);
    assert_eq!(
        ended.all().matches("attributes are lost").count(),
        1,
        "{}",
        ended.all()
    );
    ended.says("user.hostile of etc/hostname and 1 more");
    // Out of the same store to a file system that has them.
    run("true", &scratch.path("again"))
        .run()
        .expect(0)
        .never_says("lost");
    assert!(has(
        &scratch.path("again/tree/etc/hostname"),
        "user.hostile"
    ));
}

#[test]
fn a_store_on_a_file_system_without_attributes_fails_the_stage_that_sets_one() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let store = scratch.directory("store");
    Program::of("unshare", "--mount sh -c")
        .arg(format!(
            "mount -t ramfs r {} && chmod 755 {0}; exec \"$@\"",
            store.display()
        ))
        .arg("sh")
        .arg(osbuild_wasm_tests::paths::program())
        .args(["run", "--export", "tree"])
        .arg(scratch.json("manifest.json", &document()))
        .option("--libdir", hostile::library())
        .option("--store", &store)
        .option("--output-directory", scratch.path("out"))
        .run()
        .expect(1)
        .says("not supported by this file system");
    assert!(fs::read_dir(scratch.path("out")).is_err());
}

const OPAQUE: &str = "trusted.overlay.opaque";

fn make_opaque(path: &Path) {
    setxattr(path, OPAQUE, b"y", XattrFlags::empty()).unwrap();
}

#[test]
fn copies_and_archives_have_the_opaque_marks_of_overlays() {
    if !machine::offers(&["unshare"]) {
        return;
    }
    let scratch = Scratch::new();
    labelled(&scratch);
    make_opaque(&scratch.path("in/d"));
    make_opaque(&scratch.path("in/d/c"));
    copy(&scratch, "true").run().expect(0).never_says("lost");
    for file in ["tree/d", "tree/d/c"] {
        assert!(has(&scratch.path(file), OPAQUE), "{file}");
    }
    assert!(!has(&scratch.path("tree/d/b"), OPAQUE));
    let arguments = json!({
        "inputs": { "tree": { "path": scratch.path("in") } },
        "options": { "filename": "out.tar" },
    });
    Program::new("stage run org.osbuild.tar")
        .option("--tree", scratch.directory("archive"))
        .option("--args", scratch.json("tar.json", &arguments))
        .run()
        .expect(0);
    let archive = fs::read(scratch.path("archive/out.tar")).unwrap();
    let record = format!("SCHILY.xattr.{OPAQUE}=y\n");
    let found = archive.windows(record.len());
    assert_eq!(found.filter(|part| *part == record.as_bytes()).count(), 2);
}

#[test]
fn opaque_marks_of_overlays_stay_in_the_store_and_an_export_keeps_them_or_says_so_once() {
    if !machine::offers(&["unshare"]) {
        return;
    }
    let scratch = Scratch::new();
    let run = |stages: &[Value], keep: bool, out: &str| {
        let run = Program::new("run --export tree")
            .arg(scratch.json("manifest.json", &manifest::tree(json!(stages))))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path(out));
        let run = if keep {
            run.arg("--checkpoint").arg("*")
        } else {
            run
        };
        run.run().expect(0)
    };
    let paths = ["/srv/a", "/srv/b"].map(|path| json!({ "path": path, "parents": true }));
    let made = manifest::stage("org.osbuild.mkdir", json!({ "paths": paths }));
    run(std::slice::from_ref(&made), true, "first").never_says("lost");
    let objects: Vec<_> = fs::read_dir(scratch.path("store/objects"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("tree"))
        .filter(|tree| tree.is_dir())
        .collect();
    let [object] = &objects[..] else {
        panic!("{objects:?}")
    };
    for directory in ["srv/a", "srv/b"] {
        make_opaque(&object.join(directory));
    }
    // Copied within the store, where the next stages begin with it, and then out of it.
    let both = [made, manifest::hostname("h")];
    for (keep, out) in [(false, "copied"), (true, "kept"), (true, "again")] {
        let ended = run(&both, keep, out);
        let ended = ended.says("attributes in trusted.* are lost: trusted.overlay.opaque of srv/");
        assert_eq!(
            ended.all().matches("are lost").count(),
            1,
            "{}",
            ended.all()
        );
    }
}

#[test]
fn what_is_in_the_build_root_is_copied_without_the_helper_that_sees_trusted_attributes() {
    if !machine::offers(&["unshare", "grub-mkimage"]) {
        return;
    }
    let scratch = Scratch::new();
    let options = json!({
        "product": { "name": "p", "version": "1" },
        "kernel": { "dir": "/images/pxeboot", "opts": [] },
        "isolabel": "L",
    });
    let stage = manifest::stage("org.osbuild.grub2.iso.legacy", options);
    Program::new("run --export tree")
        .arg(scratch.json("manifest.json", &manifest::tree(json!([stage]))))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .run()
        .expect(0);
    let modules = scratch.path("out/tree/boot/grub2/i386-pc");
    assert!(modules.join("normal.mod").is_file());
}
