//! Disk images by the build root's qemu-img.
use crate::Result;
use crate::bindings::osbuild::stage::qemu_img as wit;

pub use crate::bindings::osbuild::stage::qemu_img::{Conversion, Format, ImageInfo};

/// Converts a raw image; `source` may be an input, `to` must be in the tree.
pub fn convert(source: &str, to: &str, conversion: &Conversion) -> Result<()> {
    Ok(wit::convert(source, to, conversion)?)
}

/// Makes an empty image of `size` bytes.
pub fn create(path: &str, format: Format, size: u64, options: &[String]) -> Result<()> {
    Ok(wit::create(path, format, size, options)?)
}

/// Looks at an image.
pub fn info(path: &str) -> Result<ImageInfo> {
    Ok(wit::info(path)?)
}
