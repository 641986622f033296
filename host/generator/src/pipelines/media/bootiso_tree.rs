//! The files of a medium with a system.
use super::efi_image::{efi_directory, efi_image};
use super::{Kernel, Kickstart, Medium, Payload, RootFs, loaders};
use crate::GeneratorError;
use crate::content::{Content, ResolvedContent};
use crate::manifest::Stage;
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use serde_json::json;
use std::rc::Rc;

/// The files of a medium.
#[derive(Clone, Debug)]
pub struct BootIsoTree {
    /// The medium.
    pub medium: Rc<Medium>,
    /// Pipeline of its system.
    pub system: String,
    /// Kernel of its system.
    pub kernel: Kernel,
    /// The packed system.
    pub root: RootFs,
    /// Directories that are made, a stage for each list.
    pub directories: Vec<Vec<String>>,
    /// Volume id of the file system for UEFI; none where the medium does not boot by UEFI.
    pub volume_id: Option<String>,
    /// What it installs, where that lies on the medium.
    pub payload: Option<Payload>,
    /// How it installs, where a file of the medium says so.
    pub kickstart: Option<Kickstart>,
    /// Release in `.discinfo`.
    pub release: String,
}

impl Pipeline for BootIsoTree {
    fn name(&self) -> &str {
        "bootiso-tree"
    }

    fn system(&self) -> &str {
        &self.system
    }

    fn build_packages(&self) -> Vec<String> {
        let mut packages = loaders::build_packages(self.medium.arch);
        packages.extend(loaders::extra_build_packages(self.medium.boot));
        packages.extend(self.root.build_packages());
        packages.extend(self.medium.build_packages.iter().cloned());
        if let Some(payload) = &self.payload {
            packages.extend(payload.build_packages());
        }
        packages
    }

    fn content(&self) -> Content {
        self.payload
            .as_ref()
            .map(Payload::content)
            .unwrap_or_default()
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let version = self.kernel.version(&self.system, &resolved.packages)?;
        let mut stages: Vec<Stage> = self
            .directories
            .iter()
            .map(|paths| directories(paths))
            .collect();
        let files = self
            .medium
            .config
            .system_files
            .as_deref()
            .unwrap_or_default();
        stages.push(self.kernel.on_medium(&version, &self.system, files));
        stages.push(self.root.stage());
        stages.extend(loaders::stages(&self.medium, &self.system, sources));
        if let Some(volume_id) = &self.volume_id {
            stages.extend(efi_image(volume_id));
            stages.push(efi_directory("root-tree"));
        }
        if let Some(payload) = &self.payload {
            stages.extend(payload.on_medium(self.name(), resolved, sources)?);
        }
        if let Some(kickstart) = &self.kickstart {
            stages.extend(kickstart.on_medium(self.payload.as_ref(), sources)?);
        }
        let discinfo = json!({"basearch": self.medium.arch, "release": self.release});
        stages.push(Stage::new("discinfo", discinfo));
        Ok(stages)
    }
}

fn directories(paths: &[String]) -> Stage {
    let paths: Vec<_> = paths.iter().map(|path| json!({"path": path})).collect();
    Stage::new("mkdir", json!({"paths": paths}))
}
