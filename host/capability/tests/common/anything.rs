//! What holds for any bytes as a module document or a policy. Tests and fuzzing share it.
use osbuild_wasm_capability::plan::Ask;
use osbuild_wasm_capability::{ModuleMetadata, Policy, Profile, Right, Rights, Verb};
use serde_json::{Value, json};

/// Places that rights are asked about.
const PATHS: [&str; 8] = [
    "/run/osbuild/tree",
    "/run/osbuild/tree/etc/a",
    "/run/osbuild/tree/etc/a/b/c.conf",
    "/run/osbuild/tree/usr/bin/${/x}",
    "/run/osbuild/inputs/a/x",
    "/run/osbuild/mounts/root/boot",
    "/dev/loop0",
    "/etc/os-release",
];

fn options() -> Value {
    let list: Vec<_> = (0..40).map(|number| format!("/etc/v{number}")).collect();
    json!({ "a": list, "b": { "c": list, "d": [1, 2.5, null, true] }, "path": "tree:///bin/x/../*", "x": "${/x}", "text": "mount://root/a?b" })
}

/// A module document is refused, or its rights are never multiplied out, and mean the same when what is shown of them is read again.
pub fn document(bytes: &[u8]) {
    let metadata = match ModuleMetadata::parse(bytes) {
        Ok(metadata) => metadata,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let written = serde_json::to_vec(&metadata).expect("documents can be written");
    assert!(ModuleMetadata::parse(&written).is_ok(), "it is read again");
    let rights = metadata.rights.unwrap_or_default();
    let Ok(filled) = Rights::everything().narrowed(&rights, &options()) else {
        return;
    };
    let shown: Vec<Right> = filled.layers().next().unwrap_or_default();
    let size: usize = shown
        .iter()
        .flat_map(|right| &right.paths)
        .map(String::len)
        .sum();
    assert!(size < 4 << 20, "{size} bytes of paths");
    let again = Rights::everything().narrowed(&shown, &Value::Null);
    let again = again.unwrap_or_else(|error| panic!("what is shown is not read: {error}"));
    for path in PATHS {
        for verb in Verb::ALL {
            assert_eq!(
                filled.allow(verb, path),
                again.allow(verb, path),
                "{verb} {path}"
            );
            let below = filled.allow_below(verb, path);
            assert_eq!(below, again.allow_below(verb, path), "{verb} below {path}");
            assert!(!below || filled.allow(verb, path), "{verb} {path}");
        }
    }
}

/// A policy is refused with a place that it has, or decides about every module.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(error) => return assert!(error.offset <= text.len() && error.line > 0, "{error:?}"),
    };
    for name in ["org.osbuild.rpm", "org.osbuild.curl", "com.example.x", ""] {
        let rights = vec![Right {
            verbs: Verb::ALL.into_iter().collect(),
            paths: vec!["/etc/a".to_owned(), "/**".to_owned()],
        }];
        let ask = Ask {
            module: Profile {
                name: name.to_owned(),
                kind: "stage".to_owned(),
                rights: Some(rights),
                programs: vec!["rpm".to_owned()],
                ..Profile::default()
            },
            hosts: vec!["mirror.example:443".to_owned()],
            options: options(),
            ..Ask::default()
        };
        let decision = policy.decide(&ask);
        // What no rule matches does not run.
        assert!(policy.rule(name).is_some() || !decision.granted(), "{name}");
        assert!(decision.narrow(Rights::everything()).is_ok(), "{name}");
    }
}
