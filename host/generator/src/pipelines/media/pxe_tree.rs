//! What a machine boots over the network: kernel, initrd, packed system, and the loaders for UEFI.
use super::{Kernel, RootFs};
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::customizations::nodes;
use crate::manifest::{Stage, pipeline_tree};
use crate::pipelines::Pipeline;
use crate::request::Request;
use crate::sources::Sources;
use osbuild_wasm_blueprint::model;
use osbuild_wasm_distro::IsoConfig;
use serde_json::json;

const SYSTEM: &str = "os";
/// How to use the files, for people who unpack the archive.
const README: &str = include_str!("pxe-readme.md");

/// The files for a boot over the network.
#[derive(Clone, Debug)]
pub struct PxeTree {
    /// Kernel of the system.
    pub kernel: Kernel,
    /// Arguments of the kernel beside those that name the system.
    pub kernel_options: Vec<String>,
    /// The packed system.
    pub root: RootFs,
    /// Packages of the build root that the hardware asks for.
    pub build_packages: Vec<String>,
}

impl PxeTree {
    /// Name of the pipeline.
    pub const NAME: &'static str = "pxe-tree";

    /// The files of the system that is asked for.
    pub fn of(request: &Request<'_>) -> Self {
        let config = &request.image_type.image_config;
        let customizations = &request.blueprint.customizations;
        let mut kernel_options = config.kernel_options.clone().unwrap_or_default();
        let append = customizations
            .kernel
            .as_ref()
            .and_then(|kernel| kernel.append.clone());
        kernel_options.extend(append.filter(|append| !append.is_empty()));
        if customizations.fips == Some(true) {
            kernel_options.push("fips=1".into());
        }
        Self {
            kernel: Kernel::Package(
                request
                    .kernel_name()
                    .unwrap_or(model::Kernel::DEFAULT)
                    .into(),
            ),
            kernel_options,
            root: RootFs {
                pipeline: SYSTEM.into(),
                filename: "rootfs.img".into(),
                arch: request.arch,
                config: IsoConfig {
                    rootfs_exclude: None,
                    ..request.image_type.iso_config.clone()
                },
            },
            build_packages: request.image_type.platform.build_packages.clone(),
        }
    }

    /// A menu to start from: the system fetched by HTTP, or beside the initrd.
    fn menu(&self) -> String {
        let options = self.kernel_options.join(" ");
        let entry = |name: &str, root: &str, initrd: &str| {
            format!(
                "menuentry '{name}' {{\n    linux /vmlinuz root=live:{root} rd.live.image {options}\n    initrd /{initrd}\n}}\n"
            )
        };
        [
            "set timeout=60\n".to_owned(),
            entry("http-rootfs", "http://HTTP-SERVER/rootfs.img", "initrd.img"),
            entry("combined-rootfs", "/rootfs.img", "combined.img"),
        ]
        .concat()
    }
}

impl Pipeline for PxeTree {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn system(&self) -> &str {
        SYSTEM
    }

    fn build_packages(&self) -> Vec<String> {
        let mut packages = self.root.build_packages();
        packages.extend(self.build_packages.iter().cloned());
        packages
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let version = self.kernel.version(SYSTEM, &resolved.packages)?;
        let mut copied = self.kernel.copied(&version, ["/vmlinuz", "/initrd.img"]);
        copied.push(json!({"from": "input://tree/boot/efi/EFI", "to": "tree:///EFI"}));
        let readable = json!({
            "/EFI": {"mode": "ugo+Xr", "recursive": true},
            "/README": {"mode": "0644"},
            "/grub.cfg": {"mode": "0644"},
            "/initrd.img": {"mode": "0644"},
            "/rootfs.img": {"mode": "0644"},
            "/vmlinuz": {"mode": "0755"},
        });
        Ok(vec![
            Stage::new("copy", json!({"paths": copied})).input("tree", pipeline_tree(SYSTEM)),
            self.root.stage(),
            nodes::bytes_file_stage("/grub.cfg", self.menu().as_bytes(), sources),
            nodes::bytes_file_stage("/README", README.as_bytes(), sources),
            Stage::new("chmod", json!({"items": readable})),
        ])
    }
}
