//! `reads` of a module document: what a component may read of the build root, and that this never is more of this machine than anybody
//! may know.
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, manifest};
use serde_json::{Value, json};

/// What a file of this machine holds that no component may read.
const SECRET: &str = "kept-from-everybody";

/// A stage of `test.narrow` that reads these paths.
fn reading(paths: &[&str]) -> Value {
    let step = |path: &&str| hostile::step(&format!("tree read {path}"));
    let steps: Vec<_> = paths.iter().map(step).collect();
    manifest::stage("test.narrow", json!({ "steps": steps }))
}

fn run(scratch: &Scratch, reads: &Value, document: &Value, policy: Option<&str>) -> Ended {
    let library = hostile::with_document(scratch, "files", &json!({ "reads": reads }));
    let mut program = Program::new("run --export tree")
        .option("--libdir", library)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"));
    if let Some(policy) = policy {
        program = program.option("--policy", scratch.write("policy.toml", policy));
    }
    program.arg(scratch.json("manifest.json", document)).run()
}

#[test]
fn without_a_build_pipeline_a_component_reads_no_secret_of_this_machine() {
    for reads in [
        json!(["/"]),
        json!(["/etc"]),
        json!(["/etc/shadow", "/root"]),
    ] {
        let scratch = Scratch::new();
        let document = manifest::tree(json!([reading(&["/etc/shadow", "/etc/passwd"])]));
        let ended = run(&scratch, &reads, &document, None).expect(1);
        ended
            .says("tree read /etc/shadow: refused: ")
            .says("tree read /etc/passwd: refused: ")
            .never_says("root:");
    }
}

#[test]
fn without_a_build_pipeline_a_component_reads_what_programs_of_this_machine_are_shown() {
    let scratch = Scratch::new();
    let document = manifest::tree(json!([reading(&["/usr/lib/os-release"])]));
    run(&scratch, &json!(["/usr/lib"]), &document, None)
        .expect(0)
        .never_says("refused");
}

#[test]
fn reads_with_dots_and_of_directories_of_the_run_are_no_module_document() {
    for path in ["/../../..", "/usr/../etc", "etc", "/proc/self/root", "/run"] {
        let scratch = Scratch::new();
        let document = manifest::tree(json!([reading(&["/etc/shadow"])]));
        let ended = run(&scratch, &json!([path]), &document, None);
        assert_ne!(ended.code(), 0);
        ended.says(".reads[0]: ");
        assert!(!scratch.path("store/objects").exists(), "nothing ran");
    }
}

/// A build root whose `path` is a link to `to`, and a pipeline that is built with it.
fn with_link(path: &str, to: &str, read: &str) -> Value {
    let tree = "/run/osbuild/tree";
    let steps = [
        hostile::step(&format!("tree mkdir {tree}/etc")),
        hostile::step(&format!("tree symlink {tree}{path} {to}")),
    ];
    manifest::of(json!([
        { "name": "build", "stages": [manifest::stage("test.files", json!({ "steps": steps }))] },
        { "name": "tree", "build": "name:build", "stages": [reading(&[read])] },
    ]))
}

#[test]
fn links_of_a_build_root_lead_nowhere_but_inside_of_it() {
    let scratch = Scratch::new();
    scratch.write("host/secret", SECRET);
    let host = scratch.path("host").display().to_string();
    let above = format!("../../../../../../../../../..{host}");
    for to in [&host, &above] {
        let document = with_link("/etc/containers", to, "/etc/containers/secret");
        let library = hostile::library().join("files.wasm");
        scratch.write("library/files.wasm", std::fs::read(library).expect("built"));
        let ended = run(&scratch, &json!(["/etc/containers"]), &document, None).expect(1);
        ended
            .says("tree read /etc/containers/secret: refused: ")
            .never_says(SECRET);
    }
}

#[test]
fn a_policy_has_to_name_what_is_read() {
    let document = manifest::tree(json!([reading(&["/usr/lib/os-release"])]));
    let rule = |more: &str| format!("version = 1\n\n[[rule]]\nmodules = ['test.*']\n{more}");
    for denied in [
        "tier = 'basic'",
        "tier = 'elevated'",
        "tier = 'elevated'\nprograms = ['*']\nreads = ['/usr/share']",
    ] {
        let scratch = Scratch::new();
        let ended = run(
            &scratch,
            &json!(["/usr/lib"]),
            &document,
            Some(&rule(denied)),
        )
        .expect(1);
        ended
            .says("read build:///usr/lib: ")
            .says("does not list it in `reads`")
            .says("\"/usr/lib\"]");
    }
    let scratch = Scratch::new();
    let policy = rule("tier = 'elevated'\nprograms = ['*']\nreads = ['/usr']");
    run(&scratch, &json!(["/usr/lib"]), &document, Some(&policy)).expect(0);
    let basic = rule("tier = 'basic'\nreads = ['/usr']");
    run(&scratch, &json!(["/usr/lib"]), &document, Some(&basic))
        .expect(2)
        .says("`reads` needs `tier = \"elevated\"`");
}

#[test]
fn a_plan_shows_what_may_be_read_and_what_may_not() {
    let scratch = Scratch::new();
    let reads = json!({ "reads": ["/usr/lib", "/etc/shadow"] });
    let library = hostile::with_document(&scratch, "files", &reads);
    Program::new("plan")
        .option("--libdir", library)
        .arg(scratch.json("m", &manifest::tree(json!([reading(&["/usr"])]))))
        .run()
        .expect(0)
        .says("read: build:///usr/lib")
        .says("refused: read build:///etc/shadow");
}
