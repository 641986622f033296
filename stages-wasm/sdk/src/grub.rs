//! GRUB as the build root has it.
use crate::Result;
use crate::bindings::osbuild::stage::grub as wit;

pub use crate::bindings::osbuild::stage::grub::Core;

/// Makes a core image and returns it.
pub fn core_image(core: &Core) -> Result<Vec<u8>> {
    Ok(wit::core_image(core)?)
}

/// The boot image of a platform (boot.img, 512 bytes).
pub fn boot_image(platform: &str) -> Result<Vec<u8>> {
    Ok(wit::boot_image(platform)?)
}

/// An environment block of 1,024 bytes with these variables, in order.
pub fn environment_block(variables: &[(String, String)]) -> Result<Vec<u8>> {
    Ok(wit::environment_block(variables)?)
}
