//! Who vouches for the index of a repository.
use super::repository::{Package, Server, write};
use super::{depsolve, fails, repo_file, tmux};
use osbuild_wasm_tests::{Ended, Scratch, machine};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_metalink_names_mirrors_and_vouches_for_the_index() {
    let scratch = Scratch::new();
    write(&scratch.path("old"), &[Package::new("a", "1")]);
    write(&scratch.path("new"), &[Package::new("a", "2")]);
    let (old, new) = (
        Server::new(&scratch.path("old")),
        Server::new(&scratch.path("new")),
    );
    let metalink = |hash: &str| {
        let url = |server: &Server, preference: u32| {
            format!(
                "<url protocol=\"http\" preference=\"{preference}\">{}/repodata/repomd.xml</url>",
                server.url()
            )
        };
        format!(
            "<?xml version=\"1.0\"?><metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" xmlns:mm0=\"http://h\"><files><file name=\"repomd.xml\">\
             <verification><hash type=\"sha256\">{hash}</hash></verification><resources>{}{}</resources></file></files></metalink>",
            url(&old, 100),
            url(&new, 50)
        )
    };
    let hash = Server::hash(&scratch.path("new/repodata/repomd.xml"));
    scratch.write("lists/metalink", metalink(&hash));
    scratch.write("lists/mirrorlist", format!("# mirrors\n{}\n", new.url()));
    let lists = Server::new(&scratch.path("lists"));
    // The preferred mirror has an older version than the metalink says.
    let file = repo_file(&scratch, &format!("metalink={}/metalink", lists.url()));
    let ended = depsolve(&scratch, &file, "--json a").run().expect(0);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        found[0]["remote_locations"][0],
        format!("{}/Packages/a.rpm", new.url())
    );
    scratch.write("lists/metalink", metalink(&"0".repeat(64)));
    fails(
        depsolve(&scratch, &file, "a").run(),
        1,
        "it is not what the metalink says",
    );
    let file = repo_file(&scratch, &format!("mirrorlist={}/mirrorlist", lists.url()));
    depsolve(&scratch, &file, "a")
        .run()
        .expect(0)
        .says("a-2-1.noarch");
}

/// Makes a key of OpenPGP; returns its text.
fn key(scratch: &Scratch, home: &str) -> String {
    let home = scratch.directory(home);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let output = Command::new("gpg")
            .arg("--homedir")
            .arg(&home)
            .args(["--batch", "--quiet", "--passphrase", ""])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    gpg(&["--quick-gen-key", "tester", "ed25519", "sign", "never"]);
    String::from_utf8(gpg(&["--armor", "--export"])).unwrap()
}

fn sign(scratch: &Scratch, home: &str) {
    let repomd = scratch.path("repo/repodata/repomd.xml");
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir")
        .arg(scratch.path(home))
        .args(["--batch", "--yes", "--armor", "--detach-sign"])
        .arg(&repomd);
    assert!(gpg.output().unwrap().status.success());
    let mut stop = Command::new("gpgconf");
    _ = stop
        .arg("--homedir")
        .arg(scratch.path(home))
        .args(["--kill", "all"])
        .output();
}

#[test]
fn an_index_that_has_to_be_signed_is_signed_by_a_key_of_the_repository() {
    if !machine::offers(&["gpg", "gpgv"]) {
        return;
    }
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let (right, wrong) = (key(&scratch, "right"), key(&scratch, "wrong"));
    scratch.write("right.asc", right);
    scratch.write("wrong.asc", wrong);
    let run = |name: &str| {
        let (repo, key) = (scratch.path("repo"), scratch.path(name));
        let options = format!(
            "baseurl=file://{}\nrepo_gpgcheck=1\ngpgkey=file://{}",
            repo.display(),
            key.display()
        );
        depsolve(&scratch, repo_file(&scratch, &options), "a").run()
    };
    fails(run("right.asc"), 1, "the signature is missing");
    sign(&scratch, "right");
    fails(
        run("wrong.asc"),
        1,
        "the signature of repodata/repomd.xml is not by a key of `gpgkey`",
    );
    run("right.asc").expect(0).says("a-1-1.noarch");
    fails(run("none.asc"), 1, "none.asc");
    // What is signed is the index that is used.
    write(&scratch.path("repo"), &[Package::new("a", "2")]);
    fails(run("right.asc"), 1, "is not by a key of `gpgkey`");
}

#[test]
fn an_index_that_came_without_a_check_is_none_for_who_wants_it_signed() {
    if !machine::offers(&["gpg", "gpgv"]) {
        return;
    }
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let (right, other) = (key(&scratch, "right"), key(&scratch, "other"));
    scratch.write("right.asc", right);
    scratch.write("other.asc", other);
    let server = Server::new(&scratch.path("repo"));
    let run = |options: &str| {
        let options = format!("baseurl={}\nmetadata_expire=6h\n{options}", server.url());
        depsolve(&scratch, repo_file(&scratch, &options), "a").run()
    };
    let signed = |name: &str| {
        format!(
            "repo_gpgcheck=1\ngpgkey=file://{}",
            scratch.path(name).display()
        )
    };
    run("").expect(0);
    // The server says that nothing changed, or is not even asked.
    fails(run(&signed("right.asc")), 1, "the signature is missing");
    sign(&scratch, "right");
    run(&signed("right.asc")).expect(0);
    fails(run(&signed("other.asc")), 1, "is not by a key of `gpgkey`");
    let insecure = run("sslverify=0");
    insecure.expect(0);
    assert!(
        server
            .asked()
            .ends_with(&["200 /repodata/primary.xml".to_owned()])
    );
}

/// What a repository says of its packages becomes paths and URLs of a manifest; only its index may be signed, or nothing.
#[test]
fn what_no_package_can_be_called_is_refused() {
    let package = |change: (&str, &str)| {
        "<package type=\"rpm\"><name>NAME</name><arch>ARCH</arch><version epoch=\"0\" ver=\"VERSION\" rel=\"1\"/>\
         <checksum type=\"sha256\" pkgid=\"YES\">CHECKSUM</checksum><location href=\"LOCATION\"/><format/></package>"
            .replace(change.0, change.1)
            .replace("NAME", "tmux")
            .replace("ARCH", "noarch")
            .replace("VERSION", "3~rc1^git+b2")
            .replace("CHECKSUM", &"0".repeat(64))
            .replace("LOCATION", "Packages/t/tmux.rpm")
    };
    let solve = |change: (&str, &str)| {
        let scratch = Scratch::new();
        write(&scratch.path("repo"), &[]);
        let old = Server::hash(&scratch.path("repo/repodata/primary.xml"));
        let text = format!("<metadata>{}</metadata>", package(change));
        let primary = scratch.write("repo/repodata/primary.xml", text);
        let index = fs::read_to_string(scratch.path("repo/repodata/repomd.xml")).unwrap();
        let index = index.replace(&old, &Server::hash(&primary));
        scratch.write("repo/repodata/repomd.xml", index);
        depsolve(&scratch, scratch.path("repo"), "*").run()
    };
    solve(("", "")).expect(0).says("tmux");
    for (place, value, said) in [
        ("NAME", "../../tmux", "no package has the name"),
        ("NAME", "--root=x", "no package has the name"),
        ("NAME", "tm&#10;ux", "no package has the name"),
        ("VERSION", "../../../etc", "no package has the version"),
        ("VERSION", "1 init=/x", "no package has the version"),
        (
            "LOCATION",
            "../../../etc/passwd",
            "is not below the repository",
        ),
        ("LOCATION", "a/../../b", "is not below the repository"),
        ("LOCATION", "/etc/shadow", "is not below the repository"),
        (
            "LOCATION",
            "http://other/x.rpm",
            "is not below the repository",
        ),
        ("LOCATION", "a&#10;b", "is not below the repository"),
        ("LOCATION", "a/%2e%2E/%2e./b", "is not below the repository"),
        ("LOCATION", "a\\..\\b", "is not below the repository"),
        ("CHECKSUM", "", "it has no checksum"),
        ("CHECKSUM", "zz", "it has no checksum"),
    ] {
        fails(solve((place, value)), 1, said);
    }
}

/// A solver that gives this answer, whatever it is asked.
fn answering(scratch: &Scratch, answer: &str) -> Ended {
    let script = format!("#!/bin/sh\ncat >/dev/null\n{answer}\n");
    let file = scratch.write("solver", script);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    depsolve(scratch, scratch.path("repo"), "tmux")
        .option("--solver", file)
        .run()
}

/// Its repository decides whether the signature of a package is checked, and its checksum what is downloaded.
#[test]
fn what_a_solver_says_of_a_package_is_true_of_a_repository_that_was_asked() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    let found = depsolve(&scratch, scratch.path("repo"), "libevent --json");
    let found: Value = serde_json::from_str(&found.run().expect(0).stdout).unwrap();
    let solver = |pointer: &str, value: &str| {
        let mut package = found[0].clone();
        *package.pointer_mut(pointer).unwrap() = value.into();
        let answer = serde_json::json!({"transactions": [[package]], "modules": {}});
        answering(&scratch, &format!("cat <<'END'\n{answer}\nEND"))
    };
    solver("/summary", "nothing else").expect(0);
    for (pointer, value, said) in [
        ("/repo_id", "other", "nobody asked that repository"),
        ("/checksum/value", "/etc/shadow", "is not a checksum"),
        ("/checksum/algorithm", "../../sha256", "is not a checksum"),
    ] {
        fails(solver(pointer, value), 1, said);
    }
}

#[test]
fn a_package_of_a_server_is_no_file_of_this_machine() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let old = Server::hash(&scratch.path("repo/repodata/primary.xml"));
    let text = scratch.read("repo/repodata/primary.xml");
    let text = text.replace("<location ", "<location xml:base=\"file:///etc/\" ");
    let primary = scratch.write("repo/repodata/primary.xml", text);
    let index = scratch.read("repo/repodata/repomd.xml");
    let index = index.replace(&old, &Server::hash(&primary));
    scratch.write("repo/repodata/repomd.xml", index);
    let server = Server::new(&scratch.path("repo"));
    fails(
        depsolve(&scratch, server.url(), "a").run(),
        1,
        "is a file of this machine",
    );
}

#[test]
fn a_solver_that_talks_without_end_is_stopped() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    fails(
        answering(&scratch, "exec cat /dev/zero"),
        1,
        "it has more than 512 MiB",
    );
    fails(
        answering(&scratch, "head -c 64M /dev/zero | tr '\\0' x >&2"),
        1,
        "does not work",
    );
    let reason = r#"printf '{"kind": "DepsolveError", "reason": "a\\nerror: b"}'; exit 1"#;
    fails(answering(&scratch, reason), 1, "a error: b");
}

#[test]
fn a_metalink_vouches_by_every_strong_checksum_or_not_at_all() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let server = Server::new(&scratch.path("repo"));
    let lists = Server::new(&scratch.directory("lists"));
    let run = |hash: &str| {
        let text = format!(
            "<metalink><files><file name=\"repomd.xml\"><verification>{hash}</verification><resources>\
             <url>{}/repodata/repomd.xml</url></resources></file></files></metalink>",
            server.url()
        );
        scratch.write("lists/metalink", text);
        let file = repo_file(&scratch, &format!("metalink={}/metalink", lists.url()));
        depsolve(&scratch, file, "a").run()
    };
    let right = Server::hash(&scratch.path("repo/repodata/repomd.xml"));
    let said = |kind: &str, digits: &str| format!("<hash type=\"{kind}\">{digits}</hash>");
    run(&said("SHA-256", &right)).expect(0);
    run("").expect(0);
    let wrong = "it is not what the metalink says";
    for (hash, expected) in [
        (said("SHA256", &"0".repeat(64)), wrong),
        (said("sha512", &"0".repeat(128)), wrong),
        (
            said("md5", &"0".repeat(32)),
            "no checksum of repomd.xml that is known",
        ),
        (
            said("whirlpool", "0"),
            "no checksum of repomd.xml that is known",
        ),
        (said("sha256", ""), "is not a checksum"),
    ] {
        fails(run(&hash), 1, expected);
    }
}

#[test]
fn a_list_of_mirrors_makes_us_ask_a_hundred_servers_at_most() {
    let scratch = Scratch::new();
    let nobody = Server::new(&scratch.directory("nothing"));
    let mirrors: String = (0..1000)
        .map(|number| format!("{}/{number}\n", nobody.url()))
        .collect();
    scratch.write("lists/mirrors", mirrors);
    let lists = Server::new(&scratch.path("lists"));
    let file = repo_file(&scratch, &format!("mirrorlist={}/mirrors", lists.url()));
    fails(depsolve(&scratch, file, "a").run(), 1, "404");
    assert_eq!(nobody.asked().len(), 100);
}

#[test]
fn a_module_brings_files_of_its_own_directory_only() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    let solver = |name: &str, stream: &str, path: &str| {
        let modules = serde_json::json!({name: {
            "module-file": {"path": "/etc/dnf/modules.d/m.conf", "data": {"name": name, "stream": stream, "profiles": [], "state": "enabled"}},
            "failsafe-file": {"path": path, "data": "x"},
        }});
        let answer = serde_json::json!({"transactions": [], "modules": modules});
        answering(&scratch, &format!("printf %s '{answer}'"))
    };
    let place = "/var/lib/dnf/modulefailsafe/m:1";
    solver("m", "1", place).expect(0);
    for (name, stream, path) in [
        ("m", "1/../../x", place),
        ("m", "1\n[b]", place),
        ("../m", "1", place),
        ("m", "1", "/etc/cron.d/m"),
        ("m", "1", "/var/lib/dnf/modulefailsafe/m:1/../../x"),
    ] {
        fails(solver(name, stream, path), 1, "no module is called");
    }
}

#[test]
fn what_is_no_key_is_told_with_its_repository() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let repository = scratch.path("repo").display().to_string();
    let rubbish = scratch.write("rubbish", "rubbish\n");
    for (options, expected) in [
        (
            format!("gpgkey=file://{}", rubbish.display()),
            "the repository test: the key file://",
        ),
        (
            format!("gpgkey=file://{}", rubbish.display()),
            "it is no public key of OpenPGP",
        ),
        ("gpgkey=file:///none".to_owned(), "the key file:///none: "),
        ("repo_gpgcheck=1".to_owned(), ""),
    ] {
        let file = repo_file(&scratch, &format!("baseurl=file://{repository}\n{options}"));
        fails(depsolve(&scratch, file, "a").run(), 1, expected);
    }
}

#[test]
fn a_manifest_has_the_text_of_a_key_wherever_that_is() {
    if !machine::offers(&["gpg"]) {
        return;
    }
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &super::images::packages());
    let text = key(&scratch, "good");
    let dearmored = Command::new("gpg")
        .args(["--batch", "--dearmor", "--output"])
        .args([
            scratch.path("repo/plain"),
            scratch.write("repo/text", &text),
        ])
        .status();
    assert!(dearmored.unwrap().success());
    let server = Server::new(&scratch.path("repo"));
    for name in ["text", "plain"] {
        let key = format!("{}/{name}", server.url());
        super::images::build(
            &scratch,
            serde_json::json!({"baseurl": server.url(), "gpgkey": key, "check_gpg": true}),
        )
        .arg("--with-manifest")
        .run()
        .expect(1);
        let manifest = scratch.read("out/demo-1-tar-x86_64.osbuild-manifest.json");
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let keys = &manifest["pipelines"][0]["stages"][0]["options"]["gpgkeys"];
        let text = keys[0].as_str().unwrap();
        assert!(text.starts_with("-----BEGIN PGP"), "{text}");
        let shown = Command::new("gpg")
            .args(["--show-keys", "--with-colons"])
            .arg(scratch.write("imported", text))
            .output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        assert!(shown.contains(":tester:"), "{name}: {text}");
    }
}
