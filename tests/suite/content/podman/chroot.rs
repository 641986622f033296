//! podman as it finds a tree that was built: in a chroot of it, with the settings, accounts and storage that the stages made.
use super::{PROGRAMS, RUN, build, stage, userland, with_trees};
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::{Value, json};

/// What a kernel and a package manager bring: the programs of this machine, and the file systems that are made at boot. Mounts and
/// processes go with the end of `unshare`, and crun sees no control groups that it would refuse. The devices are the tree's own: crun
/// gives those that are standard streams to the container's user.
const ENTER: &str = r#"
for name in bin sbin lib lib64; do ln -sfn usr/$name "$TREE/$name"; done
mount --bind "$TREE" "$TREE"
mount --rbind /usr "$TREE/usr"
mount -t tmpfs none "$TREE/dev"
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$TREE/dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 "$TREE/dev/tty" c 5 0
mkdir "$TREE/dev/pts" "$TREE/dev/shm" "$TREE/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666 none "$TREE/dev/pts"
ln -s pts/ptmx "$TREE/dev/ptmx"
mount -t proc none "$TREE/proc"
mount -t sysfs none "$TREE/sys"
mount -t tmpfs none "$TREE/sys/fs/cgroup"
mount -t tmpfs none "$TREE/run"
mount -t tmpfs none "$TREE/var/tmp"
"#;

/// Has podman in the tree run these words, without an option of where its storage is.
fn podman(tree: &std::path::Path, words: &str) -> String {
    let script = format!(
        "{ENTER} exec env -i PATH=/usr/sbin:/usr/bin chroot \"$TREE\" podman --cgroup-manager cgroupfs --events-backend none {words}"
    );
    let unshare = "--mount --pid --fork --kill-child --mount-proc sh -ec".split(' ');
    let program = Program::of("unshare", "").args(unshare.map(String::from).chain([script]));
    let ended = program.env("TREE", tree.to_str().unwrap()).run().expect(0);
    ended.stdout.trim().to_owned()
}

/// A stage that puts the image into a storage of the tree.
fn stored(mut destination: Value, name: &str) -> Value {
    destination["type"] = json!("containers-storage");
    let mut store = stage("skopeo", json!({ "destination": destination }));
    store["inputs"]["images"] = json!({
        "type": "org.osbuild.containers", "origin": "org.osbuild.pipeline", "references": { "name:image": { "name": name } },
    });
    store
}

#[test]
fn podman_runs_what_a_tree_has_in_its_storage_and_in_that_of_its_vendor() {
    if !machine::offers(&[&PROGRAMS[..], &["chroot", "conmon"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let (base, sources) = userland();
    let config = json!({
        "Entrypoint": ["/bin/busybox", "sh", "-c"],
        "Cmd": ["echo $GREETING; busybox id -un; pwd"],
        "Env": ["PATH=/bin", "GREETING=hello"],
        "User": "app",
        "WorkingDir": "/srv/work",
    });
    let options = json!({ "architecture": "amd64", "filename": "image.tar", "config": config });
    let directories = [
        "dev",
        "etc/containers",
        "opt",
        "proc",
        "run",
        "sys",
        "tmp",
        "usr",
        "var/lib",
        "var/tmp",
    ];
    let directories =
        directories.map(|path| json!({ "path": format!("/{path}"), "parents": true }));
    let storage = json!({
        "driver": "overlay", "graphroot": "/var/lib/containers/storage", "runroot": "/run/containers/storage",
        "options": { "additionalimagestores": ["/opt/images"] },
    });
    let document = json!({
        "version": "2",
        "sources": sources,
        "pipelines": [
            { "name": "base", "stages": base },
            { "name": "image", "stages": [with_trees(stage("oci-archive", options), &[("base", "base")])] },
            { "name": "tree", "stages": [
                stage("mkdir", json!({ "paths": directories })),
                stage("containers.storage.conf", json!({ "filename": "/etc/containers/storage.conf", "config": { "storage": storage } })),
                stored(json!({}), "localhost/own:1"),
                stored(json!({ "storage-path": "/opt/images" }), "localhost/vendor:1"),
            ] },
        ],
    });
    build(&scratch, &document, "tree");
    let tree = scratch.path("out/tree");
    let images = podman(
        &tree,
        "images --format '{{.Names}} {{.ReadOnly}}' --sort repository",
    );
    assert_eq!(images, "[localhost/own:1] false\n[localhost/vendor:1] true");
    for image in ["own", "vendor"] {
        let said = podman(&tree, &format!("{RUN} localhost/{image}:1"));
        assert_eq!(said, "hello\napp\n/srv/work", "{image}");
        let said = podman(
            &tree,
            &format!("{RUN} --user root localhost/{image}:1 'echo $0 $1' a b"),
        );
        assert_eq!(said, "a b", "{image}");
    }
    machine::assert_nothing_left(scratch.root());
}
