//! Where programs read and write: `programs-touch` of a module document, and of a policy.
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest};
use serde_json::{Value, json};
use std::path::PathBuf;

const TREE: &str = "/run/osbuild/tree";

/// The component that runs programs as a module with these places.
fn library(scratch: &Scratch, places: &Value) -> PathBuf {
    let programs = ["cat", "touch", "chmod", "rm", "ln", "ldconfig"];
    let mut members = json!({ "programs": programs, "rights": [] });
    if !places.is_null() {
        members["programs-touch"] = places.clone();
    }
    hostile::with_document(scratch, "programs", &members)
}

fn run(scratch: &Scratch, places: &Value, runs: &Value) -> Ended {
    let arguments = json!({ "options": { "runs": runs } });
    Program::new("stage run test.narrow")
        .option("--libdir", library(scratch, places))
        .option("--tree", scratch.directory("tree"))
        .option("--args", scratch.json("arguments", &arguments))
        .run()
}

fn try_it(words: &str) -> Value {
    let mut words = words.split(' ').map(|word| word.replace('@', TREE));
    let program = words.next().unwrap_or_default();
    json!({ "program": program, "arguments": words.collect::<Vec<_>>() })
}

fn tree() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("tree/etc/a", "of-etc");
    scratch.write("tree/usr/b", "of-usr");
    for (text, name) in [("/usr", "tree/etc/leak"), ("../etc", "tree/usr/etc")] {
        std::os::unix::fs::symlink(text, scratch.path(name)).expect("a link");
    }
    scratch
}

#[test]
fn programs_read_and_write_where_their_document_says_and_nowhere_else() {
    if !machine::offers(&[]) {
        return;
    }
    let tries = [
        "cat @/etc/a",
        "cat @/usr/b",
        "touch @/etc/new",
        "chmod 600 @/etc/a",
        "touch @/usr/new",
        "chmod u+s @/usr/b",
        "touch @/new",
        "ln @/etc/a @/etc/hard",
        "rm -r @/usr",
    ];
    for (places, may) in [
        (json!({}), &[][..]),
        (json!({ "read": ["/"] }), &[0, 1]),
        (json!({ "read": ["/etc"] }), &[0]),
        (json!({ "write": ["/etc/a"] }), &[0, 3]),
        (
            json!({ "read": ["/"], "write": ["/etc"] }),
            &[0, 1, 2, 3, 7],
        ),
        // A link of the tree carries a place nowhere.
        (json!({ "read": ["/"], "write": ["/usr/etc"] }), &[0, 1]),
        (json!({ "read": ["/"], "write": ["/etc/leak"] }), &[0, 1]),
        (
            json!({ "read": ["/"], "write": ["/not/there", "/etc/leak/../../../.."] }),
            &[],
        ),
        (json!({ "write": ["/"] }), &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Value::Null, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        let scratch = tree();
        let runs: Vec<_> = tries.iter().map(|words| try_it(words)).collect();
        let ended = run(&scratch, &places, &runs.into());
        let shown = ended.all();
        if places.to_string().contains("..") {
            ended.expect(1).says("has no place in a pattern");
            continue;
        }
        for (index, words) in tries.iter().enumerate() {
            let said = format!("{}: ok", words.replace('@', TREE));
            assert_eq!(
                shown.contains(&said),
                may.contains(&index),
                "{places} {words}\n{shown}"
            );
        }
        let removed = !scratch.path("tree/usr/b").exists();
        assert_eq!(removed, may.contains(&8), "{places}\n{shown}");
    }
}

#[test]
fn a_bind_shows_no_more_than_the_places() {
    if !machine::offers(&[]) {
        return;
    }
    let bound = |source: &str| {
        let mut run = try_it("touch /run/shown/new");
        run["bind"] = json!([source, "/run/shown"]);
        run
    };
    let scratch = tree();
    std::os::unix::fs::symlink("../usr", scratch.path("tree/etc/up")).expect("a link");
    let usr = [
        format!("{TREE}/usr"),
        format!("{TREE}/etc/leak"),
        format!("{TREE}/etc/up"),
    ];
    let runs: Vec<_> = usr.iter().map(|source| bound(source)).collect();
    let ended = run(&scratch, &json!({ "write": ["/etc"] }), &runs.into()).expect(1);
    assert_eq!(
        ended.all().matches("programs-touch").count(),
        3,
        "{}",
        ended.all()
    );
    assert!(!scratch.path("tree/usr/new").exists());
    let runs = json!([bound(&format!("{TREE}/usr/etc"))]);
    run(&scratch, &json!({ "write": ["/etc"] }), &runs).expect(0);
    assert!(scratch.path("tree/etc/new").exists());
}

#[test]
fn a_program_with_the_tree_as_its_root_has_the_same_places() {
    if !machine::offers(&["ldconfig"]) {
        return;
    }
    let in_tree = json!([{ "program": "ldconfig", "arguments": ["-X", "-i"], "in_tree": true }]);
    for (places, may) in [
        (json!({}), false),
        (json!({ "write": ["/etc"] }), false),
        (json!({ "read": ["/"] }), false),
        (json!({ "read": ["/"], "write": ["/etc"] }), true),
        (json!({ "write": ["/"] }), true),
    ] {
        let scratch = tree();
        let program = scratch.write("tree/usr/sbin/ldconfig", "");
        // Statically linked everywhere.
        std::fs::copy("/usr/sbin/ldconfig", program).expect("a copy");
        for directory in ["tree/dev", "tree/proc", "tree/sys", "tree/usr/lib"] {
            scratch.directory(directory);
        }
        run(&scratch, &places, &in_tree).expect(i32::from(!may));
        let cache = scratch.path("tree/etc/ld.so.cache");
        assert_eq!(cache.exists(), may, "{places}");
    }
}

/// A manifest with a stage of the module.
fn document() -> Value {
    let runs = json!([try_it("touch @/etc/new")]);
    let stage = manifest::stage("test.narrow", json!({ "runs": runs }));
    manifest::tree(json!([manifest::hostname("x"), stage]))
}

const POLICY: &str = "version = 1\n[[rule]]\nmodules = ['org.osbuild.*']\n[[rule]]\nmodules = ['test.*']\ntier = 'elevated'\nprograms = ['*']\n";

#[test]
fn a_policy_narrows_where_programs_read_and_write() {
    if !machine::offers(&[]) {
        return;
    }
    for (asked, allowed, code, said) in [
        (Value::Null, "{ read = ['/'] }", 1, "Read-only file system"),
        (Value::Null, "{ write = ['/etc'] }", 0, ""),
        (json!({ "write": ["/etc"] }), "{ write = ['/'] }", 0, ""),
        (
            json!({ "write": ["/etc"] }),
            "{ read = ['/'] }",
            1,
            "programs that write /etc: the rule of line 4 does not have it in `programs-touch`",
        ),
        (
            json!({ "write": ["/etc"] }),
            "{ write = ['etc'] }",
            2,
            "programs-touch.write[0]",
        ),
    ] {
        let scratch = Scratch::new();
        let library = library(&scratch, &asked);
        let rules = format!("{POLICY}programs-touch = {allowed}\n");
        let ended = Program::new("run --export tree")
            .option("--libdir", library)
            .option("--policy", scratch.write("policy.toml", rules))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(scratch.json("m", &document()))
            .run();
        ended.expect(code).says(said);
    }
}

#[test]
fn places_of_programs_are_planned_locked_and_compared() {
    let scratch = Scratch::new();
    let manifest = scratch.json("m", &document());
    let made = |command: &str, name: &str, places: &Value| {
        let made = Program::new(command)
            .option("--libdir", library(&scratch, places))
            .arg(&manifest)
            .run()
            .expect(0);
        (scratch.write(name, &made.stdout), made)
    };
    let narrow = json!({ "read": ["/"], "write": ["/etc"] });
    let (_, shown) = made("plan", "shown", &narrow);
    shown
        .says("programs: /etc and all below")
        .never_says("the whole tree, read-write");
    let lock = |name: &str, places: &Value| {
        let file = scratch.path(name);
        Program::new("lock")
            .option("--libdir", library(&scratch, places))
            .option("--output", &file)
            .arg(&manifest)
            .run()
            .expect(0);
        file
    };
    let wide = json!({ "write": ["/"] });
    for (old, new) in [
        (
            made("plan --format json", "old.plan", &narrow).0,
            made("plan --format json", "new.plan", &wide).0,
        ),
        (lock("old.lock", &narrow), lock("new.lock", &wide)),
    ] {
        let compare = |old: &PathBuf, new: &PathBuf| {
            Program::new("audit diff --format json")
                .arg(old)
                .arg(new)
                .run()
        };
        let grew = compare(&old, &new).expect(1).json()["grew"].to_string();
        assert!(grew.contains("programs write /\""), "{grew}");
        let shrank = compare(&new, &old).expect(0).json();
        assert!(
            shrank["shrank"].to_string().contains("programs write /\""),
            "{shrank:#}"
        );
    }
}

#[test]
fn file_systems_and_partition_tables_are_made_without_the_tree() {
    let scratch = Scratch::new();
    let plan = Program::new("plan --format json").arg(scratch.json("m", &manifest::disk()));
    let plan = plan.run().expect(0).json();
    for stage in [1, 2] {
        let places = &plan["pipelines"][1]["stages"][stage]["decision"]["programs_touch"];
        assert_eq!(places, &json!({ "write": ["device://"] }), "{plan:#}");
    }
}
