//! Boot menus and boot loaders of installer media.
mod efi;
mod grub_menu;
mod isolinux;

pub use efi::boot_directory;
pub use grub_menu::{Firmware, Menu};
pub use isolinux::isolinux_menu;

use serde::Deserialize;

/// What the medium installs.
#[derive(Debug, Clone, Deserialize)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The kernel of the medium.
#[derive(Debug, Clone, Deserialize)]
pub struct Kernel {
    /// Directory of kernel and initrd on the medium.
    pub dir: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub opts: Option<Vec<String>>,
}

impl Kernel {
    /// The arguments in one line.
    pub fn arguments(&self) -> String {
        self.opts.as_deref().unwrap_or_default().join(" ")
    }

    /// Directory of kernel and initrd.
    pub fn directory(&self) -> &str {
        self.dir
            .as_deref()
            .filter(|directory| !directory.is_empty())
            .unwrap_or("/images/pxeboot")
    }
}
