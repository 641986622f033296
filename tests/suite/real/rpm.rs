//! RPM packages that use what rpm has, installed by the stage.
use super::{build, files, inline, script, tree};
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, user};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const TOOLS: [&str; 6] = ["rpm", "rpmbuild", "rpmsign", "gpg", "busybox", "getfattr"];
const DATABASE: &str = "/usr/share/rpm";

/// Packages of `packages.spec`, signed or not, with the key that signs them.
pub(super) struct Packages {
    directory: PathBuf,
    /// The public key.
    key: String,
}

impl Packages {
    pub(super) fn new(scratch: &Scratch) -> Self {
        scratch.write("packages.spec", include_str!("packages.spec"));
        let made = r#"mkdir -m 700 gnupg
            export GNUPGHOME=$PWD/gnupg
            gpg --batch --quiet --passphrase '' --quick-generate-key packager rsa2048 sign never
            gpg --batch --armor --export packager >key.asc
            rpmbuild --quiet -bb --define "key $PWD/key.asc" --define "busybox $(command -v busybox)" \
                --define "_topdir $PWD/rpmbuild" --define "_rpmdir $PWD" packages.spec
            mkdir signed
            cp noarch/*.rpm signed
            rpmsign --define '_gpg_name packager' --define '__gpg /usr/bin/gpg' --addsign signed/*.rpm
            gpgconf --kill all"#;
        script(scratch, made, &[]);
        Self {
            directory: scratch.root().to_owned(),
            key: scratch.read("key.asc"),
        }
    }

    /// Files of packages, by the ends of their names.
    pub(super) fn files(&self, names: &[&str]) -> Vec<PathBuf> {
        let file = |name: &&str| {
            self.directory
                .join(format!("noarch/demo{name}-1-2.noarch.rpm"))
        };
        names.iter().map(file).collect()
    }

    fn signed(&self, names: &[&str]) -> Vec<PathBuf> {
        let signed = |file: PathBuf| {
            let name = file.file_name().unwrap().to_owned();
            self.directory.join("signed").join(name)
        };
        self.files(names).into_iter().map(signed).collect()
    }
}

/// A tree with these packages, which has files in /etc before, and an archive of it.
fn document(packages: &[PathBuf], options: &Value, before: &[PathBuf]) -> Value {
    let (mut sources, references) = inline(packages);
    let (more, contents) = inline(before);
    for (digest, item) in more["org.osbuild.inline"]["items"].as_object().unwrap() {
        sources["org.osbuild.inline"]["items"][digest] = item.clone();
    }
    let copies = before.iter().zip(&contents).map(|(file, reference)| {
        let name = file.file_name().unwrap().to_string_lossy();
        json!({ "from": format!("input://before/{reference}"), "to": format!("tree:///etc/{name}") })
    });
    let mut stages = vec![manifest::stage(
        "org.osbuild.mkdir",
        json!({ "paths": [{ "path": "/etc" }] }),
    )];
    if !before.is_empty() {
        let paths: Vec<_> = copies.collect();
        stages.push(json!({
            "type": "org.osbuild.copy",
            "inputs": { "before": files(&contents) },
            "options": { "paths": paths },
        }));
    }
    stages.push(json!({
        "type": "org.osbuild.rpm",
        "inputs": { "packages": files(&references) },
        "options": options,
    }));
    json!({ "version": "2", "sources": sources, "pipelines": [
        { "name": "tree", "stages": stages },
        { "name": "tar", "stages": [{
            "type": "org.osbuild.tar",
            "options": { "filename": "tree.tar" },
            "inputs": { "tree": tree("tree") },
        }] },
    ] })
}

/// What the database of a tree says of its packages.
fn query(root: &Path, format: &str) -> String {
    let mut rpm = Command::new("rpm");
    rpm.arg("--root").arg(root);
    let output = rpm
        .args(["--dbpath", DATABASE, "-qa", "--qf", format])
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn packages_are_installed_as_options_and_packages_say() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let packages = Packages::new(&scratch);
    let options = json!({
        "dbpath": DATABASE,
        "install_langs": ["en"],
        "exclude": { "docs": true },
        "ostree_booted": true,
        "generic_env": { "WORD": "word" },
        "gpgkeys.fromtree": ["/etc/pki/rpm-gpg/KEY"],
    });
    let configured = ["replaced", "kept"].map(|name| scratch.write(name, "hello\n"));
    let document = document(&packages.files(&["-sh", ""]), &options, &configured);
    build(&scratch, &document, &["tree"]).run().expect(0);
    let root = scratch.path("out/tree");
    // The label of a module, epochs, and the key that the package itself brought.
    let labels = query(&root, "%{name} %{epoch} %{modularitylabel}\n");
    let expected =
        "demo 3 demo:1:20230101:abcdef\ndemo-sh 3 demo:1:20230101:abcdef\ngpg-pubkey (none) (none)";
    assert_eq!(labels, expected);
    let read = |name: &str| scratch.read(&format!("out/tree/{name}"));
    let there = |name: &str| root.join(name).symlink_metadata().is_ok();
    assert_eq!(read("etc/seen"), format!("word {}\n", "f".repeat(32)));
    assert_eq!(
        (read("etc/booted"), read("etc/machine-id")),
        ("yes\n".into(), String::new())
    );
    let configuration = ["replaced", "replaced.rpmorig", "kept", "kept.rpmnew", "new"];
    let contents = configuration.map(|name| read(&format!("etc/{name}")));
    assert_eq!(
        contents,
        [
            "packaged\n",
            "hello\n",
            "hello\n",
            "packaged\n",
            "packaged\n"
        ]
    );
    for (path, expected) in [
        ("usr/share/locale/en/messages", true),
        ("usr/share/locale/de/messages", false),
        ("usr/share/doc/demo/README", false),
        ("var/log/demo.log", false),
        ("run/ostree-booted", false),
    ] {
        assert_eq!(there(path), expected, "{path}");
    }
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_scriptlet_that_fails_before_its_package_fails_the_stage_with_what_it_said() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let packages = Packages::new(&scratch);
    let run = |name: &str| {
        let document = document(
            &packages.files(&["-sh", name]),
            &json!({ "dbpath": DATABASE }),
            &[],
        );
        build(&scratch, &document, &["tree"]).arg("--json").run()
    };
    run("-fails-before")
        .expect(1)
        .says("no room for this package")
        .says("demo-fails-before")
        .says("scriptlet failed, exit status 3");
    // Behind it, rpm only warns, and so does the build.
    run("-fails-after")
        .expect(0)
        .says("the index cannot be made")
        .says("scriptlet failed, exit status 4");
    assert!(scratch.path("out/tree/usr/share/demo/after").exists());
}

#[test]
fn only_packages_with_a_signature_of_a_key_that_was_given_are_installed_where_it_is_checked() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let packages = Packages::new(&scratch);
    let run = |files: &[PathBuf], keys: &[&str]| {
        let options = json!({ "dbpath": DATABASE, "gpgkeys": keys });
        let mut document = document(files, &options, &[]);
        let input = &mut document["pipelines"][0]["stages"][1]["inputs"]["packages"];
        let references = input["references"].as_array().unwrap().iter();
        let checked = references.map(|reference| {
            let name = reference.as_str().unwrap().to_owned();
            (name, json!({ "metadata": { "rpm.check_gpg": true } }))
        });
        input["references"] = Value::Object(checked.collect());
        build(&scratch, &document, &["tree"]).run()
    };
    let key = packages.key.as_str();
    run(&packages.signed(&["-sh"]), &[key]).expect(0);
    let refused = "the signature or a digest of this package does not fit";
    run(&packages.signed(&["-sh"]), &[]).expect(1).says(refused);
    run(&packages.files(&["-sh"]), &[key])
        .expect(1)
        .says(refused);
}

#[test]
fn an_ordinary_user_keeps_capabilities_owners_and_modes_of_packages_as_root_does() {
    if !machine::offers(&[&TOOLS[..], &user::PROGRAMS].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let packages = Packages::new(&scratch);
    let accounts = [
        scratch.write(
            "passwd",
            "root:x:0:0::/root:/bin/sh\ndemo:x:7:8::/:/bin/sh\n",
        ),
        scratch.write("group", "root:x:0:\ndemo:x:8:\n"),
    ];
    let document = document(
        &packages.files(&["-sh", ""]),
        &json!({ "dbpath": DATABASE }),
        &accounts,
    );
    build(&scratch, &document, &["tar"]).run().expect(0);
    let by_root = listed(&scratch, "out/tar/tree.tar");
    let capability = "security.capability=0x0100000200200000000000000000000000000000";
    assert!(by_root.contains(capability), "{by_root}");
    assert!(by_root.contains("|./usr/share/demo|2755|7|8"), "{by_root}");
    let by_user = user::machine(&scratch).run("run --export tar");
    by_user
        .option("--store", scratch.path("own"))
        .option("--output-directory", scratch.path("theirs"))
        .arg(scratch.json("manifest.json", &document))
        .run()
        .expect(0);
    assert_eq!(listed(&scratch, "theirs/tar/tree.tar"), by_root);
    machine::assert_nothing_left(scratch.root());
}

/// What is in an archive, unpacked by tar, with capabilities.
fn listed(scratch: &Scratch, archive: &str) -> String {
    let all = r#"rm -rf unpacked; mkdir unpacked
        tar --numeric-owner --xattrs --xattrs-include='*' -C unpacked -xpf "$1"
        cd unpacked; find . -printf '|%p|%m|%U|%G|%l\n' | sort
        getfattr -R -h -d -e hex -m - . | grep -v '^$'"#;
    Program::of("sh", "-euc")
        .arg(all)
        .arg("sh")
        .arg(scratch.path(archive))
        .directory(scratch.root())
        .run()
        .expect(0)
        .stdout
}
