//! Signatures are checked when a plugin is installed and whenever it is used.
use crate::install::Place;
use osbuild_wasm_tests::{Program, hostile, machine, manifest};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// A place with a key pair `key` and `key.pub`, and a plugin that is signed by it.
fn signed() -> (Place, PathBuf) {
    let place = Place::new();
    let file = place.plugin("com.example.a");
    place
        .program("plugin keygen")
        .arg(place.scratch.path("key"))
        .run()
        .expect(0)
        .says("key.pub: ed25519:");
    place
        .program("plugin sign")
        .arg(&file)
        .option("--key", place.scratch.path("key"))
        .run()
        .expect(0);
    (place, file)
}

fn trust(place: &Place, key: &str) {
    place.scratch.directory("keys");
    fs::copy(
        place.scratch.path(key),
        place.scratch.path("keys/somebody.pub"),
    )
    .unwrap();
}

#[test]
fn an_absent_signature_is_a_failure_where_one_is_required() {
    let (place, file) = signed();
    trust(&place, "key.pub");
    fs::remove_file(place.scratch.path("com.example.a.wasm.sig")).unwrap();
    for option in [
        "--require-signature",
        &format!("--signer={}", place.scratch.path("key.pub").display()),
    ] {
        place
            .program("plugin install")
            .arg(option)
            .arg(&file)
            .run()
            .expect(1)
            .says("a signature is required and there is none");
    }
    place.program("plugin install").arg(&file).run().expect(0);
    place.program("plugin verify").run().expect(0);
    place
        .program("plugin verify --require-signature")
        .run()
        .expect(1)
        .says("it was installed without one");
}

#[test]
fn only_the_signature_of_somebody_trusted_counts() {
    let (place, file) = signed();
    let install = || {
        place
            .program("plugin install --require-signature")
            .arg(&file)
            .run()
    };
    install().expect(1).says("no key is trusted");
    place
        .program("plugin keygen")
        .arg(place.scratch.path("other"))
        .run()
        .expect(0);
    trust(&place, "other.pub");
    install().expect(1).says("not of a trusted key");
    place
        .program("plugin install")
        .arg(&file)
        .run()
        .expect(0)
        .says("not signed by anybody trusted");
    trust(&place, "key.pub");
    install().expect(0).says("signed by ed25519:");
    let list = place.program("plugin list --json").run().json();
    assert!(
        list[0]["signer"]["key"]
            .as_str()
            .unwrap()
            .starts_with("ed25519:")
    );
    place
        .program("plugin verify --require-signature")
        .run()
        .expect(0)
        .says("as installed, signed by");
}

#[test]
fn a_signature_of_another_file_is_refused() {
    let (place, file) = signed();
    trust(&place, "key.pub");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last] = b' ';
    fs::write(&file, bytes).unwrap();
    place
        .program("plugin install --require-signature")
        .arg(&file)
        .run()
        .expect(1)
        .says("not of this file");
}

#[test]
fn a_plugin_is_refused_when_its_signature_goes_or_its_signer_is_no_longer_trusted() {
    let (place, file) = signed();
    trust(&place, "key.pub");
    place
        .program("plugin install --require-signature")
        .arg(&file)
        .run()
        .expect(0);
    place.program("stage show com.example.a").run().expect(0);
    let key = place.scratch.path("keys/somebody.pub");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    place
        .program("stage show com.example.a")
        .run()
        .expect(1)
        .says("no longer among the trusted keys");
    fs::write(&key, kept).unwrap();
    let signature = place.scratch.path("plugins/stages/com.example.a.wasm.sig");
    fs::write(&signature, [0; 64]).unwrap();
    place
        .program("stage show com.example.a")
        .run()
        .expect(1)
        .says("its signature is not that of");
    fs::remove_file(&signature).unwrap();
    place
        .program("stage show com.example.a")
        .run()
        .expect(1)
        .says("its signature is gone");
}

#[test]
fn a_signer_that_was_named_needs_no_trusted_keys() {
    let (place, file) = signed();
    place
        .program("plugin install")
        .arg(&file)
        .option("--signer", place.scratch.path("key.pub"))
        .run()
        .expect(0);
    place.program("stage show com.example.a").run().expect(0);
}

#[test]
fn the_private_key_is_its_owners_alone_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let (place, _) = signed();
    let mode = fs::metadata(place.scratch.path("key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    place
        .program("plugin keygen")
        .arg(place.scratch.path("key"))
        .run()
        .expect(1)
        .says("exists");
}

#[test]
fn openssl_makes_and_verifies_the_same_keys_and_signatures() {
    if !machine::offers(&["openssl"]) {
        return;
    }
    let (place, file) = signed();
    let verify = "pkeyutl -verify -pubin -inkey key.pub -rawin -in com.example.a.wasm -sigfile com.example.a.wasm.sig";
    Program::of("openssl", verify)
        .directory(place.scratch.root())
        .run()
        .expect(0);
    Program::of("openssl", "genpkey -algorithm ed25519 -out theirs")
        .directory(place.scratch.root())
        .run()
        .expect(0);
    Program::of("openssl", "pkey -in theirs -pubout -out theirs.pub")
        .directory(place.scratch.root())
        .run()
        .expect(0);
    place
        .program("plugin sign")
        .arg(&file)
        .option("--key", place.scratch.path("theirs"))
        .run()
        .expect(0);
    place
        .program("plugin install")
        .arg(&file)
        .option("--signer", place.scratch.path("theirs.pub"))
        .run()
        .expect(0);
}

#[test]
fn a_policy_that_wants_a_signer_lets_only_what_that_one_signed_run() {
    let (place, file) = signed();
    let step = hostile::step("tree write /run/osbuild/tree/made");
    let stages = json!([{ "type": "com.example.a", "options": { "steps": [step] } }]);
    let document = place.scratch.json("manifest", &manifest::tree(stages));
    let install = || {
        let signer = place.scratch.path("key.pub");
        place
            .program("plugin install")
            .arg(&file)
            .option("--signer", signer)
            .run()
            .expect(0)
    };
    let key = install()
        .stdout
        .rsplit(' ')
        .next()
        .unwrap()
        .trim()
        .to_owned();
    let run = |signer: &str| {
        let rule = format!(
            "version = 1\n[[rule]]\nname = \"ours\"\nmodules = [\"com.example.*\"]\ntier = \"basic\"\nsigners = [\"{signer}\"]\n"
        );
        place
            .program("run --export tree --quiet")
            .option("--policy", place.scratch.write("policy.toml", rule))
            .option("--store", place.scratch.path("store"))
            .option("--output-directory", place.scratch.path("out"))
            .arg(&document)
            .run()
    };
    run(&format!("ed25519:{}", "0".repeat(64)))
        .expect(1)
        .says("requires a signature of");
    run(&key).expect(0);
    // The same file, installed without its signature.
    fs::remove_file(place.scratch.path("com.example.a.wasm.sig")).unwrap();
    place.program("plugin install").arg(&file).run().expect(0);
    run(&key).expect(1).says("requires a signature of");
}
