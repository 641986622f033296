//! Marks, locks and modules as dnf itself reads them.
use super::rpm::Packages;
use super::{build, files, inline, script};
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::json;
use std::path::Path;

/// Two streams of a module, for `modifyrepo_c`.
const MODULES: &str = r#"---
document: modulemd
version: 2
data: &stream
  name: demo
  stream: "1"
  version: 20230101
  context: abcdef
  arch: noarch
  summary: demo
  description: demo
  license: { module: [MIT] }
  profiles: { default: { rpms: [demo] }, other: { rpms: [demo-sh] } }
  artifacts: { rpms: ["demo-3:1-2.noarch"] }
...
"#;

/// dnf on the tree with the repository, with the tree's configuration; its words follow `TREE REPOSITORY`.
const DNF: &str = r#"tree=$1; repository=$2; shift 2
    cp /etc/dnf/plugins/versionlock.conf "$tree/etc/dnf/plugins"
    exec unshare --mount sh -euc 'mount --bind "$0/etc/dnf" /etc/dnf; exec "$@"' "$tree" \
        dnf-3 --quiet --installroot "$tree" --releasever 1 --disablerepo='*' --repofrompath="demo,file://$repository" "$@""#;

#[test]
fn dnf_reads_marks_locks_and_modules_as_they_were_given() {
    let tools = [
        "rpm",
        "rpmbuild",
        "rpmsign",
        "gpg",
        "busybox",
        "unshare",
        "dnf-3",
        "createrepo_c",
        "modifyrepo_c",
    ];
    if !machine::offers(&tools) {
        return;
    }
    let scratch = Scratch::new();
    let packages = Packages::new(&scratch);
    let (sources, references) = inline(&packages.files(&["-sh", ""]));
    let marks =
        json!([{ "name": "demo", "mark": "install" }, { "name": "demo-sh", "mark": "group" }]);
    let module =
        json!({ "name": "demo", "stream": "1", "state": "enabled", "profiles": ["default"] });
    let document = json!({ "version": "2", "sources": sources, "pipelines": [{ "name": "tree", "stages": [
        { "type": "org.osbuild.rpm", "inputs": { "packages": files(&references) } },
        manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/etc/dnf/plugins", "parents": true }] })),
        manifest::stage("org.osbuild.dnf4.mark", json!({ "packages": marks })),
        manifest::stage("org.osbuild.dnf4.versionlock", json!({ "add": ["demo-3:1-2.*", "demo-sh-3:1-2.*"] })),
        manifest::stage("org.osbuild.dnf.module-config", json!({ "conf": module })),
    ] }] });
    build(&scratch, &document, &["tree"]).run().expect(0);
    let second = MODULES.replace("stream: \"1\"", "stream: \"2\"");
    scratch.write("modules.yaml", format!("{MODULES}{second}"));
    let repository = scratch.path("noarch");
    let index =
        "createrepo_c --quiet noarch && modifyrepo_c --mdtype=modules modules.yaml noarch/repodata";
    script(&scratch, index, &[]);
    let tree = scratch.path("out/tree");
    let dnf = |words: &str| {
        let mut arguments = vec![tree.as_path(), repository.as_path()];
        arguments.extend(words.split(' ').map(Path::new));
        let ended = script(&scratch, DNF, &arguments);
        let lines = ended
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut lines: Vec<_> = lines.collect();
        lines.sort_unstable();
        lines
    };
    let reasons = dnf("repoquery --installed --qf %{name}=%{reason}");
    assert_eq!(reasons, ["demo-sh=group", "demo=user"]);
    assert_eq!(dnf("repoquery --userinstalled --qf %{name}"), ["demo"]);
    assert_eq!(dnf("versionlock list"), ["demo-3:1-2.*", "demo-sh-3:1-2.*"]);
    let streams = dnf("module list demo");
    let has = |line: &str| streams.iter().any(|found| found.starts_with(line));
    assert!(has("demo 1 [e] default [i], other"), "{streams:?}");
    assert!(has("demo 2 default, other"), "{streams:?}");
}
