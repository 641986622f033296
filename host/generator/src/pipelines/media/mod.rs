//! Media: installers, live systems, and what a machine boots over the network.
//!
//! A medium has a system of its own (`anaconda-tree`, `coi-tree`, or a container's tree), whose kernel and packed root
//! lie on it beside the loaders of the firmware; what it installs comes with it or from the network.
mod anaconda_tree;
mod bootc_media;
mod bootc_tree;
mod bootiso;
mod bootiso_tree;
mod coi_tree;
mod efi_image;
mod efiboot_tree;
mod installer;
mod kickstart;
mod loaders;
mod medium;
mod payload;
mod pxe_tree;
mod root_fs;
mod rootfs_image;
mod simplified;
mod simplified_tree;
mod system;
#[cfg(test)]
mod tests;

pub use anaconda_tree::{AnacondaTree, InstallerUse};
pub use bootc_media::BootcMedia;
pub use bootc_tree::BootcTree;
pub use bootiso::BootIso;
pub use bootiso_tree::BootIsoTree;
pub use coi_tree::CoiTree;
pub use efiboot_tree::EfiBootTree;
pub use installer::Installer;
pub use kickstart::{Answers, Kickstart};
pub use medium::Medium;
pub use payload::Payload;
pub use pxe_tree::PxeTree;
pub use root_fs::RootFs;
pub use rootfs_image::RootFsImage;
pub use simplified::simplified_pipelines;
pub use simplified_tree::SimplifiedTree;
pub use system::{Kernel, SystemSource};

/// Directory of kernel and initrd on a medium.
const KERNEL_DIRECTORY: &str = "/images/pxeboot";
