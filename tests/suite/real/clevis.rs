//! A container that a server of keys opens: bound by clevis, opened by clevis and tang.
use super::{archive, build, root, script};
use crate::content::Server;
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::{Value, json};
use std::process::Command;

const PROGRAMS: [&str; 6] = [
    "clevis",
    "jose",
    "cryptsetup",
    "curl",
    "openssl",
    "systemd-socket-activate",
];

/// Programs of the build root.
const BUILD_ROOT: [&str; 24] = [
    "/bin/bash",
    "/usr/bin/basename",
    "/usr/bin/cat",
    "/usr/bin/clevis",
    "/usr/bin/clevis-decrypt",
    "/usr/bin/clevis-decrypt-tang",
    "/usr/bin/clevis-encrypt-tang",
    "/usr/bin/clevis-luks-bind",
    "/usr/bin/clevis-luks-common-functions",
    "/usr/bin/cut",
    "/usr/bin/id",
    "/usr/bin/jose",
    "/usr/bin/luksmeta",
    "/usr/bin/mkdir",
    "/usr/bin/mktemp",
    "/usr/bin/pwmake",
    "/usr/bin/rm",
    "/usr/bin/sort",
    "/usr/bin/tail",
    "/usr/bin/touch",
    "/usr/bin/tr",
    "/usr/sbin/cryptsetup",
    "/bin/grep",
    "/bin/sed",
];

/// A container with a passphrase, bound to a server whose keys are known; the stage does not ask it.
fn document(scratch: &Scratch, url: &str, keys: &Value) -> Value {
    let root = root(scratch, "root", &BUILD_ROOT);
    // Debian has the words that no password may be in /var, which is empty for programs; others have them in /usr.
    let words = r#"mkdir "$1/usr/cache"; cp -r /var/cache/cracklib "$1/usr/cache"
        find "$1/usr/lib/" -name 'libcrack.so.*' -exec sed -i s,/var/cache/cracklib,/usr/cache/cracklib, {} +"#;
    script(scratch, words, &[&root]);
    let (sources, unpack) = archive(scratch, &root);
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": { "filename": "sealed.img" } } });
    let on = |module: &str, options: Value| json!({ "type": module, "options": options, "devices": device });
    let pbkdf = json!({ "method": "pbkdf2", "iterations": 1000 });
    let policy = json!({ "url": url, "adv": keys }).to_string();
    let options = json!({ "passphrase": "once", "pin": "tang", "policy": policy });
    let image = json!([
        manifest::stage(
            "org.osbuild.truncate",
            json!({ "filename": "sealed.img", "size": "32M" })
        ),
        on(
            "org.osbuild.luks2.format",
            json!({
                "passphrase": "once", "uuid": "0194fdc2-fa2f-4cc0-81d3-ff12045b73ca", "pbkdf": pbkdf,
            })
        ),
        on("org.osbuild.clevis.luks-bind", options),
    ]);
    let mut document = manifest::of(json!([
        { "name": "build", "runner": "org.osbuild.linux", "stages": [unpack] },
        { "name": "image", "build": "name:build", "stages": image },
    ]));
    document["sources"] = sources;
    document
}

#[test]
fn a_container_that_is_bound_to_a_server_is_opened_by_what_clevis_gets_from_it() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let keys = scratch.directory("keys");
    script(&scratch, r#"/usr/libexec/tangd-keygen "$1""#, &[&keys]);
    let mut port = 0;
    let server = Server::start(|free| {
        port = free;
        let mut command = Command::new("systemd-socket-activate");
        command.args(["--accept", "--inetd", "--listen"]);
        command.arg(format!("127.0.0.1:{free}"));
        command.arg("/usr/libexec/tangd").arg(&keys);
        command
    });
    let url = format!("http://127.0.0.1:{port}");
    let advertised = script(&scratch, &format!("curl -sf {url}/adv"), &[]);
    let document = document(&scratch, &url, &advertised.json());
    build(&scratch, &document, &["image"]).run().expect(0);
    let image = scratch.path("out/image/sealed.img");
    // The slot behind the one of the passphrase, whose secret only the server and the container together give.
    let opens = r#"clevis luks list -d "$1"
        clevis luks pass -d "$1" -s 1 >secret
        cryptsetup open --test-passphrase --key-slot 1 --key-file secret "$1" && echo opened"#;
    let said = script(&scratch, opens, &[&image]).stdout;
    assert!(
        said.contains(&format!("1: tang '{{\"url\":\"{url}\"}}'")),
        "{said}"
    );
    assert!(said.ends_with("opened\n"), "{said}");
    drop(server);
    let alone = r#"! clevis luks pass -d "$1" -s 1"#;
    script(&scratch, alone, &[&image]);
    machine::assert_nothing_left(scratch.root());
}
