//! The system of a medium that writes a disk: an initrd with the installer of CoreOS is all that runs of it.
use super::{Kernel, Medium, SystemSource};
use crate::GeneratorError;
use crate::content::{Content, ResolvedContent};
use crate::customizations::nodes;
use crate::manifest::Stage;
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use osbuild_wasm_distro::{Arch, InstallerConfig};
use serde_json::json;
use std::rc::Rc;

/// Certificates that the key of the server for device onboarding is checked against, in the initrd.
pub const ONBOARDING_CERTIFICATES: &str = "/fdo_diun_pub_key_root_certs.pem";
/// Modules of the initrd after the type's.
const MODULES: [&str; 19] = [
    "systemd",
    "systemd-initrd",
    "fips",
    "modsign",
    "rescue",
    "i18n",
    "kernel-modules",
    "kernel-modules-extra",
    "network-manager",
    "network",
    "drm",
    "coreos-installer",
    "fdo",
    "lvm",
    "terminfo",
    "fs-lib",
    "dracut-systemd",
    "debug",
    "shutdown",
];

/// The tree of a medium that writes a disk.
#[derive(Clone, Debug)]
pub struct CoiTree {
    /// What it is made of.
    pub source: SystemSource,
    /// Its kernel.
    pub kernel: Kernel,
    /// The medium it lies on.
    pub medium: Rc<Medium>,
    /// Variant of the product.
    pub variant: String,
    /// What differs from type to type.
    pub config: InstallerConfig,
    /// Certificates for device onboarding, as PEM.
    pub onboarding_certificates: Option<String>,
}

impl Pipeline for CoiTree {
    fn name(&self) -> &str {
        "coi-tree"
    }

    fn build_packages(&self) -> Vec<String> {
        let mut packages = self.source.build_packages();
        packages.extend(self.config.lorax_templates_package.clone());
        packages.extend(self.config.build_packages.iter().flatten().cloned());
        if self.medium.arch == Arch::X86_64 {
            packages.push("biosdevname".into());
        }
        packages
    }

    fn content(&self) -> Content {
        self.source.content()
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let version = self.kernel.version(self.name(), &resolved.packages)?;
        let mut stages = self.source.stages(self.name(), resolved, sources)?;
        stages.push(self.medium.buildstamp(&self.variant, true));
        stages.push(Stage::new("locale", json!({"language": "C.UTF-8"})));
        let mut install = vec!["/.buildstamp"];
        if let Some(certificates) = &self.onboarding_certificates {
            stages.push(nodes::bytes_file_stage(
                ONBOARDING_CERTIFICATES,
                certificates.as_bytes(),
                sources,
            ));
            install.push(ONBOARDING_CERTIFICATES);
        }
        let own = self
            .config
            .dracut_modules
            .iter()
            .flatten()
            .map(String::as_str);
        let mut modules: Vec<&str> = own.chain(MODULES).collect();
        if self.medium.arch == Arch::X86_64 {
            modules.push("biosdevname");
        }
        let options = json!({"kernel": [version], "modules": modules, "install": install});
        stages.push(Stage::new("dracut", options));
        Ok(stages)
    }
}
