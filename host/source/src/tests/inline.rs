use super::{World, sha256, source};
use osbuild_wasm_events::SourceOutcome;

fn inline(world: &World, key: &str, encoding: &str, data: &str) -> SourceOutcome {
    let items = format!(r#"{{{key:?}: {{"encoding": {encoding:?}, "data": {data:?}}}}}"#);
    world.fetch(&source("org.osbuild.inline", &items))
}

#[test]
fn content_is_decoded_as_python_decodes_it() {
    let cases = [
        ("aGVsbG8=", "hello"),
        ("aGVs bG8=\n", "hello"),
        ("aGV$$sbG8=", "hello"),
        ("aGVsbG8==", "hello"),
        ("aGVs=bG8=", "hello"),
        ("aGVsbG8=trailing", "hello"),
        ("=aGVsbG8=", "hello"),
        ("aGVsbG9=", "hello"),
        ("aG=VsbG8=", "hello"),
        ("", ""),
    ];
    for (data, expected) in cases {
        let world = World::new();
        let key = sha256(expected.as_bytes());
        let outcome = inline(&world, &key, "base64", data);
        assert!(outcome.success, "{data}: {}", outcome.output);
        assert_eq!(std::fs::read_to_string(world.file(&key)).unwrap(), expected);
        assert_eq!(
            (outcome.items[0].cached, outcome.output.as_str()),
            (Some(false), "")
        );
        assert!(world.scratch().is_empty());
        assert_eq!(
            inline(&world, &key, "base64", data).items[0].cached,
            Some(true)
        );
    }
}

#[test]
fn compressed_content_of_both_formats_is_decoded() {
    let cases = [
        (
            "hello\n",
            "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWg==",
        ),
        ("hello\n", "XQAAgAD//////////wA0GUnujd09Ot///90SAAA="),
        (
            "hello\nworld\n",
            "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWv03elhaAAAE5ta0RgIAIQEWAAAAdC/lowEABXdvcmxkCgAAAGJcYvnPGGHAAAEeBsEvpB0ftvN9AQAAAAAEWVo=",
        ),
    ];
    for (expected, data) in cases {
        let world = World::new();
        let key = sha256(expected.as_bytes());
        let outcome = inline(&world, &key, "lzma+base64", data);
        assert!(outcome.success, "{}", outcome.output);
        assert_eq!(std::fs::read_to_string(world.file(&key)).unwrap(), expected);
    }
}

#[test]
fn a_wrong_checksum_is_told_as_osbuild_tells_it() {
    let world = World::new();
    let key = format!("sha256:{}", "0".repeat(64));
    let outcome = inline(&world, &key, "base64", "aGVsbG8=");
    assert_eq!(outcome.output, format!("Checksum mismatch for {key}"));
    assert_eq!(
        outcome.items[0].error.as_deref(),
        Some(outcome.output.as_str())
    );
    assert_eq!(
        (outcome.success, outcome.items[0].cached),
        (false, Some(false))
    );
    assert!(!world.file(&key).exists() && world.scratch().is_empty());
}

#[test]
fn content_that_cannot_be_decoded_is_an_error() {
    let cases = [
        ("base64", "aGVsbG8", "incomplete"),
        ("base64", "a", "incomplete"),
        ("lzma+base64", "aGVsbG8=", "lzma"),
        ("lzma+base64", "/Td6WFoAAATm1rRGAgAhARwAAAAQ", "decompress"),
        ("rot13", "", "\"rot13\" is not known"),
    ];
    for (encoding, data, expected) in cases {
        let world = World::new();
        let outcome = inline(&world, &sha256(b"hello"), encoding, data);
        assert!(!outcome.success);
        assert!(outcome.output.contains(expected), "{}", outcome.output);
        assert!(world.scratch().is_empty());
    }
    let world = World::new();
    let outcome = world.fetch(&source(
        "org.osbuild.inline",
        &format!("{{{:?}: {{}}}}", sha256(b"")),
    ));
    assert!(
        outcome.output.contains("has no \"encoding\""),
        "{}",
        outcome.output
    );
}

#[test]
fn cached_items_come_first_and_the_others_in_the_order_of_the_manifest() {
    let world = World::new();
    let [a, b, c] = ["a", "b", "c"].map(|text| sha256(text.as_bytes()));
    assert!(inline(&world, &c, "base64", "Yw==").success);
    let items = format!(
        r#"{{{b:?}: {{"encoding": "base64", "data": "Yg=="}}, {a:?}: {{"encoding": "base64", "data": "YQ=="}},
            {c:?}: {{"encoding": "base64", "data": "Yw=="}}}}"#
    );
    let outcome = world.fetch(&source("org.osbuild.inline", &items));
    let found: Vec<_> = outcome
        .items
        .iter()
        .map(|item| (item.checksum.as_deref().unwrap(), item.cached))
        .collect();
    assert_eq!(
        found,
        [
            (c.as_str(), Some(true)),
            (b.as_str(), Some(false)),
            (a.as_str(), Some(false))
        ]
    );
}
