//! Distributions and packages of this program's definitions, and of those that an administrator adds.
use crate::service::{
    Error, ImageWish, Images, Manifest, PackageInfo, Result, Solved, Target, TypeFacts, Wish,
};
use jiff::Timestamp;
use osbuild_wasm_distro::{
    Arch, DefinitionError, Definitions, Distro, ImageFormat, ImageType, Kind as ImageKind,
};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_generator::checks::check;
use osbuild_wasm_generator::content::{Repository, ResolvedContent};
use osbuild_wasm_generator::customizations::nodes::LocalFiles;
use osbuild_wasm_generator::plan::{Plan, for_type};
use osbuild_wasm_generator::request::{Facts, Options, Request};
use osbuild_wasm_resolve::{
    Allowance, Environment, Kind, Package, ResolveError, Resolver, Settings, System, Transaction,
    Wanted, definitions_of, remote, repositories_in,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// The pipeline to which packages of a blueprint belong; repositories of users serve nothing else.
const PAYLOAD: &str = "blueprint";

/// Where things are.
#[derive(Debug, Default)]
pub struct Places {
    /// Directories with definitions, the first before the others.
    pub definitions: Vec<PathBuf>,
    /// Directory with repositories of distributions, in place of those of the definitions.
    pub repositories: Option<PathBuf>,
    /// Directory for metadata of repositories.
    pub cache: PathBuf,
    /// Distribution of blueprints that name none; this machine's if it is not given.
    pub distro: Option<String>,
    /// Other names of distributions. One for a distribution that is not known does nothing.
    pub aliases: BTreeMap<String, String>,
    /// Another program that finds packages.
    pub solver: Option<PathBuf>,
    /// Whether it is no error that no distribution has repositories.
    pub may_lack_repositories: bool,
}

/// What the composer knows of distributions.
#[derive(Debug)]
pub struct Catalogue {
    definitions: Definitions,
    places: Places,
    host: Option<String>,
    /// The distributions with repositories, by architecture.
    known: BTreeMap<&'static str, Vec<String>>,
}

impl Catalogue {
    /// Reads definitions, and looks which distributions have repositories.
    ///
    /// # Errors
    /// A definition or a file of repositories cannot be used; there is no distribution of the name that is given.
    pub fn load(places: Places) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let definitions = definitions_of(&places.definitions)?;
        let mut catalogue = Self {
            definitions,
            places,
            host: None,
            known: BTreeMap::new(),
        };
        let distributions = catalogue.definitions.distributions()?;
        for arch in Arch::ALL {
            let mut names = Vec::new();
            for name in &distributions {
                let distro = catalogue.definitions.distro(name)?;
                if !catalogue
                    .listed(&distro, arch)
                    .unwrap_or_default()
                    .is_empty()
                {
                    names.push(name.clone());
                }
            }
            names.sort();
            catalogue.known.insert(arch.name(), names);
        }
        if catalogue.known.values().all(Vec::is_empty) && !catalogue.places.may_lack_repositories {
            return Err("no distribution has repositories: name a directory with them, or set ignore_missing_repos".into());
        }
        for alias in catalogue.places.aliases.keys() {
            if distributions.contains(alias) {
                return Err(format!("distro_aliases: {alias} is a distribution").into());
            }
        }
        catalogue.host = match &catalogue.places.distro {
            Some(name) => Some(catalogue.named(name)?.name),
            None => osbuild_wasm_resolve::host_distro().and_then(|name| catalogue.distro(&name)),
        };
        Ok(catalogue)
    }

    /// The distribution of a name or of an alias.
    fn named(&self, name: &str) -> std::result::Result<Distro, DefinitionError> {
        let aliases = &self.places.aliases;
        self.definitions
            .distro(aliases.get(name).map_or(name, String::as_str))
    }

    fn system(&self, target: &Target) -> Result<(Distro, Arch)> {
        let unknown = || Error::Distro {
            distro: target.distro.clone(),
            arch: target.arch.clone(),
        };
        let distro = self.named(&target.distro).map_err(|_| unknown())?;
        Ok((distro, Arch::from_name(&target.arch).ok_or_else(unknown)?))
    }

    /// All repositories of a distribution, those for certain image types too.
    fn listed(&self, distro: &Distro, arch: Arch) -> Result<Vec<Repository>> {
        let listed = repositories_in(
            self.places.repositories.as_deref(),
            &self.definitions,
            distro,
            arch,
        );
        listed.map_err(|error| Error::Packages(error.to_string()))
    }

    /// Asks a resolver.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Resolver<'_>) -> std::result::Result<T, ResolveError>,
    ) -> Result<T> {
        let (environment, cancel) = (Environment::of_process(), AtomicBool::new(false));
        let resolver = Resolver::new(Settings {
            cache: &self.places.cache,
            solver: self.places.solver.as_deref(),
            environment: &environment,
            allowance: &|_| Allowance::EVERYTHING,
            observer: &Silent,
            cancel: &cancel,
        });
        resolver
            .and_then(|resolver| question(&resolver))
            .map_err(refused)
    }

    /// Asks a resolver about repositories for a system.
    fn ask_of<T>(
        &self,
        target: &Target,
        repositories: &[Repository],
        question: impl FnOnce(&Resolver<'_>, &Wanted<'_>) -> std::result::Result<T, ResolveError>,
    ) -> Result<T> {
        let (distro, arch) = self.system(target)?;
        let remotes = repositories
            .iter()
            .map(|repository| Ok(remote(repository)?.1));
        let remotes: Vec<_> = remotes
            .collect::<std::result::Result<_, _>>()
            .map_err(refused)?;
        let wanted = Wanted {
            arch: arch.name(),
            releasever: &distro.release_version,
            platform: Some(&distro.module_platform_id),
            repositories: &remotes,
        };
        self.ask(|resolver| question(resolver, &wanted))
    }
}

impl Images for Catalogue {
    fn host_arch(&self) -> &str {
        std::env::consts::ARCH
    }

    fn host_distro(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn distro(&self, name: &str) -> Option<String> {
        self.named(name).ok().map(|distro| distro.name)
    }

    fn distros(&self, arch: &str) -> Vec<String> {
        self.known.get(arch).cloned().unwrap_or_default()
    }

    fn image_types(&self, target: &Target) -> Vec<String> {
        let names = self.system(target).and_then(|(distro, arch)| {
            self.definitions
                .names(&distro, arch)
                .map_err(|error| Error::ImageType(error.to_string()))
        });
        names
            .unwrap_or_default()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    fn image_type(&self, target: &Target, name: &str) -> Option<String> {
        let (distro, arch) = self.system(target).ok()?;
        let found = self.definitions.image_type(&distro, arch, name).ok()?;
        Some(found.name)
    }

    fn repositories_for(&self, target: &Target, image_type: &str) -> Result<Vec<Repository>> {
        let (distro, arch) = self.system(target)?;
        Ok(for_type(&self.listed(&distro, arch)?, image_type))
    }

    fn type_facts(&self, target: &Target, image_type: &str) -> Option<TypeFacts> {
        let (distro, arch) = self.system(target).ok()?;
        let found = self
            .definitions
            .image_type(&distro, arch, image_type)
            .ok()?;
        Some(TypeFacts {
            what: what_comes_out(&found),
            file: found.filename,
            default_size: found.default_size,
            boot_mode: found.platform.boot_mode().name().to_owned(),
            needs_commit: deploys_commit(found.kind)
                && found.ostree.is_some_and(|ostree| ostree.url.is_empty()),
        })
    }

    fn repositories(&self, target: &Target) -> Result<Vec<Repository>> {
        let (distro, arch) = self.system(target)?;
        let listed = self.listed(&distro, arch)?;
        Ok(listed
            .into_iter()
            .filter(|repository| repository.image_type_tags.is_empty())
            .collect())
    }

    fn depsolve(
        &self,
        target: &Target,
        repositories: &[Repository],
        wish: &Wish,
    ) -> Result<Vec<Solved>> {
        let transaction = Transaction {
            packages: wish.packages.clone(),
            modules: wish.modules.clone(),
            weak: true,
            ..Transaction::default()
        };
        let found = self.ask_of(target, repositories, |resolver, wanted| {
            resolver.depsolve(wanted, std::slice::from_ref(&transaction), false)
        })?;
        Ok(found
            .transactions
            .into_iter()
            .flatten()
            .map(|package| solved(package, repositories))
            .collect())
    }

    fn search(
        &self,
        target: &Target,
        repositories: &[Repository],
        patterns: &[String],
    ) -> Result<Vec<PackageInfo>> {
        let patterns = if patterns.is_empty() {
            vec!["*".to_owned()]
        } else {
            patterns.to_vec()
        };
        let found = self.ask_of(target, repositories, |resolver, wanted| {
            resolver.search(wanted, &patterns, false)
        })?;
        Ok(found
            .into_iter()
            .map(|package| described(package, repositories))
            .collect())
    }

    fn manifest(&self, wish: &ImageWish) -> Result<Manifest> {
        let (distro, arch) = self.system(&wish.target)?;
        let image_type = self.definitions.image_type(&distro, arch, &wish.image_type);
        let image_type = image_type.map_err(|error| Error::ImageType(error.to_string()))?;
        let mut repositories = match wish.repositories.is_empty() {
            true => self.repositories_for(&wish.target, &image_type.name)?,
            false => wish.repositories.clone(),
        };
        repositories.extend(wish.payload_repositories.iter().cloned().map(|repository| {
            Repository {
                package_sets: vec![PAYLOAD.to_owned()],
                ..repository
            }
        }));
        let options = Options {
            size: wish.size,
            ostree: wish.ostree.clone(),
            subscription: wish.subscription.clone(),
            facts: Some(Facts {
                api_type: wish.api.to_owned(),
            }),
            ..Options::default()
        };
        let request = Request {
            distro: &distro,
            arch,
            image_type: &image_type,
            blueprint: &wish.blueprint,
            options: &options,
            repositories: &repositories,
            // Files of this machine are not for those who only reach the service.
            local_files: &LocalFiles::new(),
            bootc: None,
            bootc_build: None,
            seed: wish.seed,
        };
        let findings = check(&request)
            .into_iter()
            .filter(|finding| !finding.is_warning);
        let findings: Vec<String> = findings.map(|finding| finding.message).collect();
        if !findings.is_empty() {
            return Err(Error::Manifest(findings.join("; ")));
        }
        let invalid =
            |error: osbuild_wasm_generator::GeneratorError| Error::Manifest(error.to_string());
        let plan = Plan::new(request).map_err(invalid)?;
        let needs = plan.content();
        let system = System {
            distro: &distro,
            arch,
        };
        let resolved: Vec<ResolvedContent> = self.ask(|resolver| {
            let each = needs
                .iter()
                .map(|(_, content)| Ok(resolver.content(&system, content, false)?.0));
            each.collect()
        })?;
        let manifest = plan.manifest(&resolved).map_err(invalid)?;
        let of_image = needs
            .iter()
            .zip(&resolved)
            .filter(|((pipeline, _), _)| !is_build_root(pipeline));
        let packages =
            of_image.flat_map(|(_, resolved)| resolved.packages.transactions.iter().flatten());
        Ok(Manifest {
            manifest,
            export: image_type.exports.first().cloned().unwrap_or_default(),
            file: image_type.filename.clone(),
            mime: image_type.mime_type.clone(),
            boot_mode: image_type.platform.boot_mode().name().to_owned(),
            packages: packages.cloned().collect(),
            image_type: image_type.name.clone(),
        })
    }
}

/// Pipelines that make no part of the image have names that say so.
fn is_build_root(pipeline: &str) -> bool {
    pipeline == "build" || pipeline.ends_with("-build")
}

/// Whether images of this kind carry a commit that was made before.
fn deploys_commit(kind: ImageKind) -> bool {
    use ImageKind::{OstreeDisk, OstreeInstaller, OstreeSimplifiedInstaller};
    matches!(
        kind,
        OstreeDisk | OstreeInstaller | OstreeSimplifiedInstaller
    )
}

/// What an image type is, in a few words.
fn what_comes_out(image_type: &ImageType) -> String {
    let what = match image_type.kind {
        ImageKind::Disk => "a disk",
        ImageKind::Container => "an archive of a container",
        ImageKind::Tar => "an archive of the tree",
        ImageKind::OstreeCommit => "an archive of an OSTree commit",
        ImageKind::OstreeContainer => "a container that serves an OSTree commit",
        ImageKind::BootableContainer => "a container from which a machine boots",
        ImageKind::OstreeDisk => "a disk on which an OSTree commit is deployed",
        ImageKind::ImageInstaller => "a medium that installs the system it carries",
        ImageKind::OstreeInstaller => "a medium that installs the OSTree commit it carries",
        ImageKind::NetworkInstaller => "a medium that installs from the network",
        ImageKind::LiveInstaller => "a medium from which a system runs and can be installed",
        ImageKind::OstreeSimplifiedInstaller => "a medium that writes the disk it carries",
        ImageKind::PxeTar => "kernel, initrd and root for a boot over the network",
        ImageKind::BootcDisk => "a disk on which a bootable container is installed",
        ImageKind::BootcPackageInstaller | ImageKind::BootcInstaller => {
            "a medium that installs a bootable container"
        }
        ImageKind::BootcLive => "a medium from which a bootable container runs",
    };
    let format = match image_type.platform.image_format {
        ImageFormat::Unset | ImageFormat::Iso => return what.to_owned(),
        ImageFormat::Raw => "raw",
        ImageFormat::Qcow2 => "for QEMU (qcow2)",
        ImageFormat::Vhd => "for Azure and Hyper-V (VHD)",
        ImageFormat::Vmdk => "for VMware (VMDK)",
        ImageFormat::Gce => "for Google's cloud",
        ImageFormat::Ova => "for VMware and VirtualBox (OVA)",
        ImageFormat::VagrantLibvirt => "for Vagrant with libvirt",
        ImageFormat::VagrantVirtualbox => "for Vagrant with VirtualBox",
    };
    format!("{what}, {format}")
}

/// Downloads of a service are told to no terminal.
struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}

fn refused(error: ResolveError) -> Error {
    match error.kind {
        Kind::Missing | Kind::Conflict => Error::Unsolvable(error.to_string()),
        Kind::Content => Error::Container(error.to_string()),
        Kind::Repository | Kind::Cache | Kind::Solver => Error::Packages(error.to_string()),
    }
}

fn solved(package: Package, repositories: &[Repository]) -> Solved {
    let repository = repositories
        .iter()
        .find(|repository| repository.with_id().id == package.repo_id);
    let checksum = package
        .checksum
        .map(|checksum| format!("{}:{}", checksum.algorithm, checksum.value));
    Solved {
        name: package.name,
        epoch: package.epoch,
        version: package.version,
        release: package.release,
        arch: package.arch,
        checksum: checksum.unwrap_or_default(),
        location: package
            .remote_locations
            .into_iter()
            .next()
            .unwrap_or_default(),
        repository: package.repo_id,
        check_gpg: repository.is_some_and(|repository| repository.check_gpg == Some(true)),
        files: package.files,
    }
}

fn described(package: Package, repositories: &[Repository]) -> PackageInfo {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let built: Option<Timestamp> = package
        .build_time
        .as_deref()
        .and_then(|time| time.parse().ok());
    PackageInfo {
        summary: text(&package.summary),
        description: text(&package.description),
        homepage: text(&package.url),
        license: text(&package.license),
        build_time: built.map_or(0, Timestamp::as_second),
        package: solved(package, repositories),
    }
}
