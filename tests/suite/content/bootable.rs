//! Bootable containers of this machine's storage: looked into, and made into manifests.
use super::Server;
use super::resolved::IN_STORAGE;
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Ended, Program, Scratch, machine};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::process::Command;

const PROGRAMS: [&str; 4] = ["skopeo", "unshare", "tar", "gzip"];

/// Files of a layer by their paths.
type Layer<'a> = &'a [(&'a str, &'a str)];

/// A system as bootable containers have it.
const SYSTEM: Layer = &[
    (
        "usr/lib/os-release",
        "NAME=\"Tester Linux\"\nID=tester\nVERSION_ID=12\nID_LIKE=\"rhel fedora\"\n",
    ),
    ("usr/lib/modules/6.1.0-test/vmlinuz", "kernel"),
    ("usr/lib/modules/6.1.0-test/initramfs.img", "initrd"),
    (
        "usr/lib/bootc/install/00-base.toml",
        "[install]\nroot-fs-type = \"ext4\"\n",
    ),
    ("usr/lib/bootupd/updates/EFI/BOOT/BOOTX64.EFI", "boot"),
    ("usr/lib/bootupd/updates/EFI/tester/shimx64.efi", "shim"),
    (
        "etc/selinux/config",
        "# policy\nSELINUX=enforcing\nSELINUXTYPE=mls\n",
    ),
];

/// Makes an image of layers, which `localhost/mine:1` of the storage becomes; returns its id.
fn image(scratch: &Scratch, layers: &[Layer], labels: &Value) -> String {
    let blobs = scratch.directory("layout/blobs/sha256");
    let put = |content: &[u8]| {
        let digits = hex::encode(Sha256::digest(content));
        fs::write(blobs.join(&digits), content).unwrap();
        (format!("sha256:{digits}"), content.len())
    };
    let (mut contents, mut descriptors) = (Vec::new(), Vec::new());
    for (number, files) in layers.iter().enumerate() {
        let directory = scratch.directory(&format!("layer-{number}"));
        for (path, content) in *files {
            scratch.write(&format!("layer-{number}/{path}"), content);
        }
        let tar = Command::new("tar")
            .arg("-C")
            .arg(&directory)
            .args(["-cf", "-", "."])
            .output();
        let tar = tar.unwrap().stdout;
        contents.push(format!("sha256:{}", hex::encode(Sha256::digest(&tar))));
        let file = scratch.write("layer.tar", &tar);
        let packed = Command::new("gzip")
            .args(["-nc"])
            .arg(file)
            .output()
            .unwrap()
            .stdout;
        let (digest, size) = put(&packed);
        descriptors.push(json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size}));
    }
    let architecture = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    };
    let config = json!({"architecture": architecture, "os": "linux", "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": contents}});
    let (id, size) = put(config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": id, "size": size}, "layers": descriptors});
    let (digest, size) = put(manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest, "size": size, "annotations": {"org.opencontainers.image.ref.name": "image"}}]});
    scratch.json("layout/index.json", &index);
    scratch.write("layout/oci-layout", r#"{"imageLayoutVersion": "1.0.0"}"#);
    id
}

fn bootable(scratch: &Scratch, layers: &[Layer]) -> String {
    image(scratch, layers, &json!({"containers.bootc": "1"}))
}

/// Runs a command line where the storage has that image.
fn run(scratch: &Scratch, command: &str) -> Ended {
    for directory in ["etc", "root", "run"] {
        fs::remove_dir_all(scratch.path(directory)).ok();
    }
    let cache = scratch.path("cache");
    through_shell_in_namespace(IN_STORAGE, command)
        .env("SCRATCH", scratch.root())
        .env("XDG_CACHE_HOME", cache)
        .run()
}

#[test]
fn a_bootable_container_is_inspected_as_its_layers_leave_it() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    // A newer kernel takes the place of the older one, and another file has the last word about the root.
    let update: Layer = &[
        ("usr/lib/modules/.wh.6.1.0-test", ""),
        ("usr/lib/modules/6.2.0-test/vmlinuz", "kernel"),
        (
            "usr/lib/bootc/install/10-own.toml",
            "[install.filesystem.root]\ntype = \"xfs\"\n",
        ),
        (
            "usr/lib/bootc-image-builder/config.toml",
            "[[customizations.user]]\nname = \"ada\"\n",
        ),
    ];
    let id = bootable(&scratch, &[SYSTEM, update]);
    let ended = run(
        &scratch,
        "image-builder bootc inspect --ref localhost/mine:1 --format json",
    );
    let facts = ended.expect(0).json();
    for (pointer, expected) in [
        ("/Imgref", json!("localhost/mine:1")),
        ("/ImageID", json!(id)),
        ("/DefaultRootFs", json!("xfs")),
        ("/UnifiedKernel", json!(false)),
        ("/OSInfo/OSRelease/ID", json!("tester")),
        ("/OSInfo/OSRelease/VersionID", json!("12")),
        ("/OSInfo/OSRelease/Name", json!("Tester Linux")),
        ("/OSInfo/OSRelease/IDLike", json!(["rhel", "fedora"])),
        ("/OSInfo/UEFIVendor", json!("tester")),
        ("/OSInfo/SELinuxPolicy", json!("mls")),
        ("/OSInfo/KernelInfo/Version", json!("6.2.0-test")),
        ("/OSInfo/ImageCustomization/user/0/name", json!("ada")),
    ] {
        assert_eq!(
            facts.pointer(pointer),
            Some(&expected),
            "{pointer}: {facts}"
        );
    }
    assert!(facts["Size"].as_u64().unwrap() > 10_240, "{facts}");
    run(
        &scratch,
        "image-builder bootc inspect --ref localhost/mine:1",
    )
    .expect(0)
    .says("DefaultRootFs: xfs\n");
}

#[test]
fn what_is_no_bootable_container_is_told_in_one_line() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let bootc = json!({"containers.bootc": "1"});
    let more = |path: &'static str, content: &'static str| [SYSTEM, &[(path, content)]].concat();
    let cases = [
        (
            SYSTEM.to_vec(),
            json!({}),
            "it is no bootable container: it has no label containers.bootc=1",
        ),
        (
            SYSTEM[1..].to_vec(),
            bootc.clone(),
            "it has no /usr/lib/os-release",
        ),
        (SYSTEM[..1].to_vec(), bootc.clone(), "it has no kernel"),
        (
            more("usr/lib/modules/7/vmlinuz", ""),
            bootc.clone(),
            "several kernels, 6.1.0-test and 7",
        ),
        (
            more("usr/lib/bootc/install/z.toml", "="),
            bootc.clone(),
            "its /usr/lib/bootc/install/z.toml: ",
        ),
        (
            more("usr/lib/bootc-image-builder/config.json", "{\"x\": 1}"),
            bootc.clone(),
            "its /usr/lib/bootc-image-builder/config.json: ",
        ),
        (
            more(
                "usr/lib/bootc/install/z.toml",
                "[install]\nroot-fs-type = 1\n",
            ),
            bootc,
            "",
        ),
    ];
    for (files, labels, expected) in cases {
        let scratch = Scratch::new();
        image(&scratch, &[&files], &labels);
        let ended = run(
            &scratch,
            "image-builder bootc inspect --ref localhost/mine:1",
        );
        let ended = ended.expect(i32::from(!expected.is_empty()));
        let errors = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: the image localhost/mine:1: "));
        assert_eq!(
            errors.count(),
            usize::from(!expected.is_empty()),
            "{}",
            ended.stderr
        );
        ended.says(expected);
    }
    let scratch = Scratch::new();
    bootable(&scratch, &[SYSTEM]);
    run(
        &scratch,
        "image-builder bootc inspect --ref localhost/other:1",
    )
    .expect(1)
    .says("podman images");
}

#[test]
fn what_a_bootable_container_brings_names_no_file_of_this_machine() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let secret = scratch.write("secret", "secret");
    let file = format!(
        "[[customizations.files]]\npath = \"/etc/taken\"\nuri = \"{}\"\n",
        secret.display()
    );
    let brought = [("usr/lib/bootc-image-builder/config.toml", file.as_str())];
    bootable(&scratch, &[SYSTEM, &brought]);
    for command in [
        "image-builder bootc inspect --ref",
        "bootc-image-builder manifest",
    ] {
        let ended = run(&scratch, &format!("{command} localhost/mine:1")).expect(1);
        ended
            .says("the file /etc/taken has a `uri`")
            .never_says("sha256:");
    }
}

#[test]
fn a_manifest_of_a_bootable_container_is_made_and_valid() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let id = bootable(&scratch, &[SYSTEM]);
    let blueprint = "[[customizations.user]]\nname = \"ada\"\n";
    let blueprint = scratch
        .write("blueprint.toml", blueprint)
        .display()
        .to_string();
    for command in [
        format!(
            "image-builder manifest qcow2 --seed 1 --bootc-ref localhost/mine:1 --blueprint {blueprint}"
        ),
        format!(
            "bootc-image-builder manifest --seed 1 --type qcow2,vmdk --config {blueprint} localhost/mine:1"
        ),
        format!(
            "image-builder manifest ami --seed 1 --bootc-ref localhost/mine:1 --bootc-default-fs btrfs --bootc-build-ref localhost/mine:1 --blueprint {blueprint}"
        ),
    ] {
        let document = run(&scratch, &command).expect(0).json();
        assert_eq!(
            document["sources"]["org.osbuild.containers-storage"]["items"],
            json!({&id: {}}),
            "{command}"
        );
        let names: Vec<_> = document["pipelines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pipeline| &pipeline["name"])
            .collect();
        assert!(
            names.contains(&&json!("qcow2")) && names.contains(&&json!("build")),
            "{names:?}"
        );
        let text = document.to_string();
        let is_btrfs = command.contains("btrfs");
        assert_eq!(
            text.contains("org.osbuild.mkfs.btrfs"),
            is_btrfs,
            "{command}"
        );
        for part in [
            "org.osbuild.bootc.install-to-filesystem",
            "\"ada\"",
            "localhost/mine:1",
        ] {
            assert!(text.contains(part), "{part}: {command}");
        }
        Program::new("validate")
            .arg(scratch.json("manifest.json", &document))
            .run()
            .expect(0);
    }
    run(
        &scratch,
        "bootc-image-builder manifest --type qcow2,bootc-installer localhost/mine:1",
    )
    .expect(2)
    .says("--type bootc-installer does not go along with others");
    // What the container does not say, somebody has to.
    let scratch = Scratch::new();
    bootable(&scratch, &[&[&SYSTEM[..3], &SYSTEM[4..]].concat()]);
    run(&scratch, "bootc-image-builder manifest localhost/mine:1")
        .expect(2)
        .says("DefaultRootFs");
    run(
        &scratch,
        "bootc-image-builder manifest --rootfs xfs localhost/mine:1",
    )
    .expect(0);
}

#[test]
fn a_build_of_a_bootable_container_leaves_its_manifest_and_says_which_stage_failed() {
    if !machine::offers(&PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    bootable(&scratch, &[SYSTEM]);
    let out = scratch.path("out");
    let command = format!(
        "bootc-image-builder build --seed 1 --store {} --output {} localhost/mine:1",
        scratch.path("store").display(),
        out.display()
    );
    // The container has no programs that could install it.
    let ended = run(&scratch, &command).expect(1);
    ended.says("error: org.osbuild.");
    let manifest = scratch.read("out/manifest-qcow2.json");
    assert!(manifest.contains("org.osbuild.bootc.install-to-filesystem"));
}

/// Pushes the image of the layout to a registry with a certificate of its own, which this machine trusts, and runs a command then.
const IN_REGISTRY: &str = r#"set -e
mkdir "$SCRATCH/etc"; cp -r /etc/containers/. "$SCRATCH/etc"
mkdir -p "$SCRATCH/etc/certs.d/127.0.0.1:$PORT"; cp "$SCRATCH/ca.crt" "$SCRATCH/etc/certs.d/127.0.0.1:$PORT/ca.crt"
mount --bind "$SCRATCH/etc" /etc/containers
skopeo copy --quiet "oci:$SCRATCH/layout:image" "docker://127.0.0.1:$PORT/mine:1"
exec "$@""#;

#[test]
fn a_bootable_container_of_a_registry_is_looked_into_and_fetched_from_there() {
    if !machine::offers(&[&PROGRAMS[..], &["docker-registry", "openssl"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let id = bootable(&scratch, &[SYSTEM]);
    // An authority, and the registry that it vouches for.
    let certificate = |options: &str| {
        let made = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -days 2".split(' '))
            .args(options.split(' '))
            .current_dir(scratch.root())
            .output();
        assert!(made.unwrap().status.success(), "{options}");
    };
    certificate("-subj /CN=authority -keyout ca.key -out ca.crt");
    certificate(
        "-subj /CN=registry -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
         -CA ca.crt -CAkey ca.key -keyout registry.key -out registry.crt",
    );
    let server = Server::start(|port| {
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {:?}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\", tls: {{certificate: {:?}, key: {:?}}}}}\n",
            scratch.path("registry"),
            scratch.path("registry.crt"),
            scratch.path("registry.key")
        );
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(scratch.write("registry.yml", text));
        command
    });
    let run = |command: String| {
        fs::remove_dir_all(scratch.path("etc")).ok();
        through_shell_in_namespace(IN_REGISTRY, &command)
            .env("SCRATCH", scratch.root())
            .env("PORT", server.port.to_string())
            .env("XDG_CACHE_HOME", scratch.path("cache"))
            .run()
    };
    let name = format!("127.0.0.1:{}/mine:1", server.port);
    let facts = run(format!(
        "image-builder bootc inspect --format json --ref docker://{name}"
    ));
    let facts = facts.expect(0).json();
    assert_eq!(
        (&facts["ImageID"], &facts["Imgref"]),
        (&json!(id), &json!(name))
    );
    let manifest = run(format!("bootc-image-builder manifest docker://{name}"));
    let manifest = manifest.expect(0).json();
    assert!(
        manifest["sources"]["org.osbuild.skopeo"]["items"]
            .get(&id)
            .is_some()
    );
    Program::new("validate")
        .arg(scratch.json("manifest.json", &manifest))
        .run()
        .expect(0);
    run(format!(
        "bootc-image-builder manifest --build-container {name} docker://{name}"
    ))
    .expect(2)
    .says("one is in a registry, and the other in the storage of this machine");
}
