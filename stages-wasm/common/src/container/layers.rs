//! The file system of an image in the layout `dir`: its layers on top of each other.
use crate::{decompress, tar};
use osbuild_stage::name::from_bytes;
use osbuild_stage::{Context, FileType, Result, Tree, bail, path};
use serde::Deserialize;
use std::io::Read;

/// What the name of a removed file begins with in a layer.
const REMOVED: &str = ".wh.";
/// Marks a directory of which the layers below show nothing.
const OPAQUE: &str = ".wh..wh..opq";
/// PAX records with extended attributes begin with this.
const XATTR: &str = "SCHILY.xattr.";

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
}

/// Unpacks the layers of `image` (with `manifest.json` and a file per blob, named by its digest) into `tree`.
pub fn unpack(image: &Tree, tree: &Tree) -> Result<()> {
    let manifest = image.read("manifest.json")?;
    let manifest: Manifest = serde_json::from_slice(&manifest)
        .context("manifest.json does not describe the layers of one image")?;
    manifest.layers.iter().try_for_each(|layer| {
        let digest = &layer.digest;
        let (_, name) = digest.split_once(':').unwrap_or(("", digest));
        apply(image, name, tree).with_context(|| format!("cannot unpack the layer {digest}"))
    })
}

/// What a layer says beside its files.
#[derive(Default)]
struct Notes {
    /// Paths that the layers below may not show.
    removed: Vec<String>,
    /// Directories of which the layers below may show nothing.
    opaque: Vec<String>,
    /// Path, name and value of extended attributes.
    xattrs: Vec<(String, String, Vec<u8>)>,
}

fn apply(image: &Tree, name: &str, tree: &Tree) -> Result<()> {
    let notes = Notes::read(decompress::any(image.open(name)?)?)?;
    for directory in &notes.opaque {
        if is_directory(tree, directory)? {
            for entry in tree.list(directory)? {
                tree.remove_all(&path::join(directory, &entry.name))?;
            }
        }
    }
    for path in &notes.removed {
        if is_directory(tree, path::parent(path))? {
            tree.remove_all(path)?;
        }
    }
    tar::extract_layer(decompress::any(image.open(name)?)?, tree)?;
    for path in &notes.removed {
        tree.remove_if_exists(&marker(path))?;
    }
    for directory in &notes.opaque {
        tree.remove_if_exists(&path::join(directory, OPAQUE))?;
    }
    let mut xattrs = notes.xattrs.iter();
    xattrs.try_for_each(|(path, name, value)| tree.set_xattr(path, name, value))
}

/// Whether the layers below have this directory. A link to one is none: the upper layer's directory takes its place.
fn is_directory(tree: &Tree, path: &str) -> Result<bool> {
    let mut place = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        place = path::join(&place, part);
        if !tree.exists_itself(&place)? || tree.lstat(&place)?.kind != FileType::Directory {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The file by which a layer says that `path` is removed.
fn marker(removed: &str) -> String {
    let name = format!("{REMOVED}{}", path::name(removed));
    path::join(path::parent(removed), &name)
}

impl Notes {
    fn read(layer: impl Read) -> Result<Self> {
        let mut notes = Self::default();
        let mut archive = ::tar::Archive::new(layer);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = path::normal(&from_bytes(&entry.path_bytes()));
            notes.take_xattrs(&name, &mut entry)?;
            notes.take_marker(&name)?;
        }
        Ok(notes)
    }

    fn take_marker(&mut self, name: &str) -> Result<()> {
        let parent = path::parent(name);
        match path::name(name).strip_prefix(REMOVED) {
            _ if path::name(name) == OPAQUE => self.opaque.push(parent.into()),
            Some("" | "." | "..") => bail!("`{name}` removes nothing that has a name"),
            Some(removed) => self.removed.push(path::join(parent, removed)),
            None => {}
        }
        Ok(())
    }

    fn take_xattrs(&mut self, name: &str, entry: &mut ::tar::Entry<'_, impl Read>) -> Result<()> {
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            if let Some(xattr) = record.key().ok().and_then(|key| key.strip_prefix(XATTR)) {
                self.xattrs
                    .push((name.into(), xattr.into(), record.value_bytes().into()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[&str]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        let xattr = [("SCHILY.xattr.user.a", &b"1"[..])];
        builder.append_pax_extensions(xattr).unwrap();
        for file in files {
            let mut header = ::tar::Header::new_ustar();
            header.set_size(0);
            builder.append_data(&mut header, file, &b""[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_layer_says_what_it_removes() {
        let bytes = layer(&["etc/x", "etc/.wh.passwd", "var/.wh..wh..opq"]);
        let notes = Notes::read(&*bytes).unwrap();
        assert_eq!(notes.removed, ["/etc/passwd"]);
        assert_eq!(marker(&notes.removed[0]), "/etc/.wh.passwd");
        assert_eq!(notes.opaque, ["/var"]);
        assert_eq!(
            notes.xattrs,
            [("/etc/x".into(), "user.a".into(), b"1".to_vec())]
        );
        assert!(Notes::read(&*layer(&["etc/.wh..."])).is_err());
    }
}
