//! What is accepted as a container image: everything that its id and the digest of its manifest name, and nothing else.

use super::sha256;
use crate::image::{Expected, IMAGE, NAMED, verify};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// An entry of the store with two layers, each packed in some way.
struct Entry {
    directory: tempfile::TempDir,
    id: String,
    digest: String,
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKS: [(&str, Pack); 3] = [
    ("tar", |content| content.to_vec()),
    ("gzip", gzip),
    ("zstd", |content| zstd::encode_all(content, 1).unwrap()),
];

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

impl Entry {
    /// The configuration says `contents`, the manifest has the layers.
    fn new(contents: &[&[u8]], layers: &[Vec<u8>]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join(IMAGE);
        fs::create_dir(&image).unwrap();
        let blob = |content: &[u8]| {
            let digest = sha256(content);
            fs::write(image.join(&digest[7..]), content).unwrap();
            digest
        };
        let list = |digests: Vec<String>| digests.join(", ");
        let diff_ids = contents
            .iter()
            .map(|content| format!("{:?}", sha256(content)));
        let config = format!(
            r#"{{"rootfs": {{"type": "layers", "diff_ids": [{}]}}}}"#,
            list(diff_ids.collect())
        );
        let id = blob(config.as_bytes());
        let layers = layers
            .iter()
            .map(|layer| format!(r#"{{"digest": {:?}}}"#, blob(layer)));
        let manifest = format!(
            r#"{{"schemaVersion": 2, "config": {{"digest": {id:?}}}, "layers": [{}]}}"#,
            list(layers.collect())
        );
        fs::write(image.join("manifest.json"), &manifest).unwrap();
        fs::write(directory.path().join(NAMED), &manifest).unwrap();
        let digest = sha256(manifest.as_bytes());
        Self {
            directory,
            id,
            digest,
        }
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join(IMAGE)
    }

    /// Gives the entry another manifest that its digest names.
    fn named(&mut self, manifest: &str) {
        fs::write(self.directory.path().join(NAMED), manifest).unwrap();
        self.digest = sha256(manifest.as_bytes());
    }

    fn verify(&self, bytes: u64) -> Result<(), String> {
        let expected = Expected {
            id: &self.id,
            digest: &self.digest,
            bytes,
            cancelled: &|| false,
        };
        verify(self.directory.path(), &expected)
    }

    #[track_caller]
    fn refused(&self, reason: &str) {
        let problem = self.verify(1 << 30).unwrap_err();
        assert!(
            problem.contains(reason) && !problem.contains('\n'),
            "{problem}"
        );
    }
}

/// An image whose layers hold `a` and `b`.
fn good() -> Entry {
    Entry::new(&[b"a", b"b"], &[gzip(b"a"), gzip(b"b")])
}

#[test]
fn layers_are_compared_with_the_configuration_however_they_are_packed() {
    for (name, pack) in PACKS {
        for (_, other) in PACKS {
            Entry::new(&[b"a", b"b"], &[pack(b"a"), other(b"b")])
                .verify(2)
                .unwrap();
        }
        let reason = "has other content than the image";
        Entry::new(&[b"a", b"b"], &[pack(b"a"), pack(b"evil")]).refused(reason);
        Entry::new(&[b"a", b"b"], &[pack(b"b"), pack(b"a")]).refused(reason);
        let large = vec![0; 10 << 20];
        let error = Entry::new(&[&large], &[pack(&large)]).verify(5 << 20);
        let error = error.unwrap_err();
        assert!(error.contains("more than 5242880 bytes"), "{name}: {error}");
    }
    Entry::new(&[b"ab"], &[[gzip(b"a"), gzip(b"b")].concat()])
        .verify(2)
        .unwrap();
}

#[test]
fn layers_that_are_missing_left_over_or_damaged_are_refused() {
    let count = "the number of its layers is";
    Entry::new(&[b"a", b"b"], &[gzip(b"a")]).refused(count);
    Entry::new(&[b"a"], &[gzip(b"a"), gzip(b"evil")]).refused(count);
    Entry::new(&[], &[gzip(b"evil")]).refused(count);
    Entry::new(&[b"a"], &[b"\x1f\x8bnonsense".to_vec()]).refused("cannot unpack the layer");

    let of = |change: fn(&Path)| {
        let entry = good();
        change(&entry.image().join(&sha256(&gzip(b"a"))[7..]));
        entry
    };
    of(|layer| fs::remove_file(layer).unwrap()).refused("cannot read");
    of(|layer| {
        fs::remove_file(layer).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", layer).unwrap();
    })
    .refused("cannot read");
    // The same content, packed otherwise.
    of(|layer| fs::write(layer, zstd::encode_all(&b"a"[..], 1).unwrap()).unwrap())
        .refused("has the digest");
    of(|layer| fs::write(layer, [gzip(b"a"), gzip(b"")].concat()).unwrap())
        .refused("has the digest");
}

#[test]
fn manifest_and_configuration_are_those_that_were_named() {
    let mut entry = good();
    entry.digest = sha256(b"other");
    entry.refused("has the digest");
    let mut entry = good();
    entry.id = sha256(b"other");
    entry.refused("but expected");
    let entry = good();
    fs::write(entry.image().join(&entry.id[7..]), "{}").unwrap();
    entry.refused("but expected");
}

#[test]
fn a_list_may_name_the_manifest() {
    let mut entry = good();
    let manifest = entry.digest.clone();
    entry.named(&format!(
        r#"{{"manifests": [{{"digest": {:?}}}, {{"digest": {manifest:?}}}]}}"#,
        sha256(b"x")
    ));
    entry.verify(2).unwrap();
    entry.named(&format!(
        r#"{{"manifests": [{{"digest": {:?}}}]}}"#,
        sha256(b"x")
    ));
    entry.refused("is not the one of");
    // A storage unpacks layers, and writes another manifest.
    let id = entry.id.clone();
    entry.named(&format!(
        r#"{{"config": {{"digest": {id:?}}}, "layers": []}}"#
    ));
    entry.verify(2).unwrap();
    entry.named(&format!(
        r#"{{"config": {{"digest": {:?}}}, "layers": []}}"#,
        sha256(b"x")
    ));
    entry.refused("is not the one of");
}

#[test]
fn documents_of_other_kinds_are_refused() {
    for (config, manifest, reason) in [
        (
            "[]",
            r#"{"config": {"digest": "ID"}, "layers": []}"#,
            "no `diff_ids`",
        ),
        (
            "{}",
            r#"{"config": {"digest": "ID"}, "layers": []}"#,
            "no `diff_ids`",
        ),
        ("{}", r#"{"config": {"digest": "ID"}}"#, "no layers"),
        (
            "{}",
            r#"{"config": {"digest": "sha256:../x"}}"#,
            "no configuration",
        ),
        ("{}", r#"{"manifests": []}"#, "no configuration"),
        ("{}", "junk", "not JSON"),
    ] {
        let mut entry = good();
        entry.id = sha256(config.as_bytes());
        fs::write(entry.image().join(&entry.id[7..]), config).unwrap();
        let manifest = manifest.replace("ID", &entry.id);
        fs::write(entry.image().join("manifest.json"), &manifest).unwrap();
        entry.named(&manifest);
        entry.refused(reason);
    }
}
