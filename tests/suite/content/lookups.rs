//! `osbuild-wasm resolve`: jobs of composers that look content up, with their results and the numbers of their errors.
use super::containers::image;
use super::ostree::upstream;
use crate::packages::repository::{Package, Server, write};
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::{Value, json};

/// The result of a job, and whether it tells of an error.
fn job(scratch: &Scratch, kind: &str, args: &Value, code: i32) -> Value {
    job_within(scratch, kind, args, None, code)
}

fn job_within(
    scratch: &Scratch,
    kind: &str,
    args: &Value,
    policy: Option<&std::path::Path>,
    code: i32,
) -> Value {
    let file = scratch.write("args.json", args.to_string());
    let script = format!("\"$0\" resolve {kind} \"$@\" < {}", file.display());
    let mut program = Program::shell(&script).option("--cache", scratch.path("metadata"));
    if let Some(policy) = policy {
        program = program.option("--policy", policy);
    }
    program.run().expect(code).json()
}

fn repository(url: &str) -> Value {
    json!({ "id": "r", "name": "r", "baseurls": [url] })
}

fn depsolve(url: &str, words: &[&str]) -> Value {
    let set = json!({ "include": words, "repositories": [repository(url)] });
    json!({ "grouped_package_sets": { "os": [set] }, "arch": "x86_64", "releasever": "1", "module_platform_id": "platform:t1", "sbom_type": "spdx" })
}

/// A server with packages of which one can be installed.
fn packages(scratch: &Scratch) -> Server {
    let directory = scratch.path("repository");
    let all = [
        Package::new("good", "2"),
        Package::new("bad", "1").requires("nothing-has-this"),
    ];
    write(&directory, &all);
    Server::new(&directory)
}

#[test]
fn packages_are_chosen_for_pipelines_with_what_they_are_made_of() {
    let scratch = Scratch::new();
    let server = packages(&scratch);
    let found = job(&scratch, "depsolve", &depsolve(&server.url(), &["good"]), 0);
    let package = &found["transactions"]["os"][0][0];
    let url = format!("{}/Packages/good.rpm", server.url());
    for (key, value) in [
        ("name", json!("good")),
        ("epoch", json!(0)),
        ("version", json!("2")),
        ("repo_id", json!("r")),
        ("location", json!("Packages/good.rpm")),
        ("path", json!("Packages/good.rpm")),
        ("remote_location", json!(url)),
        ("remote_locations", json!([url])),
        ("check_gpg", json!(false)),
    ] {
        assert_eq!(package[key], value, "{key}");
    }
    let checksum = package["checksum"].as_str().unwrap();
    assert!(checksum.starts_with("sha256:"), "{checksum}");
    assert_eq!(
        found["repo_configs"]["os"][0]["baseurls"],
        json!([server.url()])
    );
    let sbom = &found["sbom_docs"]["os"];
    assert_eq!(sbom["type"], "spdx");
    assert_eq!(sbom["document"]["packages"][0]["name"], "good");
    assert!(found.get("job_error").is_none(), "{found}");
}

#[test]
fn packages_are_found_by_their_names() {
    let scratch = Scratch::new();
    let server = packages(&scratch);
    let args = |word: &str| json!({ "packages": [word], "repos": [repository(&server.url())], "arch": "x86_64", "releasever": "1", "module_platform_id": "platform:t1" });
    let found = job(&scratch, "search-packages", &args("goo*"), 0);
    let package = &found["packages"][0];
    assert_eq!(package["name"], "good");
    assert_eq!(package["summary"], "About good");
    assert_eq!(package["license"], "MIT");
    let none = job(&scratch, "search-packages", &args("other"), 0);
    assert_eq!(none["packages"], json!([]));
}

#[test]
fn images_are_found_with_their_digests() {
    if !machine::offers(&["docker-registry", "skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let image = image(&scratch);
    let source = format!("{}/image:list", image.host);
    let spec = json!({ "source": source, "name": "localhost/mine:1", "tls-verify": false });
    let args = |spec: &Value| json!({ "arch": "x86_64", "specs": [spec] });
    let found = job(&scratch, "container-resolve", &args(&spec), 0);
    let expected = json!([{
        "source": format!("{}/image", image.host), "name": "localhost/mine:1", "tls-verify": false,
        "image_id": image.id, "digest": image.digest, "list-digest": image.list,
    }]);
    assert_eq!(found["specs"], expected);
    let mut other = spec.clone();
    other["source"] = format!("{}/image:other", image.host).into();
    let error = job(&scratch, "container-resolve", &args(&other), 1);
    assert_eq!(error["job_error"]["id"], 30, "{error}");
}

#[test]
fn refs_are_found_with_their_commits() {
    if !machine::offers(&["ostree", "python3"]) {
        return;
    }
    let scratch = Scratch::new();
    let (server, commit) = upstream(&scratch);
    let url = format!("http://127.0.0.1:{}/repo", server.port);
    let args = |url: &str, reference: &str| json!({ "ostree_resolve_specs": [{ "url": url, "ref": reference, "rhsm": false }] });
    let found = job(&scratch, "ostree-resolve", &args(&url, "main"), 0);
    let expected =
        json!([{ "url": url, "ref": "main", "checksum": commit, "bool": false, "secrets": "" }]);
    assert_eq!(found["ostree_resolve_result_specs"], expected);
    for (url, reference, id) in [
        (&*url, "a b", 32),
        (&url, "other", 33),
        ("", "main", 34),
        ("http://127.0.0.1:1/", "main", 33),
    ] {
        let error = job(&scratch, "ostree-resolve", &args(url, reference), 1);
        assert_eq!(error["job_error"]["id"], id, "{error}");
    }
}

#[test]
fn files_are_fetched_from_web_servers_only() {
    let scratch = Scratch::new();
    scratch.write("files/a", "content");
    let server = Server::new(&scratch.path("files"));
    let (here, missing) = (format!("{}/a", server.url()), format!("{}/b", server.url()));
    let own = format!("file://{}", scratch.path("files/a").display());
    let found = job(&scratch, "file-resolve", &json!({ "urls": [here] }), 0);
    let expected =
        json!({ "success": true, "results": [{ "url": here, "content": "Y29udGVudA==" }] });
    assert_eq!(found, expected);
    for url in [missing, own] {
        let failed = job(&scratch, "file-resolve", &json!({ "urls": [here, url] }), 1);
        assert_eq!(
            (&failed["success"], &failed["job_error"]["id"]),
            (&json!(false), &json!(36))
        );
        assert_eq!(failed["results"][0]["content"], "Y29udGVudA==");
        assert_eq!(failed["results"][1]["target_error"]["id"], 36);
    }
}

#[test]
fn what_is_not_found_has_the_number_of_its_kind() {
    let scratch = Scratch::new();
    let server = packages(&scratch);
    let url = server.url();
    let search = json!({ "packages": ["x"], "repos": [{ "id": "r" }], "arch": "x86_64" });
    for (kind, args, id, text) in [
        ("depsolve", depsolve(&url, &["bad"]), 20, "nothing-has-this"),
        ("depsolve", depsolve(&url, &["other"]), 21, "other"),
        (
            "depsolve",
            depsolve("http://127.0.0.1:1/", &["good"]),
            25,
            "127.0.0.1:1",
        ),
        ("depsolve", depsolve("nowhere", &["good"]), 39, "nowhere"),
        ("search-packages", search, 39, "has no address"),
        ("depsolve", json!({}), 29, "arguments"),
        ("depsolve", json!("x"), 29, "arguments"),
    ] {
        let error = job(&scratch, kind, &args, 1)["job_error"].clone();
        assert_eq!(error["id"], id, "{kind} {args}: {error}");
        assert!(error["reason"].as_str().unwrap().contains(text), "{error}");
    }
}

#[test]
fn nobody_is_asked_whom_the_policy_does_not_list() {
    let scratch = Scratch::new();
    let server = packages(&scratch);
    let policy = scratch.write(
        "policy.toml",
        "version = 1\n[[rule]]\nname = \"none\"\nmodules = [\"*\"]\n",
    );
    let file = json!({ "urls": [format!("{}/a", server.url())] });
    for (kind, args, id) in [
        ("depsolve", depsolve(&server.url(), &["good"]), 22),
        ("file-resolve", file, 36),
    ] {
        let error = job_within(&scratch, kind, &args, Some(&policy), 1)["job_error"].clone();
        assert_eq!(error["id"], id, "{error}");
        let reason = error["reason"].as_str().unwrap();
        assert!(reason.contains("denies"), "{reason}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
}
