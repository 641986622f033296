//! Images and storage as podman finds them: it loads, inspects and runs what the stages make, and what it makes itself is deployed.
mod chroot;

use super::containers::registry;
use super::ostree::upstream;
use super::{Server, build};
use base64::{Engine, engine::general_purpose::STANDARD};
use osbuild_stage_test::tree::Snapshot;
use osbuild_wasm_tests::{Program, Scratch, machine, user};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

const PROGRAMS: [&str; 7] = [
    "podman",
    "crun",
    "skopeo",
    "docker-registry",
    "unshare",
    "busybox",
    "setfattr",
];

/// A container in a test: no network, no control group, and no limit that only more privileges than root's here could raise.
const RUN: &str =
    "run --rm --network none --cgroups disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024";

/// podman with a storage of its own.
struct Podman {
    storage: PathBuf,
    state: PathBuf,
    driver: &'static str,
}

impl Podman {
    /// podman takes no `state` whose path has more than 50 characters.
    fn new(scratch: &Scratch, storage: &str, state: &str, driver: &'static str) -> Self {
        Self {
            storage: scratch.path(storage),
            state: scratch.path(state),
            driver,
        }
    }

    /// The words of a script of sh in which `$podman` is the program, for `unshare`. Its mounts and processes go with its end, and crun
    /// sees no control groups that it would refuse.
    fn words(&self, script: &str) -> Vec<String> {
        let podman = format!(
            "podman --root {} --runroot {} --storage-driver {} --cgroup-manager cgroupfs --events-backend none --runtime crun",
            self.storage.display(),
            self.state.display(),
            self.driver
        );
        let words = "--mount --pid --fork --kill-child --mount-proc sh -ec".split(' ');
        let script = format!("mount -t tmpfs none /sys/fs/cgroup; podman=\"{podman}\"; {script}");
        words.map(String::from).chain([script]).collect()
    }

    fn script(&self, script: &str) -> Program {
        Program::of("unshare", "").args(self.words(script))
    }

    fn says(&self, words: &str) -> String {
        let ended = self.script(&format!("$podman {words}")).run().expect(0);
        ended.stdout.trim().to_owned()
    }

    fn inspect(&self, image: &str) -> Value {
        let text = self.says(&format!("image inspect {image}"));
        serde_json::from_str::<Value>(&text).unwrap()[0].clone()
    }
}

fn stage(module: &str, options: Value) -> Value {
    json!({ "type": format!("org.osbuild.{module}"), "options": options })
}

fn with_trees(mut stage: Value, trees: &[(&str, &str)]) -> Value {
    for (name, pipeline) in trees {
        stage["inputs"][name] = json!({
            "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{pipeline}")],
        });
    }
    stage
}

/// Stages of a tree with a shell and a user, and the source of its files.
fn userland() -> (Vec<Value>, Value) {
    let program = ["/usr/bin/busybox", "/bin/busybox"];
    let program = program.iter().find_map(|path| fs::read(path).ok()).unwrap();
    let directories = ["/bin", "/etc", "/tmp", "/srv", "/srv/work"];
    let directories = directories.map(|path| json!({ "path": path }));
    let mut stages = vec![stage("mkdir", json!({ "paths": directories }))];
    let mut items = json!({});
    for (path, content) in [
        ("/bin/busybox", program),
        (
            "/etc/passwd",
            b"root:x:0:0::/:/bin/sh\napp:x:1234:2345::/srv/work:/bin/sh\n".into(),
        ),
        ("/etc/group", b"root:x:0:\nstaff:x:2345:\n".into()),
    ] {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
        items[&digest] = json!({ "encoding": "base64", "data": STANDARD.encode(content) });
        let paths =
            json!([{ "from": format!("input://files/{digest}"), "to": format!("tree://{path}") }]);
        let mut copy = stage("copy", json!({ "paths": paths }));
        copy["inputs"] = json!({ "files": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } });
        stages.push(copy);
    }
    let link = json!({ "target": "busybox", "link_name": "tree:///bin/sh", "symbolic": true });
    stages.push(stage(
        "chmod",
        json!({ "items": { "/bin/busybox": { "mode": "0755" } } }),
    ));
    stages.push(stage("ln", json!({ "paths": [link] })));
    (stages, json!({ "org.osbuild.inline": { "items": items } }))
}

#[test]
fn a_container_of_an_archive_runs_with_every_option_that_was_given() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let (base, sources) = userland();
    let script = "echo $GREETING; busybox id -un; busybox id -gn; pwd; cat /etc/hostname-of-layer; busybox grep -c ' /data ' /proc/mounts; echo $0";
    let given = json!({
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": [script, "a word"],
        "Env": ["PATH=/bin", "GREETING=hello = world", "EMPTY="],
        "ExposedPorts": ["8080/tcp", "53/udp"],
        "User": "app:staff",
        "Labels": { "org.example.title": "A \"title\"", "containers.bootc": "1", "empty": "" },
        "StopSiganl": "SIGINT",
        "Volumes": ["/data", "/var/lib/more"],
        "WorkingDir": "/srv/work",
    });
    let annotations = json!({ "org.example.note": "noted", "org.osbuild.ostree.ref": "a/b" });
    let options = json!({ "architecture": "amd64", "filename": "image.tar", "config": given, "annotations": annotations });
    let moved =
        json!([{ "from": "input://tree/etc/hostname", "to": "tree:///etc/hostname-of-layer" }]);
    let document = json!({
        "version": "2",
        "sources": sources,
        "pipelines": [
            { "name": "base", "stages": base },
            { "name": "named", "stages": [stage("hostname", json!({ "hostname": "upper" }))] },
            { "name": "upper", "stages": [
                stage("mkdir", json!({ "paths": [{ "path": "/etc" }] })),
                with_trees(stage("copy", json!({ "paths": moved })), &[("tree", "named")]),
            ] },
            { "name": "image", "stages": [with_trees(stage("oci-archive", options), &[("base", "base"), ("layer.1", "upper")])] },
        ],
    });
    build(&scratch, &document, "image");
    let podman = Podman::new(&scratch, "podman", "state", "overlay");
    let archive = scratch.path("out/image/image.tar");
    podman.says(&format!("load --quiet --input {}", archive.display()));
    let id = podman.says("images --quiet --no-trunc");
    let found = podman.inspect(&id);
    let names = |key: &str| {
        let names = given[key].as_array().unwrap().iter();
        let members = names.map(|name| (name.as_str().unwrap().to_owned(), json!({})));
        Value::Object(members.collect())
    };
    let mut expected = given.clone();
    let signal = expected
        .as_object_mut()
        .unwrap()
        .remove("StopSiganl")
        .unwrap();
    expected["StopSignal"] = signal;
    expected["ExposedPorts"] = names("ExposedPorts");
    expected["Volumes"] = names("Volumes");
    assert_eq!(found["Config"], expected);
    assert_eq!(
        (&found["Architecture"], &found["Os"]),
        (&json!("amd64"), &json!("linux"))
    );
    assert_eq!(found["Annotations"], annotations);
    assert_eq!(found["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    let said = podman.says(&format!("{RUN} {id}"));
    assert_eq!(
        said,
        "hello = world\napp\nstaff\n/srv/work\nupper\n1\na word"
    );
    machine::assert_nothing_left(scratch.root());
}

/// What three layers do to each other: files that go, directories that hide what was in them, links, owners, modes and attributes.
const CHANGES: [&str; 3] = [
    "mkdir -p /d/e /o/deep /keep; echo 1 >/d/gone; echo 2 >/d/e/deep; echo 3 >/o/old; echo 4 >/keep/file; ln /keep/file /keep/hard; \
     ln -s /nowhere /keep/link; ln /keep/link /keep/again; chmod 4755 /keep/file; chown 12:34 /keep; mkfifo /keep/pipe; echo 5 >/was-file; mkdir /was-directory; echo 6 >/was-directory/x",
    "rm /d/gone; rm -r /o; mkdir /o; echo new >/o/new; rm /was-file; mkdir /was-file; echo 7 >/was-file/y; rm -r /was-directory; \
     ln -s keep /was-directory; chmod 0700 /keep/pipe",
    "rm -r /d/e; echo again >/d/gone; touch -d 2001-02-03 /d/gone; chown 56:78 /d; mv /keep/link /keep/moved; echo 8 >>/keep/hard",
];

/// The image that podman makes of the layers.
const LAYERED: &str = "localhost/l:3";

/// Makes [`LAYERED`].
fn layered(scratch: &Scratch, podman: &Podman) {
    let base = "mkdir -p root/usr/bin; cp $(command -v busybox) root/usr/bin/; busybox --install -s root/usr/bin; \
                tar -C root -cf root.tar .; $podman import --quiet root.tar localhost/l:0";
    let base = podman.script(base).directory(scratch.root());
    base.run().expect(0);
    let run = RUN.replace("--rm", "--name work --env PATH=/usr/bin");
    for (number, change) in CHANGES.iter().enumerate() {
        let script = format!(
            "$podman {run} localhost/l:{number} /usr/bin/sh -ec \"$CHANGE\"; \
             $podman commit --quiet --format oci work localhost/l:{}; $podman rm work",
            number + 1
        );
        let program = podman.script(&script).env("CHANGE", change);
        program.run().expect(0);
    }
}

/// Puts [`LAYERED`] into a registry; gives its id and the digest of its manifest.
fn pushed(scratch: &Scratch, podman: &Podman, registry: &str) -> (String, String) {
    layered(scratch, podman);
    let digest = scratch.path("digest");
    podman.says(&format!(
        "push --quiet --tls-verify=false --digestfile {} {LAYERED} docker://{registry}/layered:1",
        digest.display()
    ));
    let id = podman.inspect(LAYERED)["Id"].as_str().unwrap().to_owned();
    (format!("sha256:{id}"), fs::read_to_string(digest).unwrap())
}

#[test]
fn an_image_of_podman_is_deployed_as_podman_mounts_it_and_copied_to_where_podman_runs_it() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let registry = registry(&scratch);
    let host = format!("localhost:{}", registry.port);
    let podman = Podman::new(&scratch, "podman", "state", "overlay");
    let (id, digest) = pushed(&scratch, &podman, &host);
    let inputs = json!({ "images": {
        "type": "org.osbuild.containers", "origin": "org.osbuild.source", "references": { &id: { "name": "localhost/copied:1" } },
    }});
    let of_image = |name: &str, mut stage: Value| {
        stage["inputs"] = inputs.clone();
        json!({ "name": name, "stages": [stage] })
    };
    let storage = |driver: &str| {
        let destination = json!({ "type": "containers-storage", "storage-path": "/storage", "storage-driver": driver });
        stage("skopeo", json!({ "destination": destination }))
    };
    let source =
        json!({ "name": format!("{host}/layered"), "digest": digest, "tls-verify": false });
    let document = json!({
        "version": "2",
        "sources": { "org.osbuild.skopeo": { "items": { &id: { "image": source } } } },
        "pipelines": [
            of_image("deploy", stage("container-deploy", json!({}))),
            of_image("overlay", storage("overlay")),
            of_image("vfs", storage("vfs")),
        ],
    });
    for name in ["deploy", "overlay", "vfs"] {
        build(&scratch, &document, name);
    }
    let copy = "cp -a $($podman image mount localhost/l:3)/. mounted";
    let copy = podman.script(copy).directory(scratch.root());
    scratch.directory("mounted");
    copy.run().expect(0);
    let (deployed, mounted) = (scratch.path("out/deploy"), scratch.path("mounted"));
    let (found, expected) = (Snapshot::of(&deployed), Snapshot::of(&mounted));
    let (found, expected) = (found.unwrap().0, expected.unwrap().0);
    // The root has a mode of its own in each layer that podman makes.
    let paths = found
        .keys()
        .chain(expected.keys())
        .filter(|path| path.parent().is_some());
    let different: BTreeSet<_> = paths
        .filter(|path| found.get(*path) != expected.get(*path))
        .collect();
    assert!(different.is_empty(), "{different:?}");
    let links = |name: &str| fs::metadata(deployed.join(name)).unwrap().nlink();
    // Appending made files of their own of the two names.
    assert_eq!((links("keep/file"), links("d/gone")), (1, 1));
    for driver in ["overlay", "vfs"] {
        let podman = Podman::new(&scratch, &format!("out/{driver}/storage"), driver, driver);
        let run = |words: &str| podman.says(&format!("{RUN} localhost/copied:1 {words}"));
        let said = run("cat /d/gone /o/new /was-file/y /was-directory/hard");
        assert_eq!(said, "again\nnew\n7\n4\n8", "{driver}");
        // What a layer hides does not come back.
        let said = run("find /d /o");
        assert_eq!(said, "/d\n/d/gone\n/o\n/o/new", "{driver}");
        assert_eq!(
            podman.inspect("localhost/copied:1")["Id"],
            json!(id.trim_start_matches("sha256:"))
        );
    }
    drop(registry);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn what_layers_hide_stays_hidden_in_the_storage_of_an_ordinary_user() {
    if !machine::offers(&[&PROGRAMS[..], &user::PROGRAMS].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let podman = Podman::new(&scratch, "podman", "state", "overlay");
    layered(&scratch, &podman);
    let archive = scratch.path("image.tar");
    podman.says(&format!(
        "save --quiet --format oci-archive --output {} {LAYERED}",
        archive.display()
    ));
    let digest = format!(
        "sha256:{}",
        hex::encode(Sha256::digest(fs::read(&archive).unwrap()))
    );
    let mut copy = stage(
        "copy",
        json!({ "paths": [{ "from": format!("input://file/{digest}"), "to": "tree:///image.tar" }] }),
    );
    copy["inputs"] = json!({ "file": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } });
    let mut store = stage(
        "skopeo",
        json!({ "destination": { "type": "containers-storage", "storage-path": "/storage" } }),
    );
    store["inputs"] = json!({ "images": {
        "type": "org.osbuild.containers", "origin": "org.osbuild.pipeline", "references": { "name:archive": { "name": "localhost/copied:1" } },
    }});
    let document = json!({
        "version": "2",
        "sources": { "org.osbuild.curl": { "items": { &digest: format!("file://{}", archive.display()) } } },
        "pipelines": [{ "name": "archive", "stages": [copy] }, { "name": "storage", "stages": [store] }],
    });
    let user = user::machine(&scratch);
    let build = user.build("--quiet --export storage");
    build.arg(scratch.json("m.json", &document)).run().expect(0);
    let podman = Podman::new(&scratch, "out/storage/storage", "user", "overlay");
    let said = podman.says(&format!("{RUN} localhost/copied:1 find /d /o"));
    assert_eq!(said, "/d\n/d/gone\n/o\n/o/new");
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_commit_is_pulled_from_the_container_that_serves_it() {
    if !machine::offers(&[&PROGRAMS[..], &["ostree", "python3"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let (upstream, commit) = upstream(&scratch);
    let (base, mut sources) = userland();
    let source = |url: String| json!({ "items": { &commit: { "remote": { "url": url } } } });
    sources["org.osbuild.ostree"] = source(format!("http://127.0.0.1:{}/repo", upstream.port));
    let mut pull = stage("ostree.pull", json!({ "repo": "/www/repo" }));
    pull["inputs"] = json!({ "commits": {
        "type": "org.osbuild.ostree", "origin": "org.osbuild.source", "references": { &commit: { "ref": "main" } },
    }});
    let config = json!({ "Entrypoint": ["/bin/busybox", "httpd", "-f", "-h", "/www", "-p"] });
    let annotations = json!({
        "org.osbuild.ostree.layer": "layer.1", "org.osbuild.ostree.repo": "/www/repo", "org.osbuild.ostree.ref": "main",
    });
    let options = json!({ "architecture": "amd64", "filename": "image.tar", "config": config, "annotations": annotations });
    let document = json!({
        "version": "2",
        "sources": sources,
        "pipelines": [
            { "name": "base", "stages": base },
            { "name": "www", "stages": [stage("ostree.init", json!({ "path": "/www/repo" })), pull] },
            { "name": "image", "stages": [with_trees(stage("oci-archive", options), &[("base", "base"), ("layer.1", "www")])] },
        ],
    });
    build(&scratch, &document, "image");
    drop(upstream);
    let podman = Podman::new(&scratch, "podman", "state", "overlay");
    let archive = scratch.path("out/image/image.tar");
    podman.says(&format!("load --quiet --input {}", archive.display()));
    let id = podman.says("images --quiet --no-trunc");
    assert_eq!(podman.inspect(&id)["Annotations"], annotations);
    let run = RUN.replace("--network none", "--network host");
    let server = Server::start(|port| {
        let mut command = Command::new("unshare");
        command.args(podman.words(&format!("$podman {run} {id} 127.0.0.1:{port}")));
        command
    });
    let mut copy = stage(
        "copy",
        json!({ "paths": [{ "from": format!("input://tree/{commit}/usr/bin"), "to": "tree:///bin" }] }),
    );
    copy["inputs"] = json!({ "tree": {
        "type": "org.osbuild.ostree.checkout", "origin": "org.osbuild.source", "references": [commit],
    }});
    let document = json!({
        "version": "2",
        "sources": { "org.osbuild.ostree": source(format!("http://127.0.0.1:{}/repo", server.port)) },
        "pipelines": [{ "name": "checkout", "stages": [copy] }],
    });
    // What the store has of the commit would do without the server.
    fs::remove_dir_all(scratch.path("store")).unwrap();
    build(&scratch, &document, "checkout");
    assert_eq!(scratch.read("out/checkout/bin/program"), "program\n");
    drop(server);
    machine::assert_nothing_left(scratch.root());
}
