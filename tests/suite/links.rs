//! Links of the tree are part of the tree: what stages write goes to where they lead, and they stay.
use osbuild_wasm_tests::{Program, Scratch, manifest, program::Ended};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn stage(scratch: &Scratch, module: &str, options: Value) -> Ended {
    Program::new("stage run")
        .arg(format!("org.osbuild.{module}"))
        .option("--tree", scratch.path("tree"))
        .option(
            "--args",
            scratch.json("arguments.json", &json!({ "options": options })),
        )
        .run()
}

/// Stages that write into /etc, and the file that each leaves there.
fn writers() -> Vec<(&'static str, Value, &'static str)> {
    let uuid = "156f0420-627b-4151-ae6f-fda298097515";
    vec![
        ("hostname", json!({ "hostname": "h" }), "hostname"),
        ("machine-id", json!({ "first-boot": "yes" }), "machine-id"),
        (
            "fstab",
            json!({ "filesystems": [{ "path": "/", "device": "/dev/vda", "vfs_type": "ext4" }] }),
            "fstab",
        ),
        ("locale", json!({ "language": "C.UTF-8" }), "locale.conf"),
        ("timezone", json!({ "zone": "UTC" }), "localtime"),
        ("keymap", json!({ "keymap": "de" }), "vconsole.conf"),
        (
            "resolv-conf",
            json!({ "nameserver": ["192.0.2.1"] }),
            "resolv.conf",
        ),
        (
            "kernel-cmdline",
            json!({ "root_fs_uuid": uuid, "kernel_opts": "quiet" }),
            "kernel/cmdline",
        ),
        (
            "first-boot",
            json!({ "commands": ["true"] }),
            "osbuild-first-boot",
        ),
        (
            "yum.repos",
            json!({ "filename": "a.repo", "repos": [{ "id": "a", "baseurl": ["http://h/"] }] }),
            "yum.repos.d/a.repo",
        ),
        (
            "crypttab",
            json!({ "volumes": [{ "volume": "a", "uuid": uuid }] }),
            "crypttab",
        ),
        (
            "nm.conf",
            json!({ "path": "/etc/NetworkManager/conf.d/a.conf", "settings": { "main": { "no-auto-default": ["*"] } } }),
            "NetworkManager/conf.d/a.conf",
        ),
        (
            "sysconfig",
            json!({ "kernel": { "update_default": true } }),
            "sysconfig/kernel",
        ),
        (
            "wsl.conf",
            json!({ "boot": { "systemd": true } }),
            "wsl.conf",
        ),
        (
            "ln",
            json!({ "paths": [{ "target": "x", "link_name": "tree:///etc/l", "symbolic": true }] }),
            "l",
        ),
        ("truncate", json!({ "filename": "etc/t", "size": "1" }), "t"),
    ]
}

#[test]
fn stages_write_where_links_of_the_tree_lead() {
    for (module, options, file) in writers() {
        let mut found = Vec::new();
        for link in ["", "usr/etc", "/usr/etc", "/private/../usr/etc", "one"] {
            let scratch = Scratch::new();
            for directory in ["tree/usr/etc", "tree/private"] {
                scratch.directory(directory);
            }
            scratch.link("two", "tree/one");
            scratch.link("/usr/etc", "tree/two");
            let place = match link {
                "" => scratch.directory("tree/etc"),
                link => scratch.link(link, "tree/etc"),
            };
            stage(&scratch, module, options.clone()).expect(0);
            if !link.is_empty() {
                assert_eq!(fs::read_link(&place).unwrap(), Path::new(link), "{module}");
            }
            let directory = if link.is_empty() { "etc" } else { "usr/etc" };
            let written = scratch.path(&format!("tree/{directory}/{file}"));
            let content = fs::read(&written).or_else(|_| {
                fs::read_link(&written).map(|text| text.into_os_string().into_encoded_bytes())
            });
            found.push(content.unwrap_or_else(|error| panic!("{module} {link}: {error}")));
        }
        found.dedup();
        assert_eq!(found.len(), 1, "{module}: {found:?}");
    }
}

#[test]
fn a_file_that_is_a_link_is_written_and_changed_where_it_leads() {
    // Absolute, relative, of several steps, and to what is not there yet.
    for (text, there) in [
        ("/var/lib/id", true),
        ("../var/lib/id", true),
        ("step", true),
        ("/var/lib/id", false),
        ("step", false),
    ] {
        let scratch = Scratch::new();
        scratch.directory("tree/etc");
        scratch.directory("tree/var/lib");
        scratch.link("/var/lib/id", "tree/etc/step");
        scratch.link(text, "tree/etc/machine-id");
        if there {
            scratch.write("tree/var/lib/id", "before\n");
        }
        stage(&scratch, "machine-id", json!({ "first-boot": "yes" })).expect(0);
        assert_eq!(scratch.read("tree/var/lib/id"), "uninitialized\n", "{text}");
        let items = json!({ "items": { "/etc/machine-id": { "mode": "0640" } } });
        stage(&scratch, "chmod", items).expect(0);
        let mode = fs::metadata(scratch.path("tree/var/lib/id")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o640, "{text}");
        let link = fs::read_link(scratch.path("tree/etc/machine-id")).unwrap();
        assert_eq!(link, Path::new(text));
    }
    // A link out of the tree leads to a place in it.
    let scratch = Scratch::new();
    scratch.write("outside", "precious");
    scratch.directory("tree/etc");
    scratch.link("../../../outside", "tree/etc/machine-id");
    stage(&scratch, "machine-id", json!({ "first-boot": "yes" })).expect(0);
    assert_eq!(scratch.read("outside"), "precious");
    assert_eq!(scratch.read("tree/outside"), "uninitialized\n");
}

/// Pipelines `from` and `tree`; the last stage of the tree copies from the other.
fn copying(from: &str, to: &str, remove_destination: bool) -> Value {
    let mkdir = |paths: &[&str]| {
        let paths: Vec<_> = paths
            .iter()
            .map(|path| json!({ "path": path, "parents": true }))
            .collect();
        manifest::stage("org.osbuild.mkdir", json!({ "paths": paths }))
    };
    let link = |target: &str, name: &str| {
        let link =
            json!({ "target": target, "link_name": format!("tree://{name}"), "symbolic": true });
        manifest::stage("org.osbuild.ln", json!({ "paths": [link] }))
    };
    let file = |name: &str| {
        json!({
            "type": "org.osbuild.copy",
            "inputs": { "hello": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] } },
            "options": { "paths": [{ "from": format!("input://hello/{}", manifest::HELLO), "to": format!("tree://{name}") }] },
        })
    };
    let copy = json!({ "from": format!("input://from{from}"), "to": format!("tree://{to}"), "remove_destination": remove_destination });
    let copy = json!({
        "type": "org.osbuild.copy",
        "inputs": { "from": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:from"] } },
        "options": { "paths": [copy] },
    });
    json!({ "version": "2", "sources": manifest::hello_source(), "pipelines": [
        { "name": "from", "stages": [mkdir(&["/lib/firmware", "/etc", "/only"]), file("/lib/firmware/fw"), file("/etc/conf"), file("/only/nowhere")] },
        { "name": "tree", "stages": [
            mkdir(&["/usr/lib", "/etc/dir"]),
            manifest::hostname("old"),
            link("usr/lib", "/lib"),
            link("/etc/hostname", "/etc/conf"),
            link("absent", "/etc/nowhere"),
            link("dir", "/etc/todir"),
            copy,
        ] },
    ] })
}

#[test]
fn copies_go_where_links_lead_and_replace_none_unless_told_to() {
    let run = |from: &str, to: &str, remove: bool| {
        let scratch = Scratch::new();
        let ended = Program::new("run --export tree")
            .arg(scratch.json("manifest.json", &copying(from, to, remove)))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .run();
        (ended, scratch)
    };
    let built = |from: &str, to: &str, remove: bool| {
        let (ended, scratch) = run(from, to, remove);
        ended.expect(0);
        let lib = fs::read_link(scratch.path("out/tree/lib")).unwrap();
        assert_eq!(lib, Path::new("usr/lib"), "{from} {to}");
        scratch
    };
    // A file onto a link, by its name and below a directory.
    for (from, to) in [
        ("/etc/conf", "/etc/conf"),
        ("/etc/conf", "/etc/"),
        ("/only/nowhere", "/etc/conf"),
    ] {
        let scratch = built(from, to, false);
        assert_eq!(
            scratch.read("out/tree/etc/hostname"),
            "hello\n",
            "{from} {to}"
        );
        let conf = fs::read_link(scratch.path("out/tree/etc/conf")).unwrap();
        assert_eq!(conf, Path::new("/etc/hostname"));
    }
    let scratch = built("/etc/conf", "/etc/conf", true);
    assert_eq!(scratch.read("out/tree/etc/hostname"), "old\n");
    assert!(!scratch.path("out/tree/etc/conf").is_symlink());
    // Into a directory by the name of a link.
    built("/lib/firmware", "/lib/", false);
    built("/lib/firmware/", "/lib", false);
    built("/lib/.", "/lib", false);
    // What cannot be: each says where.
    for (from, to, says) in [
        ("/", "/", "/lib: a symbolic link is there"),
        (
            "/only/nowhere",
            "/etc/nowhere",
            "/etc/nowhere: a link that leads nowhere",
        ),
        ("/only/", "/etc/", "/etc/nowhere: a link that leads nowhere"),
        ("/only", "/etc/conf", "/etc/conf: a symbolic link is there"),
    ] {
        run(from, to, false).0.expect(1).says(says);
    }
}

#[test]
fn a_policy_is_about_the_places_that_links_lead_to_and_a_record_names_them() {
    let rule = |path: &str| {
        format!(
            "version = 1\n[[rule]]\nname = \"all\"\nmodules = [\"*\"]\ntier = \"basic\"\n[[rule]]\nname = \"one\"\nmodules = [\"org.osbuild.hostname\"]\ntier = \"basic\"\nrights = [{{ verbs = [\"read\", \"create\", \"replace\", \"remove\"], paths = [{path}] }}]\n"
        )
    };
    let link = json!({ "target": "usr/etc", "link_name": "tree:///etc", "symbolic": true });
    let document = manifest::tree(json!([
        manifest::stage(
            "org.osbuild.mkdir",
            json!({ "paths": [{ "path": "/usr/etc", "parents": true }] })
        ),
        manifest::stage("org.osbuild.ln", json!({ "paths": [link] })),
        manifest::hostname("h"),
    ]));
    for (paths, code) in [
        (r#""/etc", "/etc/hostname", "/usr/etc""#, 1),
        (r#""/etc", "/etc/hostname", "/usr/etc/**""#, 0),
    ] {
        let scratch = Scratch::new();
        let ended = Program::new("run --export tree")
            .arg(scratch.json("manifest.json", &document))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .option("--policy", scratch.write("policy.toml", rule(paths)))
            .option("--record", scratch.path("record.json"))
            .run()
            .expect(code);
        match code {
            0 => assert!(scratch.read("record.json").contains("/usr/etc/hostname")),
            _ => _ = ended.says("/usr/etc/hostname"),
        }
    }
}
