//! Under the names of image-builder and bootc-image-builder the program takes their command lines.
use crate::packages::repository::{Package, write};
use osbuild_wasm_tests::{Ended, Program, Scratch, paths};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A link to the program under another name.
fn link(scratch: &Scratch, name: &str) -> PathBuf {
    let link = scratch.path(name);
    symlink(paths::program(), &link).expect("a link");
    link
}

/// A command line, its exit code, and what standard output and standard error have in them.
type Case = (&'static str, i32, &'static str, &'static str);

#[track_caller]
fn check(name: &str, cases: &[Case]) {
    let scratch = Scratch::new();
    let program = link(&scratch, name);
    for (line, code, stdout, stderr) in cases {
        let ended = Program::of(&program, line)
            .directory(scratch.root())
            .run()
            .expect(*code);
        assert!(
            ended.stdout.contains(stdout) && ended.stderr.contains(stderr),
            "{line}: {}",
            ended.all()
        );
    }
    let left = fs::read_dir(scratch.root()).expect("a directory").count();
    assert_eq!(left, 1, "something was made");
}

#[test]
fn the_command_line_of_image_builder_is_taken() {
    check(
        "image-builder",
        &[
            ("", 0, "Usage: image-builder", ""),
            (
                "list --filter distro:centos-10 --filter type:qcow2",
                0,
                "centos-10 type:qcow2 arch:aarch64\ncentos-10 type:qcow2 arch:ppc64le\n",
                "",
            ),
            (
                "list-images --filter centos-10 --filter type:qcow2 --format shell",
                0,
                "qcow2 --distro centos-10 --arch s390x\n",
                "",
            ),
            (
                "list --format short --filter distro:centos-10 --filter type:qcow2",
                0,
                "centos-10\n  qcow2: aarch64, ppc64le, s390x, x86_64\n",
                "",
            ),
            (
                "list --format json --filter distro:centos-10",
                0,
                "\"image_type\": {\n",
                "",
            ),
            (
                "describe qcow2 --distro centos-10 --arch aarch64",
                0,
                "@WARNING - the output format is not stable yet and may change\ndistro: centos-10\ntype: qcow2\n",
                "",
            ),
            (
                "describe qcow2 --distro centos-10 --in-vm",
                2,
                "",
                "--in-vm",
            ),
            (
                "describe qcow2",
                2,
                "",
                "No distro name specified, selecting \"",
            ),
            ("version", 0, "image-builder:\n", ""),
            ("--version", 0, "image-builder:\n", ""),
            ("system --format json", 0, "\"cache\": {\n", ""),
            (
                "bootc inspect --ref localhost/x/y",
                1,
                "",
                "the image localhost/x/y: ",
            ),
            (
                "upload disk.qcow2 --to aws --aws-region x",
                1,
                "",
                "uploads",
            ),
            ("build qcow2 --distro centos-10 --to aws", 1, "", "--to"),
            (
                "build qcow2 --distro centos-10 --libvirt-pool x",
                1,
                "",
                "--libvirt-pool",
            ),
            (
                "build qcow2 --distro centos-10 --progress term",
                2,
                "",
                "no terminal",
            ),
            (
                "manifest qcow2 --distro centos-10 --bootc-ref x",
                2,
                "",
                "cannot be used with",
            ),
            (
                "manifest qcow2 --distro centos-10 --with-rpmlist",
                1,
                "",
                "--with-rpmlist",
            ),
            (
                "manifest qcow2 --distro centos-10 --use-librepo=false",
                1,
                "",
                "--use-librepo",
            ),
            (
                "manifest qcow2 --distro centos-10 --arch s390x --force-repo none",
                2,
                "",
                "WARNING: using experimental cross-architecture building to build \"s390x\"",
            ),
            (
                "manifest qcow2 --distro centos-10 --data-dir /nonexistent",
                2,
                "",
                "--data-dir is deprecated",
            ),
            (
                "--force-repo-dir /nonexistent manifest qcow2 --distro centos-10",
                2,
                "",
                "/nonexistent/centos-10.json",
            ),
            (
                "--force-defs-dir /nonexistent list",
                2,
                "",
                "warning: --force-defs-dir",
            ),
            (
                "manifest qcow2 --distro centos-10 --no-such",
                2,
                "",
                "--no-such",
            ),
            ("build", 2, "", "<TYPE>"),
        ],
    );
}

#[test]
fn the_command_line_of_bootc_image_builder_is_checked() {
    check(
        "bootc-image-builder",
        &[
            ("--help", 0, "Usage: bootc-image-builder", ""),
            ("localhost/x/y", 1, "", "the image localhost/x/y: "),
            (
                "build --type iso --type raw,vmdk --output o --store s --rootfs xfs --target-arch aarch64 --chown 1:2 localhost/x/y",
                1,
                "",
                "the image localhost/x/y: ",
            ),
            (
                "-v manifest --local --tls-verify=false --seed 1 --use-librepo x",
                1,
                "",
                "--tls-verify is deprecated",
            ),
            (
                "manifest --config /nonexistent.toml x",
                2,
                "",
                "/nonexistent.toml",
            ),
            ("--type floppy x", 2, "", "floppy"),
            ("--chown me x", 2, "", "UID:GID"),
            ("--aws-region r x", 2, "", "--aws-bucket"),
            (
                "--aws-region r --aws-bucket b --aws-ami-name n x",
                1,
                "",
                "uploads are not there yet",
            ),
            ("manifest", 2, "", "<IMAGE>"),
        ],
    );
}

#[test]
fn image_builder_writes_manual_pages_under_its_name() {
    let scratch = Scratch::new();
    Program::new("image-builder doc")
        .arg(scratch.path("man"))
        .run()
        .expect(0);
    assert!(
        scratch
            .read("man/image-builder-build.1")
            .contains("ignore\\-warnings")
    );
    assert!(!scratch.path("man/image-builder-doc.1").exists());
}

#[test]
fn a_name_of_an_image_is_no_path() {
    let scratch = Scratch::new();
    let options = repository(&scratch);
    for name in ["a/b", "..", ".", ".tar", "../web.tar"] {
        let line = format!("build tar {options} --output-name {name}");
        image_builder(&scratch, &line)
            .expect(2)
            .says("is no name of a file");
    }
}

#[test]
fn another_name_may_be_the_first_word() {
    for (line, expected) in [
        ("image-builder --help", "Usage: image-builder"),
        ("bootc-image-builder --help", "Usage: bootc-image-builder"),
    ] {
        Program::new(line).run().expect(0).says(expected);
    }
}

/// What `tar` of the samples' distribution takes, as a repository without packages; options that name it and the distribution.
fn repository(scratch: &Scratch) -> String {
    let definitions = paths::sample("definitions");
    let described = Program::new("describe tar --distro demo-1 --format json")
        .option("--definitions", &definitions)
        .run()
        .expect(0)
        .json();
    let pipelines = described["packages"].as_object().expect("packages");
    let names = pipelines
        .values()
        .filter_map(|wanted| wanted["include"].as_array());
    let mut names: Vec<_> = names.flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let packages: Vec<_> = names.iter().map(|name| Package::new(name, "1")).collect();
    write(&scratch.path("repo"), &packages);
    format!(
        "--distro demo-1 --seed 1 --force-repo file://{repo} --rpmmd-cache {cache}",
        repo = scratch.path("repo").display(),
        cache = scratch.path("metadata").display()
    )
}

/// Runs image-builder with the definitions of the samples.
fn image_builder(scratch: &Scratch, line: &str) -> Ended {
    Program::new("image-builder")
        .args(line.split_whitespace())
        .option("--force-defs-dir", paths::sample("definitions"))
        .directory(scratch.root())
        .run()
}

#[test]
fn image_builder_makes_the_manifests_that_we_make() {
    let scratch = Scratch::new();
    let options = repository(&scratch);
    let ours = Program::new("manifest tar")
        .args(options.split_whitespace())
        .option("--definitions", paths::sample("definitions"))
        .run()
        .expect(0);
    let line = format!("manifest tar {options} --with-sbom");
    let theirs = image_builder(&scratch, &line).expect(0);
    assert_eq!(ours.json(), theirs.json());
    let directory = "demo-1-tar-x86_64";
    for part in ["image-os", "buildroot-build"] {
        let name = format!("{directory}/{directory}.{part}.spdx.json");
        let sbom: Value = serde_json::from_str(&scratch.read(&name)).expect("a document");
        assert_eq!(sbom["spdxVersion"], "SPDX-2.3", "{name}");
    }
}

#[test]
fn a_build_of_image_builder_that_fails_leaves_its_manifest_and_log() {
    let scratch = Scratch::new();
    let options = repository(&scratch);
    let line = format!(
        "build tar {options} --with-manifest --with-buildlog --cache {} --output-dir out --output-name web.tar",
        scratch.path("store").display()
    );
    // There are no packages behind the metadata.
    let ended = image_builder(&scratch, &line).expect(1);
    assert_eq!(ended.stdout, "", "{}", ended.all());
    let mut left: Vec<_> = fs::read_dir(scratch.path("out"))
        .expect("the directory")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    left.sort();
    assert_eq!(left, ["web.buildlog", "web.osbuild-manifest.json"]);
    // It has hashes of passwords in it.
    let manifest = fs::metadata(scratch.path("out/web.osbuild-manifest.json")).expect("the file");
    assert_eq!(manifest.permissions().mode() & 0o777, 0o600);
}

#[test]
fn repositories_are_found_in_a_directory_or_in_its_repositories() {
    for below in ["", "repositories"] {
        let scratch = Scratch::new();
        repository(&scratch);
        let listed = format!(
            r#"{{"x86_64": [{{"name": "demo", "baseurl": "file://{}"}}]}}"#,
            scratch.path("repo").display()
        );
        scratch.directory(&format!("data/{below}"));
        scratch.write(&format!("data/{below}/demo-1.json"), listed);
        let line = format!(
            "pkgsearch bash --format json --distro demo-1 --arch x86_64 --force-repo-dir {} --rpmmd-cache {}",
            scratch.path("data").display(),
            scratch.path("metadata").display()
        );
        let found = image_builder(&scratch, &line).expect(0).json();
        assert_eq!(found[0]["name"], "bash", "{below}");
    }
}

#[test]
fn what_the_type_does_not_take_of_a_blueprint_ends_image_builder_unless_it_is_ignored() {
    let scratch = Scratch::new();
    let options = repository(&scratch);
    let blueprint = scratch.write("web.toml", "[customizations.kernel]\nappend = \"quiet\"\n");
    let run = |more: &str| {
        let line = format!(
            "manifest tar {options} {more} --blueprint {}",
            blueprint.display()
        );
        image_builder(&scratch, &line)
    };
    run("")
        .expect(2)
        .says("error: customizations.kernel: not supported by image type");
    run("--ignore-warnings")
        .expect(0)
        .says("warning: customizations.kernel: not supported");
}
