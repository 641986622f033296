//! From documents to the model, and what is wrong with those that have none.

mod common;

use common::{loaded, one_stage, try_load};
use osbuild_wasm_manifest::model::{Origin, Reference, StageClass};
use osbuild_wasm_manifest::problem::{ValidationError, render_path};
use osbuild_wasm_manifest::runner::{host_runner, resolve, steps_of};

fn v2(pipelines: &str) -> String {
    format!(r#"{{"version": "2", "pipelines": [{pipelines}]}}"#)
}

fn input(origin: &str, references: &str) -> String {
    one_stage(&format!(
        r#"{{"type": "a", "inputs": {{"i": {{"type": "b", "origin": "org.osbuild.{origin}", "references": {references}}}}}}}"#
    ))
}

#[test]
fn what_cannot_be_loaded_says_where_and_why() {
    let stage = ".pipelines[0].stages[0]";
    let at = |place: &str| format!("{stage}{place}");
    let cases = [
        (
            v2("{}"),
            ".pipelines[0]".into(),
            "'name' is a required property",
        ),
        (
            v2(r#"{"name": 3}"#),
            ".pipelines[0].name".into(),
            "3 is not of type 'string'",
        ),
        (
            v2("[]"),
            ".pipelines[0]".into(),
            "[] is not of type 'object'",
        ),
        (
            v2(r#"{"name": "a"}, {"name": "a"}"#),
            ".pipelines[1].name".into(),
            "Name a already exists",
        ),
        (
            v2(r#"{"name": "a", "build": "name:zz"}"#),
            ".pipelines[0].build".into(),
            "Unknown pipeline reference: name:zz",
        ),
        (
            v2(r#"{"name": "a", "build": "name:a"}"#),
            ".pipelines[0].build".into(),
            "Unknown pipeline reference: name:a",
        ),
        (
            v2(r#"{"name": "a", "build": "feed"}"#),
            ".pipelines[0].build".into(),
            "Unknown pipeline reference: feed",
        ),
        (
            v2(r#"{"name": "a", "runner": "org.osbuild.foo1"}"#),
            ".pipelines[0].runner".into(),
            "No suitable runner for org.osbuild.foo",
        ),
        (
            v2(r#"{"name": "a", "source-epoch": 9223372036854775808}"#),
            ".pipelines[0].source-epoch".into(),
            "the source epoch must be a whole number of seconds (64 bits)",
        ),
        (
            r#"{"version": "2", "sources": []}"#.into(),
            ".sources".into(),
            "[] is not of type 'object'",
        ),
        (
            r#"{"version": "3"}"#.into(),
            ".version".into(),
            "Unsupported manifest format",
        ),
        ("[]".into(), ".".into(), "[] is not of type 'object'"),
        (one_stage("{}"), at(""), "'type' is a required property"),
        (
            one_stage(r#"{"type": "a", "devices": []}"#),
            at(".devices"),
            "[] is not of type 'object'",
        ),
        (
            one_stage(r#"{"type": "a", "options": 1}"#),
            at(".options"),
            "1 is not of type 'object'",
        ),
        (
            one_stage(r#"{"type": "a", "mounts": [{"type": "b"}]}"#),
            at(".mounts[0]"),
            "'name' is a required property",
        ),
        (
            one_stage(
                r#"{"type": "a", "mounts": [{"type": "b", "name": "m"}, {"type": "c", "name": "m"}]}"#,
            ),
            at(".mounts[1]"),
            "Duplicated mount 'm'",
        ),
        (
            one_stage(r#"{"type": "a", "mounts": [{"type": "b", "name": "m", "source": "d"}]}"#),
            at(".mounts[0].source"),
            "Unknown device 'd' for mount 'm'",
        ),
        (
            one_stage(r#"{"type": "a", "devices": {"a": {"type": "b", "parent": "b"}}}"#),
            at(".devices.a"),
            "Missing parent device 'b' for 'a'",
        ),
        (
            one_stage(
                r#"{"type": "a", "devices": {"a": {"type": "b", "parent": "c"}, "c": {"type": "b", "parent": "a"}}}"#,
            ),
            at(".devices"),
            "Cycle detected in 'devices'",
        ),
        (
            one_stage(r#"{"type": "a", "devices": {"a": {"type": "b", "parent": "a"}}}"#),
            at(".devices"),
            "Cycle detected in 'devices'",
        ),
        (
            one_stage(
                r#"{"type": "a", "inputs": {"x/../y": {"type": "b", "origin": "org.osbuild.source", "references": {}}}}"#,
            ),
            at(".inputs.x/../y"),
            "the name of an input is the name of a directory and may not contain `/`",
        ),
        (
            input("pipeline", r#"["name:zz"]"#),
            at(".inputs.i.references[0]"),
            "Unknown pipeline reference: name:zz",
        ),
        (
            input("pipeline", r#"{"name:t": {}}"#),
            at(".inputs.i.references.name:t"),
            "Unknown pipeline reference: name:t",
        ),
        (
            input("source", r#"[{"id": "x"}]"#),
            at(".inputs.i.references[0]"),
            "Unknown source reference(s) {'x'}",
        ),
        (
            input("moon", "{}"),
            at(".inputs.i.origin"),
            "'org.osbuild.moon' is not an origin",
        ),
        (
            r#"{"pipeline": {"stages": [{}]}}"#.into(),
            ".pipeline.stages[0]".into(),
            "'name' is a required property",
        ),
        (
            r#"{"pipeline": {"stages": [{"name": "org.osbuild.rpm", "options": {}}]}}"#.into(),
            ".pipeline.stages[0].options".into(),
            "'packages' is a required property",
        ),
        (
            r#"{"pipeline": {"build": {"pipeline": {}, "runner": "org.osbuild.zz"}}}"#.into(),
            ".pipeline.build.runner".into(),
            "No suitable runner for org.osbuild.zz",
        ),
        (
            r#"{"sources": {"org.osbuild.zz": {}}}"#.into(),
            ".sources.org.osbuild.zz".into(),
            "Unknown source type: org.osbuild.zz",
        ),
        (
            r#"{"stages": [{}]}"#.into(),
            ".stages[0]".into(),
            "'name' is a required property",
        ),
    ];
    for (document, place, message) in cases {
        let error: ValidationError = try_load(&document).map(|_| ()).expect_err(&document).into();
        assert_eq!(
            (render_path(&error.path), error.message.as_str()),
            (place, message),
            "{document}"
        );
    }
}

#[test]
fn a_near_name_is_suggested() {
    let error: ValidationError = try_load(&v2(
        r#"{"name": "build"}, {"name": "os", "build": "name:biuld"}"#,
    ))
    .map(|_| ())
    .unwrap_err()
    .into();
    assert_eq!(error.hint.as_deref(), Some("did you mean `name:build`?"));
}

#[test]
fn devices_are_ordered_by_dependency() {
    let manifest = loaded(&one_stage(
        r#"{"type": "a", "devices": {"z": {"type": "t", "parent": "y"}, "y": {"type": "t", "parent": "x"}, "b": {"type": "t"}, "x": {"type": "t"}}}"#,
    ));
    let names: Vec<_> = manifest.pipelines[0].stages[0]
        .devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    assert_eq!(names, ["b", "x", "y", "z"]);
}

#[test]
fn references_without_name_are_dropped_with_a_warning() {
    let manifest = loaded(&input("pipeline", r#"["beda"]"#));
    let input = &manifest.pipelines[0].stages[0].inputs[0];
    assert_eq!(
        (input.origin, input.references.len()),
        (Origin::Pipeline, 0)
    );
    assert_eq!(
        render_path(&manifest.warnings[0].path),
        ".pipelines[0].stages[0].inputs.i.references[0]"
    );
}

#[test]
fn a_reference_to_an_empty_pipeline_has_no_id() {
    let manifest = loaded(&v2(
        r#"{"name": "e"}, {"name": "t", "build": "name:e", "stages": [{"type": "a", "inputs": {"i": {"type": "b", "origin": "org.osbuild.pipeline", "references": ["name:e"]}}}]}"#,
    ));
    let pipeline = &manifest.pipelines[1];
    assert_eq!(pipeline.build, None);
    let references = &pipeline.stages[0].inputs[0].references;
    assert_eq!(
        references[..],
        [Reference {
            id: None,
            options: common::parse("{}")
        }]
    );
}

#[test]
fn a_pipeline_runs_with_the_runner_of_its_build_root() {
    let manifest = loaded(&v2(
        r#"{"name": "b", "runner": "org.osbuild.fedora99", "stages": [{"type": "a"}]}, {"name": "t", "build": "name:b", "runner": "org.osbuild.rhel86"}"#,
    ));
    let runner = |index: usize| {
        (
            manifest.pipelines[index].runner.requested.as_str(),
            manifest.pipelines[index].runner.exec.as_str(),
        )
    };
    assert_eq!(runner(0), ("org.osbuild.debian", "org.osbuild.debian"));
    assert_eq!(runner(1), ("org.osbuild.fedora99", "org.osbuild.fedora38"));
    let declared = manifest.pipelines[1]
        .declared_runner
        .as_ref()
        .map(|runner| runner.exec.as_str());
    assert_eq!(declared, Some("org.osbuild.rhel82"));
}

#[test]
fn a_build_may_be_an_id() {
    let build =
        r#"{"name": "b", "runner": "org.osbuild.arch", "stages": [{"type": "org.osbuild.noop"}]}"#;
    let id = "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969";
    let manifest = loaded(&v2(&format!(
        r#"{build}, {{"name": "t", "build": "{id}", "stages": [{{"type": "a"}}]}}"#
    )));
    assert_eq!(manifest.pipelines[1].build.as_deref(), Some(id));
    assert_eq!(manifest.pipelines[1].runner.exec, "org.osbuild.arch");
}

#[test]
fn the_newest_runner_that_is_not_newer_serves() {
    for (requested, exec) in [
        ("org.osbuild.fedora99", Some("org.osbuild.fedora38")),
        ("org.osbuild.fedora37", Some("org.osbuild.fedora30")),
        ("org.osbuild.fedora29", None),
        ("org.osbuild.foo1", None),
        ("org.osbuild.fedora", None),
        ("org.osbuild.linux", Some("org.osbuild.linux")),
        ("org.osbuild.rhel90", Some("org.osbuild.rhel82")),
        ("org.osbuild.rhel79", Some("org.osbuild.rhel7")),
        ("org.osbuild.AutoSD9", Some("org.osbuild.AutoSD9")),
        ("org.osbuild.autosd", Some("org.osbuild.autosd")),
        (
            "org.osbuild.ubuntu99999999999999999999999",
            Some("org.osbuild.ubuntu1804"),
        ),
        ("", None),
    ] {
        let found = resolve(requested).ok();
        assert_eq!(
            found.as_ref().map(|runner| runner.exec.as_str()),
            exec,
            "{requested}"
        );
        assert!(
            found.is_none_or(
                |runner| runner.requested == requested && steps_of(&runner.exec).is_some()
            )
        );
    }
}

#[test]
fn the_host_has_a_runner_whatever_it_is() {
    for (os_release, exec) in [
        ("ID=debian\nVERSION_ID=\"12\"\n", "org.osbuild.debian"),
        ("ID=fedora\nVERSION_ID=40\n", "org.osbuild.fedora38"),
        ("ID='centos'\nVERSION_ID='9'\n", "org.osbuild.centos9"),
        ("ID=\"rhel\"\nVERSION_ID=\"8.10\"\n", "org.osbuild.rhel82"),
        ("ID=ubuntu\nVERSION_ID=24.04\n", "org.osbuild.ubuntu1804"),
        ("ID=plan9\n", "org.osbuild.linux"),
        ("", "org.osbuild.linux"),
    ] {
        assert_eq!(host_runner(os_release).exec, exec, "{os_release:?}");
    }
}

#[test]
fn v1_pipelines_are_named_by_depth_and_come_deepest_first() {
    let manifest = loaded(
        r#"{"pipeline": {"build": {"runner": "org.osbuild.fedora30", "pipeline":
            {"build": {"runner": "org.osbuild.rhel82", "pipeline": {"stages": [{"name": "c"}]}}, "stages": [{"name": "b"}]}},
            "stages": [{"name": "a"}], "assembler": {"name": "z"}}}"#,
    );
    let shape: Vec<_> = manifest
        .pipelines
        .iter()
        .map(|pipeline| (pipeline.name.as_str(), pipeline.runner.exec.as_str()))
        .collect();
    assert_eq!(
        shape,
        [
            ("build-build", "org.osbuild.debian"),
            ("build", "org.osbuild.rhel82"),
            ("tree", "org.osbuild.fedora30"),
            ("assembler", "org.osbuild.fedora30")
        ]
    );
    let ids: Vec<_> = manifest
        .pipelines
        .iter()
        .map(|pipeline| pipeline.id.clone())
        .collect();
    let builds: Vec<_> = manifest
        .pipelines
        .iter()
        .map(|pipeline| pipeline.build.clone())
        .collect();
    assert_eq!(
        builds,
        [None, ids[0].clone(), ids[1].clone(), ids[1].clone()]
    );
    assert_eq!(manifest.pipelines[3].stages[0].class, StageClass::Assembler);
}

#[test]
fn an_empty_v1_build_pipeline_leaves_the_runner() {
    let manifest = loaded(
        r#"{"pipeline": {"build": {"pipeline": {}, "runner": "org.osbuild.arch"}, "stages": [{"name": "a"}]}}"#,
    );
    assert_eq!(
        (
            manifest.pipelines.len(),
            manifest.pipelines[0].runner.exec.as_str()
        ),
        (1, "org.osbuild.arch")
    );
    assert_eq!(
        loaded(r#"{"pipeline": {"build": {}}}"#).pipelines[0]
            .runner
            .exec,
        "org.osbuild.debian"
    );
}

#[test]
fn v1_sources_are_those_of_v2() {
    let manifest = loaded(
        r#"{"sources": {"org.osbuild.files": {"urls": {"a": "http://x"}}, "org.osbuild.ostree": {"commits": {}, "more": 1}}}"#,
    );
    let source = |index: usize| {
        let source = &manifest.sources[index];
        (
            source.module.clone(),
            source.items.clone(),
            source.options.clone(),
        )
    };
    assert_eq!(
        source(0),
        (
            "org.osbuild.curl".into(),
            common::parse(r#"{"a": "http://x"}"#),
            common::parse("{}")
        )
    );
    assert_eq!(
        source(1),
        (
            "org.osbuild.ostree".into(),
            common::parse("{}"),
            common::parse(r#"{"more": 1}"#)
        )
    );
}

#[test]
fn v1_ostree_commits_are_inputs() {
    let manifest = loaded(
        r#"{"pipeline": {"stages": [{"name": "org.osbuild.ostree", "options": {"commit": "abc", "ref": "x"}}]}}"#,
    );
    let input = &manifest.pipelines[0].stages[0].inputs[0];
    assert_eq!(
        (input.name.as_str(), input.module.as_str()),
        ("commits", "org.osbuild.ostree")
    );
    assert_eq!(
        input.references[..],
        [Reference {
            id: Some("abc".into()),
            options: common::parse(r#"{"ref": "x"}"#)
        }]
    );
}

#[test]
fn the_earliest_form_is_a_v1_pipeline() {
    let earliest = loaded(
        r#"{"name": "n", "build": {"runner": "org.osbuild.linux", "pipeline": {"name": "m", "stages": [{"name": "b"}]}},
            "stages": [{"name": "a", "options": {"x": 1}}], "assembler": {"name": "z"}, "sources": {"org.osbuild.files": {"urls": {}}}}"#,
    );
    let v1 = loaded(
        r#"{"pipeline": {"build": {"runner": "org.osbuild.linux", "pipeline": {"stages": [{"name": "b"}]}},
            "stages": [{"name": "a", "options": {"x": 1}}], "assembler": {"name": "z"}}, "sources": {"org.osbuild.files": {"urls": {}}}}"#,
    );
    assert_eq!(format!("{earliest:?}"), format!("{v1:?}"));
}

#[test]
fn an_alias_keeps_its_name_in_ids_and_fills_in_what_it_means() {
    let manifest = loaded(
        r#"{"pipeline": {"assembler": {"name": "io.weldr.qcow2", "options": {"filename": "x"}}}}"#,
    );
    let stage = &manifest.pipelines[1].stages[0];
    assert_eq!(
        (stage.module.as_str(), stage.requested_module()),
        ("org.osbuild.qemu", "io.weldr.qcow2")
    );
    assert_eq!(
        stage.options,
        common::parse(r#"{"filename": "x", "format": "qcow2"}"#)
    );
    assert_eq!(
        stage.requested_options(),
        &common::parse(r#"{"filename": "x"}"#)
    );
    let plain = loaded(
        r#"{"pipeline": {"assembler": {"name": "org.osbuild.qemu", "options": {"filename": "x"}}}}"#,
    );
    assert_ne!(plain.pipelines[1].stages[0].id, stage.id);
    let given = loaded(
        r#"{"pipeline": {"assembler": {"name": "io.weldr.qcow2", "options": {"format": "vmdk"}}}}"#,
    );
    assert_eq!(
        given.pipelines[1].stages[0].options,
        common::parse(r#"{"format": "vmdk"}"#)
    );
}

#[test]
fn deep_and_long_documents_do_not_overflow_the_stack() {
    let levels = 440;
    let deep = r#"{"build": {"runner": "org.osbuild.linux", "pipeline": "#.repeat(levels)
        + r#"{"stages": [{"name": "a"}]}"#
        + &"}}".repeat(levels);
    let manifest = loaded(&format!(r#"{{"pipeline": {deep}}}"#));
    assert_eq!(manifest.pipelines.len(), levels + 1);
    let long: Vec<_> = (0..5000)
        .map(|index| match index {
            0 => r#"{"name": "p0", "stages": [{"type": "a"}]}"#.to_owned(),
            _ => format!(
                r#"{{"name": "p{index}", "build": "name:p{}", "stages": [{{"type": "a"}}]}}"#,
                index - 1
            ),
        })
        .collect();
    let manifest = loaded(&v2(&long.join(", ")));
    assert_eq!(
        osbuild_wasm_manifest::model::schedule(&manifest, &["p4999"], &|_| false).len(),
        5000
    );
}
