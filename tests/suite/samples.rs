//! The samples that need nothing but the program; those with packages are in `image`.
use flate2::read::GzDecoder;
use osbuild_wasm_tests::{Program, Scratch, paths};
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

/// The commands of the README's tour, in a directory of this test instead of /tmp/tour.
fn tour(scratch: &Scratch) -> String {
    let readme = std::fs::read_to_string(paths::workspace().join("README.md")).expect("README.md");
    let tour = readme.split_once("## A tour\n").expect("a tour").1;
    let commands = tour
        .trim_start_matches('\n')
        .lines()
        .take_while(|line| line.starts_with("    "))
        .map(str::trim)
        // What was built is what is tested.
        .filter(|line| !line.starts_with("make") && !line.starts_with("PATH="));
    let directory = scratch.root().to_string_lossy();
    commands
        .map(|line| line.replace("/tmp/tour", &directory) + "\n")
        .collect()
}

#[test]
fn the_tour_of_the_readme_works() {
    let scratch = Scratch::new();
    let commands = tour(&scratch);
    assert!(commands.lines().count() > 5, "{commands}");
    let script = format!("set -e; osbuild-wasm() {{ \"$0\" \"$@\"; }}\n{commands}");
    let program = Program::of("bash", "-c").arg(script).arg(paths::program());
    program
        .directory(paths::workspace())
        .run()
        .expect(0)
        .says("srv/www/index.html");
    assert_eq!(scratch.read("tree/etc/hostname"), "tour\n");
}
