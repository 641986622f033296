//! The layers of a containers storage with the driver `overlay`, as an overlay mount of the kernel reads them.
//!
//! A directory `overlay/ID` is a layer: `diff` has its files, `lower` names the layers below it, the next one first, as `l/NAME:l/NAME`,
//! where `overlay/l/NAME` is a link to a `diff`. A directory with the attribute "opaque" shows nothing of the layers below. What lacks in
//! an upper layer is a device node 0:0, a whiteout.
use osbuild_stage::{Entry, Error, FileType, Result, Tree, path};

/// The attribute "opaque" as it is in a user namespace.
const OPAQUE: &str = "user.overlay.opaque";

/// Gives opaque directories whiteouts in place of the attribute: mounts show the same, and what copies the storage, root or not, keeps them.
///
/// Outside of user namespaces the attribute is `trusted.overlay.opaque`, which only the kernel's root sets, sees and copies.
pub fn spell_out_opaque(tree: &Tree, storage: &str) -> Result<()> {
    let overlay = tree.below(&path::join(storage, "overlay"));
    for layer in directories(&overlay, "")? {
        let upper = format!("{}/diff", layer.name);
        if !is_directory(&overlay, &upper)? {
            continue;
        }
        let lower = lower(&overlay, &layer.name)?;
        let of_root = overlay.xattr(&upper, OPAQUE)?.map(|_| upper.clone());
        let mut opaque: Vec<_> = of_root.into_iter().collect();
        overlay.walk(&upper, &mut |path, metadata| {
            let is_directory = metadata.kind == FileType::Directory;
            if is_directory && overlay.xattr(path, OPAQUE)?.is_some() {
                opaque.push(path.to_owned());
            }
            Ok(())
        })?;
        for directory in opaque {
            let inner = directory.strip_prefix(&upper).unwrap_or_default();
            spell_out(&overlay, &upper, inner, &lower)?;
            overlay.remove_xattr(&directory, OPAQUE)?;
        }
    }
    Ok(())
}

fn directories(tree: &Tree, path: &str) -> Result<impl Iterator<Item = Entry>> {
    let entries = tree.list(path)?.into_iter();
    Ok(entries.filter(|entry| entry.kind == FileType::Directory))
}

/// Links are none.
fn is_directory(tree: &Tree, path: &str) -> Result<bool> {
    Ok(tree.exists_itself(path)? && tree.lstat(path)?.kind == FileType::Directory)
}

/// The directories `ID/diff` of the layers below one.
fn lower(overlay: &Tree, layer: &str) -> Result<Vec<String>> {
    let names = overlay.read_if_exists(&format!("{layer}/lower"))?;
    let names = names.unwrap_or_default();
    let links = names.split(':').filter(|name| !name.is_empty());
    let place = |name: &str| {
        let link = overlay.read_link(name)?;
        let inside = link.strip_prefix("../").map(str::to_owned);
        inside.ok_or_else(|| Error::new(format!("{}: leads to no layer", overlay.path(name))))
    };
    links.map(place).collect()
}

/// Makes whiteouts in a directory of the layer `upper`, and in those below it, for what would be seen of the layers below.
fn spell_out(overlay: &Tree, upper: &str, inner: &str, lower: &[String]) -> Result<()> {
    let seen = seen_through(overlay, inner, lower)?;
    let directory = path::join(upper, inner);
    for lower in &seen {
        for entry in overlay.list(lower)? {
            let above = path::join(&directory, &entry.name);
            if !overlay.exists_itself(&above)? {
                overlay.create_node(&above, FileType::CharacterDevice, 0, 0, 0)?;
            }
        }
    }
    // Without anything below, a whiteout would be seen itself.
    if seen.is_empty() {
        return Ok(());
    }
    for entry in directories(overlay, &directory)? {
        spell_out(overlay, upper, &path::join(inner, &entry.name), lower)?;
    }
    Ok(())
}

/// The directories of lower layers that one of an upper layer is merged with: those down to the first layer that has something else
/// in the place, or hides what is below it.
fn seen_through(overlay: &Tree, inner: &str, lower: &[String]) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for layer in lower {
        let (mut place, mut opaque, mut there) = (layer.clone(), false, true);
        for part in inner.split('/').filter(|part| !part.is_empty()) {
            place = path::join(&place, part);
            there = overlay.exists_itself(&place)?;
            if !there {
                break;
            }
            if overlay.lstat(&place)?.kind != FileType::Directory {
                return Ok(seen);
            }
            opaque |= overlay.xattr(&place, OPAQUE)?.is_some();
        }
        if there {
            seen.push(place);
        }
        if opaque {
            break;
        }
    }
    Ok(seen)
}
