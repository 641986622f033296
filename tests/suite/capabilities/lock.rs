//! `osbuild-wasm lock` and `run --locked`.
use super::{assert_fits, manifest, plugin};
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Program, Scratch, manifest as small};
use serde_json::{Value, json};
use std::path::Path;

/// A manifest with one stage and its lock file.
fn locked(scratch: &Scratch) -> Value {
    scratch.json("m.json", &small::tree(json!([small::hostname("x")])));
    Program::new("lock")
        .arg(scratch.path("m.json"))
        .run()
        .expect(0);
    serde_json::from_str(&scratch.read("m.json.lock")).expect("JSON")
}

fn run(scratch: &Scratch, option: &str) -> Program {
    Program::new("run --quiet --export tree")
        .arg(option)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.path("m.json"))
}

#[test]
fn a_lock_file_pins_components_and_a_run_with_them_passes() {
    let scratch = Scratch::new();
    let lock = locked(&scratch);
    assert_fits("lock", &lock);
    let component = &lock["components"]["stage org.osbuild.hostname"];
    assert_eq!(
        component["digest"].as_str().map(str::len),
        Some(64),
        "{lock:#}"
    );
    assert_eq!(component["interfaces"]["tree"], "1.0.0");
    run(&scratch, "--locked").run().expect(0);
    let elsewhere = format!("--locked={}", scratch.path("m.json.lock").display());
    run(&scratch, &elsewhere).run().expect(0);
}

#[test]
fn a_lock_goes_to_standard_output_as_well() {
    let scratch = Scratch::new();
    let lock = locked(&scratch);
    let printed = Program::new("lock --output - m.json")
        .directory(scratch.root())
        .run()
        .expect(0);
    assert_eq!(printed.json(), lock);
    assert!(!scratch.path("-").exists());
}

#[test]
fn a_lock_file_names_devices_mounts_and_hosts() {
    let scratch = Scratch::new();
    let file = scratch.path("all.lock");
    Program::new("lock")
        .option("--libdir", plugin(&scratch, json!({})))
        .option("--output", &file)
        .arg(manifest(&scratch))
        .run()
        .expect(0);
    let lock: Value = serde_json::from_str(&scratch.read("all.lock")).expect("JSON");
    assert_fits("lock", &lock);
    assert_eq!(lock["devices"], json!(["org.osbuild.loopback"]));
    assert_eq!(lock["mounts"], json!(["org.osbuild.ext4"]));
    assert_eq!(lock["sources"]["org.osbuild.curl"], json!(["127.0.0.1:9"]));
    assert_eq!(
        lock["networks"]["com.example.asking"],
        json!(["mirror.example.org:443"])
    );
    // Where a plugin lies is no part of what it is, and its rights are those of its document.
    assert_eq!(
        lock["components"]["stage com.example.asking"]["origin"],
        "plugin"
    );
    assert_eq!(
        lock["components"]["stage com.example.asking"]["rights"][0]["paths"],
        json!(["${/path}"])
    );
}

#[test]
fn another_component_than_the_locked_one_is_refused_before_anything_runs() {
    let scratch = Scratch::new();
    let mut lock = locked(&scratch);
    lock["components"]["stage org.osbuild.hostname"]["digest"] = "0".repeat(64).into();
    scratch.json("m.json.lock", &lock);
    let ended = run(&scratch, "--locked").run().expect(1);
    insta::assert_snapshot!(steady(&ended.stderr, Some(&scratch)), @r"
    error: what would run is not what [DIR]/m.json.lock pins
      cause: changed: stage org.osbuild.hostname: digest: [ID] -> [ID]
    hint: if that is meant, write it again with `osbuild-wasm lock MANIFEST`
    ");
    assert!(!Path::new(&scratch.path("store")).exists(), "nothing ran");
    let json = run(&scratch, "--locked").arg("--json").run().expect(1);
    assert_eq!(json.json()["success"], Value::Bool(false));
}

#[test]
fn what_is_new_or_gone_since_the_lock_is_refused() {
    let scratch = Scratch::new();
    locked(&scratch);
    let loopback = json!({ "type": "org.osbuild.loopback", "options": { "filename": "x" } });
    let mkfs = json!({ "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562" }, "devices": { "device": loopback } });
    scratch.json("m.json", &small::tree(json!([mkfs])));
    let ended = run(&scratch, "--locked").run().expect(1);
    ended
        .says("grew: device org.osbuild.loopback: new")
        .says("grew: stage org.osbuild.mkfs.ext4: new: ")
        .says("program mkfs.ext4")
        .says("shrank: stage org.osbuild.hostname: gone");
}

#[test]
fn a_lock_file_that_cannot_be_read_is_a_usage_error() {
    let scratch = Scratch::new();
    locked(&scratch);
    run(&scratch, "--locked=/nonexistent")
        .run()
        .expect(2)
        .says("osbuild-wasm lock MANIFEST");
    for text in [
        "",
        "{}",
        r#"{"type": "osbuild-wasm lock", "version": 9}"#,
        r#"{"type": "osbuild-wasm lock", "version": 1, "x": 1}"#,
    ] {
        scratch.write("m.json.lock", text);
        run(&scratch, "--locked").run().expect(2);
    }
    Program::shell("echo '{\"version\": \"2\", \"pipelines\": []}' | \"$0\" run --locked -")
        .run()
        .expect(2)
        .says("--locked=FILE");
}

#[test]
fn the_lock_of_standard_input_goes_to_standard_output() {
    let ended = Program::shell("echo '{\"version\": \"2\", \"pipelines\": []}' | \"$0\" lock -")
        .run()
        .expect(0);
    assert_fits("lock", &ended.json());
}

/// The lock file of a manifest, as a document for `audit diff`.
fn lock_of(scratch: &Scratch, name: &str, manifest: &Value) -> std::path::PathBuf {
    let file = scratch.path(&format!("{name}.lock"));
    Program::new("lock")
        .option("--output", &file)
        .arg(scratch.json(&format!("{name}.json"), manifest))
        .run()
        .expect(0);
    file
}

/// `audit diff` of the lock files of two manifests.
fn diff(old: &Value, new: &Value) -> osbuild_wasm_tests::Ended {
    let scratch = Scratch::new();
    Program::new("audit diff")
        .arg(lock_of(&scratch, "old", old))
        .arg(lock_of(&scratch, "new", new))
        .run()
}

fn chmod(path: &str, mode: &str) -> Value {
    small::stage(
        "org.osbuild.chmod",
        json!({ "items": { path: { "mode": mode } } }),
    )
}

#[test]
fn a_manifest_that_gained_a_set_id_bit_fails_the_comparison() {
    let none = small::tree(json!([small::hostname("x")]));
    let one = |path, mode| small::tree(json!([small::hostname("x"), chmod(path, mode)]));
    let (usual, other) = (one("/usr", "0755"), one("/usr", "u+s"));
    diff(&none, &other)
        .expect(1)
        .says("pipeline tree, stage org.osbuild.chmod")
        .says("/usr")
        .never_says("wasi:io");
    diff(&one("/etc", "0755"), &usual)
        .expect(1)
        .says("chmod /usr");
    // The same path, another mode: rights do not tell.
    diff(&usual, &other)
        .expect(1)
        .says("options.items[\"/usr\"].mode: \"0755\" -> \"u+s\"");
    diff(&usual, &usual).expect(0).says("nothing differs");
}

#[test]
fn a_locked_run_refuses_what_the_manifest_gained() {
    let scratch = Scratch::new();
    let with = |mode| small::tree(json!([small::hostname("x"), chmod("/etc/hostname", mode)]));
    scratch.json("m.json", &with("0644"));
    Program::new("lock")
        .arg(scratch.path("m.json"))
        .run()
        .expect(0);
    run(&scratch, "--locked").run().expect(0);
    scratch.json("m.json", &with("4755"));
    run(&scratch, "--locked")
        .run()
        .expect(1)
        .says("effect: pipeline tree, stage org.osbuild.chmod")
        .says("\"0644\" -> \"4755\"");
}

/// None of these gives more rights, and another image comes out.
#[test]
fn another_effect_of_a_manifest_fails_the_comparison_and_is_told_in_words() {
    let stage = |module: &str, options: Value| small::stage(module, options);
    let sshd = |yes: &str| {
        stage(
            "org.osbuild.sshd.config",
            json!({ "config": { "PermitRootLogin": yes == "yes" } }),
        )
    };
    let kernel = |more: &str| {
        stage(
            "org.osbuild.kernel-cmdline",
            json!({ "root_fs_uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "kernel_opts": format!("ro {more}") }),
        )
    };
    let users = |hash: &str| {
        stage(
            "org.osbuild.users",
            json!({ "users": { "a": { "password": format!("$6$salt$hash-of-{hash}") } } }),
        )
    };
    let units = |units: Value| stage("org.osbuild.systemd", json!({ "enabled_services": units }));
    let host = || small::hostname("x");
    let tree = |stages: Vec<Value>| small::tree(json!(stages));
    let mut later = tree(vec![host()]);
    later["pipelines"][0]["source-epoch"] = 7.into();
    for (old, new, said) in [
        (
            tree(vec![host()]),
            tree(vec![small::hostname("y")]),
            "options.hostname: \"x\" -> \"y\"",
        ),
        (
            tree(vec![sshd("no")]),
            tree(vec![sshd("yes")]),
            "options.config.PermitRootLogin: false -> true",
        ),
        (
            tree(vec![kernel("")]),
            tree(vec![kernel("init=/bin/sh")]),
            "-> \"ro init=/bin/sh\"",
        ),
        (
            tree(vec![users("one")]),
            tree(vec![users("two")]),
            "options.users.a.password: a secret",
        ),
        (
            tree(vec![units(json!(["a.service", "b.service"]))]),
            tree(vec![units(json!(["b.service", "c.service"]))]),
            "options.enabled_services[]: new \"c.service\"; gone \"a.service\"",
        ),
        (
            tree(vec![host(), sshd("no")]),
            tree(vec![host()]),
            "pipeline tree, stage org.osbuild.sshd.config: gone",
        ),
        (
            tree(vec![host(), sshd("no")]),
            tree(vec![sshd("no"), host()]),
            "stages[]: the same values in another order",
        ),
        (tree(vec![host()]), later, "time: that of the machine -> 7"),
    ] {
        // Tables of a terminal are cut into columns, so the words are looked for in the document and in those of a locked run.
        let scratch = Scratch::new();
        let (before, after) = (
            lock_of(&scratch, "m.json", &old),
            lock_of(&scratch, "new", &new),
        );
        let compared = Program::new("audit diff --format json")
            .arg(&before)
            .arg(&after)
            .run();
        let effects = compared.expect(1).json()["effects"].to_string();
        assert!(effects.contains("\"what\""), "{effects}");
        Program::new("audit diff")
            .arg(&before)
            .arg(&after)
            .run()
            .expect(1)
            .never_says("hash-of");
        Program::new("audit diff")
            .arg(&after)
            .arg(&after)
            .run()
            .expect(0)
            .says("nothing differs");
        scratch.json("m.json", &new);
        let refused = run(&scratch, "--locked").run().expect(1);
        refused.says(said).never_says("hash-of");
        let plan = |name: &str, manifest: &Value| {
            let shown = Program::new("plan --format json")
                .arg(scratch.json(name, manifest))
                .run()
                .expect(0);
            scratch.json(&format!("{name}.plan"), &shown.json())
        };
        let (before, after) = (plan("before", &old), plan("after", &new));
        Program::new("audit diff")
            .arg(&before)
            .arg(&after)
            .run()
            .expect(1);
    }
}

#[test]
fn another_package_fails_the_comparison_and_is_told_by_name() {
    let with = |digit: &str, name: &str| {
        let mut manifest = packages([json!({}), json!({})]);
        let digest = format!("sha256:{}", digit.repeat(64));
        let reference = json!({ digest.as_str(): {} });
        manifest["pipelines"][0]["stages"][0]["inputs"]["packages"]["references"] = reference;
        let url = format!("https://a.example.org/{name}.rpm?login=x");
        manifest["sources"]["org.osbuild.curl"]["items"] = json!({ digest.as_str(): url });
        manifest
    };
    let scratch = Scratch::new();
    let old = lock_of(&scratch, "m.json", &with("1", "good-1.0"));
    let new = lock_of(&scratch, "new", &with("2", "evil-1.0"));
    Program::new("audit diff")
        .arg(&old)
        .arg(&new)
        .run()
        .expect(1);
    scratch.json("m.json", &with("2", "evil-1.0"));
    run(&scratch, "--locked")
        .run()
        .expect(1)
        .says("(evil-1.0.rpm)")
        .says("(good-1.0.rpm)")
        .says("inputs.packages.references[]: new sha256:2222");
}

#[test]
fn what_a_difference_says_does_nothing_to_a_terminal() {
    let with = |name: &str| {
        small::tree(json!([small::stage(
            "org.osbuild.keymap",
            json!({ "keymap": name })
        )]))
    };
    let odd = "us\u{202e}\u{9b}31m";
    let scratch = Scratch::new();
    let (old, new) = (
        lock_of(&scratch, "m.json", &with("us")),
        lock_of(&scratch, "new", &with(odd)),
    );
    let compared = Program::new("audit diff")
        .arg(&old)
        .arg(&new)
        .run()
        .expect(1);
    scratch.json("m.json", &with(odd));
    let refused = run(&scratch, "--locked").run().expect(1);
    for text in [compared.all(), refused.all()] {
        assert!(
            text.contains("us") && !text.contains(['\u{202e}', '\u{9b}', '\u{1b}']),
            "{text:?}"
        );
    }
}

#[test]
fn a_build_root_that_disappears_and_another_runner_fail_the_comparison() {
    let pipelines = |build: Value, runner: &str| {
        let mut tree = json!({ "name": "tree", "stages": [small::hostname("x")] });
        if build.is_string() {
            tree["build"] = build;
        }
        let build = json!({ "name": "build", "runner": runner, "stages": [small::hostname("b")] });
        small::of(json!([build, tree]))
    };
    let built = pipelines("name:build".into(), "org.osbuild.fedora40");
    let unbuilt = pipelines(Value::Null, "org.osbuild.fedora40");
    let other = pipelines("name:build".into(), "org.osbuild.rhel9");
    diff(&built, &unbuilt)
        .expect(1)
        .says("programs of this machine");
    diff(&built, &other).expect(1).says("runner org.osbuild.");
    diff(&built, &built).expect(0).says("nothing differs");
}

#[test]
fn what_vouches_for_contents_is_part_of_the_comparison() {
    let sources = |sources: Value| {
        let mut manifest = small::tree(json!([small::hostname("x")]));
        manifest["sources"] = sources;
        manifest
    };
    let digest = format!("sha256:{}", "1".repeat(64));
    let image = |more: Value| {
        let mut image = json!({ "name": "registry.example.org/x", "digest": digest.as_str() });
        let own = image.as_object_mut().expect("an object");
        own.extend(more.as_object().expect("an object").clone());
        sources(
            json!({ "org.osbuild.skopeo": { "items": { digest.as_str(): { "image": image } } } }),
        )
    };
    let commit = |remote: Value| {
        sources(
            json!({ "org.osbuild.ostree": { "items": { "1".repeat(64): { "remote": remote } } } }),
        )
    };
    let url = "https://a.example.org/";
    let file = |item: Value| {
        sources(json!({ "org.osbuild.curl": { "items": { digest.as_str(): item } } }))
    };
    for (old, new, said) in [
        (
            image(json!({})),
            image(json!({ "tls-verify": false })),
            "image.tls-verify: false",
        ),
        (
            image(json!({})),
            image(
                json!({ "containers-transport": "containers-storage", "storage-location": "/srv/x" }),
            ),
            "image.storage-location: /srv/x",
        ),
        (
            image(json!({})),
            image(json!({ "digest": format!("sha256:{}", "2".repeat(64)) })),
            "image.digest: sha256:2222",
        ),
        (
            commit(json!({ "url": url, "gpgkeys": ["KEY"] })),
            commit(json!({ "url": url })),
            "nobody vouches for the commits",
        ),
        (
            commit(json!({ "url": url, "gpgkeys": ["KEY"] })),
            commit(json!({ "url": url, "gpgkeys": ["OTHER"] })),
            "remote.gpgkeys: OTHER",
        ),
        (
            file(json!({ "url": url })),
            file(json!({ "url": url, "insecure": true })),
            "insecure: true",
        ),
    ] {
        diff(&old, &new).expect(1).says(said);
        diff(&new, &new).expect(0).says("nothing differs");
    }
}

/// A manifest that installs two packages whose signatures are checked or not.
fn packages(checks: [Value; 2]) -> Value {
    let [first, second] = ["1", "2"].map(|digit| format!("sha256:{}", digit.repeat(64)));
    let [one, other] = checks.map(|metadata| json!({ "metadata": metadata }));
    let input = json!({
        "type": "org.osbuild.files",
        "origin": "org.osbuild.source",
        "references": { first.as_str(): one, second.as_str(): other },
    });
    let mut stage = small::stage("org.osbuild.rpm", json!({}));
    stage["inputs"] = json!({ "packages": input });
    let mut manifest = small::tree(json!([stage]));
    let url = "https://a.example.org/x.rpm";
    manifest["sources"] =
        json!({ "org.osbuild.curl": { "items": { first.as_str(): url, second.as_str(): url } } });
    manifest
}

#[test]
fn a_signature_that_is_not_checked_any_more_fails_the_comparison_and_the_locked_run() {
    let check = |check: bool| json!({ "rpm.check_gpg": check });
    let checked = packages([check(true), check(true)]);
    for metadata in [check(false), json!({})] {
        let other = packages([check(true), metadata]);
        diff(&checked, &other).expect(1).says("rpm.check_gpg");
        let scratch = Scratch::new();
        lock_of(&scratch, "m.json", &checked);
        scratch.json("m.json", &other);
        run(&scratch, "--locked")
            .run()
            .expect(1)
            .says("grew: pipeline tree, stage org.osbuild.rpm")
            .says("rpm.check_gpg");
    }
    diff(&checked, &checked).expect(0).says("nothing differs");
}
