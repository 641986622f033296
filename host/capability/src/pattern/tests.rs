use super::*;
use serde_json::json;

fn one(text: &str) -> Pattern {
    Pattern::expand(text, &json!({})).expect(text).remove(0)
}

#[test]
fn a_path_of_the_options_has_the_other_names_of_its_directory_too() {
    let names = |path: &str| {
        let options = json!({ "path": path });
        let patterns = Pattern::expand("${/path}/**", &options).unwrap();
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        names("/sbin/x"),
        ["/sbin/x/**", "/usr/sbin/x/**", "/usr/bin/x/**"]
    );
    assert_eq!(names("tree:///opt/x"), ["/opt/x/**", "/var/opt/x/**"]);
    assert_eq!(names("/library/x"), ["/library/x/**"]);
    assert_eq!(names("mount:///bin/x").len(), 1);
    assert_eq!(Pattern::expand("/bin/*", &json!({})).unwrap().len(), 1);
}

#[test]
fn a_pattern_covers_paths_of_the_contract() {
    for (pattern, path, coverage) in [
        (
            "/etc/hostname",
            "/run/osbuild/tree/etc/hostname",
            Coverage::Path,
        ),
        ("/etc/hostname", "/run/osbuild/tree/etc", Coverage::Above),
        (
            "/etc/hostname",
            "/run/osbuild/tree/etc/hostname/x",
            Coverage::None,
        ),
        (
            "/etc/*.conf",
            "/run/osbuild/tree/etc/a.conf",
            Coverage::Path,
        ),
        (
            "/etc/*.conf",
            "/run/osbuild/tree/etc/d/a.conf",
            Coverage::None,
        ),
        ("/usr/**", "/run/osbuild/tree/usr", Coverage::Below),
        ("/usr/**", "/run/osbuild/tree/usr/a/b", Coverage::Below),
        ("/usr/**/x", "/run/osbuild/tree/usr/a/b/x", Coverage::Path),
        ("/usr/**/x", "/run/osbuild/tree/usr/x/b", Coverage::Above),
        ("/**", "/run/osbuild/tree", Coverage::Below),
        ("/**", "/run/osbuild/inputs/a", Coverage::None),
        ("input://**", "/run/osbuild/inputs/a", Coverage::Below),
        (
            "mount://root/boot/*",
            "/run/osbuild/mounts/root/boot/a",
            Coverage::Path,
        ),
        ("device://*", "/dev/loop0", Coverage::Path),
        ("build:///etc/os-release", "/etc/os-release", Coverage::Path),
    ] {
        assert_eq!(one(pattern).covers(path), coverage, "{pattern} {path}");
    }
}

#[test]
fn containment_is_never_claimed_wrongly() {
    for (larger, smaller, expected) in [
        ("/etc/**", "/etc/a/b", true),
        ("/etc/**", "/etc/*.conf", true),
        ("/**", "/etc/**", true),
        ("/etc/*", "/etc/*.conf", true),
        ("/etc/*.conf", "/etc/a.conf", true),
        ("/etc/a[*]", "/etc/a[*]", true),
        ("/usr/**/x", "/usr/a/x", true),
        ("/etc/?", "/etc/*", false),
        ("/etc/a?", "/etc/a*", false),
        ("/etc/*", "/etc/**", false),
        ("/etc/a", "/etc/**", false),
        ("/etc/*", "/etc/a/b", false),
        ("/**", "mount://**", false),
    ] {
        assert_eq!(
            one(larger).contains(&one(smaller)),
            expected,
            "{larger} {smaller}"
        );
    }
}

#[test]
fn references_stand_for_values_of_the_options() {
    let options = json!({"paths": [{"path": "/a*"}, {"path": "tree:///b"}, {"path": "mount://r/c"}], "items": {"d": {}}});
    let shown = |text: &str| {
        let patterns = Pattern::expand(text, &options).expect(text);
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(shown("${/paths/*/path}"), ["/a[*]", "/b", "mount://r/c"]);
    assert_eq!(shown("${/items/~}/**"), ["/d/**"]);
    assert_eq!(shown("/etc/${/paths/0/path}.d"), ["/etc/a[*].d"]);
    assert!(shown("/x/${/missing}").is_empty());
}

#[test]
fn a_value_means_what_a_stage_takes_it_for() {
    for (value, expected) in [
        ("/a/../../b", "/b"),
        ("../c/./d", "/c/d"),
        ("tree:///../a/../c.cfg?x#y", "/c.cfg"),
        ("TREE://host/a/", "/a"),
        ("mount://r/../x", "mount://r/x"),
        ("input://i", "input://i"),
    ] {
        let options = json!({ "path": value });
        let patterns = Pattern::expand("${/path}", &options).expect(value);
        assert_eq!(patterns[0].to_string(), expected, "{value}");
    }
}

#[test]
fn a_pattern_that_means_nothing_is_refused() {
    for text in ["/a/../b", "ftp://x", "${/a", "${a}", "/[x", "/a**", "/***"] {
        assert!(Pattern::expand(text, &json!({"a": "b"})).is_err(), "{text}");
    }
}

#[test]
fn references_that_multiply_are_refused_before_they_fill_the_memory() {
    let values: Vec<_> = (0..60).map(|number| format!("/v{number}")).collect();
    let options = json!({ "a": values, "b": { "x": values } });
    for text in [
        "/${/a/*}/${/a/*}/${/a/*}/${/a/*}/${/a/*}",
        "${/b/x/*}${/a/*}${/b/x/*}${/a/*}",
        "/x/${/a/*}/${/b/x/*}/${/a/*}.d/**",
    ] {
        let error = Pattern::expand(text, &options).expect_err(text).to_string();
        assert!(error.contains("paths of it"), "{error}");
    }
    // Each for itself may be good, and all of them too many.
    let mut expansion = Expansion::new(&options);
    let many = (0..1000).map(|_| expansion.expand("/${/a/*}"));
    assert!(many.collect::<Result<Vec<_>, _>>().is_err());
    // One list, or several references with one value each, is what rights are for.
    assert_eq!(Pattern::expand("${/a/*}/**", &options).unwrap().len(), 60);
    let one = "/${/a/0}/${/a/1}/${/a/2}/${/a/3}/${/a/4}";
    assert_eq!(Pattern::expand(one, &options).unwrap().len(), 1);
}

#[test]
fn a_value_that_looks_like_a_reference_is_a_name() {
    let options = json!({ "path": "/a/${/path}" });
    let shown = Pattern::expand("${/path}", &options).unwrap()[0].to_string();
    // A decision has the text, and reads it again.
    let again = Pattern::expand(&shown, &Value::Null).unwrap();
    assert_eq!(
        again[0].covers("/run/osbuild/tree/a/${/path}"),
        Coverage::Path
    );
}
