//! From a blueprint to digests: images and commits that servers of this machine have under their names.
mod interrupted;

use super::containers::image;
use super::ostree::upstream;
use super::{build, tool};
use crate::capabilities::registries::{Server as Registry, digest};
use crate::packages::repository::{Package, write};
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A distribution whose packages are names alone.
const DEFINITIONS: &str = r#"
distributions:
  - name: tester
    versions: ["1"]
    like: fedora
    os_version: "1"
    release_version: "1"
    module_platform_id: platform:t1
    product: Tester
    no_selinux: true
    runner: {name: org.osbuild.linux, build_packages: []}
    default_fs_type: ext4
platforms:
  none: {}
image_types:
  tar:
    kind: tar
    filename: root.tar
    mime_type: application/x-tar
    exports: [archive]
    platforms: {x86_64: none, aarch64: none}
    packages: {os: {include: [coreutils]}}
    supported_options: [containers]
  commit:
    kind: ostree_commit
    filename: commit.tar
    mime_type: application/x-tar
    exports: [commit-archive]
    platforms: {x86_64: none}
    ostree: {ref: main, name: tester}
    supported_options: []
"#;

const PACKAGES: &str = "coreutils xz rpm skopeo tar rpm-ostree selinux-policy-targeted kernel dracut shadow-utils flatpak grub2-tools \
    grub2-tools-minimal grub2-tools-extra efibootmgr grub2-efi-x64 grub2-efi-x64-cdboot grub2-pc grub2-pc-modules shim-x64 squashfs-tools \
    isomd5sum xorriso";

const COMMAND: &str = "manifest --distro tester-1 --seed 1";

/// `manifest` of an image type of that distribution.
pub(crate) fn manifest(scratch: &Scratch, image_type: &str) -> Program {
    of_tester(Program::new(COMMAND), scratch, image_type)
}

/// The same, however the program is run.
fn of_tester(program: Program, scratch: &Scratch, image_type: &str) -> Program {
    let packages: Vec<_> = PACKAGES
        .split_whitespace()
        .map(|name| Package::new(name, "1"))
        .collect();
    let repository = scratch.path("packages");
    write(&repository, &packages);
    scratch.write("definitions/tester/distributions.yaml", DEFINITIONS);
    program
        .arg(image_type)
        .option("--definitions", scratch.path("definitions"))
        .option("--rpmmd-cache", scratch.path("cache"))
        .option(
            "--force-repo",
            format!("file://{}", repository.to_string_lossy()),
        )
}

/// A blueprint with one container, to which these lines belong.
fn blueprint(scratch: &Scratch, source: &str, lines: &str) -> PathBuf {
    let container = format!("[[containers]]\nsource = \"{source}\"\n{lines}\n");
    scratch.write("blueprint.toml", format!("name = \"x\"\n{container}"))
}

/// `manifest` with such a blueprint.
fn with_container(scratch: &Scratch, source: &str, lines: &str) -> Program {
    manifest(scratch, "tar").option("--blueprint", blueprint(scratch, source, lines))
}

fn images(document: &Value, source: &str) -> Value {
    document["sources"][source]["items"].clone()
}

#[test]
fn a_container_of_a_blueprint_is_resolved_to_digests_that_are_fetched() {
    if !machine::offers(&["docker-registry", "skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let image = image(&scratch);
    let (id, digest, list, host) = (&image.id, &image.digest, &image.list, &image.host);
    let name = format!("{host}/image");
    let item = |digest: &str| json!({ id: { "image": { "name": name, "digest": digest, "tls-verify": false } } });
    let tag = format!("{name}:tag");
    for (source, stored, is_listed) in [
        (tag.clone(), tag.clone(), false),
        (format!("{name}:list"), format!("{name}:list"), true),
        (format!("{name}@{list}"), format!("{name}@{list}"), true),
        (
            format!("{name}@{digest}"),
            format!("{name}@{digest}"),
            false,
        ),
        (format!("{tag}@{digest}"), tag, false),
    ] {
        let ended = with_container(&scratch, &source, "tls-verify = false");
        let document = ended.run().expect(0).json();
        assert_eq!(
            images(&document, "org.osbuild.skopeo"),
            item(digest),
            "{source}"
        );
        let lists = images(&document, "org.osbuild.skopeo-index");
        assert_eq!(lists.get(list).is_some(), is_listed, "{source}: {lists}");
        let text = document.to_string();
        assert!(
            text.contains(&format!("{{\"name\":\"{stored}\"}}")),
            "{source}: {text}"
        );
    }
    // What is in the manifest is what its source fetches.
    let named = with_container(
        &scratch,
        &format!("{name}:list"),
        "tls-verify = false\nname = \"localhost/mine:1\"",
    );
    let found = named.run().expect(0).says("localhost/mine:1").json();
    let mut document = json!({ "version": "2", "sources": {} });
    for source in ["org.osbuild.skopeo", "org.osbuild.skopeo-index"] {
        document["sources"][source] = found["sources"][source].clone();
    }
    let images = json!({ "type": "org.osbuild.containers", "origin": "org.osbuild.source", "references": { id: { "name": "localhost/mine:1" } } });
    let stage = json!({ "type": "org.osbuild.container-deploy", "inputs": { "images": images } });
    document["pipelines"] = json!([{ "name": "deploy", "stages": [stage] }]);
    build(&scratch, &document, "deploy");
    assert_eq!(
        fs::read_to_string(scratch.path("out/deploy/etc/marker")).unwrap(),
        "from the registry\n"
    );
}

#[test]
fn a_container_that_is_not_to_be_had_is_one_error_with_its_name() {
    if !machine::offers(&["docker-registry", "skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let image = image(&scratch);
    let name = format!("{}/image", image.host);
    let insecure = "tls-verify = false";
    let other = format!("sha256:{}", "0".repeat(64));
    let local = "local-storage = true";
    for (code, source, lines, expected) in [
        (1, format!("{name}:other"), insecure, "manifest unknown"),
        (1, format!("{name}@{other}"), insecure, "manifest unknown"),
        (1, format!("{name}:tag"), "", "no secure connection"),
        (2, format!("{name}:-a"), insecure, "-a"),
        (
            2,
            "docker://h.example/x".to_owned(),
            insecure,
            "is no reference",
        ),
        (
            1,
            "localhost/none-of-this-name:1".to_owned(),
            local,
            "the image localhost/none-of-this-name:1",
        ),
    ] {
        let ended = with_container(&scratch, &source, lines).run().expect(code);
        let errors: Vec<_> = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert!(
            errors.len() == 1 && errors[0].contains(expected) && errors[0].contains(&source),
            "{expected}: {}",
            ended.stderr
        );
    }
    // The list has no image of this architecture.
    let aarch64 =
        with_container(&scratch, &format!("{name}:list"), insecure).option("--arch", "aarch64");
    aarch64
        .run()
        .expect(1)
        .says("no image for linux/arm64; it has linux/amd64, linux/s390x");
}

#[test]
fn a_ref_of_ostree_is_resolved_to_the_checksum_of_its_commit() {
    if !machine::offers(&["ostree", "python3"]) {
        return;
    }
    let scratch = Scratch::new();
    let (server, commit) = upstream(&scratch);
    let address = format!("http://127.0.0.1:{}", server.port);
    let url = format!("{address}/repo");
    fs::write(
        scratch.path("upstream/mirrors"),
        format!("{address}/none\n{url}\n"),
    )
    .unwrap();
    let file = format!("file://{}", scratch.path("upstream/repo").display());
    let of = |url: &str, parent: &str| {
        manifest(&scratch, "commit")
            .option("--ostree-url", url)
            .option("--ostree-parent", parent)
    };
    let mirrors = format!("mirrorlist={address}/mirrors");
    for url in [&url, &mirrors, &file] {
        let document = of(url, "main").run().expect(0).json();
        let expected = json!({ &commit: { "remote": { "url": url } } });
        assert_eq!(images(&document, "org.osbuild.ostree"), expected, "{url}");
    }
    // Nobody is asked about a checksum.
    let checksum = "0f".repeat(32);
    let document = of("http://127.0.0.1:1/", &checksum).run().expect(0).json();
    assert!(
        images(&document, "org.osbuild.ostree")
            .get(&checksum)
            .is_some()
    );
    fs::write(scratch.path("upstream/repo/refs/heads/broken"), "secret\n").unwrap();
    for (url, parent, expected) in [
        (&url, "mian", "the ref mian of OSTree: http://127.0.0.1"),
        (
            &url,
            "mian",
            "/repo has no ref of that name: did you mean main?",
        ),
        (&mirrors, "mian", "did you mean main?"),
        (&file, "elsewhere", "has no ref of that name: it has main"),
        (&url, "broken", "its content is not a checksum"),
        (&file, "other", "the ref other of OSTree"),
        (&format!("{address}/none"), "main", "404"),
    ] {
        let ended = of(url, parent).run().expect(1).never_says("secret");
        let errors = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        assert!(
            errors.count() == 1 && ended.stderr.contains(expected),
            "{expected}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_ref_that_is_not_there_is_told_with_a_near_one_of_many() {
    if !machine::offers(&["ostree", "python3"]) {
        return;
    }
    let scratch = Scratch::new();
    let (server, _) = upstream(&scratch);
    let repository = format!("--repo={}", scratch.path("upstream/repo").display());
    for number in 0..40 {
        let create = format!("{repository} refs --create=tester/1/x86_64/edition-{number} main");
        tool("ostree", &create);
    }
    tool("ostree", &format!("{repository} summary -u"));
    for (reference, expected) in [
        (
            "tester/1/x86_64/editoin-7",
            "did you mean tester/1/x86_64/edition-7?",
        ),
        ("what", "it has main, tester/1/x86_64/edition-0, "),
        ("what", " and 36 more"),
    ] {
        manifest(&scratch, "commit")
            .option(
                "--ostree-url",
                format!("http://127.0.0.1:{}/repo", server.port),
            )
            .option("--ostree-parent", reference)
            .run()
            .expect(1)
            .says(expected);
    }
}

#[test]
fn the_client_certificate_of_the_environment_is_for_secured_repositories_and_named_in_the_manifest()
{
    let scratch = Scratch::new();
    for (url, secrets) in [
        ("https://127.0.0.1:1/", json!("org.osbuild.mtls")),
        ("http://127.0.0.1:1/", Value::Null),
    ] {
        let program = manifest(&scratch, "commit").option("--ostree-url", url);
        let checksum = "0f".repeat(32);
        let ended = program
            .option("--ostree-parent", &checksum)
            .env("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT", "/c.pem")
            .env("OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY", "/k.pem")
            .run()
            .expect(0);
        let item = &images(&ended.json(), "org.osbuild.ostree")[&checksum];
        assert_eq!(item["remote"]["secrets"]["name"], secrets, "{url}");
    }
}

#[test]
fn what_a_registry_answers_is_judged_here() {
    if !machine::offers(&["skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let registry = Registry::new();
    let name = format!("{}/n", registry.address);
    let kind = "application/vnd.oci.image";
    let wanted = format!("sha256:{}", "1".repeat(64));
    let config =
        json!({ "mediaType": format!("{kind}.config.v1+json"), "digest": wanted, "size": 1 });
    let platform = json!({ "architecture": "amd64", "os": "linux" });
    let image = json!({ "mediaType": format!("{kind}.manifest.v1+json"), "digest": wanted, "size": 1, "platform": platform });
    let list = json!({ "schemaVersion": 2, "mediaType": format!("{kind}.index.v1+json"), "manifests": [image] });
    let mut both = list.clone();
    both["config"] = config.clone();
    let mut wrong = list.clone();
    wrong["manifests"][0]["digest"] = json!("sha256:../../../etc/shadow");
    let plain = json!({ "schemaVersion": 2, "config": config, "layers": [] });
    let large =
        json!({ "schemaVersion": 2, "config": config, "layers": [], "x": " ".repeat(5 << 20) });
    for (tag, answer, expected) in [
        ("both", &both, "an image and a list at once"),
        ("wrong", &wrong, "wrong digest"),
        // A list in a list, and an image that is another one than the list says.
        (
            "list",
            &list,
            &*format!("the registry answers {wanted} with a manifest of the digest sha256:"),
        ),
        ("large", &large, "bytes"),
        (
            "none",
            &json!({ "schemaVersion": 2 }),
            "names no configuration",
        ),
    ] {
        let typed = format!("200 OK\r\nContent-Type: {kind}.index.v1+json");
        registry.answer(
            &format!("/v2/n/manifests/{tag}"),
            &typed,
            answer.to_string().as_bytes(),
        );
        registry.answer(
            &format!("/v2/n/manifests/{wanted}"),
            &typed,
            plain.to_string().as_bytes(),
        );
        let ended = with_container(&scratch, &format!("{name}:{tag}"), "tls-verify = false").run();
        ended.expect(1).says(expected);
    }
}

/// Runs a command where the container storage of the machine is one of the test, which has the image `localhost/mine:1`.
pub(super) const IN_STORAGE: &str = r#"set -e
mkdir "$SCRATCH/etc"; cp -r /etc/containers/. "$SCRATCH/etc"
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/root"\nrunroot = "%s/run"\n' "$SCRATCH" "$SCRATCH" >"$SCRATCH/etc/storage.conf"
mount --bind "$SCRATCH/etc" /etc/containers
skopeo copy --quiet "oci:$SCRATCH/layout:image" "containers-storage:[vfs@$SCRATCH/root+$SCRATCH/run]localhost/mine:1"
exec "$@""#;

#[test]
fn an_image_of_the_container_storage_is_resolved_to_its_id() {
    if !machine::offers(&["docker-registry", "skopeo", "unshare"]) {
        return;
    }
    let scratch = Scratch::new();
    let id = image(&scratch).id;
    let blueprint = blueprint(&scratch, "localhost/mine:1", "local-storage = true");
    let program = through_shell_in_namespace(IN_STORAGE, COMMAND).env("SCRATCH", scratch.root());
    let ended = of_tester(program, &scratch, "tar")
        .option("--blueprint", blueprint)
        .run();
    let document = ended.expect(0).json();
    assert_eq!(
        images(&document, "org.osbuild.containers-storage"),
        json!({ &id: {} })
    );
    assert_eq!(images(&document, "org.osbuild.skopeo"), Value::Null);
    let text = document.to_string();
    assert!(
        text.contains(&format!("{{\"{id}\":{{\"name\":\"localhost/mine:1\"}}}}")),
        "{text}"
    );
}

/// A type of image with flatpaks of the registry REGISTRY.
const INSTALLER: &str = r#"
  installer:
    kind: ostree_installer
    filename: i.iso
    mime_type: application/x-iso9660-image
    exports: [bootiso]
    boot_iso: true
    iso_label: x
    platforms: {x86_64: none}
    ostree: {name: tester, remote_name: tester, url: "http://127.0.0.1:1/", ref: COMMIT}
    packages: {installer: {include: [kernel]}}
    installer_config:
      flatpaks:
        - {remote_name: remote, url: "REGISTRY", references: [app/org.x.A/x86_64/stable, runtime/org.x.B/x86_64/1]}
    supported_options: []
"#;

/// An index of flatpaks at this server, which has all of them.
fn serve_flatpaks(registry: &Registry) -> BTreeMap<&'static str, Value> {
    let kind = "application/vnd.oci.image";
    let (mut results, mut items) = (Vec::new(), BTreeMap::new());
    for (name, reference, id) in [
        ("a", "app/org.x.A/x86_64/stable", '1'),
        ("n/b", "runtime/org.x.B/x86_64/1", '2'),
    ] {
        let id = format!("sha256:{}", String::from(id).repeat(64));
        let config =
            json!({ "mediaType": format!("{kind}.config.v1+json"), "digest": id, "size": 1 });
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] }).to_string();
        let manifest = manifest.as_bytes();
        let path = format!("/v2/{name}/manifests/{}", digest(manifest));
        registry.answer(
            &path,
            &format!("200 OK\r\nContent-Type: {kind}.manifest.v1+json"),
            manifest,
        );
        let image = json!({ "Digest": digest(manifest), "MediaType": "x", "OS": "linux", "Architecture": "amd64",
            "Labels": { "org.flatpak.ref": reference, "org.flatpak.metadata": "x" } });
        results.push(json!({ "Name": name, "Images": [image] }));
        let source = json!({ "name": format!("{}/{name}", registry.address), "digest": digest(manifest), "tls-verify": false });
        items.insert(reference, json!({ id: { "image": source } }));
    }
    let index = json!({ "Registry": "/", "Results": results }).to_string();
    registry.answer("/index/static", "200 OK", index.as_bytes());
    items
}

#[test]
fn flatpaks_are_resolved_to_images_by_the_index_of_their_registry() {
    if !machine::offers(&["skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let registry = Registry::new();
    let items = serve_flatpaks(&registry);
    let of = |url: &str, wanted: &str| {
        let program = manifest(&scratch, "installer");
        let installer = INSTALLER
            .replace("REGISTRY", url)
            .replace("COMMIT", &"0f".repeat(32));
        let definitions = format!("{DEFINITIONS}{installer}").replace("org.x.B/", wanted);
        scratch.write("definitions/tester/distributions.yaml", definitions);
        program.run()
    };
    let url = format!("oci+http://{}", registry.address);
    let document = of(&url, "org.x.B/").expect(0).json();
    let found = images(&document, "org.osbuild.skopeo");
    for (reference, item) in &items {
        let (id, image) = item.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&found[id], image, "{reference}: {found}");
    }
    for (url, wanted, expected) in [
        (
            &*url,
            "org.x.C/",
            "no such flatpak: did you mean runtime/org.x.B/x86_64/1?",
        ),
        ("https://127.0.0.1:1", "org.x.B/", "write oci+https://HOST"),
    ] {
        of(url, wanted).expect(1).says(expected);
    }
    registry.answer(
        "/index/static",
        "200 OK",
        b"{\"Registry\": \"file:///etc\", \"Results\": []}",
    );
    of(&url, "org.x.B/")
        .expect(1)
        .says("followed from no server");
}
