//! Stages on the real thing: packages, images and policies made by the tools that Debian has for them, and read back by these.
mod architectures;
mod bootc;
mod clevis;
mod dnf;
mod encapsulate;
mod flatpak;
mod labels;
mod openscap;
mod pacman;
mod rpm;
mod trust;

use base64::prelude::{BASE64_STANDARD, Engine};
use osbuild_wasm_tests::{Program, Scratch, program::Ended};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A script of sh; fails with what it says.
#[track_caller]
fn script(scratch: &Scratch, script: &str, arguments: &[&Path]) -> Ended {
    Program::of("sh", "-euc")
        .arg(script)
        .arg("sh")
        .args(arguments)
        .directory(scratch.root())
        .run()
        .expect(0)
}

/// Builds pipelines of the document and exports each to `out/NAME`.
fn build(scratch: &Scratch, document: &Value, exports: &[&str]) -> Program {
    let exports = exports.iter().flat_map(|name| ["--export", name]);
    Program::new("run")
        .args(exports)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest.json", document))
        .limit(Duration::from_secs(180))
}

/// One stage on a directory of this machine.
fn stage(scratch: &Scratch, module: &str, tree: &Path, arguments: &Value) -> Program {
    Program::new("stage run")
        .arg(module)
        .option("--tree", tree)
        .option("--args", scratch.json("arguments.json", arguments))
        .limit(Duration::from_secs(180))
}

/// A source with these files in it, and the references to them.
fn inline<P: AsRef<Path>>(files: &[P]) -> (Value, Vec<String>) {
    let mut items = serde_json::Map::new();
    let mut references = Vec::new();
    for file in files {
        let content = fs::read(file).unwrap();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
        let item = json!({ "encoding": "base64", "data": BASE64_STANDARD.encode(&content) });
        items.insert(digest.clone(), item);
        references.push(digest);
    }
    (
        json!({ "org.osbuild.inline": { "items": items } }),
        references,
    )
}

/// An input of files of a source.
fn files(references: &[String]) -> Value {
    json!({ "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": references })
}

/// An input of the tree of a pipeline.
fn tree(pipeline: &str) -> Value {
    json!({ "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{pipeline}")] })
}

/// A root with these programs of this machine, the libraries that they need, and data; `/bin` and the like are links.
fn root(scratch: &Scratch, name: &str, paths: &[&str]) -> std::path::PathBuf {
    let root = scratch.directory(name);
    let all = r#"root=$1; shift
        mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/etc" "$root/root" "$root/tmp"
        for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
        chmod 1777 "$root/tmp"
        { printf '%s\n' "$@"; for path in "$@"; do [ ! -f "$path" ] || ldd "$path" 2>/dev/null | grep -o '/[^ ]*' || true; done; } |
            sort -u | sed -E 's,^/(bin|sbin|lib|lib64)/,/usr/\1/,' | tar -C / -chf - -T - 2>/dev/null | tar -C "$root" -xf -"#;
    let mut arguments = vec![root.as_path()];
    arguments.extend(paths.iter().map(Path::new));
    script(scratch, all, &arguments);
    root
}

/// The same with a script for a program that Debian does not have, and with trust in containers, as the packages of distributions bring it.
fn root_with(
    scratch: &Scratch,
    paths: &[&str],
    (program, content): (&str, &str),
) -> std::path::PathBuf {
    let root = root(scratch, "build", paths);
    let program = root.join("usr/bin").join(program);
    fs::write(&program, content).unwrap();
    let add = r#"chmod 755 "$1"; mkdir "$2"/etc/containers
        echo '{ "default": [{ "type": "insecureAcceptAnything" }] }' >"$2"/etc/containers/policy.json"#;
    script(scratch, add, &[&program, &root]);
    root
}

/// A source of an archive of this directory, and the stage that unpacks it.
fn archive(scratch: &Scratch, directory: &Path) -> (Value, Value) {
    let file = scratch.path("root.tar");
    script(scratch, r#"tar -C "$1" -cf "$2" ."#, &[directory, &file]);
    let digest = script(scratch, r#"sha256sum "$1""#, &[&file]).stdout;
    let reference = format!("sha256:{}", digest.split(' ').next().unwrap());
    let url = format!("file://{}", file.display());
    let source = json!({ "org.osbuild.curl": { "items": { reference.clone(): { "url": url } } } });
    let unpack = json!({ "type": "org.osbuild.untar", "inputs": { "file": files(&[reference]) } });
    (source, unpack)
}

/// Debian's packages for an architecture, unpacked as the root of a system; the lists of packages are the test's own.
fn debian(scratch: &Scratch, architecture: &str, packages: &[&str]) -> std::path::PathBuf {
    let all = r#"root=$1; architecture=$2; shift 2
        mkdir -p "$root/usr" apt/state/lists/partial apt/cache/archives/partial apt/packages
        cat >apt/apt.conf <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "$PWD/apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$PWD/apt/cache";
END
        export APT_CONFIG=$PWD/apt/apt.conf
        # Where a mirror is being filled, some lists are missing.
        apt-get -qq update || true
        (cd apt/packages; apt-get -qq download "$@")
        for package in apt/packages/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -C "$root" -x; done
        for name in bin sbin lib; do
            if [ -d "$root/$name" ]; then cp -a "$root/$name" "$root/usr"; rm -r "$root/$name"; fi
            ln -s "usr/$name" "$root/$name"
        done"#;
    let root = scratch.directory("debian");
    let mut arguments = vec![root.as_path(), Path::new(architecture)];
    arguments.extend(packages.iter().map(Path::new));
    script(scratch, all, &arguments);
    root
}
