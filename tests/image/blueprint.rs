//! From a blueprint to an image: built for the distribution of samples/definitions, booted or read by another tool.
use crate::boot::{BUILDING, boot, store};
use crate::repository::{TOOLS, repository};
use osbuild_wasm_tests::documentation::{example, run_example};
use osbuild_wasm_tests::{Ended, Program, Scratch, machine, paths};
use std::ffi::OsString;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

/// Builds an image of Demo Linux; what `options` adds to the command line is the test's. The image is `out/image.EXTENSION`.
fn build(scratch: &Scratch, image_type: &str, options: &str) -> Ended {
    run(scratch, &build_command(image_type, options))
}

/// The command of that, for a script.
pub(crate) fn build_command(image_type: &str, options: &str) -> String {
    format!(
        r#""$0" build {image_type} --distro demo-1 --definitions "$DEFINITIONS" --repositories "$SCRATCH/repositories" \
            --store "$STORE" --rpmmd-cache "$SCRATCH/metadata" --output-dir "$SCRATCH/out" --output-name image {options}"#
    )
}

/// Runs a script that builds; the repositories of Demo Linux are in `$SCRATCH/repositories`.
pub(crate) fn run(scratch: &Scratch, script: &str) -> Ended {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let script = format!(
        r#"set -e; "$REPOSITORIES" --repository "$REPOSITORY" --url "$URL" --output "$SCRATCH/repositories"
        {script}"#
    );
    Program::of(paths::sample("serve"), "")
        .arg(repository())
        .args(["sh", "-c", &script])
        .arg(paths::program())
        .env("SCRATCH", scratch.root())
        .env("STORE", store())
        .env("REPOSITORIES", paths::sample("repositories"))
        .env("REPOSITORY", repository())
        .env("DEFINITIONS", paths::sample("definitions"))
        .env("BLUEPRINT", paths::sample("blueprint.toml"))
        .limit(Duration::from_secs(300))
        .run()
        .expect(0)
}

/// Builds the blueprint of the samples, which looks at its customizations from inside when it boots.
fn boots(image_type: &str, options: &str) {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    build(
        &scratch,
        image_type,
        &format!(r#"--blueprint "$BLUEPRINT" {options}"#),
    );
    machine::assert_nothing_left(scratch.root());
    boot(image_type, &scratch.path("out/image.qcow2"));
}

#[test]
fn a_disk_from_a_blueprint_boots_and_has_every_customization() {
    boots("qcow2", "--partitioning-mode raw");
}

#[test]
fn a_disk_of_subvolumes_from_a_blueprint_boots() {
    boots("qcow2", "--partitioning-mode btrfs");
}

#[test]
fn a_disk_with_a_dos_label_from_a_blueprint_boots() {
    boots("qcow2-dos", "--partitioning-mode raw");
}

#[test]
fn a_compressed_raw_disk_from_a_distribution_boots() {
    if !machine::offers(&[&TOOLS[..], &["xz"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    build(
        &scratch,
        "minimal-raw-xz",
        r#"--blueprint "$BLUEPRINT" --partitioning-mode raw"#,
    );
    Program::of("xz", "--decompress")
        .arg(scratch.path("out/image.raw.xz"))
        .run()
        .expect(0);
    boot("minimal-raw-xz", &scratch.path("out/image.raw"));
}

#[test]
fn a_container_and_an_archive_of_a_distribution_are_read_by_others() {
    if !machine::offers(&[&TOOLS[..], &["skopeo", "tar"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let built = build(&scratch, "container", "");
    assert_says_where_the_image_is(&built, &scratch.path("out/image.tar"));
    let archive = format!("oci-archive:{}", scratch.path("out/image.tar").display());
    let inspected = Program::of("skopeo", "inspect").arg(&archive).run();
    assert!(
        inspected
            .expect(0)
            .all()
            .contains("\"Architecture\": \"amd64\"")
    );
    build(&scratch, "tar", "--with-manifest");
    let listed = Program::of("tar", "--list --file")
        .arg(scratch.path("out/image.tar"))
        .run();
    assert!(listed.expect(0).all().contains("usr/lib/os-release"));
    assert!(scratch.path("out/image.osbuild-manifest.json").exists());
}

/// The table at the end names the image and its size, and nothing names the directory that it was made in.
fn assert_says_where_the_image_is(built: &Ended, image: &Path) {
    let place = format!("  {}, ", image.display());
    assert!(built.stdout.contains(&place), "{}", built.all());
    assert!(built.stdout.ends_with("iB\n"), "{}", built.all());
    assert!(!built.all().contains("/.image."), "{}", built.all());
    assert!(
        built.stderr.contains(" packages ... found in "),
        "{}",
        built.all()
    );
}

#[test]
fn an_image_of_image_builder_lies_in_a_directory_with_all_that_is_told_of_it() {
    if !machine::offers(&[&TOOLS[..], &["tar"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let ended = run(
        &scratch,
        r#"cd "$SCRATCH"; exec "$0" image-builder build tar --distro demo-1 --force-defs-dir "$DEFINITIONS" \
            --force-repo-dir "$SCRATCH" --cache "$STORE" --rpmmd-cache "$SCRATCH/metadata" --progress verbose \
            --with-manifest --with-sbom --with-buildlog"#,
    );
    let name = "demo-1-tar-x86_64";
    let told = format!("Image build successful: {name}/{name}.tar\n");
    assert_eq!(ended.stdout, told, "{}", ended.all());
    assert!(ended.stderr.contains("org.osbuild.rpm"), "{}", ended.all());
    let extensions = [
        "buildlog",
        "buildroot-build.spdx.json",
        "image-os.spdx.json",
        "osbuild-manifest.json",
        "tar",
    ];
    let files = std::fs::read_dir(scratch.path(name)).expect("the directory");
    let mut files: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
    files.sort();
    assert_eq!(
        files,
        extensions.map(|extension| OsString::from(format!("{name}.{extension}")))
    );
    let sbom = scratch.read(&format!("{name}/{name}.image-os.spdx.json"));
    assert!(sbom.contains("demo-release"), "{sbom}");
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn the_tour_of_blueprints_works() {
    if !machine::offers(&[&TOOLS[..], &["tar"]].concat()) {
        return;
    }
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let scratch = Scratch::new();
    let directory = scratch.root().to_string_lossy();
    let made = repository().to_string_lossy();
    let lines = example("docs/blueprints.md", "## A tour").into_iter();
    // What was built is what is tested; what is written lies in a directory of this test.
    let commands: String = lines
        .filter(|line| !line.starts_with("PATH="))
        .map(|line| line.replace("/tmp/blueprint-tour", &directory))
        .map(|line| {
            line.replace("$PWD/demo/repository", &made)
                .replace("demo/repository", &made)
                + "\n"
        })
        .collect();
    assert!(commands.lines().count() > 8, "{commands}");
    run_example(&commands, paths::workspace()).says("usr/lib/os-release");
}
