//! Documents that never end, and what might be waited for without end.
use osbuild_wasm_tests::{Program, Scratch, manifest, paths};
use std::fs;

/// What is read as a document: the words of the command line before it, those behind it, and the exit code when it cannot be read.
const DOCUMENTS: [(&str, &str, i32); 21] = [
    ("run", "", 2),
    ("validate", "", 2),
    ("inspect", "", 2),
    ("lock", "", 2),
    ("plan", "", 2),
    ("plan MANIFEST --policy", "", 2),
    ("run MANIFEST --policy", "", 2),
    ("audit diff", "MANIFEST", 2),
    ("audit", "", 2),
    ("report", "", 2),
    ("blueprint check", "", 2),
    ("blueprint convert --to json", "", 2),
    ("manifest --distro fedora-43 qcow2 --blueprint", "", 2),
    ("manifest --distro rhel-9.6 qcow2 --registrations", "", 2),
    ("stage run org.osbuild.noop --tree TREE --args", "", 2),
    ("stage validate org.osbuild.noop --args", "", 2),
    (
        "depsolve --distro fedora-43 bash --cache CACHE --repo",
        "",
        2,
    ),
    ("plugin install", "", 1),
    ("plugin pack", "--metadata MANIFEST --output OUT", 1),
    ("plugin pack MANIFEST --output OUT --metadata", "", 1),
    ("plugin sign MANIFEST --key", "", 1),
];

/// A command about a document, which the shell calls `"$1"`.
fn about(scratch: &Scratch, (before, after, _): (&str, &str, i32), document: &str) -> Program {
    let manifest = scratch.json("manifest.json", &manifest::two_modules("x"));
    let words = format!("{before} {document} {after}")
        .replace("MANIFEST", &manifest.display().to_string())
        .replace("TREE", &scratch.directory("tree").display().to_string())
        .replace("CACHE", &scratch.path("cache").display().to_string())
        .replace("OUT", &scratch.path("out").display().to_string());
    Program::of("bash", "-c")
        .arg(format!(r#""$0" {words}"#))
        .arg(paths::program())
}

#[test]
fn what_might_be_waited_for_without_end_is_no_document() {
    let scratch = Scratch::new();
    let pipe = scratch.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let socket = scratch.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (what, path) in [
        ("it is a named pipe", pipe.display().to_string()),
        ("it is a socket", socket.display().to_string()),
        ("it is a device", "/dev/tty".into()),
    ] {
        for document in DOCUMENTS {
            let program = about(&scratch, document, &path);
            program.run().expect(document.2).says(what);
        }
    }
    let file = scratch.json("manifest.json", &manifest::two_modules("x"));
    let locked = Program::new(&format!("run --locked={}", pipe.display())).arg(file);
    locked.run().expect(2).says("it is a named pipe");
    for (option, name) in [
        ("repositories", "fedora-43.json"),
        ("definitions", "own/own.yaml"),
    ] {
        let file = scratch.directory(option).join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::rename(&pipe, &file).unwrap();
        let directory = scratch.path(option);
        let program = Program::new("manifest --distro fedora-43 qcow2");
        let program = program.option(&format!("--{option}"), directory);
        let ended = program.run();
        assert_ne!(ended.code(), 0);
        ended.says("it is a named pipe");
        fs::rename(&file, &pipe).unwrap();
    }
    assert!(!scratch.path("out").exists());
}

#[test]
fn a_pipe_of_the_shell_is_a_document() {
    let scratch = Scratch::new();
    for (command, document) in [
        (("validate", "", 2), "<(cat MANIFEST)"),
        (("validate", "", 2), "- <MANIFEST"),
        (("validate", "", 2), "/dev/stdin <MANIFEST"),
        (("validate", "", 2), "/dev/fd/5 5<MANIFEST"),
        (
            ("plan MANIFEST --policy", "", 2),
            r#"<(sleep 0.1; printf 'version = 1\n[[rule]]\nmodules = ["*"]\n')"#,
        ),
        (("blueprint check", "", 2), r#"<(echo 'name = "a"')"#),
        (
            ("stage run org.osbuild.noop --tree TREE --args", "", 2),
            "<(echo '{}')",
        ),
    ] {
        about(&scratch, command, document).run().expect(0);
    }
}

#[test]
fn a_document_without_end_is_refused() {
    let scratch = Scratch::new();
    let manifest = scratch.json("manifest.json", &manifest::two_modules("x"));
    let file = |arguments: &str| Program::new(arguments).arg(&manifest);
    let plugins = scratch.directory("plugins");
    for (program, code) in [
        (Program::new("run /dev/zero"), 2),
        (Program::new("validate /dev/zero"), 2),
        (Program::new("inspect /dev/zero"), 2),
        (Program::new("lock /dev/zero"), 2),
        (Program::shell(r#"yes | "$0" plan -"#), 2),
        (file("plan --policy /dev/zero"), 2),
        (file("run --locked=/dev/zero"), 2),
        (Program::new("audit diff /dev/zero").arg(&manifest), 2),
        (Program::new("audit /dev/zero"), 2),
        (Program::new("report /dev/zero"), 2),
        (
            Program::new("stage run org.osbuild.noop --args /dev/zero")
                .option("--tree", scratch.directory("tree")),
            2,
        ),
        (Program::new("plugin install /dev/zero"), 1),
        (
            Program::new("plugin pack /dev/zero --metadata /dev/zero --output")
                .arg(plugins.join("x")),
            1,
        ),
        (Program::new("plugin sign --key /dev/zero /dev/zero"), 1),
    ] {
        program.run().expect(code).says("so many are not read");
    }
    assert_eq!(fs::read_dir(plugins).unwrap().count(), 0);
}
