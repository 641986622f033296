//! The system of an installer or of a live medium.
use super::{Kernel, Kickstart, Medium, Payload, SystemSource};
use crate::GeneratorError;
use crate::content::{Container, Content, FlatpakRequest, ResolvedContent};
use crate::customizations::nodes;
use crate::manifest::{Stage, source_container};
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use osbuild_wasm_blueprint::model::File;
use osbuild_wasm_distro::{Arch, InstallerConfig, LoraxTemplate};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// What a medium's system is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallerUse {
    /// It installs what it carries, with these modules of Anaconda.
    Payload(Vec<String>),
    /// It installs from the network, with all modules but these.
    Network(Vec<String>),
    /// It runs, and may install itself.
    Live,
}

/// The tree of an installer or of a live medium.
#[derive(Clone, Debug)]
pub struct AnacondaTree {
    /// What it is made of.
    pub source: SystemSource,
    /// Its kernel.
    pub kernel: Kernel,
    /// The medium it lies on.
    pub medium: Rc<Medium>,
    /// What it is for.
    pub purpose: InstallerUse,
    /// Variant of the product.
    pub variant: String,
    /// Whether the product is released.
    pub is_final: bool,
    /// Its language.
    pub language: String,
    /// What differs from type to type.
    pub config: InstallerConfig,
    /// What it installs, where that lies in the tree itself.
    pub payload: Option<(Payload, Kickstart)>,
    /// Flatpaks that it brings.
    pub flatpaks: Vec<FlatpakRequest>,
}

impl Pipeline for AnacondaTree {
    fn name(&self) -> &str {
        "anaconda-tree"
    }

    fn build_packages(&self) -> Vec<String> {
        let mut packages = self.source.build_packages();
        packages.push("shadow-utils".into());
        packages.extend(self.config.lorax_templates_package.clone());
        packages.extend(self.config.build_packages.iter().flatten().cloned());
        if let Some((payload, _)) = &self.payload {
            packages.extend(payload.build_packages());
        }
        if !self.flatpaks.is_empty() {
            packages.push("flatpak".into());
        }
        if self.is_live() {
            packages.push("policycoreutils".into());
        }
        packages
    }

    fn content(&self) -> Content {
        let payload = self.payload.as_ref().map(|(payload, _)| payload.content());
        Content {
            commits: payload.map(|content| content.commits).unwrap_or_default(),
            flatpaks: self.flatpaks.clone(),
            ..self.source.content()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let version = self.kernel.version(self.name(), &resolved.packages)?;
        let mut stages = self.source.stages(self.name(), resolved, sources)?;
        if let Some((payload, kickstart)) = &self.payload {
            stages.extend(payload.in_system(self.name(), resolved, sources)?);
            stages.push(kickstart.in_system(payload)?);
        }
        stages.extend(flatpak_stages(resolved, sources));
        let language = json!({"language": self.language});
        stages.extend([
            self.buildstamp(),
            Stage::new("locale", language),
            self.users(),
        ]);
        match &self.purpose {
            InstallerUse::Live => stages.extend(self.live_stages(&version, sources)?),
            _ => stages.extend(self.installer_stages(&version)),
        }
        Ok(stages)
    }
}

impl AnacondaTree {
    fn is_live(&self) -> bool {
        self.purpose == InstallerUse::Live
    }

    fn buildstamp(&self) -> Stage {
        self.medium.buildstamp(&self.variant, self.is_final)
    }

    /// No user has a password: a person who starts the medium has the machine. The installer runs as the shell of a user.
    fn users(&self) -> Stage {
        let mut users = Map::new();
        if !self.is_live() {
            let home = self.config.install_home.as_deref().unwrap_or("/root");
            let shell = "/usr/libexec/anaconda/run-anaconda";
            let install = json!({"uid": 0, "gid": 0, "home": home, "shell": shell, "password": ""});
            users.insert("install".into(), install);
        }
        users.insert("root".into(), json!({"password": ""}));
        Stage::new("users", json!({"users": users}))
    }

    fn installer_stages(&self, version: &str) -> Vec<Stage> {
        let mut stages = Vec::new();
        stages.extend(self.anaconda());
        let templates = self.config.lorax_templates.iter().flatten();
        let (after, before): (Vec<_>, Vec<_>) =
            templates.partition(|template| template.after_dracut);
        stages.extend(before.into_iter().map(|template| self.lorax(template)));
        stages.push(self.dracut(version));
        stages.extend(after.into_iter().map(|template| self.lorax(template)));
        if self.config.lorax_templates.is_none() {
            stages.extend(start_of_anaconda());
        }
        stages.push(Stage::new("selinux.config", json!({"state": "permissive"})));
        stages
    }

    fn anaconda(&self) -> Option<Stage> {
        let (name, modules) = match &self.purpose {
            InstallerUse::Payload(modules) if self.is_legacy() => ("kickstart-modules", modules),
            InstallerUse::Payload(modules) => ("activatable-modules", modules),
            InstallerUse::Network(modules) => ("forbidden-modules", modules),
            InstallerUse::Live => return None,
        };
        (!modules.is_empty()).then(|| Stage::new("anaconda", json!({name: modules})))
    }

    fn is_legacy(&self) -> bool {
        self.config.legacy_anaconda_config == Some(true)
    }

    fn lorax(&self, template: &LoraxTemplate) -> Stage {
        let branding = self.config.branding.clone().unwrap_or_default();
        Stage::new(
            "lorax-script",
            json!({
                "path": template.path,
                "basearch": self.medium.arch,
                "product": {"name": "", "version": ""},
                "branding": {"release": branding.release, "logos": branding.logos},
            }),
        )
    }

    fn live_stages(
        &self,
        version: &str,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let mut stages = Vec::new();
        if let Some(services) = &self.config.enabled_services {
            stages.push(Stage::new("systemd", json!({"enabled_services": services})));
        }
        stages.extend(nodes::file_stages(
            &self.files()?,
            &nodes::LocalFiles::new(),
            sources,
        )?);
        stages.push(self.dracut(version));
        let contexts = "etc/selinux/targeted/contexts/files/file_contexts";
        stages.push(Stage::new("selinux", json!({"file_contexts": contexts})));
        Ok(stages)
    }

    fn files(&self) -> Result<Vec<File>, GeneratorError> {
        let files = self.config.files.iter().flatten();
        files
            .map(|file| {
                serde_json::from_value(file.clone()).map_err(|error| {
                    GeneratorError::Request(format!(
                        "installer_config.files of the image type: {error}"
                    ))
                })
            })
            .collect()
    }

    /// The initrd: modules of every medium, then the type's, then those of its purpose.
    fn dracut(&self, version: &str) -> Stage {
        let mut modules: Vec<String> = ["pollcdrom", "qemu", "qemu-net"].map(String::from).to_vec();
        modules.extend(self.config.dracut_modules.iter().flatten().cloned());
        if self.medium.arch == Arch::X86_64 {
            modules.push("biosdevname".into());
        }
        let own = match self.is_live() {
            true => ["livenet", "dmsquash-live", "convertfs"],
            false => ["fips", "anaconda", "prefixdevname-tools"],
        };
        modules.extend(own.map(String::from));
        let mut extra = vec!["--xz".to_owned()];
        if let Kernel::Container(version) = &self.kernel {
            extra.push(format!("lib/modules/{version}/initramfs.img"));
        }
        let mut options = Map::new();
        options.insert("kernel".into(), json!([version]));
        options.insert("add_modules".into(), json!(modules));
        add_list(
            &mut options,
            "add_drivers",
            self.config.dracut_drivers.as_deref(),
        );
        if !self.is_live() {
            options.insert("install".into(), json!(["./buildstamp"]));
            extra.extend(["--nomdadmconf", "--nolvmconf"].map(String::from));
        }
        options.insert("extra".into(), json!(extra));
        add_list(&mut options, "remove", self.config.dracut_remove.as_deref());
        Stage::new("dracut", options.into())
    }
}

fn add_list(options: &mut Map<String, Value>, name: &str, list: Option<&[String]>) {
    if let Some(list) = list.filter(|list| !list.is_empty()) {
        options.insert(name.into(), json!(list));
    }
}

/// What makes the system start Anaconda on its first terminals, where no template of lorax does it.
fn start_of_anaconda() -> Vec<Stage> {
    const UNITS: &str = "tree:///usr/lib/systemd/system";
    let from = format!("{UNITS}/anaconda-shell@.service");
    let to = format!("{UNITS}/autovt@.service");
    let login = json!({"filename": "10-reserve-vt.conf", "config": {"Login": {"ReserveVT": 2}}});
    vec![
        Stage::new("copy", json!({"paths": [{"from": from, "to": to}]})),
        Stage::new("systemd-logind", login),
        Stage::new("systemd", json!({"default_target": "anaconda.target"})),
    ]
}

/// A repository of flatpaks with one bundle after the other.
fn flatpak_stages(resolved: &ResolvedContent, sources: &mut Sources) -> Vec<Stage> {
    let mut stages = Vec::new();
    if !resolved.flatpaks.is_empty() {
        let options = json!({"mode": "bare-user", "path": "/flatpak/repo"});
        stages.push(Stage::new("ostree.init", options));
    }
    for flatpak in &resolved.flatpaks {
        sources.add_container(&flatpak.container);
        // What a bundle is called is in it.
        let container = Container {
            local_name: String::new(),
            ..flatpak.container.clone()
        };
        let options = json!({"repository": "tree:///flatpak/repo"});
        stages.push(
            Stage::new("flatpak.build-import-bundle.oci", options)
                .input("containers", source_container(&container)),
        );
    }
    stages
}
