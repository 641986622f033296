//! The files of a medium that writes a disk.
use super::efi_image::{efi_directory, efi_image};
use super::{Kernel, Medium, loaders};
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::{Stage, pipeline_file};
use crate::pipelines::Pipeline;
use crate::pipelines::formats::Artifact;
use crate::sources::Sources;
use osbuild_wasm_distro::IsoBoot;
use serde_json::json;
use std::rc::Rc;

const SYSTEM: &str = "coi-tree";

/// The files of a medium that writes the disk it carries.
#[derive(Clone, Debug)]
pub struct SimplifiedTree {
    /// The medium.
    pub medium: Rc<Medium>,
    /// Kernel of its system.
    pub kernel: Kernel,
    /// Volume id of the file system for UEFI.
    pub volume_id: String,
    /// The compressed disk.
    pub disk: Artifact,
}

impl Pipeline for SimplifiedTree {
    fn name(&self) -> &str {
        "bootiso-tree"
    }

    fn system(&self) -> &str {
        SYSTEM
    }

    fn build_packages(&self) -> Vec<String> {
        let mut packages = loaders::build_packages(self.medium.arch);
        packages.extend(loaders::extra_build_packages(self.medium.boot));
        packages
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        _: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let version = self.kernel.version(SYSTEM, &resolved.packages)?;
        let Artifact { pipeline, file } = &self.disk;
        let copied = json!({"paths": [{"from": format!("input://file/{file}"), "to": format!("tree:///{file}")}]});
        let mut stages = vec![
            Stage::new("copy", copied).input("file", pipeline_file(pipeline, file)),
            Stage::new(
                "mkdir",
                json!({"paths": [{"path": "/images"}, {"path": "/images/pxeboot"}]}),
            ),
        ];
        stages.extend(efi_image(&self.volume_id));
        stages.push(self.kernel.on_medium(&version, SYSTEM, &[]));
        match self.medium.boot {
            IsoBoot::Uefi => {}
            IsoBoot::Isolinux => stages.push(loaders::isolinux(&self.medium, SYSTEM)),
            other => {
                return Err(GeneratorError::Request(format!(
                    "iso_config.boot {other:?}: a medium that writes a disk boots by UEFI or isolinux only"
                )));
            }
        }
        stages.push(efi_directory("tree"));
        Ok(stages)
    }
}
