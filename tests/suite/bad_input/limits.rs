//! Limits that the caller has set (`ulimit`), and documents that never end.
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, manifest};
use serde_json::json;
use std::fs;

/// Builds a pipeline of one stage below limits of the shell.
fn within(limits: &str, module: &str, options: serde_json::Value) -> Ended {
    let scratch = Scratch::new();
    let stages = json!([manifest::stage(module, options)]);
    let script = format!(r#"ulimit {limits} && exec "$0" run --export tree "$@""#);
    Program::shell(&script)
        .arg(scratch.json("manifest.json", &manifest::tree(stages)))
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .run()
}

#[test]
fn a_file_beyond_the_callers_limit_is_an_error_that_names_it() {
    for blocks in [8000, 16000] {
        let options = json!({ "filename": "disk.img", "size": (64 << 20).to_string() });
        within(&format!("-f {blocks}"), "org.osbuild.truncate", options)
            .expect(1)
            .says("disk.img: File too large")
            .says("hint: raise the limit of the size of files (`ulimit -f`)");
    }
}

#[test]
fn a_program_beyond_the_callers_limit_fails_its_stage() {
    let large = "/run/osbuild/tree/large";
    let run = json!({ "program": "cat", "arguments": ["/dev/zero"], "stdout": large });
    within("-f 16000", "test.programs", json!({ "runs": [run] }))
        .expect(1)
        .says("cat was ended by signal 25");
}

#[test]
fn limits_below_what_a_run_needs_are_one_error() {
    let hostname = json!({ "hostname": "h" });
    for (limit, words) in [
        (
            "-n 20",
            "the limit of open files is 20, and at least 128 are needed",
        ),
        ("-n 127", "hint: raise it: `ulimit -n 1024`"),
        ("-s 512", "hint: raise it: `ulimit -s 8192`"),
    ] {
        within(limit, "org.osbuild.hostname", hostname.clone())
            .expect(1)
            .says(words)
            .never_says("internal error");
    }
    for limit in [
        "-n 128",
        "-S -n 20",
        "-S -s 64",
        "-d 8000000",
        "-t 600",
        "-c 0",
        "-l 0",
    ] {
        within(limit, "org.osbuild.hostname", hostname.clone()).expect(0);
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
