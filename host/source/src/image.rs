//! Container images as skopeo lays them down (the transport `dir`): a manifest, and each blob in a file named by its digest.
//!
//! The configuration names the content of each layer in `rootfs.diff_ids` (OCI image specification, "Image Configuration"). That
//! is what the id of an image vouches for, so each layer is compared with it: a manifest may name any layers.

use flate2::read::MultiGzDecoder;
use osbuild_wasm_manifest::json::{Value, parse};
use osbuild_wasm_manifest::reference::is_digest;
use rustix::fs::{Mode, OFlags, open};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The directory of the image, and the manifest that its item names, in an entry of the store.
pub(crate) const IMAGE: &str = "image";
pub(crate) const NAMED: &str = "named.json";

/// The most bytes that a manifest or a configuration may have; registries take 4 MiB.
const LARGEST_DOCUMENT: u64 = 16 << 20;

/// The most layers of an image; overlay file systems take some hundreds.
const MOST_LAYERS: usize = 1000;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// How compressed layers begin (RFC 1952, RFC 8878).
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What an image must be, and what verifying it may cost.
pub(crate) struct Expected<'a> {
    /// The digest of its configuration.
    pub(crate) id: &'a str,
    /// The digest of its manifest, or of a list that names it.
    pub(crate) digest: &'a str,
    /// Bytes that its layers may have together, unpacked.
    pub(crate) bytes: u64,
    /// Asked now and then: whether to give up.
    pub(crate) cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// Compares everything in an entry of the store with what it should be.
///
/// # Errors
/// One line that says what is not as it should be.
pub(crate) fn verify(entry: &Path, expected: &Expected<'_>) -> Result<(), String> {
    let image = entry.join(IMAGE);
    let named = document(&entry.join(NAMED))?;
    let found = digest(&named);
    if found != expected.digest {
        return Err(format!(
            "the manifest {} has the digest {found}",
            expected.digest
        ));
    }
    let manifest = document(&image.join("manifest.json"))?;
    check_named(&named, &manifest, expected)?;
    let manifest = json(&manifest)?;
    let config = manifest.get("config").and_then(blob_digest);
    if config != Some(expected.id) {
        let config = config.unwrap_or("no configuration");
        return Err(format!(
            "has an id of {config}, but expected {}",
            expected.id
        ));
    }
    let config = document(&image.join(file_name(expected.id)))?;
    let found = digest(&config);
    if found != expected.id {
        return Err(format!(
            "has an id of {found}, but expected {}",
            expected.id
        ));
    }
    check_layers(&image, &manifest, &json(&config)?, expected)
}

/// The manifest of the image is the one that is named, or is named by it; one that a storage made has the same configuration.
fn check_named(named: &[u8], manifest: &[u8], expected: &Expected<'_>) -> Result<(), String> {
    if named == manifest {
        return Ok(());
    }
    let named = json(named)?;
    let wanted = digest(manifest);
    let manifests = named.get("manifests").and_then(Value::as_array);
    let lists = |list: &Vec<Value>| {
        list.iter()
            .any(|entry| blob_digest(entry) == Some(wanted.as_str()))
    };
    let same_id = named.get("config").and_then(blob_digest) == Some(expected.id);
    match manifests.map_or(same_id, lists) {
        true => Ok(()),
        false => Err(format!(
            "the manifest {wanted} is not the one of {}",
            expected.digest
        )),
    }
}

fn check_layers(
    image: &Path,
    manifest: &Value,
    config: &Value,
    expected: &Expected<'_>,
) -> Result<(), String> {
    let layers = manifest.get("layers").and_then(Value::as_array);
    let layers = layers.ok_or("the manifest has no layers: it is of another kind")?;
    let contents = config
        .get("rootfs")
        .and_then(|rootfs| rootfs.get("diff_ids")?.as_array());
    let contents =
        contents.ok_or("the configuration has no `diff_ids`: it is not that of an image")?;
    if layers.len() != contents.len() || layers.len() > MOST_LAYERS {
        let (layers, contents) = (layers.len(), contents.len());
        return Err(format!(
            "the number of its layers is {layers} in the manifest and {contents} in the configuration"
        ));
    }
    let mut left = expected.bytes;
    for (layer, content) in layers.iter().zip(contents) {
        let digest = blob_digest(layer).ok_or("a layer of the manifest has no digest")?;
        let content = content.as_str().unwrap_or_default();
        check_layer(
            &image.join(file_name(digest)),
            digest,
            content,
            &mut left,
            expected,
        )?;
    }
    Ok(())
}

/// What a layer unpacks to.
pub(crate) fn unpack<'a>(mut reader: impl BufRead + 'a) -> std::io::Result<Box<dyn Read + 'a>> {
    let begin = reader.fill_buf()?;
    Ok(if begin.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(reader))
    } else if begin.starts_with(ZSTD) {
        Box::new(zstd::Decoder::with_buffer(reader)?)
    } else {
        Box::new(reader)
    })
}

/// The digests of the layers that a manifest names, the lowest first.
pub(crate) fn layer_digests(manifest: &[u8]) -> Result<Vec<String>, String> {
    let manifest = json(manifest)?;
    let layers = manifest.get("layers").and_then(Value::as_array);
    let layers = layers.ok_or("the manifest has no layers: it is of another kind")?;
    if layers.len() > MOST_LAYERS {
        return Err(format!("it has more than {MOST_LAYERS} layers"));
    }
    let digest = |layer| blob_digest(layer).map(str::to_owned);
    let digests: Option<Vec<_>> = layers.iter().map(digest).collect();
    digests.ok_or_else(|| "a layer of the manifest has no digest".to_owned())
}

/// Compares a layer with its own digest, and what it unpacks to with the one of the configuration.
fn check_layer(
    path: &Path,
    digest: &str,
    content: &str,
    left: &mut u64,
    expected: &Expected<'_>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read the layer {digest}: {error}");
    let mut packed = Hashing::new(regular(path)?);
    let found = {
        let reader = BufReader::with_capacity(PIECE, &mut packed);
        let mut unpacked = unpack(reader).map_err(failed)?;
        hash(&mut unpacked, left, expected)
            .map_err(|problem| format!("cannot unpack the layer {digest}: {problem}"))?
    };
    // What follows the end of the compressed data is part of the file.
    let found_packed = packed.finish().map_err(failed)?;
    if found_packed != digest {
        return Err(format!("the layer {digest} has the digest {found_packed}"));
    }
    if found != content {
        return Err(format!(
            "the layer {digest} has other content than the image {} says: {found} instead of {content}",
            expected.id
        ));
    }
    Ok(())
}

fn hash(from: &mut dyn Read, left: &mut u64, expected: &Expected<'_>) -> Result<String, String> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        let count = from.read(&mut piece).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(text(hasher));
        }
        if (expected.cancelled)() {
            return Err("it was interrupted".to_owned());
        }
        hasher.update(&piece[..count]);
        *left = left.checked_sub(count as u64).ok_or_else(|| {
            format!(
                "the image has more than {} bytes, the limit of its source",
                expected.bytes
            )
        })?;
    }
}

/// Computes the digest of what is read through it.
struct Hashing {
    file: File,
    hasher: Sha256,
}

impl Hashing {
    fn new(file: File) -> Self {
        let hasher = Sha256::new();
        Self { file, hasher }
    }

    /// The digest of the whole file.
    fn finish(mut self) -> std::io::Result<String> {
        let mut piece = vec![0; PIECE];
        while self.read(&mut piece)? > 0 {}
        Ok(text(self.hasher))
    }
}

impl Read for Hashing {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(piece)?;
        self.hasher.update(&piece[..count]);
        Ok(count)
    }
}

/// A manifest or a configuration.
pub(crate) fn document(path: &Path) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let read = regular(path)?
        .take(LARGEST_DOCUMENT + 1)
        .read_to_end(&mut content);
    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if content.len() as u64 > LARGEST_DOCUMENT {
        return Err(format!(
            "{} has more than {LARGEST_DOCUMENT} bytes",
            path.display()
        ));
    }
    Ok(content)
}

pub(crate) fn regular(path: &Path) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let file = File::from(file);
    match file.metadata().map_err(failed)?.is_file() {
        true => Ok(file),
        false => Err(format!("{} is not a file", path.display())),
    }
}

fn json(text: &[u8]) -> Result<Value, String> {
    parse(text).map_err(|error| format!("the manifest or the configuration is not JSON: {error}"))
}

/// The digest in a descriptor, which then is a safe file name.
fn blob_digest(descriptor: &Value) -> Option<&str> {
    let digest = descriptor.get("digest")?.as_str()?;
    is_digest(digest).then_some(digest)
}

fn file_name(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

/// The digest of a document.
pub(crate) fn digest(content: &[u8]) -> String {
    text(Sha256::new_with_prefix(content))
}

fn text(hasher: Sha256) -> String {
    format!("sha256:{}", hex::encode(hasher.finalize()))
}
