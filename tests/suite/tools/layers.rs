//! Layers of container images on top of each other, as podman shows them.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use osbuild_wasm_tests::Program;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Few, so that layers meet.
const NAMES: [&str; 4] = ["a", "b", "c d", "ü"];
const LAYERS: usize = 3;

/// Marks names as removed and directories as opaque, in a directory of a layer and in those below it.
fn mark(random: &mut Random, directory: &Path, is_root: bool) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            mark(random, &entry.path(), false);
        }
    }
    for name in NAMES {
        if random.chance(20) && fs::symlink_metadata(directory.join(name)).is_err() {
            fs::write(directory.join(format!(".wh.{name}")), "").unwrap();
        }
    }
    // Overlays of the kernel know no opaque root.
    if random.chance(20) && !is_root {
        fs::write(directory.join(".wh..wh..opq"), "").unwrap();
    }
}

/// Puts a file into an image in the layout `dir`; gives its descriptor.
fn blob(image: &Path, kind: &str, content: &[u8]) -> Value {
    let digest = hex::encode(Sha256::digest(content));
    fs::write(image.join(&digest), content).unwrap();
    let kind = format!("application/vnd.oci.image.{kind}");
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len() })
}

fn layer(random: &mut Random, root: &Path) -> Vec<u8> {
    fs::create_dir(root).unwrap();
    trees::fill(random, root, &NAMES, 9);
    mark(random, root, true);
    let archive = root.with_extension("tar");
    Program::of(
        "tar",
        "--format=pax --xattrs --xattrs-include=* --sort=name -cf",
    )
    .arg(&archive)
    .arg("-C")
    .arg(root)
    .arg(".")
    .run()
    .expect(0);
    fs::read(archive).unwrap()
}

/// An image of random layers in the layout `dir`.
fn image(random: &mut Random, tree: &Path) -> PathBuf {
    let image = tree.with_file_name("input").join("image");
    fs::create_dir_all(&image).unwrap();
    let root = |number: usize| tree.with_file_name(format!("layer-{number}"));
    let layers = (0..LAYERS).map(|number| layer(random, &root(number)));
    let layers: Vec<_> = layers
        .map(|layer| blob(&image, "layer.v1.tar", &layer))
        .collect();
    let digests: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let config = blob(&image, "config.v1+json", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers });
    fs::write(image.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(image.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    image
}

/// Words of a script of sh with podman's storage and the image as `$1` to `$3`; mounts go with its end.
fn within(script: &str, tree: &Path, image: &Path) -> Vec<String> {
    let (storage, state) = (tree.with_file_name("podman"), tree.with_file_name("state"));
    let paths = [&storage, &state, image].map(|path| path.display().to_string());
    let words = ["unshare", "--mount", "sh", "-ec", script, "sh"].map(String::from);
    words.into_iter().chain(paths).collect()
}

/// Brings what podman shows of the image in its own storage to `TREE/PLACE`.
fn shown(place: &str, tree: &Path, image: &Path) -> Vec<String> {
    let script = format!(
        "podman=\"podman --root $1 --runroot $2 --storage-driver overlay --events-backend none\"; mkdir -p TREE{place}; \
         id=$($podman pull --quiet dir:$3); {}",
        copy("$id", place)
    );
    within(&script, tree, image)
}

/// Names that are removed where no layer below has any are seen in an overlay, but nothing has them: cp says so and goes on.
fn copy(image: &str, place: &str) -> String {
    format!("shown=$($podman image mount {image}); cp -a \"$shown/.\" TREE{place} || true")
}

fn trial(options: Value, image: &Path) -> Trial {
    let mut trial = Trial::new(options);
    let data = json!({ "archives": { "image": { "format": "dir", "name": "localhost/image:1" } } });
    trial.more = json!({ "inputs": { "images": { "path": image.parent(), "data": data } } });
    trial
}

fn deploy(random: &mut Random, tree: &Path) -> Trial {
    let image = image(random, tree);
    let mut trial = trial(json!({}), &image);
    trial.command(shown("", tree, &image));
    trial
}

fn store(random: &mut Random, tree: &Path) -> Trial {
    let image = image(random, tree);
    let destination = json!({ "type": "containers-storage", "storage-path": "/storage" });
    let mut trial = trial(json!({ "destination": destination }), &image);
    trial.command(shown("/seen", tree, &image));
    let script = format!(
        "[ -e TREE/storage ] || exit 0; mkdir TREE/seen; \
         podman=\"podman --root TREE/storage --runroot $2.2 --storage-driver overlay --events-backend none\"; {}; \
         umount --recursive TREE/storage/overlay; rm -rf TREE/storage",
        copy("localhost/image:1", "/seen")
    );
    trial.after(within(&script, tree, &image));
    trial
}

/// podman leaves labels to the policy of the machine.
fn without_label(text: String) -> String {
    text.replace("security.selinux=\"system_u:object_r:etc_t:s0\\0\"", "")
        .replace("  ", " ")
}

const LAYERED: Family = Family {
    programs: &["podman", "skopeo", "tar", "unshare"],
    trials: 20,
    normal: without_label,
    exact: true,
    ..FAMILY
};

#[test]
fn layers_are_deployed_as_podman_shows_them() {
    compare(&Family {
        stage: "org.osbuild.container-deploy",
        // The root has a mode of its own in podman's storage.
        ignored: &["/"],
        make: deploy,
        ..LAYERED
    });
}

#[test]
fn layers_are_stored_so_that_an_overlay_shows_them_as_podman_does() {
    compare(&Family {
        stage: "org.osbuild.skopeo",
        ignored: &["/", "/seen"],
        make: store,
        trials: 12,
        ..LAYERED
    });
}
