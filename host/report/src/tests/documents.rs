//! What is wrong with a document, shown in its text.

use crate::{Colour, Source};
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::json::parse;
use osbuild_wasm_manifest::validate::validate;

fn problems(text: &str, width: usize) -> String {
    let errors = validate(&parse(text.as_bytes()).unwrap(), &Catalogue::builtin());
    let source = Source {
        name: "m.json",
        text: text.as_bytes(),
    };
    source.problems(&errors, Colour::Never, width)
}

const BAD: &str = r#"{
  "version": "2",
  "pipelines": [
    {"name": "tree", "stages": [
      {"type": "org.osbuild.mkdri"},
      {"type": "org.osbuild.hostname", "options": {"hostname": 7, "ä": [1]}},
      {"type": "org.osbuild.noop", "mounts": [{"name": "root", "type": "org.osbuild.ext4", "source": "d"}],
       "devices": {"d": {"type": "org.osbuild.loopback", "options": {}}}}
    ]}
  ],
  "surces": {}
}"#;

#[test]
fn each_problem_shows_its_line_with_the_offending_text_and_what_was_expected() {
    insta::assert_snapshot!(problems(BAD, 140));
}

#[test]
fn of_a_document_in_one_line_only_the_neighbourhood_is_shown() {
    let shown = problems(&BAD.replace('\n', " "), 100);
    assert!(
        shown.lines().all(|line| line.chars().count() <= 110),
        "{shown}"
    );
    assert!(
        shown.contains("m.json:1:") && shown.contains("^^^^^^^^ not known here"),
        "{shown}"
    );
}

#[test]
fn many_problems_end_in_a_count() {
    let stages: Vec<_> = (0..50).map(|_| r#"{"type": 3}"#).collect();
    let text = format!(
        r#"{{"version": "2", "pipelines": [{{"name": "a", "stages": [{}]}}]}}"#,
        stages.join(",\n")
    );
    let shown = problems(&text, 100);
    assert_eq!(shown.matches("error:").count(), 20, "{shown}");
    assert!(
        shown.ends_with("and 30 more problems; --json lists all\n"),
        "{shown}"
    );
}

#[test]
fn syntax_errors_point_at_their_place() {
    let cases = [
        ("{\"a\": [1,\n 2,, 3]}", "2 |  2,, 3]}\n  |    ^ here"),
        ("{\"a\": \"", "1 | {\"a\": \"\n  |        ^ here"),
        ("", "1 |\n  | ^ here"),
    ];
    for (text, expected) in cases {
        let error = parse(text.as_bytes()).unwrap_err();
        let source = Source {
            name: "-",
            text: text.as_bytes(),
        };
        let shown = source.syntax(&error, Colour::Never, 100);
        assert!(
            shown.starts_with("error: standard input is not JSON: line "),
            "{shown}"
        );
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn bytes_that_are_no_text_are_not_shown() {
    let error = parse(b"{\"a\": \"\xff\"}").unwrap_err();
    let source = Source {
        name: "m.json",
        text: b"{\"a\": \"\xff\"}",
    };
    let shown = source.syntax(&error, Colour::Never, 100);
    assert_eq!(
        shown,
        "error: m.json is not JSON: line 1, column 8: the document is not UTF-8 here\n"
    );
}
