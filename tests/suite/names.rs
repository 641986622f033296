//! Names of files and texts of links are bytes, to whatever copies, packs, unpacks or walks a tree.
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Latin-1, cut and impossible UTF-8, what looks like our own notation, and what shells and terminals stumble over.
const NAMES: [&[u8]; 9] = [
    b"caf\xe9",
    b"\xff\xfe\x80",
    b"cut\xe2\x82",
    "\u{8bf4}\u{660e}\u{e9}".as_bytes(),
    "\u{10ffe9}".as_bytes(),
    b"new\nline\ttab",
    b"back\\xe9slash",
    b"-rf",
    b" lead trail ",
];

fn name(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// `in/usr` with directories, files and links of these names, some of them long.
fn tree(scratch: &Scratch, long: bool) -> PathBuf {
    let top = scratch.directory("in/usr");
    for bytes in NAMES {
        let directory = top.join("d").join(name(bytes));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name(bytes)), "x\n").unwrap();
        symlink(name(bytes), directory.join("link")).unwrap();
        fs::hard_link(directory.join(name(bytes)), directory.join("second")).unwrap();
    }
    if long {
        let directory = top.join(name(&[0xe9; 120]));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(name(&[0xe8; 200])), "x\n").unwrap();
        symlink(name(&[0xe7; 210]), directory.join("link")).unwrap();
    }
    top.parent().unwrap().to_owned()
}

/// Each path with what it leads to, if it is a link.
fn listing(top: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    fn add(top: &Path, directory: &Path, found: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(top).unwrap().as_os_str();
            let text = fs::read_link(&path)
                .map_or(Vec::new(), |text| text.as_os_str().as_bytes().to_owned());
            found.insert(below.as_bytes().to_owned(), text);
            if path.is_dir() && !path.is_symlink() {
                add(top, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    add(top, top, &mut found);
    found
}

/// Runs a stage on directory `out` with the tree, or a file of it, as its input.
fn stage(scratch: &Scratch, module: &str, input: (&str, Value), options: Value) {
    let (name, mut input) = input;
    let path = scratch.path(input["path"].as_str().unwrap());
    input["path"] = path.to_str().unwrap().into();
    let arguments = json!({ "inputs": { name: input }, "options": options });
    Program::new("stage run")
        .arg(format!("org.osbuild.{module}"))
        .option("--tree", scratch.path("out"))
        .option("--args", scratch.json("arguments.json", &arguments))
        .run()
        .expect(0);
}

fn unpacked_by(scratch: &Scratch, script: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    scratch.directory("unpacked");
    Program::shell(script)
        .directory(scratch.path("unpacked"))
        .env("LC_ALL", "C")
        .run()
        .expect(0);
    listing(&scratch.path("unpacked"))
}

#[test]
fn archives_have_names_as_they_are_in_the_tree() {
    if !machine::offers(&["tar", "cpio", "unzip"]) {
        return;
    }
    let tar = "tar -xf ../out/a";
    let cpio = "cpio -id --quiet < ../out/a";
    let cases = [
        ("tar", json!({ "format": "gnu" }), true, tar),
        ("tar", json!({ "format": "posix" }), true, tar),
        (
            "tar",
            json!({ "format": "posix", "sparse": true, "transform": "s/usr/usr/" }),
            true,
            tar,
        ),
        (
            "tar",
            json!({ "format": "gnu", "acls": false, "selinux": false, "xattrs": false }),
            true,
            tar,
        ),
        (
            "tar",
            json!({ "format": "ustar", "acls": false, "selinux": false, "xattrs": false }),
            false,
            tar,
        ),
        (
            "tar",
            json!({ "format": "v7", "acls": false, "selinux": false, "xattrs": false }),
            false,
            tar,
        ),
        ("cpio.out", json!({ "format": "newc" }), true, cpio),
        ("cpio.out", json!({ "format": "odc" }), true, cpio),
        ("cpio.out", json!({ "format": "ustar" }), false, cpio),
    ];
    for (module, mut options, long, command) in cases {
        let scratch = Scratch::new();
        let expected = listing(&tree(&scratch, long));
        options["filename"] = "a".into();
        let input = ("tree", json!({ "path": "in" }));
        stage(&scratch, module, input, options.clone());
        assert_eq!(
            unpacked_by(&scratch, command),
            expected,
            "{module} {options}"
        );
    }
    // Zip follows links; its names are in the archive as they are.
    let scratch = Scratch::new();
    tree(&scratch, false);
    let input = ("tree", json!({ "path": "in" }));
    for _ in 0..2 {
        // The second time it replaces what is there.
        stage(&scratch, "zip", input.clone(), json!({ "filename": "a" }));
    }
    let archive = fs::read(scratch.path("out/a")).unwrap();
    for bytes in NAMES {
        let path = [b"usr/d/", bytes, b"/", bytes].concat();
        let count = archive
            .windows(path.len())
            .filter(|found| *found == path)
            .count();
        assert_eq!(count, 2, "{}", bytes.escape_ascii());
    }
    Program::of("unzip", "-tq")
        .arg(scratch.path("out/a"))
        .run()
        .expect(0);
}

#[test]
fn what_is_unpacked_has_names_as_they_are_in_the_archive() {
    if !machine::offers(&["tar"]) {
        return;
    }
    for format in ["gnu", "posix"] {
        let scratch = Scratch::new();
        let expected = listing(&tree(&scratch, true));
        Program::of("tar", "--format")
            .arg(format)
            .option("-cf", scratch.path("a.tar"))
            .option("-C", scratch.path("in"))
            .arg("usr")
            .env("LC_ALL", "C")
            .run()
            .expect(0);
        let input = (
            "file",
            json!({ "path": ".", "data": { "files": { "a.tar": {} } } }),
        );
        stage(&scratch, "untar", input, json!({ "prefix": "/" }));
        assert_eq!(listing(&scratch.path("out")), expected, "{format}");
    }
}

#[test]
fn an_image_of_layers_gives_the_names_that_went_into_it() {
    let scratch = Scratch::new();
    let expected = listing(&tree(&scratch, true));
    let input = ("base", json!({ "path": "in" }));
    stage(
        &scratch,
        "oci-archive",
        input,
        json!({ "filename": "a", "architecture": "amd64" }),
    );
    fs::rename(scratch.path("out"), scratch.path("images")).unwrap();
    let input = json!({ "path": "images", "data": { "archives": { "a": { "format": "oci-archive", "name": "x" } } } });
    stage(&scratch, "container-deploy", ("images", input), json!({}));
    assert_eq!(listing(&scratch.path("out")), expected);
}

#[test]
fn what_is_done_to_all_below_a_directory_is_done_to_every_name() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let expected = listing(&tree(&scratch, true));
    let copy = json!({ "paths": [{ "from": "input://tree/", "to": "tree:///" }] });
    let input = ("tree", json!({ "path": "in" }));
    stage(&scratch, "copy", input.clone(), copy);
    let items = json!({ "items": { "/usr": { "mode": "u=rwX,go=", "recursive": true } } });
    stage(&scratch, "chmod", input.clone(), items);
    let items = json!({ "items": { "/usr": { "user": 9, "group": 8, "recursive": true } } });
    stage(&scratch, "chown", input.clone(), items);
    let top = scratch.path("out");
    assert_eq!(listing(&top), expected);
    for path in expected.keys() {
        let found = fs::symlink_metadata(top.join(name(path))).unwrap();
        assert_eq!(
            (found.uid(), found.gid()),
            (9, 8),
            "{}",
            path.escape_ascii()
        );
        if !found.is_symlink() {
            assert_eq!(
                found.permissions().mode() & 0o77,
                0,
                "{}",
                path.escape_ascii()
            );
        }
    }
    stage(
        &scratch,
        "idmap",
        input,
        json!({ "items": { "/usr": ["100:0:100"] } }),
    );
    for path in expected.keys() {
        let found = fs::symlink_metadata(top.join(name(path))).unwrap();
        assert_eq!(found.uid(), 109, "{}", path.escape_ascii());
    }
}

#[test]
fn a_message_shows_the_bytes_of_a_name() {
    let scratch = Scratch::new();
    let top = scratch.directory("in");
    fs::create_dir(top.join(name(b"caf\xe9"))).unwrap();
    fs::write(top.join(name(b"caf\xe9/a")), "x").unwrap();
    std::os::unix::net::UnixListener::bind(top.join(name(b"caf\xe9/s"))).unwrap();
    let arguments =
        json!({ "inputs": { "tree": { "path": top } }, "options": { "filename": "a" } });
    Program::new("stage run org.osbuild.tar")
        .option("--tree", scratch.path("out"))
        .option("--args", scratch.json("arguments.json", &arguments))
        .run()
        .expect(0)
        .says(r"caf\xe9/s: socket ignored");
}
