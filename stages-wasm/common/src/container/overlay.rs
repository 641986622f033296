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
        let mut opaque = Vec::new();
        overlay.walk(&upper, &mut |path, metadata| {
            let is_directory = metadata.kind == FileType::Directory;
            if is_directory && overlay.xattr(path, OPAQUE)?.is_some() {
                opaque.push(path.to_owned());
            }
            Ok(())
        })?;
        for directory in opaque {
            let inner = directory.strip_prefix(&upper).unwrap_or_default();
            for lower in &lower {
                if leads_to_directory(&overlay, lower, inner)? {
                    hide(&overlay, &path::join(lower, inner), &directory)?;
                }
            }
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

/// Whether a layer has this directory, by no link.
fn leads_to_directory(overlay: &Tree, layer: &str, inner: &str) -> Result<bool> {
    let mut place = layer.to_owned();
    for part in inner.split('/').filter(|part| !part.is_empty()) {
        place = path::join(&place, part);
        if !is_directory(overlay, &place)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes whiteouts in `upper` for what `lower` has and it has not.
fn hide(overlay: &Tree, lower: &str, upper: &str) -> Result<()> {
    for entry in overlay.list(lower)? {
        let (below, above) = (
            path::join(lower, &entry.name),
            path::join(upper, &entry.name),
        );
        if !overlay.exists_itself(&above)? {
            overlay.create_node(&above, FileType::CharacterDevice, 0, 0, 0)?;
        } else if entry.kind == FileType::Directory && is_directory(overlay, &above)? {
            hide(overlay, &below, &above)?;
        }
    }
    Ok(())
}
