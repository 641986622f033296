//! Metadata that somebody made to do harm: each ends with one sentence, and the program lives.
use crate::repository::{Package, Repository, primary, write_files};
use crate::run::{answer, depsolve, nevras, solver};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const METADATA: &str = "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"1\">";

/// The reason for which a request about such a list of packages fails.
fn refused(primary: Vec<u8>, packing: u32) -> String {
    let directory = tempfile::tempdir().unwrap();
    write_files(
        directory.path(),
        [("primary", "primary.xml", primary)].into_iter(),
        packing,
    );
    failure(directory.path(), "a")
}

fn failure(directory: &Path, word: &str) -> String {
    let failure = answer(&depsolve(directory, &[word])).unwrap_err();
    assert_eq!(failure["kind"], "RepoError", "{failure}");
    let reason = failure["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.starts_with("There was a problem reading a repository: r: ")
            && !reason.contains('\n'),
        "{reason}"
    );
    reason
}

fn package(inner: &str) -> Vec<u8> {
    format!("{METADATA}<package type=\"rpm\"><name>a</name><arch>noarch</arch><version epoch=\"0\" ver=\"1\" rel=\"1\"/>{inner}</package></metadata>").into_bytes()
}

#[test]
fn broken_lists_of_packages_are_refused_in_one_sentence() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>"
        .to_owned();
    let cases: [(Vec<u8>, &str); 11] = [
        (b"".to_vec(), "it is not a list of packages"),
        (b"\0\0\0\0".to_vec(), "it is not a list of packages"),
        (
            b"<html><body>Sorry</body></html>".to_vec(),
            "it is not a list of packages",
        ),
        (
            b"<metadata><package type=\"rpm\"><name>a".to_vec(),
            "it ends in the middle",
        ),
        (b"<metadata></package></metadata>".to_vec(), "expected"),
        (
            format!("{bomb}{METADATA}</metadata>").into_bytes(),
            "document type",
        ),
        (package("<summary>&b;</summary>"), "unrecognized"),
        (package("<summary>\u{fffd}&#0;</summary>"), "not permitted"),
        (
            [
                &b"<metadata><package type=\"rpm\"><name>"[..],
                &[0xff, 0xfe],
                b"</name></package></metadata>",
            ]
            .concat(),
            "UTF-8",
        ),
        (
            format!("{METADATA}<package type=\"rpm\"><name>a</name></package></metadata>")
                .into_bytes(),
            "lacks its name, architecture or version",
        ),
        (
            package(&format!("<summary>{}</summary>", "x".repeat(2 << 20))),
            "bytes of text",
        ),
    ];
    for (text, expected) in cases {
        let reason = refused(text, 0);
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

#[test]
fn numbers_that_a_repository_announces_are_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let text =
        primary(&[Package::new("a", "1")]).replace("packages=\"1\"", "packages=\"4294967295\"");
    let text = text
        .replace("installed=\"2000\"", "installed=\"18446744073709551615\"")
        .replace("epoch=\"0\"", "epoch=\"99999999999999999999\"");
    write_files(
        directory.path(),
        [("primary", "primary.xml", text.into_bytes())].into_iter(),
        1,
    );
    let reply = answer(&depsolve(directory.path(), &["a"])).unwrap();
    assert_eq!(reply["transactions"][0][0]["install_size"], json!(u64::MAX));
}

#[test]
fn a_file_that_unpacks_without_end_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let repodata = directory.path().join("repodata");
    fs::create_dir_all(&repodata).unwrap();
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed.write_all(METADATA.as_bytes()).unwrap();
    let block = vec![b' '; 1 << 20];
    for _ in 0..64 {
        packed.write_all(&block).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    write_files(
        directory.path(),
        [("primary", "primary.xml.zst", packed)].into_iter(),
        0,
    );
    assert!(failure(directory.path(), "a").contains("a piece has more than"));
}

#[test]
fn packed_files_that_are_broken_are_refused() {
    let text = primary(&[Package::new("a", "1")]).into_bytes();
    for packing in 1..=3 {
        let (mut packed, _) = crate::repository::pack(&text, packing);
        packed.truncate(packed.len() / 2);
        refused(packed.clone(), 0);
        let middle = packed.len() / 2;
        packed[middle..].fill(0xaa);
        refused(packed, 0);
    }
}

#[test]
fn a_file_that_is_not_what_its_checksum_says_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    Repository::new([Package::new("a", "1")]).write(directory.path());
    let path = directory.path().join("repodata/primary.xml");
    let changed = fs::read_to_string(&path)
        .unwrap()
        .replace("<name>a</name>", "<name>b</name>");
    fs::write(&path, changed).unwrap();
    assert!(failure(directory.path(), "b").contains("checksum mismatch"));
    fs::remove_file(&path).unwrap();
    assert!(failure(directory.path(), "b").contains("primary.xml: it is not there"));
}

#[test]
fn an_index_that_is_none_is_refused() {
    for (text, expected) in [
        ("", "not the index of a repository"),
        ("<repomd/>", "names no `primary`"),
        (
            "<repomd><data type=\"primary\"><location href=\"../../../../etc/passwd\"/></data></repomd>",
            "passwd: it is not there",
        ),
        (
            "<repomd><data type=\"primary\"><checksum type=\"sha256\">00</checksum><location href=\"../../../../etc/passwd\"/></data></repomd>",
            "passwd: it is not there",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("repodata")).unwrap();
        fs::write(directory.path().join("repodata/repomd.xml"), text).unwrap();
        let reason = failure(directory.path(), "a");
        assert!(reason.contains(expected), "{text}: {reason}");
    }
}

#[test]
fn modules_that_are_broken_or_bombs_are_refused() {
    let deep = format!(
        "document: modulemd\ndata: {}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let bomb =
        "document: modulemd\na: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\ndata: [*b, *b, *b]\n"
            .to_owned();
    for (text, expected) in [
        (deep, "recursion limit"),
        (bomb, "alias"),
        (
            format!(
                "document: modulemd\ndata: {}{}",
                "[".repeat(40),
                "]".repeat(40)
            ),
            "levels deep",
        ),
        ("document: [modulemd".to_owned(), "modules.yaml"),
        (
            "document: modulemd\ndata: {name: a}".to_owned(),
            "lacks its name or its stream",
        ),
        (
            "document: modulemd\ndata: {name: a, stream: b, version: c}".to_owned(),
            "which is no number",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut repository = Repository::new([Package::new("a", "1")]);
        repository.modules = Some(text);
        repository.write(directory.path());
        let reason = failure(directory.path(), "a");
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

#[test]
fn groups_that_are_broken_are_refused_when_they_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut repository = Repository::new([Package::new("a", "1")]);
    repository.comps = Some("<comps><group>".to_owned());
    repository.write(directory.path());
    answer(&depsolve(directory.path(), &["a"])).unwrap();
    assert!(failure(directory.path(), "@a").contains("comps.xml: it ends in the middle"));
}

#[test]
fn dependencies_nested_without_end_are_no_dependencies() {
    let directory = tempfile::tempdir().unwrap();
    let rich = format!("{}b{}", "(".repeat(50_000), ")".repeat(50_000));
    Repository::new([Package::new("a", "1").with("requires", &rich)]).write(directory.path());
    answer(&depsolve(directory.path(), &["a"])).unwrap();
}

#[test]
fn a_cache_that_somebody_spoilt_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    Repository::new([Package::new("a", "1")]).write(directory.path());
    let request = depsolve(directory.path(), &["a"]);
    let first = answer(&request).unwrap();
    let files = || -> Vec<_> {
        fs::read_dir(directory.path().join("cache"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    };
    let cached = files();
    assert!(
        cached.len() == 1 && cached[0].extension().is_some_and(|end| end == "solv"),
        "{cached:?}"
    );
    for spoilt in [&b""[..], b"SOLV", &[0xff; 4096]] {
        fs::write(&cached[0], spoilt).unwrap();
        assert_eq!(answer(&request).unwrap(), first);
    }
    // Of what the repository had before nothing stays.
    fs::remove_file(&cached[0]).unwrap();
    answer(&request).unwrap();
    Repository::new([Package::new("a", "2")]).write(directory.path());
    let second = answer(&request).unwrap();
    assert_eq!(nevras(&second["transactions"][0]), ["a-0:2-1.noarch"]);
    assert_eq!(files().len(), 1);
}

#[test]
fn what_repositories_tell_is_read_by_a_process_that_can_open_nothing() {
    let directory = tempfile::tempdir().unwrap();
    Repository::new((0..2000).map(|number| Package::new(&format!("p{number}"), "1")))
        .write(directory.path());
    let mut request = depsolve(directory.path(), &["a"]);
    request["command"] = "dump".into();
    request["arguments"]
        .as_object_mut()
        .unwrap()
        .remove("transactions");
    let mut child = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-solver"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(request.to_string().as_bytes())
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The reply has begun, and does not fit into the pipe.
    stdout.read_exact(&mut [0; 16]).unwrap();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", children.trim())).unwrap();
    for expected in [
        "Seccomp:\t2",
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
    ] {
        assert!(
            status.lines().any(|line| line == expected),
            "{expected}: {status}"
        );
    }
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_request_that_is_none_is_an_answer_too() {
    for text in ["", "{", "[]", "null", "\u{0}", &"[".repeat(100_000)] {
        let output = solver(text);
        let failure: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (output.status.code(), &failure["kind"]),
            (Some(1), &json!("InvalidRequest")),
            "{output:?}"
        );
        assert_eq!(
            failure["reason"].as_str().unwrap(),
            String::from_utf8(output.stderr).unwrap().trim_end()
        );
    }
}

#[test]
fn a_tree_leads_to_no_file_of_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    Repository::new([Package::new("a", "1")]).write(directory.path());
    let secret = directory.path().join("secret");
    fs::write(&secret, "leaked").unwrap();
    let up = "../".repeat(30);
    let outside = secret.display().to_string();
    let below = outside.trim_start_matches('/');
    for (link, key) in [
        (None, format!("file:///{up}{below}")),
        (Some(outside.clone()), "file:///etc/key".into()),
        (Some(format!("{up}{below}")), "file:///etc/key".into()),
        (Some("/proc/self/root/etc/passwd".into()), "/etc/key".into()),
        (Some("/dev/zero".into()), "/etc/key".into()),
    ] {
        let root = tempfile::tempdir().unwrap();
        for place in ["etc/yum.repos.d", "etc/dnf/vars"] {
            fs::create_dir_all(root.path().join(place)).unwrap();
        }
        let file = format!("[t]\nbaseurl=file:///$secret\ngpgkey={key}\n");
        fs::write(root.path().join("etc/yum.repos.d/t.repo"), file).unwrap();
        if let Some(link) = link {
            std::os::unix::fs::symlink(&link, root.path().join("etc/key")).unwrap();
            std::os::unix::fs::symlink(&link, root.path().join("etc/dnf/vars/secret")).unwrap();
        }
        let mut request = depsolve(directory.path(), &["a"]);
        request["arguments"]["repos"] = json!([]);
        request["arguments"]["root_dir"] = json!(root.path());
        let failure = answer(&request).unwrap_err();
        assert_eq!(failure["kind"], "GPGKeyReadError", "{failure}");
        let said = failure.to_string();
        assert!(
            !said.contains("leaked") && !said.contains("root:x"),
            "{said}"
        );
    }
}

#[test]
fn a_pipe_in_a_tree_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    Repository::new([Package::new("a", "1")]).write(directory.path());
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("etc/yum.repos.d");
    fs::create_dir_all(&place).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, place.join("t.repo"), mode).unwrap();
    let mut request = depsolve(directory.path(), &["a"]);
    request["arguments"]["root_dir"] = json!(root.path());
    let failure = answer(&request).unwrap_err();
    let reason = failure["reason"].as_str().unwrap();
    assert!(reason.contains("it is no regular file"), "{reason}");
}
