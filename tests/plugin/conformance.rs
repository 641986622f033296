//! `plugin test` finds what is wrong with a stage.
use osbuild_wasm_capability::embed;
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine};
use serde_json::{Value, json};

/// The verdict of one check of one case.
#[track_caller]
fn verdict(ended: &Ended, case: &str, check: &str) -> String {
    let mut lines = ended.stdout.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with(case) && line.contains(check));
    let line = line.unwrap_or_else(|| panic!("no line about {case}, {check}:\n{}", ended.all()));
    let words = line.split_once(check).unwrap().1.split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

fn test(scratch: &Scratch) -> Program {
    Program::new("plugin test")
        .arg(scratch.path("plugin.wasm"))
        .option("--cases", scratch.path("cases"))
}

/// Tries the component that does what its options say, with these members added to its module document.
fn tried(document: Value, cases: &[(&str, Value)]) -> Ended {
    let scratch = Scratch::new();
    let mut whole = hostile::document("files");
    for (key, value) in document.as_object().unwrap() {
        whole[key] = value.clone();
    }
    scratch.write(
        "plugin.wasm",
        embed(&hostile::component("files"), whole.to_string().as_bytes()),
    );
    for (name, case) in cases {
        scratch.json(&format!("cases/{name}.json"), case);
    }
    test(&scratch).run()
}

fn steps(steps: &[&str]) -> Value {
    let steps: Vec<_> = steps.iter().map(|step| hostile::step(step)).collect();
    json!({ "options": { "steps": steps } })
}

#[test]
fn a_stage_that_does_more_than_it_declares_is_found() {
    let rights = json!({ "rights": [{ "verbs": ["create", "replace"], "paths": ["/etc/a"] }] });
    let case = |path: &str| json!({ "tree": { "/etc": { "dir": true } }, "arguments": steps(&[&format!("tree write /run/osbuild/tree{path}")]), "expect": {} });
    let ended = tried(rights, &[("good", case("/etc/a")), ("bad", case("/etc/b"))]).expect(1);
    assert_eq!(
        verdict(&ended, "good", "touches what its rights declare"),
        "passed"
    );
    // Either the host refuses the call, or the kit finds what it left.
    let (came, rights) = (
        verdict(&ended, "bad", "comes out as the case says"),
        verdict(&ended, "bad", "touches what its rights declare"),
    );
    assert!(
        came.starts_with("FAILED") || rights.starts_with("FAILED"),
        "{}",
        ended.all()
    );
}

#[test]
fn a_stage_that_changes_more_at_each_run_is_found_unless_the_case_says_so() {
    let case = |again: Value| json!({ "tree": { "/log": { "content": "" } }, "arguments": steps(&["tree append /run/osbuild/tree/log"]), "expect": { "again": again } });
    let ended = tried(
        json!({}),
        &[
            ("grows", case(json!([]))),
            ("may-grow", case(json!(["/log"]))),
        ],
    )
    .expect(1);
    assert_eq!(
        verdict(&ended, "grows", "a second run changes nothing"),
        "FAILED /log: replaced"
    );
    assert_eq!(
        verdict(&ended, "may-grow", "a second run changes nothing"),
        "passed"
    );
}

#[test]
fn options_that_do_not_fit_the_schema_are_found_both_ways() {
    let schema = json!({ "schema_2": { "options": { "type": "object", "required": ["steps"], "properties": { "steps": { "type": "array" } } } } });
    let ended = tried(
        schema,
        &[
            ("accepted", json!({ "arguments": { "options": { "steps": [] } }, "expect": { "invalid": true } })),
            ("refused", json!({ "arguments": { "options": { "steps": 1 } }, "expect": { "status": 1 } })),
            ("rightly-refused", json!({ "arguments": { "options": {} }, "expect": { "invalid": true } })),
        ],
    )
    .expect(1);
    let check = "options fit the schema";
    assert!(verdict(&ended, "accepted", check).starts_with("FAILED"));
    assert!(verdict(&ended, "refused", check).starts_with("FAILED"));
    assert_eq!(verdict(&ended, "rightly-refused", check), "passed");
}

#[test]
fn what_the_case_expects_is_compared() {
    let case = json!({ "arguments": steps(&["tree write /run/osbuild/tree/a"]), "expect": { "log": "nonsense", "tree": { "/a": { "content": "x" } } } });
    let ended = tried(json!({}), &[("wrong", case)]).expect(1);
    ended
        .says("the log lacks \"nonsense\"")
        .says("/a holds \"HOSTILE\", not \"x\"");
}

#[test]
fn links_that_lead_out_are_tried_and_lead_nowhere() {
    let case = json!({ "tree": { "/etc/a": { "content": "x" } }, "arguments": steps(&["tree write /run/osbuild/tree/etc/a"]) });
    let ended = tried(json!({}), &[("writes", case)]).expect(0);
    for check in [
        "survives directories that link out",
        "survives files that link out",
        "survives unusual names",
        "survives an empty tree",
    ] {
        assert_eq!(verdict(&ended, "writes", check), "passed");
    }
}

/// A stage in a few lines of C.
fn tried_c(source: &str) -> Option<Ended> {
    if !machine::offers(&["make", "clang", "wasm-ld"]) {
        return None;
    }
    let scratch = Scratch::new();
    let project = scratch.path("project");
    Program::new("plugin new com.example.x --lang c")
        .option("--directory", &project)
        .run()
        .expect(0);
    scratch.write("project/main.c", source);
    Program::new("plugin build")
        .arg(&project)
        .option("--output", scratch.path("plugin.wasm"))
        .run()
        .expect(0);
    scratch.json(
        "cases/case.json",
        &json!({ "tree": { "/etc": { "dir": true } }, "arguments": { "options": { "text": "" } } }),
    );
    Some(
        test(&scratch)
            .option("--stage-timeout", "2")
            .run()
            .expect(1),
    )
}

#[test]
fn a_stage_whose_tree_depends_on_the_time_is_found() {
    let source = r#"#include <stdio.h>
#include <time.h>
int main(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  FILE *file = fopen("/run/osbuild/tree/etc/motd", "w");
  return fprintf(file, "%lld %ld\n", (long long)now.tv_sec, now.tv_nsec) < 0 || fclose(file) != 0;
}
"#;
    let Some(ended) = tried_c(source) else { return };
    assert_eq!(
        verdict(&ended, "case", "twice gives the same tree"),
        "FAILED differs: /etc/motd"
    );
}

#[test]
fn a_stage_that_crashes_or_hangs_where_a_directory_is_missing_is_found() {
    for (source, says) in [
        (
            "int main(void) { FILE *file = fopen(\"/run/osbuild/tree/etc/motd\", \"w\"); if (!file) __builtin_trap(); return fclose(file); }",
            "crashed",
        ),
        (
            "int main(void) { FILE *file; while (!(file = fopen(\"/run/osbuild/tree/etc/motd\", \"w\"))); return fclose(file); }",
            "time limit",
        ),
    ] {
        let Some(ended) = tried_c(&format!("#include <stdio.h>\n{source}\n")) else {
            return;
        };
        let said = verdict(&ended, "case", "survives an empty tree");
        assert!(said.starts_with("FAILED") && said.contains(says), "{said}");
    }
}

#[test]
fn nothing_to_test_is_a_usage_error() {
    let scratch = Scratch::new();
    scratch.directory("cases");
    scratch.write(
        "plugin.wasm",
        embed(
            &hostile::component("files"),
            hostile::document("files").to_string().as_bytes(),
        ),
    );
    test(&scratch).run().expect(2).says("has no cases");
    scratch.write("cases/a.json", "{\"expects\": {}}");
    test(&scratch)
        .run()
        .expect(2)
        .says("cases/a.json: unknown field `expects`");
    Program::new("plugin test")
        .directory(scratch.root())
        .run()
        .expect(2)
        .says("dist has 0 plugins");
}
