//! SELinux labels that setfiles gives, read back from everything that images are made of.
use super::{build, files, inline, script, tree};
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest, user};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TOOLS: [&str; 9] = [
    "setfiles",
    "getfattr",
    "unshare",
    "mount",
    "mkfs.xfs",
    "mkfs.btrfs",
    "mksquashfs",
    "mkfs.erofs",
    "cpio",
];

/// A policy's contexts of files: a type by place and one by kind, and places without label.
const CONTEXTS: &str = "\
/.*\tsystem_u:object_r:default_t:s0
/\t-d\tsystem_u:object_r:root_t:s0
/etc(/.*)?\tsystem_u:object_r:etc_t:s0
/etc/shadow\t--\tsystem_u:object_r:shadow_t:s0
/srv/link\t-l\tsystem_u:object_r:link_t:s0
/srv/pipe\t-p\tsystem_u:object_r:pipe_t:s0
/srv/none(/.*)?\t<<none>>
";

/// What `getfattr` says of the tree that was labelled.
const LABELS: &str = "\
./etc/contexts=etc_t
./etc/hostname=hostname_t
./etc/shadow=shadow_t
./etc=etc_t
./srv/file=default_t
./srv/link=link_t
./srv/pipe=pipe_t
./srv=default_t
.=root_t
";

/// A function of sh that says the labels below a directory, in short.
const LOOK: &str = r#"look() (
    cd "$1"
    getfattr -R -h -d -m security.selinux . | tr '\n' ' ' |
        sed -E 's/# file: /\n/g; s/ security.selinux="system_u:object_r:([a-z_]+):s0(\\000)?"/=\1/g' | sed 's/ *$//; /^$/d' |
        sed 's,^\([^.]\),./\1,' | LC_ALL=C sort
)"#;

/// A disk of one file system with the labelled tree.
fn disk(kind: &str, size: &str) -> Value {
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } } });
    json!({ "name": kind, "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": size })),
        {
            "type": format!("org.osbuild.mkfs.{kind}"),
            "options": { "uuid": "5e11ab05-3fb9-423f-8ab8-7a0a8e3d3562" },
            "devices": device,
        },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
            "inputs": { "tree": tree("tree") },
            "devices": device,
            "mounts": [{ "name": "root", "type": format!("org.osbuild.{kind}"), "source": "device", "target": "/" }],
        },
    ] })
}

fn packed(name: &str, module: &str, options: Value) -> Value {
    json!({ "name": name, "stages": [{ "type": module, "options": options, "inputs": { "tree": tree("tree") } }] })
}

/// A labelled tree, and all that is made of it.
fn document(scratch: &Scratch) -> Value {
    let (sources, references) = inline(&[scratch.write("contexts", CONTEXTS)]);
    let directories =
        ["/etc", "/srv/none", "/srv/skipped"].map(|path| json!({ "path": path, "parents": true }));
    let from = format!("input://contexts/{}", references[0]);
    let copies = [
        "etc/contexts",
        "etc/shadow",
        "srv/file",
        "srv/none/file",
        "srv/skipped/file",
    ]
    .map(|to| json!({ "from": from, "to": format!("tree:///{to}") }));
    let link = json!({ "target": "file", "link_name": "tree:///srv/link", "symbolic": true });
    let labels = json!({
        "file_contexts": "etc/contexts",
        "exclude_paths": ["/srv/skipped"],
        "labels": { "tree:///etc/hostname": "system_u:object_r:hostname_t:s0" },
    });
    let stages = json!([
        manifest::stage("org.osbuild.mkdir", json!({ "paths": directories })),
        { "type": "org.osbuild.copy", "options": { "paths": copies }, "inputs": { "contexts": files(&references) } },
        manifest::stage("org.osbuild.ln", json!({ "paths": [link] })),
        manifest::stage("test.files", json!({ "steps": [hostile::step("tree fifo /run/osbuild/tree/srv/pipe")] })),
        manifest::hostname("labelled"),
        manifest::stage("org.osbuild.selinux", labels),
    ]);
    let archive = json!({ "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": { "name:tar": { "file": "image" } } });
    json!({ "version": "2", "sources": sources, "pipelines": [
        { "name": "tree", "stages": stages },
        packed("tar", "org.osbuild.tar", json!({ "filename": "image" })),
        packed("cpio", "org.osbuild.cpio.out", json!({ "filename": "image" })),
        packed("zip", "org.osbuild.zip", json!({ "filename": "image" })),
        packed("squashfs", "org.osbuild.squashfs", json!({ "filename": "image", "source": "input://tree/" })),
        packed("erofs", "org.osbuild.erofs", json!({ "filename": "image", "source": "input://tree/" })),
        { "name": "untar", "stages": [{ "type": "org.osbuild.untar", "inputs": { "file": archive } }] },
        disk("ext4", "64M"),
        disk("xfs", "330M"),
        disk("btrfs", "128M"),
    ] })
}

fn run(scratch: &Scratch, exports: &[&str], options: &[&str]) -> Program {
    build(scratch, &document(scratch), exports)
        .option("--libdir", hostile::library())
        .args(options)
}

/// The labels below a directory.
fn looked(scratch: &Scratch, directory: &str) -> String {
    let look = format!("{LOOK}\nlook \"$1\"");
    script(scratch, &look, &[&scratch.path(directory)]).stdout
}

/// The labels in an image that the kernel mounts.
fn mounted(scratch: &Scratch, image: &str) -> String {
    let mounts = format!(
        "{LOOK}\nmkdir -p mounted\n# Other tests may have mounted an XFS of the same UUID.\n\
        mount -o loop,ro,nouuid \"$1\" mounted 2>/dev/null || mount -o loop,ro \"$1\" mounted\nlook mounted && umount mounted"
    );
    let inside = r#"exec unshare --mount sh -euc "$1" sh "$2""#;
    script(scratch, inside, &[Path::new(&mounts), &scratch.path(image)]).stdout
}

#[test]
fn labels_of_setfiles_are_in_every_file_system_and_archive_that_has_room_for_them() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let exports = ["tree", "tar", "squashfs", "erofs", "ext4", "xfs", "btrfs"];
    run(&scratch, &exports, &[])
        .run()
        .expect(0)
        .never_says("lost");
    let unpack =
        r#"mkdir unpacked; tar -C unpacked --xattrs --xattrs-include='*' -xf out/tar/image"#;
    script(&scratch, unpack, &[]);
    for directory in ["out/tree", "unpacked"] {
        assert_eq!(looked(&scratch, directory), LABELS, "{directory}");
    }
    for image in [
        "out/squashfs/image",
        "out/erofs/image",
        "out/ext4/disk.img",
        "out/xfs/disk.img",
        "out/btrfs/disk.img",
    ] {
        assert_eq!(mounted(&scratch, image), LABELS, "{image}");
    }
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn labels_are_in_disks_that_are_made_without_loop_devices() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let ended = run(&scratch, &["ext4", "xfs"], &["--devices=none"]).run();
    ended.expect(0).never_says("lost");
    for image in ["out/ext4/disk.img", "out/xfs/disk.img"] {
        assert_eq!(mounted(&scratch, image), LABELS, "{image}");
    }
}

/// As [`disk`], with labels that are given to the mounted file system, by what an input says.
fn labelled_on_its_mount(kind: &str, size: &str) -> Value {
    let mut pipeline = disk(kind, size);
    let stages = pipeline["stages"].as_array_mut().unwrap();
    let mut stage = stages.last().unwrap().clone();
    stage["type"] = json!("org.osbuild.selinux");
    stage["options"] = json!({
        "target": "mount://root/",
        "file_contexts": "input://tree/etc/contexts",
        "exclude_paths": ["/srv/skipped", "/lost+found"],
        "labels": { "mount://root/etc/hostname": "system_u:object_r:hostname_t:s0" },
    });
    stages.push(stage);
    pipeline
}

#[test]
fn labels_are_given_to_a_mounted_file_system() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let mut document = document(&scratch);
    let pipelines = document["pipelines"].as_array_mut().unwrap();
    pipelines.truncate(1);
    // Nothing has a label before.
    pipelines[0]["stages"].as_array_mut().unwrap().pop();
    let disks = [("ext4", "64M"), ("xfs", "330M")];
    pipelines.extend(disks.map(|(kind, size)| labelled_on_its_mount(kind, size)));
    for devices in ["--devices=loop", "--devices=none"] {
        let run = build(&scratch, &document, &["ext4", "xfs"]);
        let run = run.option("--libdir", hostile::library()).arg(devices);
        run.run().expect(0);
        for image in ["out/ext4/disk.img", "out/xfs/disk.img"] {
            assert_eq!(mounted(&scratch, image), LABELS, "{devices} {image}");
        }
        fs::remove_dir_all(scratch.path("out")).unwrap();
    }
}

#[test]
fn labels_are_in_what_assemblers_make() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let uuid = "5e11ab05-3fb9-423f-8ab8-7a0a8e3d3563";
    let labels = json!({ "tree:///etc": "system_u:object_r:etc_t:s0", "tree:///etc/hostname": "system_u:object_r:hostname_t:s0" });
    let stages = json!([
        { "name": "org.osbuild.mkdir", "options": { "paths": [{ "path": "/etc" }] } },
        { "name": "org.osbuild.hostname", "options": { "hostname": "labelled" } },
        { "name": "org.osbuild.selinux", "options": { "labels": labels } },
    ]);
    let assemblers = [
        ("org.osbuild.tar", json!({ "filename": "image" })),
        (
            "org.osbuild.rawfs",
            json!({ "filename": "image", "root_fs_uuid": uuid, "size": 64 << 20 }),
        ),
    ];
    for (name, options) in assemblers {
        let document = json!({ "pipeline": { "stages": stages, "assembler": { "name": name, "options": options } } });
        build(&scratch, &document, &["assembler"]).run().expect(0);
        let found = match name {
            "org.osbuild.tar" => {
                let unpack = "mkdir unpacked; tar -C unpacked --xattrs --xattrs-include='*' -xf out/assembler/image";
                script(&scratch, unpack, &[]);
                looked(&scratch, "unpacked")
            }
            _ => mounted(&scratch, "out/assembler/image"),
        };
        assert_eq!(found, "./etc/hostname=hostname_t\n./etc=etc_t\n", "{name}");
        fs::remove_dir_all(scratch.path("out")).unwrap();
    }
}

#[test]
fn what_does_not_keep_labels_says_so_in_one_line() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    for (name, first) in [("cpio", "."), ("untar", "."), ("zip", "etc")] {
        let ended = run(&scratch, &[name], &["--json"]).run().expect(0);
        assert_eq!(ended.all().matches("are lost").count(), 1, "{name}");
        ended.says(&format!(
            "attributes are lost: security.selinux of {first} and "
        ));
    }
}

#[test]
fn an_ordinary_user_gets_the_same_labels_or_an_error_where_the_kernel_forbids_them() {
    if !machine::offers(&[&TOOLS[..], &user::PROGRAMS].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document(&scratch));
    let run = user::machine(&scratch).build("--export tree --export ext4");
    let ended = run.option("--libdir", hostile::library()).arg(file).run();
    // Kernels with security modules leave attributes of these to the machine's root.
    if ended.code() != 0 {
        ended.expect(1).says("org.osbuild.selinux failed");
        return;
    }
    assert_eq!(looked(&scratch, "out/tree"), LABELS);
    assert_eq!(mounted(&scratch, "out/ext4/disk.img"), LABELS);
}
