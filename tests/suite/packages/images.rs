//! Packages of images: chosen and fetched by the process that builds.
use super::fails;
use super::repository::{Package, Server, write};
use osbuild_wasm_tests::{Program, Scratch, machine, paths, user};
use rustix::fs::inotify;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// What an archive of Demo Linux (samples/definitions) and its build root are made of.
const NAMES: &str = "bash coreutils cpio demo-release demo-rpm-config fdisk filesystem findutils grep grub-common gzip kmod libc-bin mawk \
    mount pam-config passwd rpm sed setup systemd tar util-linux xz zstd";

/// Those packages.
pub fn packages() -> Vec<Package> {
    let names = NAMES.split_whitespace();
    names.map(|name| Package::new(name, "1")).collect()
}

/// A build of an archive of Demo Linux from the repository `demo` of this description.
pub fn build(scratch: &Scratch, repository: Value) -> Program {
    archive(scratch, repository, Program::new("build"))
        .option("--store", scratch.path("store"))
        .option("--output-dir", scratch.path("out"))
}

/// A command about such an archive.
fn archive(scratch: &Scratch, mut repository: Value, program: Program) -> Program {
    repository["name"] = "demo".into();
    scratch.json("repositories/demo-1.json", &json!({"x86_64": [repository]}));
    program
        .args("tar --distro demo-1 --arch x86_64".split(' '))
        .option("--definitions", paths::sample("definitions"))
        .option("--repositories", scratch.path("repositories"))
        .option("--rpmmd-cache", scratch.path("metadata"))
}

/// A server that describes its packages, and has none.
fn demo(scratch: &Scratch) -> Server {
    write(&scratch.path("repo"), &packages());
    Server::new(&scratch.path("repo"))
}

/// Whoever owns the directory of an image could put another manifest there.
#[test]
fn a_build_does_not_read_its_manifest_again_from_the_directory_of_the_image() {
    let scratch = Scratch::new();
    let server = demo(&scratch);
    let out = scratch.directory("out");
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &out, inotify::WatchFlags::OPEN).unwrap();
    let ended = archive(
        &scratch,
        json!({"baseurl": server.url()}),
        Program::new("build"),
    )
    .option("--store", scratch.path("store"))
    .option("--output-dir", &out)
    .option("--with-manifest", "--with-buildlog")
    .run()
    .expect(1);
    assert!(
        ended.stderr.contains("error downloading Packages/"),
        "{}",
        ended.stderr
    );
    let mut room = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut room);
    let mut opened = Vec::new();
    while let Ok(event) = events.next() {
        let name = event.file_name().map(|name| name.to_string_lossy());
        opened.extend(name.map(|name| name.into_owned()));
    }
    // That it was written is seen.
    assert!(
        opened.iter().any(|name| name.starts_with(".osbuild-wasm-")),
        "{opened:?}"
    );
    assert!(
        !opened.iter().any(|name| name.ends_with(".json")),
        "{opened:?}"
    );
}

#[test]
fn a_directory_in_place_of_the_image_is_told_before_anything_is_looked_up() {
    let scratch = Scratch::new();
    scratch.directory("out/demo-1-tar-x86_64.tar");
    // Nothing listens there.
    let ended = build(&scratch, json!({"baseurl": "http://127.0.0.1:1/"})).run();
    fails(ended, 2, "cannot write");
}

/// At any moment: before content is looked up, between that and the run, in the run.
#[test]
fn ctrl_c_at_any_moment_of_a_build_leaves_nothing() {
    let scratch = Scratch::new();
    let server = demo(&scratch);
    for moment in 0..12 {
        let mut started = build(&scratch, json!({"baseurl": server.url()})).start();
        std::thread::sleep(Duration::from_millis(40 * moment));
        if !started.has_ended() {
            started.signal(Signal::INT);
        }
        let ended = started.wait();
        ended.never_says("internal error").never_says("panicked");
        let left = fs::read_dir(scratch.path("out")).into_iter().flatten();
        let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "{moment}: {left:?}");
    }
}

#[test]
fn an_image_is_called_by_a_name_that_leads_nowhere_else() {
    let scratch = Scratch::new();
    let sample = paths::sample("definitions").join("demo/demo.yaml");
    let sample = fs::read_to_string(sample).unwrap();
    for name in ["/etc/shadow", "a/../../b", "..", "", "-x.tar", "a\\nb"] {
        let text = sample.replace("filename: root.tar", &format!("filename: \"{name}\""));
        scratch.write("definitions/demo/demo.yaml", text);
        let ended = Program::new("describe tar --distro demo-1 --arch x86_64")
            .option("--definitions", scratch.path("definitions"))
            .run();
        fails(ended, 2, "is no name of a file");
    }
    let text = sample.replace("- name: demo\n", "- name: ../../demo\n");
    scratch.write("definitions/demo/demo.yaml", text);
    let ended = Program::new("describe tar --distro ../../demo-1 --arch x86_64")
        .option("--definitions", scratch.path("definitions"))
        .run();
    fails(ended, 2, "is no name of a distribution");
}

/// They are somebody else's, links and all; what these lead to would stand in messages and in images.
#[test]
fn definitions_lead_to_no_other_files_of_this_machine() {
    let scratch = Scratch::new();
    scratch.write("secret", "distributions: [secret]");
    let sample = paths::sample("definitions").join("demo/demo.yaml");
    scratch.write("definitions/real/demo.yaml", fs::read(sample).unwrap());
    let list = || {
        Program::new("list --filter distro:demo-1")
            .option("--definitions", scratch.path("definitions"))
            .run()
    };
    let link = |to: &str, name: &str| symlink(to, scratch.path(name)).unwrap();
    // One within the directory is no other file.
    fs::create_dir(scratch.path("definitions/demo")).unwrap();
    link("../real/demo.yaml", "definitions/demo/demo.yaml");
    list().expect(0);
    fs::create_dir(scratch.path("definitions/keys")).unwrap();
    for (to, name) in [
        ("../../secret", "definitions/demo/more.yaml"),
        ("../../secret", "definitions/keys/key.asc"),
    ] {
        link(to, name);
        let ended = list();
        assert!(!ended.all().contains("[secret]"), "{}", ended.all());
        let ended = ended.expect(2);
        assert!(
            ended.all().contains("a link leads out of the directory"),
            "{name}: {}",
            ended.all()
        );
        fs::remove_file(scratch.path(name)).unwrap();
    }
}

/// A thread that choosing packages leaves would keep the user from a namespace, and root's capabilities for itself.
#[test]
fn an_image_of_an_ordinary_user_is_isolated_after_its_packages_were_chosen() {
    if !machine::offers(&user::PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let server = demo(&scratch);
    let program = user::machine(&scratch).run("build");
    let ended = archive(&scratch, json!({"baseurl": server.url()}), program)
        .option("--store", scratch.path("store"))
        .option("--output-dir", scratch.path("out"))
        .run()
        .expect(1);
    // The server has no packages: they are asked for after the isolation.
    assert!(
        ended.stderr.contains("error downloading Packages/"),
        "{}",
        ended.stderr
    );
}
