//! The reader and the writers agree with Python's.

mod common;

use common::parse;
use osbuild_wasm_manifest::json::{
    MAX_DEPTH, MAX_VALUES, Number, Value, parse as read, python_repr, to_plain, to_python,
    to_python_indent2, to_python_sorted,
};

#[test]
fn values_are_written_as_python_writes_them() {
    for (written, expected) in [
        ("null", "null"),
        (" [ 1 , true , false ] ", "[1, true, false]"),
        ("{\"b\":1,\"a\":{}}", "{\"b\": 1, \"a\": {}}"),
        ("[]", "[]"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("1.10", "1.1"),
        ("100000000000000000000.0", "1e+20"),
        ("12345678901234567.0", "1.2345678901234568e+16"),
        ("9007199254740993", "9007199254740993"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("123456.789e3", "123456789.0"),
        ("1e-7", "1e-07"),
        ("1.5E+300", "1.5e+300"),
        (
            "[NaN, Infinity, -Infinity, -1e999]",
            "[NaN, Infinity, -Infinity, -Infinity]",
        ),
        (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
        ("\"\u{1f600}\"", r#""\ud83d\ude00""#),
        (r#""\ud800x\udc00""#, r#""\ud800x\udc00""#),
        (
            r#""\/\"\\\b\f\n\r\t\u001f\u007f""#,
            r#""/\"\\\b\f\n\r\t\u001f\u007f""#,
        ),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a": 3, "b": 2}"#),
    ] {
        assert_eq!(to_python(&parse(written)), expected, "{written}");
    }
}

#[test]
fn keys_sort_by_code_point() {
    let value = parse(r#"{"\ud83d\ude00":1,"\uffff":2,"\udc00":3,"z":{"b":1,"a":2}}"#);
    assert_eq!(
        to_python_sorted(&value),
        r#"{"z": {"a": 2, "b": 1}, "\udc00": 3, "\uffff": 2, "\ud83d\ude00": 1}"#
    );
}

#[test]
fn indented_output_has_no_blanks_at_line_ends() {
    let value = parse(r#"{"a": [1, {"b": []}], "c": {}}"#);
    assert_eq!(
        to_python_indent2(&value),
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}"
    );
}

#[test]
fn plain_output_is_compact_utf8() {
    let value = parse(r#"{"é": ["\u0001\u007f", 1e16, NaN, "\ud800"]}"#);
    assert_eq!(
        to_plain(&value),
        "{\"é\":[\"\\u0001\u{7f}\",1e+16,NaN,\"\\ud800\"]}"
    );
}

#[test]
fn literals_look_like_python() {
    for (written, expected) in [
        (
            r#"["a", 1, 1.0, true, false, null, NaN]"#,
            "['a', 1, 1.0, True, False, None, nan]",
        ),
        (r#"{"it's": {}}"#, r#"{"it's": {}}"#),
        (r#""'\"""#, r#"'\'"'"#),
        (
            r#""\n\u0000\u00a0é\u200b\ud800\\""#,
            "'\\n\\x00\\xa0é\\u200b\\ud800\\\\'",
        ),
    ] {
        assert_eq!(python_repr(&parse(written)), expected, "{written}");
    }
}

#[test]
fn what_python_rejects_is_an_error_with_a_place() {
    for (text, line, column) in [
        ("", 1, 1),
        ("{\n \"a\": tru}", 2, 7),
        ("[1,]", 1, 4),
        ("{\"a\" 1}", 1, 6),
        ("{a: 1}", 1, 2),
        ("1 2", 1, 3),
        ("01", 1, 2),
        ("1.", 1, 2),
        ("-", 1, 1),
        ("+1", 1, 1),
        ("\"a\nb\"", 1, 3),
        ("\"\\x\"", 1, 2),
        ("\"\\u12g4\"", 1, 2),
        ("\"open", 1, 6),
        ("\u{feff}{}", 1, 1),
        ("'a'", 1, 1),
    ] {
        let error = read(text.as_bytes()).expect_err(text);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text:?}: {error}"
        );
    }
    assert_eq!(read(b"{\"\xff\": 1}").expect_err("not UTF-8").column, 3);
}

#[test]
fn a_document_has_no_more_values_than_fit_into_memory() {
    let many = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
    assert!(read(many(MAX_VALUES).as_bytes()).is_ok());
    let error = read(many(MAX_VALUES + 1).as_bytes()).expect_err("too many");
    assert_eq!(error.message, "the document has more than 4000000 values");
}

#[test]
fn depth_and_length_have_limits() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(read(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    assert!(read("[".repeat(1_000_000).as_bytes()).is_err());
    assert!(read("1".repeat(4300).as_bytes()).is_ok());
    assert!(read("1".repeat(4301).as_bytes()).is_err());
}

#[test]
fn serde_json_and_back_keeps_what_plain_json_can_say() {
    let text = r#"{"b": 1, "a": [1.0, 1e+16, 123456789012345678901234567890, "é", null, true], "i": Infinity}"#;
    let value = parse(text);
    let there = serde_json::Value::from(&value);
    assert_eq!(Value::from(there), value);
    assert_eq!(
        serde_json::Value::from(&parse(r#"["\ud800", NaN]"#)),
        serde_json::json!(["\u{fffd}", null])
    );
}

#[test]
fn numbers_know_what_they_are() {
    assert_eq!(parse("18446744073709551615").as_u64(), Some(u64::MAX));
    assert_eq!(parse("18446744073709551615").as_i64(), None);
    assert_eq!(parse("1.0").as_i64(), None);
    assert_eq!(parse("-5").as_u64(), None);
    assert_eq!(parse("1e3").as_f64(), Some(1000.0));
    assert_eq!(Number::from_integer_text("007"), None);
    for (text, whole) in [
        ("0", Some(0)),
        ("-0.0", Some(0)),
        ("2.0", Some(2)),
        ("1e3", Some(1000)),
        ("18446744073709551615", Some(u64::MAX)),
        ("1.5", None),
        ("-1", None),
        ("-1.0", None),
        ("1e300", None),
        ("18446744073709551616", None),
    ] {
        assert_eq!(parse(text).as_whole(), whole, "{text}");
    }
}
