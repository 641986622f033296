//! Who is asked for content while a manifest is made: those that the policy lists for the source that fetches it.
use super::images::{build, packages};
use super::repository::{Server, write};
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::{Value, json};
use std::path::Path;

/// A policy that gives sources these hosts, and stages everything.
fn policy(scratch: &Scratch, hosts: &[&str]) -> std::path::PathBuf {
    let hosts: Vec<_> = hosts
        .iter()
        .map(|url| url.trim_start_matches("http://"))
        .collect();
    let rules = "[[rule]]\nmodules = [\"*\"]\ntier = \"privileged\"\nprograms = [\"*\"]\n";
    let own = format!(
        "[[rule]]\nname = \"mirrors\"\nmodules = [\"org.osbuild.librepo\"]\nhosts = {hosts:?}\n"
    );
    scratch.write("policy.toml", format!("version = 1\n{rules}{own}"))
}

/// A build of an archive whose packages the server of this directory has, and what the server was asked.
fn server(scratch: &Scratch, name: &str) -> Server {
    write(&scratch.path(name), &packages());
    Server::new(&scratch.path(name))
}

#[test]
fn metadata_is_judged_as_packages_are_before_anybody_is_asked() {
    let scratch = Scratch::new();
    let server = server(&scratch, "repo");
    let host = server.url().replace("http://", "");
    let ended = build(&scratch, json!({"baseurl": server.url()}))
        .option("--policy", policy(&scratch, &[]))
        .run()
        .expect(1);
    let line = ended.stderr.lines().next().unwrap_or_default();
    for part in [
        "denies the repository demo: ".to_owned(),
        format!("host {host}: rule \"mirrors\" (line 6) does not list it in `hosts`"),
    ] {
        assert!(line.contains(&part), "{part}: {line}");
    }
    assert!(
        ended.stderr.contains(&format!("hosts = [\"{host}\"]")),
        "{}",
        ended.stderr
    );
    assert_eq!(server.asked(), Vec::<String>::new());
    let ended = build(&scratch, json!({"baseurl": server.url()}))
        .option("--policy", policy(&scratch, &[&server.url()]))
        .run()
        .expect(1);
    ended.says("error downloading Packages/");
}

#[test]
fn keys_of_a_repository_are_judged_with_it() {
    let scratch = Scratch::new();
    let server = server(&scratch, "repo");
    let key = "http://127.0.0.2:9/key";
    build(
        &scratch,
        json!({"baseurl": server.url(), "gpgkeys": [key, "file:///etc/key"]}),
    )
    .option("--policy", policy(&scratch, &[&server.url()]))
    .run()
    .expect(1)
    .says("host 127.0.0.2:9: rule")
    .says("file /etc/key of this machine: rule");
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[test]
fn whom_a_server_or_a_list_leads_to_is_judged_too() {
    let scratch = Scratch::new();
    let other = server(&scratch, "other");
    let list = server(&scratch, "list");
    let repomd = format!("{}/repodata/repomd.xml", other.url());
    scratch.write("list/repodata/repomd.xml.moved", repomd);
    scratch.write("list/mirrors", other.url());
    for (repository, hosts) in [
        (json!({"baseurl": list.url()}), vec![list.url()]),
        (
            json!({"mirrorlist": format!("{}/mirrors", list.url())}),
            vec![list.url(), "?".to_owned()],
        ),
    ] {
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let ended = build(&scratch, repository)
            .option("--policy", policy(&scratch, &hosts))
            .run()
            .expect(1);
        let other_host = other.url().replace("http://", "");
        for text in [
            "the repository demo",
            &other_host,
            "which the policy does not list in `hosts` of rule \"mirrors\"",
        ] {
            assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
        }
        assert_eq!(other.asked(), Vec::<String>::new());
    }
}

#[test]
fn images_and_commits_are_judged_by_the_rules_for_their_sources() {
    let scratch = Scratch::new();
    let server = server(&scratch, "repo");
    let container = "[[containers]]\nsource = \"127.0.0.2:9/thing\"\n";
    let container = scratch.write("container.toml", container);
    let manifest = |image_type: &str| {
        crate::content::resolved::manifest(&scratch, image_type)
            .option("--extra-repo", server.url())
            .option("--policy", policy(&scratch, &[&server.url()]))
    };
    let commit = [
        "--ostree-parent",
        "main",
        "--ostree-url",
        "http://127.0.0.2:9/repo",
    ];
    for (program, denied) in [
        (
            manifest("tar").option("--blueprint", &container),
            "the image 127.0.0.2:9/thing: host 127.0.0.2:9",
        ),
        (
            manifest("commit").args(commit),
            "the ref main of OSTree: host 127.0.0.2:9",
        ),
    ] {
        program
            .run()
            .expect(1)
            .says(denied)
            .says("the rule of line 2");
        assert_eq!(server.asked(), Vec::<String>::new());
    }
}

#[test]
fn a_record_says_who_was_asked_before_there_was_a_manifest() {
    let scratch = Scratch::new();
    let other = server(&scratch, "other");
    let first = server(&scratch, "first");
    let repomd = format!("{}/repodata/repomd.xml", other.url());
    scratch.write("first/repodata/repomd.xml.moved", repomd);
    let record = scratch.path("record.json");
    build(&scratch, json!({"baseurl": first.url()}))
        .option("--record", &record)
        .run()
        .expect(1);
    let mut hosts = [first.url(), other.url()].map(|url| url.replace("http://", ""));
    hosts.sort();
    let lookups = json!([{"module": "org.osbuild.librepo", "hosts": hosts}]);
    let written: Value = serde_json::from_str(&scratch.read("record.json")).unwrap();
    assert_eq!(written["lookups"], lookups);
    let text = Program::new("report")
        .arg(Path::new(&record))
        .run()
        .expect(0);
    text.says(&hosts[1]);
}
