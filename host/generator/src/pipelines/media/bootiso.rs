//! The ISO 9660 image.
use super::Medium;
use super::efi_image::EFI_IMAGE;
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::{Stage, pipeline_tree};
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use osbuild_wasm_distro::IsoBoot;
use serde_json::{Map, json};
use std::rc::Rc;

/// The image of a medium.
#[derive(Clone, Debug)]
pub struct BootIso {
    /// The medium.
    pub medium: Rc<Medium>,
}

impl Pipeline for BootIso {
    fn name(&self) -> &str {
        "bootiso"
    }

    fn build_packages(&self) -> Vec<String> {
        ["isomd5sum", "xorriso"].map(String::from).to_vec()
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let medium = &self.medium;
        let mut options = Map::new();
        options.insert("filename".into(), json!(medium.filename));
        options.insert("volid".into(), json!(medium.label));
        options.insert("sysid".into(), "LINUX".into());
        let config = &medium.config;
        let named = [
            ("pub", &config.publisher),
            ("appid", &config.application),
            ("prep", &config.preparer),
        ];
        for (key, name) in named {
            if let Some(name) = name {
                options.insert(key.into(), json!(name));
            }
        }
        if let Some(boot) = boot_image(medium.boot) {
            options.insert("boot".into(), boot);
        }
        if medium.boot.uefi() {
            options.insert("efi".into(), EFI_IMAGE.into());
        }
        if medium.boot == IsoBoot::Isolinux {
            options.insert(
                "isohybridmbr".into(),
                "/usr/share/syslinux/isohdpfx.bin".into(),
            );
        }
        options.insert("isolevel".into(), 3.into());
        self.add_rest(&mut options);
        Ok(vec![
            Stage::new("xorrisofs", options.into()).input("tree", pipeline_tree("bootiso-tree")),
            Stage::new("implantisomd5", json!({"filename": medium.filename})),
        ])
    }
}

impl BootIso {
    fn add_rest(&self, options: &mut Map<String, serde_json::Value>) {
        let medium = &self.medium;
        if medium.boot == IsoBoot::Grub2 {
            options.insert(
                "grub2mbr".into(),
                "/usr/lib/grub/i386-pc/boot_hybrid.img".into(),
            );
        }
        if let Some(paths) = &medium.config.exclude {
            options.insert("exclude".into(), json!(paths));
        }
        if medium.boot == IsoBoot::Ppc64le {
            for flag in [
                "rational_rock",
                "untranslated_filenames",
                "full_filenames",
                "chrp_boot",
            ] {
                options.insert(flag.into(), true.into());
            }
            options.insert("volset".into(), json!(medium.label));
        }
    }
}

/// What firmware without UEFI boots from.
fn boot_image(boot: IsoBoot) -> Option<serde_json::Value> {
    match boot {
        IsoBoot::Uefi | IsoBoot::Ppc64le => None,
        IsoBoot::Isolinux => {
            Some(json!({"image": "isolinux/isolinux.bin", "catalog": "isolinux/boot.cat"}))
        }
        IsoBoot::Grub2 => Some(json!({"image": "images/eltorito.img", "catalog": "boot.cat"})),
        IsoBoot::S390x => Some(
            json!({"image": "images/cdboot.img", "catalog": "images/boot.cat", "nobootinfo": true}),
        ),
    }
}
