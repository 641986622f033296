//! `run --provenance`.
use super::{document, run, sha256sum, small};
use osbuild_wasm_tests::{Program, Scratch, manifest, paths};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const POLICY: &str = r#"
version = 1
[[rule]]
name = "files"
modules = ["org.osbuild.*"]
rights = [{ verbs = ["read", "create", "replace", "remove", "chmod", "chown", "xattr"], paths = ["/**", "mount://**"] }]
"#;

/// The digest of a subject, whatever its algorithm.
fn subjects(statement: &Value) -> BTreeMap<String, String> {
    let subject = |subject: &Value| {
        let digest = subject["digest"].as_object().unwrap().values().next();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&subject["name"]), text(digest.unwrap()))
    };
    statement["subject"]
        .as_array()
        .unwrap()
        .iter()
        .map(subject)
        .collect()
}

/// The digest of a tree as schemas/provenance.json describes it, by the tools of a shell; for trees without extended attributes.
fn tree_digest(tree: &Path) -> String {
    let script = r#"
        cd "$1"
        find . -printf '%P\0' | LC_ALL=C sort -z | while IFS= read -r -d '' path; do
            name=./$path
            if [ -L "$name" ]; then content=$(readlink -n "$name" | sha256sum | cut -d' ' -f1)
            elif [ -f "$name" ]; then content=$(sha256sum <"$name" | cut -d' ' -f1)
            else content=-; fi
            find "$name" -maxdepth 0 -printf "%y %m %U %G $content - "
            printf '%s\0' "$path"
        done | sha256sum | cut -d' ' -f1"#;
    let ended = Program::of("bash", "-c")
        .arg(script)
        .arg("bash")
        .arg(tree)
        .run()
        .expect(0);
    ended.stdout.trim().to_owned()
}

fn validate(statement: &Value) {
    let schema = std::fs::read(paths::workspace().join("schemas/provenance.json")).unwrap();
    let schema = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<_> = validator
        .iter_errors(statement)
        .map(|error| error.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}\n{statement:#}");
}

#[test]
fn provenance_names_exports_manifest_sources_and_components_by_their_digests() {
    let scratch = Scratch::new();
    run(&scratch, &small(), &["archive", "tree"])
        .option("--provenance", scratch.path("p.json"))
        .option("--record", scratch.path("record.json"))
        .run()
        .expect(0);
    let statement = document(&scratch, "p.json");
    validate(&statement);
    let record = &statement["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"];
    assert_eq!(record, &sha256sum(&scratch.path("record.json")));
    let expected = [
        (
            "archive".to_owned(),
            tree_digest(&scratch.path("out/archive")),
        ),
        (
            "archive/tree.tar".to_owned(),
            sha256sum(&scratch.path("out/archive/tree.tar")),
        ),
        ("tree".to_owned(), tree_digest(&scratch.path("out/tree"))),
        (
            "tree/etc/hostname".to_owned(),
            sha256sum(&scratch.path("out/tree/etc/hostname")),
        ),
    ];
    assert_eq!(subjects(&statement), BTreeMap::from(expected));
    let definition = &statement["predicate"]["buildDefinition"];
    assert_eq!(
        definition["externalParameters"]["manifest"]["digest"]["sha256"],
        sha256sum(&scratch.path("manifest.json"))
    );
    let materials = definition["resolvedDependencies"].as_array().unwrap();
    let hello = manifest::HELLO.strip_prefix("sha256:").unwrap();
    assert_eq!(materials[0]["digest"]["sha256"], hello);
    let components: Vec<_> = materials[1..]
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        components,
        [
            "org.osbuild.hostname",
            "org.osbuild.mkdir",
            "org.osbuild.tar"
        ]
    );
    let grants = definition["internalParameters"]["grants"]
        .as_array()
        .unwrap();
    assert_eq!(grants.len(), 3);
    let shown = Program::new("stage show org.osbuild.mkdir").run().expect(0);
    shown.says(grants[0]["component"].as_str().unwrap());
    let executables = &statement["predicate"]["runDetails"]["builder"]["builderDependencies"];
    assert_eq!(
        executables[0]["digest"]["sha256"],
        sha256sum(&paths::program())
    );
}

#[test]
fn provenance_of_what_came_from_the_store_is_the_same_but_for_the_run() {
    let scratch = Scratch::new();
    let build = |name: &str, out: &str| {
        Program::new("run --checkpoint * --export tree")
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path(out))
            .option("--provenance", scratch.path(name))
            .arg(scratch.json("manifest.json", &small()))
            .run()
            .expect(0);
        let mut statement = document(&scratch, name);
        validate(&statement);
        statement["predicate"]["runDetails"]["metadata"] = json!(null);
        statement
    };
    assert_eq!(build("first.json", "first"), build("second.json", "second"));
}

#[test]
fn provenance_speaks_of_what_was_made_not_of_what_was_there() {
    let scratch = Scratch::new();
    scratch.write("out/tree/etc/foreign", "not ours\n");
    run(&scratch, &small(), &["tree"])
        .option("--provenance", scratch.path("p.json"))
        .run()
        .expect(0);
    let subjects = subjects(&document(&scratch, "p.json"));
    assert!(scratch.path("out/tree/etc/hostname").exists());
    assert_eq!(
        subjects.into_keys().collect::<Vec<_>>(),
        ["tree", "tree/etc/hostname"]
    );
}

#[test]
fn provenance_names_the_policy_and_grants_what_it_left() {
    let scratch = Scratch::new();
    let policy = scratch.write("policy.toml", POLICY);
    run(&scratch, &small(), &["tree"])
        .option("--policy", &policy)
        .option("--provenance", scratch.path("p.json"))
        .run()
        .expect(0);
    let statement = document(&scratch, "p.json");
    validate(&statement);
    let internal = &statement["predicate"]["buildDefinition"]["internalParameters"];
    assert_eq!(internal["policy"]["digest"]["sha256"], sha256sum(&policy));
    let grant = &internal["grants"][0];
    assert!(
        grant["rule"]
            .as_str()
            .is_some_and(|rule| rule.contains("files")),
        "{grant:#}"
    );
    assert_eq!(
        grant["policyRights"][0]["paths"],
        json!(["/**", "mount://**"])
    );
}
