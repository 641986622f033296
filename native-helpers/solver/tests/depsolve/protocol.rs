//! Requests and replies, field by field.
use crate::repository::{Package, Repository};
use crate::run::{answer, depsolve, nevras, url};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

fn repository(packages: impl IntoIterator<Item = Package>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    Repository::new(packages).write(directory.path());
    directory
}

fn failure(request: &Value) -> (String, String) {
    let failure = answer(request).unwrap_err();
    let text = |key: &str| failure[key].as_str().unwrap().to_owned();
    (text("kind"), text("reason"))
}

#[test]
fn wrong_requests_are_refused_in_the_words_of_the_protocol() {
    let valid = depsolve(Path::new("/nowhere"), &["a"]);
    let set = |pointer: &str, value: Value| (pointer.to_owned(), Some(value));
    let without = |pointer: &str| (pointer.to_owned(), None);
    let repo = "/arguments/repos/0";
    let cases = [
        (set("/api_version", json!(3)), "Invalid API version: 3"),
        (without("/command"), "Missing required field 'command'"),
        (without("/arch"), "Missing required field 'arch'"),
        (
            without("/releasever"),
            "Missing required field 'releasever'",
        ),
        (without("/cachedir"), "Missing required field 'cachedir'"),
        (without("/arguments"), "Missing required field 'arguments'"),
        (
            set("/command", json!("x")),
            "Invalid command 'x': must be one of depsolve, dump, search",
        ),
        (
            set("/arguments", json!([])),
            "Field 'arguments' must be a dict",
        ),
        (
            set("/arguments/repos", json!({})),
            "Field 'repos' must be a list",
        ),
        (
            set(repo, json!("r")),
            "Invalid repository config: Repository config must be a dict",
        ),
        (
            without(&format!("{repo}/id")),
            "Missing required field 'id' in 'repos' item configuration",
        ),
        (
            set(&format!("{repo}/baseurl"), json!("http://h")),
            "Invalid repository config: 'baseurl' must be a list of URLs, got str",
        ),
        (
            set(&format!("{repo}/gpgkey"), json!(1)),
            "Invalid repository config: 'gpgkey' must be a list, got int",
        ),
        (
            without(&format!("{repo}/baseurl")),
            "Invalid repository config: At least one of 'baseurl', 'metalink', or 'mirrorlist' must be specified",
        ),
        (
            set(&format!("{repo}/priority"), json!("1")),
            "Invalid repository config: Repository.priority: expected int or None, got str",
        ),
        (
            set("/arguments/optional-metadata", json!("filelists")),
            "Field 'optional-metadata' must be a list",
        ),
        (
            set("/arguments/transactions", json!({})),
            "Field 'transactions' must be a list",
        ),
        (
            set("/arguments/transactions", json!([])),
            "Depsolve command must contain at least one transaction",
        ),
        (
            without("/arguments/transactions"),
            "Depsolve command requires arguments",
        ),
        (
            set("/arguments/transactions/0", json!({})),
            "Invalid depsolve transaction: Depsolve transaction must contain at least one package specification",
        ),
        (
            set("/arguments/transactions/0", json!(1)),
            "Invalid depsolve transaction: Depsolve transaction must be a dict",
        ),
        (
            set("/arguments/search", json!({"packages": ["a"]})),
            "Search arguments are only supported with 'search' command",
        ),
        (
            set("/command", json!("search")),
            "Depsolve arguments are only supported with 'depsolve' command",
        ),
        (
            set("/arguments/sbom", json!("spdx")),
            "Field 'sbom' must be a dict",
        ),
        (
            set("/arguments/sbom", json!({})),
            "Missing required field 'type' in 'sbom'",
        ),
        (
            set("/arguments/sbom", json!({"type": "x"})),
            "Unsupported SBOM type 'x'. Supported types: spdx",
        ),
        (set("/arch", json!("")), "Field 'arch' is required"),
        (set("/cachedir", json!("")), "Field 'cachedir' is required"),
        (
            set("/arguments/repos", json!([])),
            "No 'repos' or 'root_dir' specified",
        ),
    ];
    for ((pointer, value), expected) in cases {
        let mut request = valid.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = request.pointer_mut(parent).unwrap();
        match value {
            Some(value) if parent.is_array() => parent[name.parse::<usize>().unwrap()] = value,
            Some(value) => parent[name] = value,
            None => drop(parent.as_object_mut().unwrap().remove(name)),
        }
        assert_eq!(
            failure(&request),
            ("InvalidRequest".to_owned(), expected.to_owned()),
            "{pointer}"
        );
    }
}

#[test]
fn a_search_needs_words() {
    for (search, expected) in [
        (json!(null), "Search command requires arguments"),
        (json!([]), "Field 'search' must be a dict"),
        (
            json!({}),
            "Missing required field 'packages' in 'search' dict",
        ),
        (json!({"packages": "a"}), "Field 'packages' must be a list"),
        (
            json!({"packages": []}),
            "Search command must contain at least one package specification",
        ),
    ] {
        let mut request = depsolve(Path::new("/nowhere"), &["a"]);
        request["command"] = "search".into();
        request["arguments"] = json!({"repos": request["arguments"]["repos"], "search": search});
        assert_eq!(failure(&request).1, expected);
    }
}

#[test]
fn a_package_has_all_that_its_repository_tells() {
    let mut package = Package::new("a", "1")
        .with("requires", "b >= 1")
        .with("provides", "c = 2")
        .with("recommends", "z");
    package.epoch = 3;
    package.files = vec!["/usr/bin/a".to_owned()];
    let directory = repository([package, Package::new("b", "1")]);
    let reply = answer(&depsolve(directory.path(), &["a"])).unwrap();
    assert_eq!(
        (&reply["solver"], &reply["modules"]),
        (&json!("dnf"), &json!({}))
    );
    assert_eq!(
        nevras(&reply["transactions"][0]),
        ["a-3:1-1.noarch", "b-0:1-1.noarch"]
    );
    let location = "Packages/a-1-1.noarch.rpm";
    let mut a = reply["transactions"][0][0].clone();
    assert_eq!(a["checksum"].take()["algorithm"], "sha256");
    assert_eq!(
        a,
        json!({
            "name": "a", "epoch": 3, "version": "1", "release": "1", "arch": "noarch", "repo_id": "r",
            "location": location, "remote_locations": [format!("{}/{location}", url(directory.path()))],
            "checksum": null, "header_checksum": null, "license": "MIT", "summary": "The package a & more", "description": "About a",
            "url": "https://example.org/a", "vendor": "Example", "packager": null, "build_time": "2023-11-14T22:13:20Z",
            "download_size": 1000, "install_size": 2000, "group": "Unspecified", "source_rpm": "a-1-1.src.rpm", "reason": "user",
            "provides": [{"name": "a", "relation": "=", "version": "3:1-1"}, {"name": "c", "relation": "=", "version": "2"}],
            "requires": [{"name": "b", "relation": ">=", "version": "1"}], "requires_pre": [],
            "conflicts": [], "obsoletes": [], "regular_requires": [{"name": "b", "relation": ">=", "version": "1"}],
            "recommends": [{"name": "z"}], "suggests": [], "enhances": [], "supplements": [], "files": ["/usr/bin/a"],
        })
    );
    assert_eq!(reply["transactions"][0][1]["reason"], "dependency");
    assert_eq!(
        reply["repos"],
        json!({"r": {
            "id": "r", "name": "r", "baseurl": [url(directory.path())], "metalink": null, "mirrorlist": null, "gpgcheck": false,
            "repo_gpgcheck": false, "sslverify": true, "sslcacert": null, "sslclientkey": null, "sslclientcert": null, "gpgkey": [],
            "metadata_expire": "20s", "module_hotfixes": null, "rhsm": false,
        }})
    );
    // From the cache it is the same.
    assert_eq!(answer(&depsolve(directory.path(), &["a"])).unwrap(), reply);
}

#[test]
fn transactions_of_a_reply_have_no_package_twice() {
    let directory = repository([
        Package::new("a", "1").with("requires", "b"),
        Package::new("b", "1"),
        Package::new("c", "1").with("requires", "b"),
    ]);
    let mut request = depsolve(directory.path(), &["a"]);
    request["arguments"]["transactions"] =
        json!([{"package-specs": ["a"]}, {"package-specs": ["c"]}]);
    let reply = answer(&request).unwrap();
    assert_eq!(
        nevras(&reply["transactions"][0]),
        ["a-0:1-1.noarch", "b-0:1-1.noarch"]
    );
    assert_eq!(nevras(&reply["transactions"][1]), ["c-0:1-1.noarch"]);
    request["api_version"] = 1.into();
    let reply = answer(&request).unwrap();
    let names = |reply: &Value| {
        reply["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&reply), ["a", "b", "c"]);
    let first = &reply["packages"][0];
    assert!(
        first["checksum"].as_str().unwrap().starts_with("sha256:")
            && first["path"] == "Packages/a-1-1.noarch.rpm",
        "{first}"
    );
    assert_eq!(reply["repos"]["r"]["gpgkeys"], json!([]));
}

#[test]
fn packages_are_found_by_names_and_patterns() {
    let directory = repository([
        Package::new("tmux", "1"),
        Package::new("tmux", "2"),
        Package::new("tm", "1"),
        Package::new("xtm", "1"),
    ]);
    let search = |packages: Value, latest: bool, version: u32| {
        let mut request = depsolve(directory.path(), &["a"]);
        request["api_version"] = version.into();
        request["command"] = "search".into();
        request["arguments"] = json!({"repos": request["arguments"]["repos"], "search": {"packages": packages, "latest": latest}});
        answer(&request).unwrap()
    };
    let found = |packages: Value, latest| nevras(&search(packages, latest, 2)["packages"]);
    assert_eq!(found(json!(["tm"]), false), ["tm-0:1-1.noarch"]);
    assert_eq!(found(json!(["tmux"]), true), ["tmux-0:2-1.noarch"]);
    assert_eq!(
        found(json!(["*tm*"]), true),
        ["tmux-0:2-1.noarch", "tm-0:1-1.noarch", "xtm-0:1-1.noarch"]
    );
    assert_eq!(
        found(json!(["tm*x", "xtm"]), false),
        ["tmux-0:1-1.noarch", "tmux-0:2-1.noarch", "xtm-0:1-1.noarch"]
    );
    let old = search(json!(["tm"]), false, 1);
    assert_eq!(
        old,
        json!([{"name": "tm", "summary": "The package tm & more", "description": "About tm", "url": "https://example.org/tm", "repo_id": "r",
            "epoch": 0, "version": "1", "release": "1", "arch": "noarch", "buildtime": "2023-11-14T22:13:20Z", "license": "MIT"}])
    );
}

#[test]
fn a_dump_has_all_packages() {
    let directory = repository([Package::new("a", "1"), Package::new("b", "1")]);
    let mut request = depsolve(directory.path(), &["a"]);
    request["command"] = "dump".into();
    request["arguments"]
        .as_object_mut()
        .unwrap()
        .remove("transactions");
    let reply = answer(&request).unwrap();
    assert_eq!(
        nevras(&reply["packages"]),
        ["a-0:1-1.noarch", "b-0:1-1.noarch"]
    );
    assert_eq!(reply["repos"]["r"]["id"], "r");
}

#[test]
fn what_cannot_be_solved_is_told_in_one_sentence_that_names_the_wishes() {
    let directory = repository([
        Package::new("a", "1").with("requires", "b >= 2"),
        Package::new("b", "1"),
        Package::new("c", "1").with("conflicts", "b"),
        Package::new("d", "1").with("requires", "b"),
    ]);
    for (words, expected) in [
        (
            &["a"][..],
            "a cannot be installed: a-1-1.noarch requires b >= 2, which nothing provides",
        ),
        (
            &["b", "c"],
            "b and c cannot be installed together: c-1-1.noarch conflicts with b, which is b-1-1.noarch",
        ),
        (
            &["c", "d"],
            "c and d cannot be installed together: d-1-1.noarch requires b, c-1-1.noarch conflicts with b, which is b-1-1.noarch",
        ),
    ] {
        let (kind, reason) = failure(&depsolve(directory.path(), words));
        let expected = format!(
            "There was a problem depsolving {}: {expected}",
            words.join(", ")
        );
        assert_eq!((kind.as_str(), reason), ("DepsolveError", expected));
    }
}

#[test]
fn names_that_are_not_there_are_told_with_near_ones() {
    let directory = repository([Package::new("tmux", "1"), Package::new("vim", "1")]);
    let (kind, reason) = failure(&depsolve(directory.path(), &["tmuxx", "@core"]));
    let expected = "Error occurred when marking packages for installation: missing packages: tmuxx (did you mean tmux?); missing groups or modules: @core";
    assert_eq!(
        (kind.as_str(), reason.as_str()),
        ("MarkingErrors", expected)
    );
}

#[test]
fn repositories_of_other_machines_are_not_fetched() {
    let mut request = depsolve(Path::new("/nowhere"), &["a"]);
    request["arguments"]["repos"][0]["baseurl"] = json!(["http://127.0.0.1:1/os"]);
    let (kind, reason) = failure(&request);
    assert!(
        kind == "RepoError" && reason.contains("this solver has no network"),
        "{reason}"
    );
    request["arguments"]["repos"][0]["enabled"] = false.into();
    assert_eq!(
        failure(&request),
        (
            "NoReposError".to_owned(),
            "There was a problem finding repositories: There are no enabled repositories"
                .to_owned()
        )
    );
    request["arguments"]["repos"][0]["enabled"] = true.into();
    request["arguments"]["repos"][0]["skip_if_unavailable"] = true.into();
    assert_eq!(failure(&request).0, "MarkingErrors");
}

#[test]
fn repositories_and_keys_of_a_tree_are_used() {
    let directory = repository([Package::new("a", "1")]);
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let parent = directory.path().parent().unwrap().display().to_string();
    let name = directory
        .path()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    write(
        "etc/yum.repos.d/t.repo",
        &format!(
            "# comment\n[t]\nname=Tree\nbaseurl=file://{parent}/$which\nenabled=1\ngpgkey=file:///etc/key\n[off]\nbaseurl=file:///x\nenabled=0\n"
        ),
    );
    write("etc/dnf/vars/which", &format!("{name}\n"));
    write("etc/key", "the key");
    let mut request = depsolve(directory.path(), &["a"]);
    request["arguments"]["repos"] = json!([]);
    request["arguments"]["root_dir"] = json!(root.path());
    let reply = answer(&request).unwrap();
    assert_eq!(reply["repos"]["t"]["gpgkey"], json!(["the key"]));
    std::fs::remove_file(root.path().join("etc/key")).unwrap();
    let (kind, reason) = failure(&request);
    assert!(
        kind == "GPGKeyReadError" && reason.starts_with("error loading gpg key from "),
        "{reason}"
    );
}

#[test]
fn what_packages_are_made_of_is_told_as_spdx() {
    let directory = repository([
        Package::new("a", "1")
            .with("requires", "(b if a)")
            .with("recommends", "c"),
        Package::new("b", "1"),
        Package::new("c", "1"),
    ]);
    let mut request = depsolve(directory.path(), &["a", "c"]);
    request["arguments"]["sbom"] = json!({"type": "spdx"});
    let reply = answer(&request).unwrap();
    let sbom = &reply["sbom"];
    assert_eq!(
        (&sbom["spdxVersion"], &sbom["dataLicense"]),
        (&json!("SPDX-2.3"), &json!("CC0-1.0"))
    );
    let ids: Vec<_> = sbom["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| package["SPDXID"].as_str().unwrap())
        .collect();
    let a = &sbom["packages"][0];
    assert_eq!(
        (&a["name"], &a["versionInfo"], &a["licenseDeclared"]),
        (&json!("a"), &json!("1"), &json!("MIT"))
    );
    assert_eq!(
        a["externalRefs"][0]["referenceLocator"],
        json!(format!(
            "pkg:rpm/example/a@1-1?arch=noarch&repository_url={}",
            url(directory.path())
        ))
    );
    let related = |element: &str, kind: &str, other: &str| json!({"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": other});
    assert_eq!(
        sbom["relationships"],
        json!([
            related("SPDXRef-DOCUMENT", "DESCRIBES", ids[0]),
            related(ids[0], "DEPENDS_ON", ids[1]),
            related(ids[2], "OPTIONAL_DEPENDENCY_OF", ids[0]),
            related("SPDXRef-DOCUMENT", "DESCRIBES", ids[1]),
            related("SPDXRef-DOCUMENT", "DESCRIBES", ids[2]),
        ])
    );
}

#[test]
fn modules_that_were_enabled_are_told_with_the_files_to_write() {
    let directory = tempfile::tempdir().unwrap();
    let mut repository = Repository::new([Package::new("a", "1"), Package::new("a", "2")]);
    let module = |stream: &str, version: &str| {
        format!(
            "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: \"{stream}\"\n  version: 1\n  context: c\n  arch: x86_64\n  profiles:\n    p:\n      rpms: [a]\n  artifacts:\n    rpms:\n    - a-0:{version}-1.noarch\n...\n"
        )
    };
    repository.modules = Some(module("old", "1") + &module("new", "2"));
    repository.write(directory.path());
    let reply = answer(&depsolve(directory.path(), &["@m:old/p"])).unwrap();
    assert_eq!(nevras(&reply["transactions"][0]), ["a-0:1-1.noarch"]);
    assert_eq!(
        reply["modules"]["m"]["module-file"]["data"],
        json!({"name": "m", "stream": "old", "profiles": ["p"], "state": "enabled"})
    );
    assert_eq!(
        reply["modules"]["m"]["failsafe-file"]["data"],
        module("old", "1")
    );
    // Without the module none of its packages is there.
    assert_eq!(
        failure(&depsolve(directory.path(), &["a"])).0,
        "MarkingErrors"
    );
}

#[test]
fn files_of_the_full_list_are_there_for_those_who_ask() {
    let mut package = Package::new("a", "1");
    package.other_files = vec!["/opt/a".to_owned()];
    let directory = repository([package]);
    let mut request = depsolve(directory.path(), &["/opt/a"]);
    assert_eq!(failure(&request).0, "MarkingErrors");
    request["arguments"]["optional-metadata"] = json!(["filelists"]);
    assert_eq!(
        nevras(&answer(&request).unwrap()["transactions"][0]),
        ["a-0:1-1.noarch"]
    );
}
