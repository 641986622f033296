//! Plugins that are not what they say, or not for this program.
use osbuild_wasm_capability::embed;
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile};
use serde_json::{Value, json};

/// Lists the stages with one file as the only plugin.
fn list(scratch: &Scratch, component: &[u8]) -> Ended {
    let library = scratch.directory("library");
    scratch.write("library/plugin.wasm", component);
    Program::new("stage list").option("--libdir", library).run()
}

/// The one clear error that a bad plugin gets.
fn refused(component: &[u8]) -> String {
    let scratch = Scratch::new();
    let ended = list(&scratch, component).expect(1);
    assert_eq!(
        ended.stdout, "",
        "nothing is listed beside a plugin that cannot be used"
    );
    steady(&ended.stderr, Some(&scratch))
}

fn packed(document: &Value) -> Vec<u8> {
    embed(
        &hostile::component("files"),
        document.to_string().as_bytes(),
    )
}

/// The component with every `from` in its import names replaced by `to`, which has the same length.
fn patched(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = packed(&hostile::document("files"));
    let mut found = 0;
    for start in 0..=bytes.len() - from.len() {
        if bytes[start..].starts_with(from.as_bytes()) {
            bytes[start..start + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "{from} is not in the component");
    bytes
}

#[test]
fn a_plugin_is_listed_and_shown_without_being_run() {
    let scratch = Scratch::new();
    let plugin = packed(&hostile::document("files"));
    list(&scratch, &plugin).expect(0).says("test.files");
    let shown = Program::new("stage show test.files")
        .option("--libdir", scratch.path("library"))
        .run()
        .expect(0);
    insta::assert_snapshot!(steady(&shown.stdout, Some(&scratch)), @r#"
    test.files (stage): Tries what it was not granted.

    component:           [DIR]/library/plugin.wasm, [N] bytes, sha256 [ID]
    interfaces:          types, tree, report
    programs:            true, cat, sleep
    Linux capabilities:  none
    reads of build root: none

    schema_2:
    {
      "options": {
        "type": "object"
      },
      "inputs": {
        "type": "object"
      },
      "devices": {
        "type": "object"
      }
    }
    "#);
}

#[test]
fn a_module_section_that_is_not_json_is_refused() {
    insta::assert_snapshot!(refused(&embed(&hostile::component("files"), b"{ not json")), @"error: [DIR]/library/plugin.wasm: section osbuild:module: key must be a string at line 1 column 3");
}

#[test]
fn a_module_section_of_the_wrong_shape_is_refused() {
    insta::assert_snapshot!(refused(&embed(&hostile::component("files"), br#"{"name": 5, "kind": "stage"}"#)), @"error: [DIR]/library/plugin.wasm: section osbuild:module: invalid type: integer `5`, expected a string at line 1 column 10");
}

#[test]
fn a_module_name_that_is_a_path_is_refused() {
    let mut document = hostile::document("files");
    document["name"] = "../../etc/passwd".into();
    insta::assert_snapshot!(refused(&packed(&document)), @r#"error: [DIR]/library/plugin.wasm: section osbuild:module: "../../etc/passwd" is not a module name: use letters, digits, '.', '_' and '-', and begin with a letter or a digit"#);
}

#[test]
fn a_kind_that_is_no_component_is_refused() {
    for kind in ["kernel", "source", ""] {
        let mut document = hostile::document("files");
        document["kind"] = kind.into();
        let message = refused(&packed(&document));
        assert!(
            message.contains("kind") && message.contains("stage") && message.contains("assembler"),
            "{message}"
        );
    }
}

#[test]
fn two_module_sections_are_refused() {
    let twice = embed(
        &packed(&hostile::document("files")),
        hostile::document("other").to_string().as_bytes(),
    );
    insta::assert_snapshot!(refused(&twice), @"error: [DIR]/library/plugin.wasm is not a WebAssembly component: it has two sections `osbuild:module`; build it for target wasm32-wasip2");
}

#[test]
fn a_component_without_module_section_is_refused() {
    insta::assert_snapshot!(refused(&hostile::component("files")), @"error: [DIR]/library/plugin.wasm has no section `osbuild:module`: pack the component with its module document");
}

#[test]
fn a_plugin_does_not_take_the_place_of_a_built_in_module() {
    let mut document = hostile::document("files");
    document["name"] = "org.osbuild.mkdir".into();
    insta::assert_snapshot!(refused(&packed(&document)), @"error: [DIR]/library/plugin.wasm says it is org.osbuild.mkdir, which is built in: rename the module, or remove the file");
}

#[test]
fn two_plugins_of_one_name_are_refused() {
    let scratch = Scratch::new();
    let first = packed(&hostile::document("files"));
    scratch.write("library/a.wasm", &first);
    scratch.write(
        "library/b.wasm",
        embed(
            &hostile::component("programs"),
            hostile::document("files").to_string().as_bytes(),
        ),
    );
    // Which of them runs must not depend on the names of the files.
    let ended = Program::new("stage list")
        .option("--libdir", scratch.path("library"))
        .run()
        .expect(1);
    ended.says("a.wasm").says("b.wasm").says("test.files");
}

#[test]
fn a_contract_that_this_host_does_not_offer_is_refused_naming_both_versions() {
    insta::assert_snapshot!(refused(&patched("osbuild:stage/tree@1.0.0", "osbuild:stage/tree@9.0.0")), @"error: [DIR]/library/plugin.wasm wants interface tree of osbuild:stage in version 9.0.0, this host offers 1.0.0: use a newer osbuild-wasm or a build of the component for 1.0.0");
}

#[test]
fn an_interface_that_the_contract_does_not_have_is_refused() {
    insta::assert_snapshot!(refused(&patched("osbuild:stage/tree@1.0.0", "osbuild:stage/root@1.0.0")), @"error: [DIR]/library/plugin.wasm imports osbuild:stage/root@1.0.0, which is not an interface of osbuild:stage@1.0.0: remove its use from the component or update osbuild-wasm");
}

#[test]
fn an_import_of_another_package_is_refused() {
    insta::assert_snapshot!(refused(&patched("osbuild:stage/tree@1.0.0", "badness:stage/tree@1.0.0")), @"error: [DIR]/library/plugin.wasm imports badness:stage/tree@1.0.0: a stage may import osbuild:stage@1.0.0 and WASI 0.2 only; build it for target wasm32-wasip2");
}

#[test]
fn a_core_module_is_refused() {
    insta::assert_snapshot!(refused(b"\0asm\x01\0\0\0"), @"error: [DIR]/library/plugin.wasm is not a WebAssembly component: it is a core module; build it for target wasm32-wasip2");
}

#[test]
fn a_file_that_is_no_wasm_is_refused_in_one_line() {
    for content in [&b"#!/bin/sh\necho evil\n"[..], b"", b"\x7fELF", b"(module)"] {
        let message = refused(content);
        assert!(
            message
                .starts_with("error: [DIR]/library/plugin.wasm is not a WebAssembly component: "),
            "{message}"
        );
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    }
}

#[test]
fn a_cut_component_is_refused() {
    let whole = packed(&hostile::document("files"));
    for length in [9, 1000, whole.len() / 2, whole.len() - 1] {
        let message = refused(&whole[..length]);
        assert!(
            message
                .starts_with("error: [DIR]/library/plugin.wasm is not a WebAssembly component: "),
            "{message}"
        );
    }
}

#[test]
fn garbage_in_a_component_never_brings_the_program_down() {
    let whole = packed(&hostile::document("files"));
    let scratch = Scratch::new();
    let arguments = scratch.json("arguments", &json!({ "options": { "steps": [] } }));
    // Bytes all over the binary, each run with another one changed.
    for position in (1..8).map(|part| part * whole.len() / 8) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x55;
        scratch.write("library/plugin.wasm", bytes);
        let ended = Program::new("stage run test.files")
            .option("--libdir", scratch.path("library"))
            .option("--tree", scratch.directory("tree"))
            .option("--args", &arguments)
            .option("--stage-timeout", "5")
            .run();
        let code = ended.code();
        assert!(
            code <= 2,
            "byte {position}: exit code {code}\n{}",
            ended.all()
        );
        ended
            .never_says("internal error")
            .never_says("panicked at host");
    }
}

#[test]
fn a_stage_of_a_plugin_runs_in_a_manifest_and_its_options_are_checked() {
    let scratch = Scratch::new();
    let step = hostile::step("tree write /run/osbuild/tree/made");
    let run = |options: Value| {
        let manifest = osbuild_wasm_tests::manifest::tree(
            json!([{ "type": "test.files", "options": options }]),
        );
        Program::new("run --export tree --quiet")
            .option("--libdir", hostile::library())
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(scratch.json("manifest", &manifest))
            .run()
    };
    run(json!({ "steps": [step] })).expect(0);
    assert_eq!(scratch.read("out/tree/made"), "HOSTILE");
    run(json!(["no object"]))
        .expect(2)
        .says(".pipelines[0].stages[0].options");
}

#[test]
fn names_of_built_in_modules_are_reserved() {
    for name in [
        "org.osbuild.evil",
        "org.osbuild",
        "org.osbuild.mkdir.more",
        "io.weldr.x",
    ] {
        let mut document = hostile::document("files");
        document["name"] = name.into();
        let message = refused(&packed(&document));
        assert!(message.contains("those of built-in modules"), "{message}");
        let scratch = Scratch::new();
        let plugin = scratch.write("plugin.wasm", packed(&document));
        for command in ["plugin install --allow-shadow", "plugin install"] {
            Program::new(command)
                .arg(&plugin)
                .option("--plugins", scratch.path("plugins"))
                .run()
                .expect(2)
                .says("only built-in modules have");
        }
        scratch.json(
            "cases/a.json",
            &json!({ "arguments": { "options": {} }, "expect": {} }),
        );
        Program::new("plugin test")
            .arg(&plugin)
            .option("--cases", scratch.path("cases"))
            .run()
            .expect(1)
            .says("those of built-in modules");
        pack(&scratch, &document)
            .expect(1)
            .says("only built-in modules have");
    }
    // Not every name that begins alike.
    let mut document = hostile::document("files");
    document["name"] = "org.osbuilders.x".into();
    list(&Scratch::new(), &packed(&document))
        .expect(0)
        .says("org.osbuilders.x");
}

fn pack(scratch: &Scratch, document: &Value) -> Ended {
    Program::new("plugin pack")
        .arg(scratch.write("component.wasm", hostile::component("files")))
        .option("--metadata", scratch.json("module.json", document))
        .option("--output", scratch.path("packed.wasm"))
        .run()
}

#[test]
fn a_slip_of_the_pen_in_a_document_is_an_error_with_its_place() {
    let rights = |path: &str| json!([{ "verbs": ["read"], "paths": [path] }]);
    for (member, value, says) in [
        ("right", rights("/a"), "unknown field `right`"),
        ("rights", rights("etc/a"), ".rights[0].paths[0]"),
        ("rights", rights("${/nope}"), ".rights[0].paths[0]"),
        ("capabilities", json!(["CAP_FOO"]), ".capabilities[0]"),
        ("programs", json!(["/bin/sh"]), ".programs[0]"),
        ("reads", json!(["etc"]), ".reads[0]"),
    ] {
        let scratch = Scratch::new();
        let mut document = hostile::document("files");
        document["schema_2"]["options"] =
            json!({ "type": "object", "properties": { "steps": { "type": "array" } } });
        document[member] = value;
        pack(&scratch, &document)
            .expect(1)
            .says("module.json")
            .says(says);
        assert!(!scratch.path("packed.wasm").exists());
        let message = refused(&packed(&document));
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_document_without_rights_is_named_as_such() {
    let scratch = Scratch::new();
    let mut document = hostile::document("files");
    let says = "its document has no `rights`";
    let library = scratch.directory("library");
    let plugin = scratch.write("library/plugin.wasm", packed(&document));
    let manifest = osbuild_wasm_tests::manifest::tree(
        json!([{ "type": "test.files", "options": { "steps": [] } }]),
    );
    let manifest = scratch.json("manifest.json", &manifest);
    let audit = || {
        Program::new("audit test.files")
            .option("--libdir", &library)
            .run()
    };
    let plan = || {
        Program::new("plan")
            .arg(&manifest)
            .option("--libdir", &library)
            .run()
    };
    scratch.json(
        "cases/a.json",
        &json!({ "arguments": { "options": { "steps": [] } }, "expect": {} }),
    );
    let test = || {
        Program::new("plugin test")
            .arg(&plugin)
            .option("--cases", scratch.path("cases"))
            .run()
    };
    // Tables break lines where a column ends.
    let words = |ended: Ended| {
        ended
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for ended in [audit(), plan()] {
        assert!(words(ended).contains("has no `rights`"));
    }
    test().says("test.files has no `rights`");
    document["rights"] = json!([{ "verbs": ["read"], "paths": ["/**"] }]);
    scratch.write("library/plugin.wasm", packed(&document));
    for ended in [audit(), plan(), test()] {
        ended.never_says(says).never_says("has no `rights`");
    }
}

/// Somebody else.
const OTHER: u32 = 4711;

#[test]
fn plugins_that_others_own_or_can_write_are_refused() {
    if !osbuild_wasm_tests::machine::offers(&[]) {
        return;
    }
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, lchown};
    type Change = fn(&Scratch);
    let changes: [(&str, Change); 7] = [
        ("can be written by others", |scratch| {
            set_permissions(scratch.path("plugins"), Permissions::from_mode(0o777)).unwrap()
        }),
        ("can be written by others", |scratch| {
            set_permissions(scratch.path("plugins"), Permissions::from_mode(0o775)).unwrap()
        }),
        ("belongs to user 4711", |scratch| {
            chown(scratch.path("plugins"), Some(OTHER), None).unwrap()
        }),
        ("can be written by others", |scratch| {
            set_permissions(
                scratch.path("plugins/stages/test.files.wasm"),
                Permissions::from_mode(0o666),
            )
            .unwrap()
        }),
        ("belongs to user 4711", |scratch| {
            chown(
                scratch.path("plugins/stages/test.files.wasm"),
                Some(OTHER),
                None,
            )
            .unwrap()
        }),
        ("is a link of user 4711", |scratch| {
            std::fs::rename(scratch.path("plugins"), scratch.path("real")).unwrap();
            scratch.link(scratch.path("real"), "plugins");
            lchown(scratch.path("plugins"), Some(OTHER), None).unwrap();
        }),
        ("everybody can put something else in its place", |scratch| {
            set_permissions(scratch.root(), Permissions::from_mode(0o777)).unwrap()
        }),
    ];
    for (says, change) in changes {
        let scratch = Scratch::new();
        let plugin = scratch.write("test.files.wasm", packed(&hostile::document("files")));
        Program::new("plugin install")
            .arg(&plugin)
            .option("--plugins", scratch.path("plugins"))
            .run()
            .expect(0);
        let by_libdir = || {
            Program::new("stage list")
                .option("--libdir", scratch.path("plugins"))
                .run()
        };
        let by_path = || {
            Program::new("stage list")
                .env("OSBUILD_WASM_PATH", scratch.path("plugins"))
                .run()
        };
        let installed = || {
            Program::new("stage list")
                .env("OSBUILD_WASM_PLUGINS", scratch.path("plugins"))
                .run()
        };
        for ended in [by_libdir(), by_path(), installed()] {
            ended.expect(0).says("test.files");
        }
        change(&scratch);
        for ended in [by_libdir(), by_path(), installed()] {
            let ended = ended.expect(1).says(says);
            assert_eq!(ended.stdout, "", "nothing is listed");
        }
    }
}
