//! Ids: known digests for known documents.

mod common;

use common::{last_id, loaded, one_stage};
use osbuild_wasm_manifest::json::to_python_sorted;

/// Options as written, as they are hashed, and the id of a bare `org.osbuild.noop` with them.
const SPELLINGS: [(&str, &str, &str); 12] = [
    (
        r#"{"f":1.0}"#,
        r#"{"f": 1.0}"#,
        "4dd43a234b8d896f9fdc4d99b10331096fbd7340a4181b72183108615cf6d26b",
    ),
    (
        r#"{"f":1e3}"#,
        r#"{"f": 1000.0}"#,
        "64ccb95c40df66ad66f4cf4de02d8644f3c15e0361f9323ac5c9ed8930ea0e76",
    ),
    (
        r#"{"f":1e16}"#,
        r#"{"f": 1e+16}"#,
        "d8d1f5d3358247c7c1473b981b2cf2376d85ac705fb9ef63bca83c6653dcbc85",
    ),
    (
        r#"{"f":0.0001,"g":0.00001}"#,
        r#"{"f": 0.0001, "g": 1e-05}"#,
        "0964acf9d00c89fafa720609704c92e4563c9d222ac0b18f1647f3ca92a52454",
    ),
    (
        r#"{"f":1e22,"g":1.7976931348623157e308,"h":5e-324}"#,
        r#"{"f": 1e+22, "g": 1.7976931348623157e+308, "h": 5e-324}"#,
        "670ee2681e84e3f185de8669196265e2b5f6f43417d43e9d4b7f37e53699f842",
    ),
    (
        r#"{"f":-0}"#,
        r#"{"f": 0}"#,
        "a8014205a2519acd334c93aaebc4cd901870f15f4c9ad96334c95cd0b2b3024b",
    ),
    (
        r#"{"f":-0.0}"#,
        r#"{"f": -0.0}"#,
        "7fbe15ab939ddcc70dbca3b68844d879bf28cc39b5a91712479e284bd8c9ee7c",
    ),
    (
        r#"{"f":123456789012345678901234567890}"#,
        r#"{"f": 123456789012345678901234567890}"#,
        "3ba7745f4343e40b9c01978bb137b31920fcd4ba5b28041768f0fca8a1bb85e0",
    ),
    (
        r#"{"f":1E400}"#,
        r#"{"f": Infinity}"#,
        "f0962308e6c86e40869b77d3ba03aea99ce3774949d253a08aab998efc326881",
    ),
    (
        r#"{"f":"\u2028\u007f\u0000/\b\f\t"}"#,
        r#"{"f": "\u2028\u007f\u0000/\b\f\t"}"#,
        "febbb757eb85be43d43a8a15ac93a816ef3710793d49c38a243acfbbad40ceba",
    ),
    (
        r#"{"\u00e9":1,"z":2,"\ud83d\ude00":3,"\uffff":4}"#,
        r#"{"z": 2, "\u00e9": 1, "\uffff": 4, "\ud83d\ude00": 3}"#,
        "0d2ebeac644479baccc5e61ce51981ebc25d2234a668c0b2861829186eb7ed0e",
    ),
    (
        r#"{"f":1,"f":2}"#,
        r#"{"f": 2}"#,
        "6dad28faa45f2a3815f2f13e7790cfe036c5b51e537805ddff67b2a2b1b75d6e",
    ),
];

#[test]
fn options_are_hashed_as_python_spells_them() {
    for (written, hashed, id) in SPELLINGS {
        assert_eq!(to_python_sorted(&common::parse(written)), hashed);
        let stage = format!(r#"{{"type": "org.osbuild.noop", "options": {written}}}"#);
        assert_eq!(last_id(&loaded(&one_stage(&stage))), id, "{written}");
    }
}

const NOOP: &str = r#"{"type": "org.osbuild.noop"}"#;
const NOOP_ID: &str = "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969";
const TREE_INPUT: &str = r#""tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:one"]}"#;
const DEVICES: &str = r#""devices": {
    "disk": {"type": "org.osbuild.loopback", "options": {"filename": "disk.img", "partscan": true}},
    "lv": {"type": "org.osbuild.lvm2.lv", "parent": "disk", "options": {"volume": "root"}}}"#;
const MOUNTS: &str = r#""mounts": [
    {"name": "root", "type": "org.osbuild.ext4", "source": "lv", "target": "/"},
    {"name": "boot", "type": "org.osbuild.xfs", "source": "disk", "partition": 2, "target": "/boot", "options": {"readonly": true}},
    {"name": "dep", "type": "org.osbuild.ostree.deployment", "options": {"deployment": {"default": true}}}]"#;

#[test]
fn a_stage_covers_the_one_before_it() {
    let second = r#"{"type": "org.osbuild.noop", "options": {"b":1,"a":[1.5,"é",null,true],"z":{"y":"x/\u007f\n","k":"😀"}}}"#;
    let manifest = loaded(&one_stage(&format!("{NOOP}, {second}")));
    let ids: Vec<_> = manifest.pipelines[0]
        .stages
        .iter()
        .map(|stage| stage.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            NOOP_ID,
            "420a98bf0cc933ea8fc61db47e3d9dff4770d0afe959edfe08e41f8e99891ac5"
        ]
    );
}

#[test]
fn a_stage_covers_its_build_pipeline_and_the_source_epoch() {
    let manifest = loaded(&format!(
        r#"{{"version": "2", "pipelines": [{{"name": "build", "stages": [{NOOP}]}},
            {{"name": "tree", "build": "name:build", "source-epoch": 1700000000, "stages": [{{"type": "org.osbuild.noop", "options": {{"a": 1}}}}]}}]}}"#
    ));
    assert_eq!(
        last_id(&manifest),
        "e653dd445678d5104e5a7376b1f40f2bf770f9666d4f735301a7bdf6f20c93e6"
    );
}

#[test]
fn an_empty_build_changes_the_id() {
    let document = format!(
        r#"{{"version": "2", "pipelines": [{{"name": "t", "build": "", "stages": [{NOOP}]}}]}}"#
    );
    let manifest = loaded(&document);
    assert_eq!(
        last_id(&manifest),
        "1abdfd6fe9760df843ac158a304823132d623ebfcca0a65c3517c614f44b1f50"
    );
    assert_eq!(manifest.pipelines[0].build, None);
}

#[test]
fn the_three_shapes_of_references_are_one() {
    let zeros = format!("sha256:{}", "0".repeat(64));
    for references in [
        format!(r#"["{zeros}"]"#),
        format!(r#"{{"{zeros}": {{}}}}"#),
        format!(r#"[{{"id": "{zeros}"}}]"#),
    ] {
        let manifest = loaded(&format!(
            r#"{{"version": "2", "sources": {{"org.osbuild.curl": {{"items": {{"{zeros}": "http://x"}}}}}},
                "pipelines": [{{"name": "t", "stages": [{{"type": "org.osbuild.noop", "inputs": {{"file":
                {{"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": {references}}}}}}}]}}]}}"#
        ));
        let input = &manifest.pipelines[0].stages[0].inputs[0];
        assert_eq!(
            input.id, "d40bffb96ac478a3a5fc0c25b3d24df8a7fbbfe6bf4533c627c07422c6c695aa",
            "{references}"
        );
        assert_eq!(
            last_id(&manifest),
            "ac9f811f41705732bb0e7ce012460dfc061e8077f42d512230cf3696709a757c"
        );
    }
}

fn after_one(epoch: &str, stage: &str) -> String {
    format!(
        r#"{{"version": "2", "pipelines": [{{"name": "one", "stages": [{NOOP}]}}, {{"name": "t" {epoch}, "stages": [{stage}]}}]}}"#
    )
}

#[test]
fn a_reference_to_a_pipeline_counts_by_its_id() {
    let stage = format!(r#"{{"type": "org.osbuild.noop", "inputs": {{{TREE_INPUT}}}}}"#);
    let manifest = loaded(&after_one("", &stage));
    let input = &manifest.pipelines[1].stages[0].inputs[0];
    assert_eq!(
        input.id,
        "ae76c418e4633b0de4df6cf9841ed1af552c8fd0b83807a426ecce2bf529a183"
    );
    assert_eq!(
        last_id(&manifest),
        "d060cf7f41b714a9169ea0b56057a7f43a4e9cc374875d41cf2ae2b9397f2ba5"
    );
}

#[test]
fn mounts_cover_their_devices_and_these_their_parents() {
    let manifest = loaded(&one_stage(&format!(
        r#"{{"type": "org.osbuild.noop", {DEVICES}, {MOUNTS}}}"#
    )));
    let stage = &manifest.pipelines[0].stages[0];
    let devices: Vec<_> = stage
        .devices
        .iter()
        .map(|device| device.id.as_str())
        .collect();
    assert_eq!(
        devices,
        [
            "c78169ae6a4a41f89fca6d29e2a0150bf3092e97b94ec15fa228e967b11475e8",
            "9bfe8f5f0a5ab552766d85c22b439c2af07f4932f33013d21a70c6e9988ef896"
        ]
    );
    let mounts: Vec<_> = stage.mounts.iter().map(|mount| mount.id.as_str()).collect();
    assert_eq!(
        mounts,
        [
            "7feb09e55a2f4e624696aff84872ed393eb922327349da387688a4b187ea9be6",
            "a2ea8dc27d262ce04a19cc6398955805d4916f8cdcfc3ce0e64203a05ad5f3a1",
            "23b44ace8b93ab551608503a8a8d255d750ead29c64fc50a3e5215905cb81cb7"
        ]
    );
    assert_eq!(
        stage.id,
        "f20c631a495b3f91a4649bf8934343ab88b99415c2b38ed4586c446e7052e2e3"
    );
}

#[test]
fn epoch_zero_inputs_and_mounts_all_count() {
    let stage = format!(
        r#"{{"type": "org.osbuild.noop", "inputs": {{{TREE_INPUT}}}, {DEVICES}, {MOUNTS}}}"#
    );
    let manifest = loaded(&after_one(r#", "source-epoch": 0"#, &stage));
    assert_eq!(
        last_id(&manifest),
        "51b7d5f6bd9bafd71c28fc139e89aebbf60a108d86effc8c44a90b35429f70d4"
    );
}

#[test]
fn devices_that_are_not_mounted_do_not_count() {
    for start in [2048, 4096] {
        let manifest = loaded(&one_stage(&format!(
            r#"{{"type": "org.osbuild.mkfs.ext4", "options": {{"uuid": "aaaaaaaa-0000-4000-8000-000000000001"}},
                "devices": {{"device": {{"type": "org.osbuild.loopback", "options": {{"filename": "disk.img", "start": {start}}}}}}}}}"#
        )));
        assert_eq!(
            last_id(&manifest),
            "ea22d9b7c5c9ecd10c733aa765ff3c7f99127b2c67742f488aa903203d29414a"
        );
    }
}

#[test]
fn a_partition_counts_as_it_is_spelt_and_zero_not_at_all() {
    for (partition, id) in [
        (
            r#", "partition": 1"#,
            "59ddfc8ab25105ff5ae84b4ae4a84b3dd587325cf801c5a76f5d7f9456ca9480",
        ),
        (
            r#", "partition": 1.0"#,
            "42b51dbf34bf9ed32b41aa24347abee94fc56afbe6f362a262252d763bb46c0c",
        ),
        (
            r#", "partition": 0"#,
            "fc29689528e7af47138b3f98a67d337c2140ce318dab7a726b572cc063af636f",
        ),
        (
            "",
            "fc29689528e7af47138b3f98a67d337c2140ce318dab7a726b572cc063af636f",
        ),
    ] {
        let manifest = loaded(&one_stage(&format!(
            r#"{{"type": "org.osbuild.noop", "devices": {{"d": {{"type": "org.osbuild.loopback", "options": {{"filename": "x"}}}}}},
                "mounts": [{{"name": "m", "type": "org.osbuild.ext4", "source": "d", "target": "/" {partition}}}]}}"#
        )));
        assert_eq!(last_id(&manifest), id, "{partition}");
    }
}

#[test]
fn options_of_references_and_inputs_count_and_inputs_are_sorted() {
    let zeros = format!("sha256:{}", "0".repeat(64));
    let manifest = loaded(&format!(
        r#"{{"version": "2", "sources": {{"org.osbuild.curl": {{"items": {{"{zeros}": "http://x"}}}}}},
            "pipelines": [{{"name": "t", "stages": [{{"type": "org.osbuild.noop", "options": {{"k": []}}, "inputs": {{
            "b": {{"type": "org.osbuild.noop", "origin": "org.osbuild.source", "references": {{"{zeros}": {{"metadata": {{"x": 1}}}}}}, "options": {{"z": 1}}}},
            "a": {{"type": "org.osbuild.noop", "origin": "org.osbuild.source", "references": {{}}}}}}}}]}}]}}"#
    ));
    let ids: Vec<_> = manifest.pipelines[0].stages[0]
        .inputs
        .iter()
        .map(|input| input.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "c08118e1eb21bc8d38b65fa377e154a7235911ce85d807109970731077fcf31d",
            "88c197bb135901519c0b2d6dd733575d54f8bb53fd389072898ddca8d0b7ae1f"
        ]
    );
    assert_eq!(
        last_id(&manifest),
        "ec684e2129eca395acfe268e84688dccc1563215afcd1566551013fd3fc27cab"
    );
}

#[test]
fn a_source_has_an_id_of_its_items() {
    let manifest = loaded(
        r#"{"version": "2", "sources": {"org.osbuild.inline": {"items": {
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824": {"encoding": "base64", "data": "aGVsbG8="}}}}}"#,
    );
    assert_eq!(
        manifest.sources[0].id,
        "b8a04e4042cdd6b31d19a5b3e80821088521893f35b6a9903a643d454adaad86"
    );
}

#[test]
fn a_v1_assembler_reads_the_tree_even_when_there_is_none() {
    let manifest = loaded(
        r#"{"pipeline": {"assembler": {"name": "org.osbuild.tar", "options": {"filename": "x.tar"}}}}"#,
    );
    let stage = &manifest.pipelines[1].stages[0];
    assert_eq!(
        stage.inputs[0].id,
        "376d65cd22fcc8d61d0e3865c89435b16a11655a08867399a5f5bddf2565d1fe"
    );
    assert_eq!(
        stage.id,
        "5624a9a2853617be3e26d7185520cd989f06b834d8d170b1515547c86d9ef861"
    );
}

#[test]
fn v1_rpm_and_assembler_get_their_inputs() {
    let (a, b) = (
        format!("sha256:{}", "a".repeat(64)),
        format!("sha256:{}", "b".repeat(64)),
    );
    let manifest = loaded(&format!(
        r#"{{"pipeline": {{"build": {{"pipeline": {{"stages": [{{"name": "org.osbuild.noop"}}]}}, "runner": "org.osbuild.linux"}},
            "stages": [{{"name": "org.osbuild.rpm", "options": {{"packages": ["{a}", {{"checksum": "{b}", "check_gpg": true}}]}}}}],
            "assembler": {{"name": "org.osbuild.tar", "options": {{"filename": "x.tar"}}}}}}}}"#
    ));
    let [build, tree, assembler] = &manifest.pipelines[..] else {
        panic!("three pipelines")
    };
    assert_eq!(build.id.as_deref(), Some(NOOP_ID));
    assert_eq!(
        tree.stages[0].inputs[0].id,
        "118f9d1dc858be2d02c8c1a8c402a5c689f3652cba4899c194fb3f75ea4c7a8a"
    );
    assert_eq!(
        tree.id.as_deref(),
        Some("8cba895aa0d922a4fcffc0ae34d7364abd71cd9cb04c39b6d7442490a6fc4544")
    );
    assert_eq!(
        assembler.stages[0].inputs[0].id,
        "08332baa6efe38d1ec73ff39330b2acd1148a11a4d370d612ab4060f97b37a19"
    );
    assert_eq!(
        assembler.id.as_deref(),
        Some("98be9cee6160333b750a08d958c849e033df988a27b649eb3d91bf0de5e5ae39")
    );
}
