//! Limits that the caller has set (`ulimit`).
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest, user};
use serde_json::json;

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
        (
            "-v 150000",
            "the limit of the address space in KiB is 150000",
        ),
        ("-v 4000000", "a component needs 5242880"),
        ("-d 20000", "the limit of data in KiB is 20000"),
        (
            "-f 0",
            "the limit of the size of files in blocks of 512 bytes is 0",
        ),
        ("-f 10", "hint: raise it: `ulimit -f 2048`"),
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
        "-v 8000000",
        "-t 600",
        "-c 0",
        "-l 0",
    ] {
        within(limit, "org.osbuild.hostname", hostname.clone()).expect(0);
    }
}

#[test]
fn a_user_who_may_start_too_few_processes_is_told_so() {
    if !machine::offers(&[&user::PROGRAMS[..], &["prlimit"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &manifest::two_modules("h"));
    for processes in [1, 4, 6, 8, 10, 12] {
        let user = user::machine(&scratch).within(&format!("prlimit --nproc={processes}"));
        let ended = user.build("--export tree --quiet").arg(&file).run();
        let ended = ended.never_says("internal error").never_says("panicked");
        match ended.code() {
            // Some of them suffice for a build, and other tests have processes of the user.
            0 => {}
            1 => _ = ended.says("ulimit -u"),
            _ if ended.stderr.starts_with("setpriv: ") => {}
            code => panic!("{code}: {}", ended.all()),
        }
    }
}
