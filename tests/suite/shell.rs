//! `--break`: a shell in a stage's sandbox before the stage runs.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::json;

/// Two stages, the second of which changes the mode of `path`.
fn two_stages(scratch: &Scratch, path: &str) -> std::path::PathBuf {
    let stages = json!([
        manifest::hostname("first"),
        manifest::stage(
            "org.osbuild.chmod",
            json!({ "items": { path: { "mode": "0600" } } })
        ),
    ]);
    scratch.json("manifest", &manifest::tree(stages))
}

/// A run whose shell is told what is `typed`.
fn with_shell(scratch: &Scratch, options: &str, typed: &str) -> Program {
    Program::shell(&format!(
        "printf '%s' \"$TYPED\" | \"$0\" run --export tree {options} \"$@\""
    ))
    .env("TYPED", typed)
    .option("--store", scratch.path("store"))
    .option("--output-directory", scratch.path("out"))
    .arg(two_stages(scratch, "/etc/added"))
}

#[test]
fn the_shell_sees_what_the_stage_sees_and_what_it_changes_stays() {
    if !machine::offers(&["bash"]) {
        return;
    }
    let scratch = Scratch::new();
    let typed = "pwd; cat etc/hostname; grep -c '\"tree\":\"/run/osbuild/tree\"' /tmp/osbuild/arguments.json\n\
                 ls /home /root 2>&1; touch /usr/x; echo > etc/added\n";
    with_shell(&scratch, "--break=org.osbuild.chmod", typed)
        .run()
        .expect(0)
        .says("/run/osbuild/tree\nfirst\n1\n")
        .says("cannot access '/root'")
        .says("cannot touch '/usr/x'")
        .says("a shell before org.osbuild.chmod");
    assert!(scratch.path("out/tree/etc/added").exists());
}

#[test]
fn a_shell_that_fails_ends_the_run_before_its_stage() {
    if !machine::offers(&["bash"]) {
        return;
    }
    let scratch = Scratch::new();
    with_shell(&scratch, "--break", "exit 3\n")
        .run()
        .expect(1)
        .says("shell before org.osbuild.hostname: ended with status 3");
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn on_a_terminal_the_shell_controls_its_own_one() {
    if !machine::offers(&["bash", "script"]) {
        return;
    }
    let scratch = Scratch::new();
    let inner = format!(
        "exec \"$PROGRAM\" run --export tree --output-directory {} --break=org.osbuild.chmod --store {} {}",
        scratch.path("out").display(),
        scratch.path("store").display(),
        two_stages(&scratch, "/etc/hostname").display()
    );
    // Job control works only on a controlling terminal; the line tells that the sleep was put into the background.
    Program::of("sh", "-c")
        .arg("(sleep 1; printf 'sleep 77 &\\njobs\\nkill %%1\\nexit\\n'; sleep 1) | script --quiet --return --command \"$INNER\" /dev/null")
        .env("INNER", inner)
        .env("PROGRAM", osbuild_wasm_tests::paths::program())
        .run()
        .says("Running                 sleep 77")
        .expect(0);
}
