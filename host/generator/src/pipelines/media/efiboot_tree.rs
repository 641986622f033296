//! What UEFI firmware finds on a medium: shim, GRUB and the menu.
use super::Medium;
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::Stage;
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use osbuild_wasm_distro::Arch;
use serde_json::json;
use std::rc::Rc;

/// The tree of the loaders for UEFI.
#[derive(Clone, Debug)]
pub struct EfiBootTree {
    /// The medium.
    pub medium: Rc<Medium>,
}

impl Pipeline for EfiBootTree {
    fn name(&self) -> &str {
        "efiboot-tree"
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let medium = &self.medium;
        let mut architectures = vec![efi_name(medium.arch)?.to_owned()];
        architectures.extend(medium.extra_uefi_arches.iter().cloned());
        let mut menu = medium.menu();
        menu.insert("isolabel".into(), json!(medium.label));
        menu.insert("architectures".into(), json!(architectures));
        if !medium.uefi_vendor.is_empty() {
            menu.insert("vendor".into(), json!(medium.uefi_vendor));
        }
        medium.add_entries(&mut menu);
        medium.add_choice(&mut menu);
        Ok(vec![Stage::new("grub2.iso", menu.into())])
    }
}

/// Name of an architecture in the file names of UEFI loaders, as the stage has it.
fn efi_name(arch: Arch) -> Result<&'static str, GeneratorError> {
    match arch {
        Arch::X86_64 => Ok("X64"),
        Arch::Aarch64 => Ok("AA64"),
        Arch::Riscv64 => Ok("RISCV64"),
        Arch::Ppc64le | Arch::S390x => Err(GeneratorError::Request(format!(
            "no medium for {arch} boots by UEFI: set iso_config.boot of the image type to the architecture's own loader"
        ))),
    }
}
