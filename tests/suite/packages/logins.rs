//! Users and passwords of repositories: told to their servers, and nowhere to be seen.
use super::images::{build, packages};
use super::repository::{Package, Server, write};
use super::{depsolve, fails, repo_file};
use osbuild_wasm_tests::{Ended, Scratch};
use serde_json::json;
use std::process::Command;

const PASSWORD: &str = "p@ss:w0rd/$releasever";
const ENCODED: &str = "p%40ss%3Aw0rd%2F%24releasever";

/// A server with a package that wants a login.
fn guarded(scratch: &Scratch) -> Server {
    let mut all = packages();
    all.push(Package::new("a", "1"));
    write(&scratch.path("repo"), &all);
    Server::guarded(&scratch.path("repo"), &format!("ada:{PASSWORD}"))
}

/// The URL of a server with that login in it.
fn with_login(server: &Server) -> String {
    server
        .url()
        .replace("http://", &format!("http://ada:{ENCODED}@"))
}

/// Neither what was printed nor what was written below a directory has the password.
#[track_caller]
fn nowhere(ended: &Ended, scratch: &Scratch, places: &[&str]) {
    assert!(!ended.all().contains("w0rd"), "{}", ended.all());
    for place in places {
        let found = Command::new("grep")
            .args(["-rl", "w0rd"])
            .arg(scratch.path(place))
            .output()
            .unwrap();
        assert!(
            found.stdout.is_empty(),
            "{}",
            String::from_utf8_lossy(&found.stdout)
        );
    }
}

#[test]
fn a_login_of_a_file_of_dnf_or_of_a_url_is_told_to_that_server() {
    let scratch = Scratch::new();
    let server = guarded(&scratch);
    let options = |password: &str| {
        format!(
            "baseurl={}\nusername=ada\npassword={password}",
            server.url()
        )
    };
    let file = repo_file(&scratch, &options(PASSWORD));
    for repository in [file.display().to_string(), with_login(&server)] {
        std::fs::remove_dir_all(scratch.path("cache")).ok();
        let ended = depsolve(&scratch, &repository, "a --json").run().expect(0);
        assert!(ended.stdout.contains(&server.url()), "{}", ended.stdout);
        nowhere(&ended, &scratch, &["cache"]);
        assert_eq!(server.asked()[0], "200 /repodata/repomd.xml with a login");
    }
    std::fs::remove_dir_all(scratch.path("cache")).ok();
    let wrong = repo_file(&scratch, &options("wrong"));
    fails(
        depsolve(&scratch, &wrong, "a").run(),
        1,
        "it wants a login, or another one",
    );
    fails(
        depsolve(&scratch, server.url(), "a").run(),
        1,
        "it wants a login, or another one",
    );
}

#[test]
fn a_login_is_not_told_to_whom_its_server_leads_to() {
    let scratch = Scratch::new();
    write(&scratch.path("other"), &[Package::new("a", "1")]);
    let other = Server::new(&scratch.path("other"));
    let server = guarded(&scratch);
    for file in ["repomd.xml", "primary.xml"] {
        let target = format!("{}/repodata/{file}", other.url());
        scratch.write(&format!("repo/repodata/{file}.moved"), target);
    }
    depsolve(&scratch, with_login(&server), "a").run().expect(0);
    assert_eq!(
        other.asked(),
        ["200 /repodata/repomd.xml", "200 /repodata/primary.xml"]
    );
}

#[test]
fn an_image_is_built_with_a_login_that_is_in_no_manifest() {
    let scratch = Scratch::new();
    let server = guarded(&scratch);
    let ended = build(&scratch, json!({"baseurl": with_login(&server)}))
        .arg("--with-manifest")
        .option("--record", scratch.path("out/record.json"))
        .run()
        .expect(1);
    // The server has no packages, but it was asked for them by somebody it knows.
    nowhere(&ended, &scratch, &["out", "metadata", "store"]);
    let asked = server.asked();
    assert!(
        asked.iter().all(|line| line.ends_with(" with a login")),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|line| line.starts_with("404 /Packages/")),
        "{asked:?}"
    );
    assert!(
        scratch
            .path("out/demo-1-tar-x86_64.osbuild-manifest.json")
            .is_file()
    );
}

#[test]
fn no_error_about_a_url_or_a_file_has_the_password_in_it() {
    let scratch = Scratch::new();
    for url in [
        "http://ada:w0rd@127.0.0.1:1/x",
        "http://ada:w0rd@127.0.0.1:1/x?w0rd=w0rd#w0rd",
        "http://ad%3Aa:w0rd@h/",
        "http://ada:w0rd@[bad/",
        "http://ada:w0rd@/",
        "ftp://ada:w0rd@h/",
        "file://ada:w0rd@h/x",
        "ada:w0rd@h/x",
    ] {
        let found = depsolve(&scratch, url, "a").run();
        assert_ne!(found.code(), 0, "{url}");
        nowhere(&found, &scratch, &["cache"]);
        for option in ["--force-repo", "--extra-repo"] {
            let made = build(&scratch, json!({"baseurl": "file:///none"}))
                .option(option, url)
                .run();
            assert_ne!(made.code(), 0, "{url}");
            nowhere(&made, &scratch, &["metadata", "out"]);
        }
        let made = build(&scratch, json!({"baseurl": url, "gpgkey": url})).run();
        nowhere(&made, &scratch, &["metadata", "out"]);
    }
    for options in [
        "baseurl=http://127.0.0.1:1/\nusername=a:b\npassword=w0rd",
        "baseurl=http://127.0.0.1:1/\npassword=w0rd",
        "baseurl=nothing\nusername=ada\npassword=w0rd",
        "metalink=http://ada:w0rd@127.0.0.1:1/\ngpgkey=http://ada:w0rd@127.0.0.1:1/k",
    ] {
        let found = depsolve(&scratch, repo_file(&scratch, options), "a").run();
        assert_ne!(found.code(), 0, "{options}");
        nowhere(&found, &scratch, &["cache"]);
    }
}

#[test]
fn a_manifest_for_others_has_no_place_for_a_login() {
    let scratch = Scratch::new();
    let server = guarded(&scratch);
    let ended = crate::content::resolved::manifest(&scratch, "tar")
        .option("--extra-repo", with_login(&server))
        .run()
        .expect(2);
    nowhere(&ended, &scratch, &["cache"]);
    ended.says(
        "the repository extra-repo-0 has a password in its URL, for which a manifest has no place",
    );
    assert_eq!(server.asked(), Vec::<String>::new());
}
