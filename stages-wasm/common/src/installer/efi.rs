//! The boot loaders for UEFI.
use osbuild_stage::{Context, CopyOptions, Result, Tree, bail};

const FONT: &str = "/usr/share/grub/unicode.pf2";
const DIRECTORY: &str = "EFI/BOOT";

/// Makes EFI/BOOT in the tree: shim, its key manager and GRUB of each architecture from the build root, and the font.
pub fn boot_directory(tree: &Tree, vendor: &str, architectures: &[String]) -> Result<()> {
    if tree.exists_itself(DIRECTORY)? {
        bail!("/{DIRECTORY} is in the tree already");
    }
    tree.create_dir_all(&format!("{DIRECTORY}/fonts"))?;
    for architecture in architectures {
        let name = architecture.to_lowercase();
        for (from, to) in [
            (
                format!("shim{name}.efi"),
                format!("BOOT{}.EFI", name.to_uppercase()),
            ),
            (format!("mm{name}.efi"), format!("mm{name}.efi")),
            (format!("gcd{name}.efi"), format!("grub{name}.efi")),
        ] {
            let source = format!("/boot/efi/EFI/{vendor}/{from}");
            copy(&source, &tree.path(&format!("{DIRECTORY}/{to}")))
                .with_context(|| format!("the build root needs {source}"))?;
        }
    }
    copy(FONT, &tree.path(&format!("{DIRECTORY}/fonts/unicode.pf2")))
        .with_context(|| format!("the build root needs {FONT}"))
}

fn copy(from: &str, to: &str) -> Result<()> {
    let options = CopyOptions {
        remove_destination: false,
        follow: true,
    };
    Tree::contract().copy(from, to, options)
}
