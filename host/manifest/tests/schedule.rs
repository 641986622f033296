//! Which pipelines are built, in which order.

mod common;

use osbuild_wasm_manifest::model::{Manifest, schedule};

/// `disk` needs `efi` in its first stage and `os` in its second; `zip` needs `disk`; these and `os`, `efi` build in `bld`; `other` needs nothing.
fn graph() -> Manifest {
    let stage = |name: &str, input: &str| {
        let inputs = match input {
            "" => String::new(),
            _ => format!(
                r#", "inputs": {{"tree": {{"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:{input}"]}}}}"#
            ),
        };
        format!(r#"{{"type": "org.osbuild.noop", "options": {{"of": "{name}"}} {inputs}}}"#)
    };
    let pipeline = |name: &str, build: &str, stages: &[String]| {
        format!(
            r#"{{"name": "{name}" {build}, "stages": [{}]}}"#,
            stages.join(", ")
        )
    };
    let in_bld = r#", "build": "name:bld""#;
    let pipelines = [
        pipeline("bld", "", &[stage("bld", "")]),
        pipeline("os", in_bld, &[stage("os", "")]),
        pipeline("efi", in_bld, &[stage("efi", "")]),
        pipeline(
            "disk",
            in_bld,
            &[stage("d1", "efi"), stage("d2", "os"), stage("d3", "")],
        ),
        pipeline("zip", in_bld, &[stage("zip", "disk")]),
        pipeline("other", "", &[stage("other", "")]),
    ];
    common::loaded(&format!(
        r#"{{"version": "2", "pipelines": [{}]}}"#,
        pipelines.join(", ")
    ))
}

fn order(manifest: &Manifest, targets: &[&str], cached: &[String]) -> String {
    let order = schedule(manifest, targets, &|id| {
        cached.iter().any(|known| known == id)
    });
    order
        .iter()
        .map(|&index| manifest.pipelines[index].name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn dependencies_come_first_and_what_is_cached_is_left_out() {
    let manifest = graph();
    // What is cached: a pipeline, or `pipeline:stage number`.
    let id = |cached: &str| match cached.split_once(':') {
        Some((pipeline, stage)) => {
            let stage: usize = stage.parse().unwrap();
            manifest.pipeline(pipeline).unwrap().stages[stage - 1]
                .id
                .clone()
        }
        None => manifest.pipeline(cached).unwrap().id.clone().unwrap(),
    };
    for (cached, targets, expected) in [
        ("", "zip", "bld os efi disk zip"),
        ("", "disk other", "bld os efi disk other"),
        ("", "other disk", "other bld os efi disk"),
        ("os", "zip", "bld efi disk zip"),
        ("bld", "zip", "os efi disk zip"),
        ("disk:1", "zip", "bld os disk zip"),
        ("disk:2", "zip", "bld disk zip"),
        ("disk", "zip", "bld zip"),
        ("zip", "zip", ""),
        ("", "nonsense", ""),
    ] {
        let cached_ids: Vec<String> = cached.split_whitespace().map(id).collect();
        let targets: Vec<&str> = targets.split_whitespace().collect();
        assert_eq!(
            order(&manifest, &targets, &cached_ids),
            expected,
            "{cached} cached, {targets:?} wanted"
        );
    }
}

#[test]
fn a_target_may_be_an_id() {
    let manifest = graph();
    let id = manifest.pipeline("efi").unwrap().id.clone().unwrap();
    assert_eq!(order(&manifest, &[&id], &[]), "bld efi");
}

#[test]
fn pipelines_of_the_same_content_are_built_once() {
    let manifest = common::loaded(
        r#"{"version": "2", "pipelines": [{"name": "a", "stages": [{"type": "org.osbuild.noop"}]}, {"name": "b", "stages": [{"type": "org.osbuild.noop"}]}]}"#,
    );
    assert_eq!(order(&manifest, &["b", "a"], &[]), "b");
}

#[test]
fn many_paths_to_a_pipeline_cost_nothing() {
    let mut pipelines =
        vec![r#"{"name": "p0", "stages": [{"type": "org.osbuild.noop"}]}"#.to_owned()];
    for index in 1..200 {
        let before = index - 1;
        let stage = format!(
            r#"{{"type": "org.osbuild.noop", "inputs": {{"i": {{"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:p{before}"]}}}}}}"#
        );
        pipelines.push(format!(
            r#"{{"name": "p{index}", "build": "name:p{before}", "stages": [{stage}, {stage}]}}"#
        ));
    }
    let manifest = common::loaded(&format!(
        r#"{{"version": "2", "pipelines": [{}]}}"#,
        pipelines.join(", ")
    ));
    assert_eq!(
        schedule(&manifest, &["p199"], &|_| false),
        (0..200).collect::<Vec<_>>()
    );
}
