//! A profile of Debian's security guide, tailored, evaluated and carried out in a tree with Debian's scanner.
use super::{root, script, stage};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

const STREAM: &str = "/usr/share/xml/scap/ssg/content/ssg-debian11-ds.xml";
const RULE: &str = "xccdf_org.ssgproject.content_rule_";

/// A system with faults that the profile knows: what may be read and written by all.
const FAULTS: &str = r#"cd "$1"
    echo 11.5 >etc/debian_version
    printf 'ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\n' >etc/os-release
    echo root:x:0:0:root:/root:/bin/bash >etc/passwd
    printf 'root:x:0:\nshadow:x:42:\n' >etc/group
    echo 'root:*:19000::::::' >etc/shadow
    chmod 666 etc/passwd etc/group etc/shadow
    mkdir -p var/lib/dpkg; : >var/lib/dpkg/status"#;

#[test]
fn a_tailored_profile_mends_the_tree_and_reports_what_it_found() {
    if !machine::offers(&["oscap", "autotailor", "xz", "bash"]) {
        return;
    }
    let scratch = Scratch::new();
    let programs = [
        "/usr/bin/oscap",
        "/usr/bin/bash",
        "/usr/bin/grep",
        "/usr/bin/sed",
        "/usr/bin/cat",
        "/usr/bin/chmod",
        "/usr/bin/chown",
        "/usr/bin/rm",
        "/usr/bin/readlink",
        "/usr/bin/stat",
        "/usr/bin/uname",
        "/usr/bin/find",
        "/usr/bin/dpkg-query",
        "/usr/share/openscap",
        STREAM,
    ];
    let tree = root(&scratch, "tree", &programs);
    script(&scratch, FAULTS, &[&tree]);
    let tailoring = json!({ "options": { "filepath": "etc/tailoring.xml", "config": {
        "profile_id": "standard",
        "tailored_profile_id": "demo",
        "datastream": STREAM,
        "unselected": ["file_permissions_etc_group"],
    } } });
    stage(&scratch, "org.osbuild.oscap.autotailor", &tree, &tailoring)
        .run()
        .expect(0);
    let remediation = json!({ "options": { "data_dir": "/var/oscap", "config": {
        "profile_id": "demo",
        "datastream": STREAM,
        "tailoring": "/etc/tailoring.xml",
        "html_report": "report.html",
        "arf_results": "arf.xml",
        "verbose_log": "log",
        "compress_results": true,
    } } });
    stage(
        &scratch,
        "org.osbuild.oscap.remediation",
        &tree,
        &remediation,
    )
    .run()
    .expect(0);
    let mode = |name: &str| tree.join(name).metadata().unwrap().permissions().mode() & 0o7777;
    // What was not selected stays as it is.
    assert_eq!(
        ["etc/passwd", "etc/shadow", "etc/group"].map(mode),
        [0o644, 0o640, 0o666]
    );
    let results = r#"xz -dc "$1/var/oscap/oscap_eval_xccdf_results.xml.xz" | tr '\n' ' ' |
        grep -o '<rule-result [^>]*idref="[^"]*_file_permissions_etc_[a-z]*".*' |
        sed 's,<rule-result,\n&,g' | sed -nE 's,.*idref="([^"]*_file_permissions_etc_(passwd|shadow))".*<result>([a-z]*)</result>.*,\1=\3,p' | sort"#;
    let found = script(&scratch, results, &[&tree]).stdout;
    let expected =
        format!("{RULE}file_permissions_etc_passwd=fail\n{RULE}file_permissions_etc_shadow=fail\n");
    assert_eq!(found, expected);
    for name in [
        "arf.xml.xz",
        "report.html",
        "log.eval",
        "log.generate-fix",
        "log.eval-remediated",
    ] {
        let length = tree.join("var/oscap").join(name).metadata().unwrap().len();
        assert!(length > 0, "{name}");
    }
    machine::assert_nothing_left(scratch.root());
}
