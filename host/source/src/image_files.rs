//! Files of an image, read out of its layers: nothing of it is unpacked, mounted or run.

use crate::containers::Image;
use crate::image::{digest, document, layer_digests, regular, unpack};
use crate::lookup::{CONTAINERS_STORAGE, SKOPEO};
use crate::{FetchContext, containers_storage, work};
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::reference::{ImageReference, is_digest};
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;
use tar::{Archive, Entry};

/// The most bytes of a file that is read, the most of all files together, and the most files that are looked for.
const LARGEST: u64 = 1 << 20;
const LARGEST_SUM: usize = 16 << 20;
const MOST: usize = 10_000;

/// How layers say that something of those below is not there (OCI image specification, "Whiteouts"); the second: that nothing is.
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// Where an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImagePlace {
    /// In its registry, whose certificate is checked or not.
    Registry {
        /// Whether it is.
        verify_tls: bool,
    },
    /// In the container storage of this machine.
    Storage,
}

/// What is looked for at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Whether there is a file.
    Name,
    /// What is in it.
    Content,
}

/// Some files of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// Its configuration.
    pub config: Vec<u8>,
    /// Contents of the files that were looked for, by their paths without a slash before them; empty where only the name counted.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Bytes of its layers, unpacked.
    pub bytes: u64,
}

/// Reads those regular files of an image that `wanted` looks for. `id` and `digest` are those that the reference was resolved to.
///
/// # Errors
/// One line: the image is not to be had, or cannot be read.
pub fn image_files(
    reference: &ImageReference,
    place: ImagePlace,
    (id, digest): (&str, &str),
    wanted: &dyn Fn(&str) -> Option<Look>,
    context: &FetchContext<'_>,
) -> Result<ImageFiles, String> {
    let scratch = context.store.scratch("image");
    let scratch = scratch.map_err(|error| with_causes(&error))?;
    let copy = scratch.path().join("image");
    work::one(context, async {
        let (image, module) = match place {
            ImagePlace::Registry { verify_tls } => {
                let image = reference.with_digest(digest);
                (Image::referred(&image, verify_tls, context)?, SKOPEO)
            }
            ImagePlace::Storage => {
                let location = containers_storage::location(id, context)?;
                (Image::stored(&reference.name, location), CONTAINERS_STORAGE)
            }
        };
        image.copy(context, module, &[], &copy).await
    })?;
    read(&copy, id, wanted, context)
}

/// Reads the copy of an image.
fn read(
    copy: &Path,
    id: &str,
    wanted: &dyn Fn(&str) -> Option<Look>,
    context: &FetchContext<'_>,
) -> Result<ImageFiles, String> {
    let file = |digest: &str| copy.join(digest.trim_start_matches("sha256:"));
    let config = document(&file(id))?;
    if !is_digest(id) || digest(&config) != id {
        return Err(format!("its configuration is not {id}"));
    }
    let mut found = ImageFiles {
        config,
        ..ImageFiles::default()
    };
    for layer in layer_digests(&document(&copy.join("manifest.json"))?)? {
        let failed = |error: std::io::Error| format!("cannot read the layer {layer}: {error}");
        let packed = BufReader::new(regular(&file(&layer))?);
        let counted = Counted {
            reader: unpack(packed).map_err(failed)?,
            count: &mut found.bytes,
            most: context.allowance.bytes,
            context,
        };
        add_layer(counted, &mut found.files, wanted).map_err(failed)?;
    }
    Ok(found)
}

/// Lays a layer over what those below have.
fn add_layer(
    layer: impl Read,
    files: &mut BTreeMap<String, Vec<u8>>,
    wanted: &dyn Fn(&str) -> Option<Look>,
) -> std::io::Result<()> {
    let mut own = BTreeMap::new();
    let mut room = LARGEST_SUM.saturating_sub(files.values().map(Vec::len).sum());
    for entry in Archive::new(layer).entries()? {
        let mut entry = entry?;
        let Some(path) = plain(&String::from_utf8_lossy(&entry.path_bytes())) else {
            continue;
        };
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == OPAQUE {
            remove_below(files, directory);
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            let path = format!("{directory}/{hidden}");
            remove(files, path.trim_start_matches('/'));
        } else if !entry.header().entry_type().is_dir() {
            remove(files, &path);
            let look = wanted(&path).filter(|_| entry.header().entry_type().is_file());
            if let Some(look) = look {
                let content = content(&mut entry, look)?;
                room = room.checked_sub(content.len()).ok_or_else(|| {
                    std::io::Error::other(format!(
                        "the files that are looked for have more than {LARGEST_SUM} bytes together"
                    ))
                })?;
                own.insert(path, content);
            }
        }
        if own.len() + files.len() > MOST {
            return Err(std::io::Error::other(format!(
                "there are more than {MOST} files of the kinds that are looked for"
            )));
        }
    }
    files.extend(own);
    Ok(())
}

fn content(entry: &mut Entry<'_, impl Read>, look: Look) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if look == Look::Content {
        entry.take(LARGEST + 1).read_to_end(&mut content)?;
        if content.len() as u64 > LARGEST {
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let problem = format!("{path:?} has more than {LARGEST} bytes");
            return Err(std::io::Error::other(problem));
        }
    }
    Ok(content)
}

/// A path as other layers write it too; none for the root, and where it leads upwards.
fn plain(path: &str) -> Option<String> {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<_> = parts.collect();
    let leads_down = !parts.is_empty() && !parts.contains(&"..");
    leads_down.then(|| parts.join("/"))
}

/// Takes a file away, or a directory with all in it.
fn remove(files: &mut BTreeMap<String, Vec<u8>>, path: &str) {
    files.remove(path);
    remove_below(files, path);
}

fn remove_below(files: &mut BTreeMap<String, Vec<u8>>, directory: &str) {
    if directory.is_empty() {
        return files.clear();
    }
    let below = format!("{directory}/");
    let paths = files.range(below.clone()..).map(|(path, _)| path);
    let paths: Vec<_> = paths
        .take_while(|path| path.starts_with(&below))
        .cloned()
        .collect();
    for path in paths {
        files.remove(&path);
    }
}

/// Counts what is read, and ends when it is too much or nobody wants it any more.
struct Counted<'a, R> {
    reader: R,
    count: &'a mut u64,
    most: u64,
    context: &'a FetchContext<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        if self.context.is_cancelled() {
            return Err(std::io::Error::other("it was interrupted"));
        }
        let count = self.reader.read(piece)?;
        *self.count += count as u64;
        match *self.count > self.most {
            true => Err(std::io::Error::other(crate::allowance::exceeded(self.most))),
            false => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Look, add_layer};
    use std::collections::BTreeMap;
    use tar::{Builder, Header};

    /// A layer of files with these names and sizes.
    fn layer(files: impl IntoIterator<Item = (String, u64)>) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        for (name, size) in files {
            let mut header = Header::new_gnu();
            header.set_size(size);
            let content = std::io::Read::take(std::io::repeat(b'x'), size);
            archive.append_data(&mut header, name, content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
        files.keys().map(String::as_str).collect()
    }

    #[test]
    fn files_that_are_looked_for_are_bounded_together() {
        let files = (0..17).map(|number| (format!("usr/lib/bootc/install/{number}.toml"), LARGEST));
        let layer = layer(files);
        let error = add_layer(&layer[..], &mut BTreeMap::new(), &|_| Some(Look::Content));
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("the files that are looked for have more than"),
            "{error}"
        );
    }

    #[test]
    fn whiteouts_take_what_layers_below_have_there_and_nothing_else() {
        let mut files = BTreeMap::new();
        let below = ["a/b", "a-b", "d/e", "d/f", "g"].map(|name| (name.to_owned(), 1));
        add_layer(&layer(below)[..], &mut files, &|_| Some(Look::Content)).unwrap();
        assert_eq!(names(&files), ["a-b", "a/b", "d/e", "d/f", "g"]);
        let hides = [".wh.a", "d/.wh..wh..opq", "d/new"].map(|name| (name.to_owned(), 0));
        add_layer(&layer(hides)[..], &mut files, &|_| Some(Look::Content)).unwrap();
        assert_eq!(names(&files), ["a-b", "d/new", "g"]);
    }
}
