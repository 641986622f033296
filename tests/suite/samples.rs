//! The samples that need nothing but the program; those with packages are in `image`.
use flate2::read::GzDecoder;
use osbuild_wasm_tests::documentation::{example, run_example};
use osbuild_wasm_tests::{Program, Scratch, machine, paths};
use std::fs::File;
use std::process::Command;

/// The output of `tar` about the archive.
fn tar(arguments: &[&str], archive: &std::path::Path) -> String {
    let listed = Command::new("tar")
        .args(arguments)
        .arg("--file")
        .arg(archive)
        .output()
        .expect("tar");
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    String::from_utf8_lossy(&listed.stdout).into_owned()
}

#[test]
fn tar_sample() {
    let scratch = Scratch::new();
    Program::new("run --export archive")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(paths::sample("tar.json"))
        .run()
        .expect(0);
    let compressed = File::open(scratch.path("out/archive/tree.tar.gz")).expect("the archive");
    let mut archive = File::create(scratch.path("tree.tar")).expect("scratch file");
    std::io::copy(&mut GzDecoder::new(compressed), &mut archive).expect("gzip");
    let listed = tar(
        &["--list", "--verbose", "--numeric-owner"],
        &scratch.path("tree.tar"),
    );
    let entries: Vec<_> = listed
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            format!("{} {} {}", words[0], words[1], words[5])
        })
        .collect();
    insta::assert_snapshot!(entries.join("\n"), @r#"
    drwxr-xr-x 0/0 ./
    drwxr-xr-x 0/0 ./etc/
    -rw-r--r-- 0/0 ./etc/hostname
    drwxr-xr-x 0/0 ./srv/
    drwxrwsr-x 0/0 ./srv/www/
    -rw-r--r-- 0/0 ./srv/www/index.html
    "#);
    assert_eq!(
        tar(
            &["--extract", "--to-stdout", "./srv/www/index.html"],
            &scratch.path("tree.tar")
        ),
        "hello\n"
    );
    assert_eq!(
        tar(
            &["--extract", "--to-stdout", "./etc/hostname"],
            &scratch.path("tree.tar")
        ),
        "sample\n"
    );
}

#[test]
fn every_sample_manifest_is_valid() {
    let entries = std::fs::read_dir(paths::sample(""))
        .expect("samples")
        .flatten();
    let manifests = entries.map(|entry| entry.path()).filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    let mut count = 0;
    for path in manifests {
        // The templates are filled in by `image`; here only their documents count.
        let text = std::fs::read_to_string(&path).expect("a sample");
        serde_json::from_str::<serde_json::Value>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        count += 1;
        if !text.contains("\"@") {
            Program::new("validate").arg(&path).run().expect(0);
            Program::new("inspect").arg(&path).run().expect(0);
        }
    }
    assert!(count > 0);
}

#[test]
fn the_first_image_of_the_readme_is_made() {
    if !machine::offers(&["unsquashfs", "mksquashfs"]) {
        return;
    }
    let scratch = Scratch::new();
    let commands = example("README.md", "## Your first image").join("\n");
    run_example(&commands, scratch.root()).says("squashfs-root/etc/hostname");
}

#[test]
fn the_tour_of_the_readme_works() {
    let scratch = Scratch::new();
    let directory = scratch.root().to_string_lossy();
    let lines = example("README.md", "## A tour").into_iter();
    // What was built is what is tested; /tmp/tour is a directory of this test.
    let lines = lines.filter(|line| !line.starts_with("make") && !line.starts_with("PATH="));
    let commands: String = lines
        .map(|line| line.replace("/tmp/tour", &directory) + "\n")
        .collect();
    assert!(commands.lines().count() > 5, "{commands}");
    run_example(&commands, paths::workspace()).says("srv/www/index.html");
    assert_eq!(scratch.read("tree/etc/hostname"), "tour\n");
}
