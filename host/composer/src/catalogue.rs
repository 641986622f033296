//! Distributions and packages of this program's definitions, and of those that an administrator adds.
use crate::content::{fetched, file_uris, questions, resolved};
use crate::service::{
    Error, Image, ImageWish, Images, PackageInfo, PipelineNames, Result, Solved, Target, TypeFacts,
    Wish, listed,
};
use jiff::Timestamp;
use osbuild_wasm_distro::{
    Arch, DefinitionError, Definitions, Distro, ImageFormat, ImageType, Kind as ImageKind,
};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_generator::GeneratorError;
use osbuild_wasm_generator::checks::check;
use osbuild_wasm_generator::content::{Repository, Transaction};
use osbuild_wasm_generator::customizations::nodes::LocalFiles;
use osbuild_wasm_generator::plan::{Plan, for_type, is_build_root};
use osbuild_wasm_generator::request::{Facts, Options, Request};
use osbuild_wasm_resolve::jobs::{
    Depsolve, DepsolveAnswer, JobPackage, Question, Search, SearchAnswer, failed, is_remote,
    read_answer,
};
use osbuild_wasm_resolve::{
    Allowance, Environment, ResolveError, Resolver, Settings, System, definitions_of,
    repositories_in,
};
use osbuild_wasm_tasks::{Failure, JobError};
use serde_json::Value;
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
        cancel: &AtomicBool,
        question: impl FnOnce(&Resolver<'_>) -> T,
    ) -> std::result::Result<T, ResolveError> {
        let environment = Environment::of_process();
        let resolver = Resolver::new(Settings {
            cache: &self.places.cache,
            solver: self.places.solver.as_deref(),
            environment: &environment,
            allowance: &|_| Allowance::EVERYTHING,
            observer: &Silent,
            cancel,
        });
        resolver.map(|resolver| question(&resolver))
    }

    /// Does something with the plan of an image.
    fn with_plan<T>(
        &self,
        wish: &ImageWish,
        files: &LocalFiles,
        work: impl FnOnce(&Request<'_>, &Plan<'_>) -> Result<T>,
    ) -> Result<T> {
        let (distro, arch) = self.system(&wish.target)?;
        let image_type = self.definitions.image_type(&distro, arch, &wish.image_type);
        let image_type = image_type.map_err(|error| Error::ImageType(error.to_string()))?;
        let mut repositories = match wish.repositories.is_empty() {
            true => self.repositories_for(&wish.target, &image_type.name)?,
            false => wish.repositories.clone(),
        };
        let payload = wish.payload_repositories.iter().cloned();
        repositories.extend(payload.map(|repository| Repository {
            package_sets: vec![PAYLOAD.to_owned()],
            ..repository
        }));
        let options = Options {
            size: wish.size,
            ostree: wish.ostree.clone(),
            subscription: wish.subscription.clone(),
            facts: Some(Facts {
                api_type: wish.api.clone(),
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
            local_files: files,
            bootc: None,
            bootc_build: None,
            seed: wish.seed,
        };
        let findings = check(&request).into_iter();
        let findings = findings.filter(|finding| !finding.is_warning);
        let findings: Vec<String> = findings.map(|finding| finding.message).collect();
        if !findings.is_empty() {
            return Err(Error::Manifest(findings.join("; ")));
        }
        let plan = Plan::new(request).map_err(|error| Error::Manifest(error.to_string()))?;
        work(&request, &plan)
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
        cancel: &AtomicBool,
    ) -> Result<Vec<Solved>> {
        let (distro, arch) = self.system(target)?;
        let system = System::of(&distro, arch);
        let transaction = Transaction {
            include: wish.packages.clone(),
            modules: wish.modules.clone(),
            repositories: repositories.to_vec(),
            install_weak_deps: true,
            ..Transaction::default()
        };
        let question = Question::Depsolve(Depsolve {
            grouped_package_sets: [(PAYLOAD.to_owned(), vec![transaction])].into(),
            module_platform_id: system.platform.to_owned(),
            arch: system.arch.to_owned(),
            releasever: system.releasever.to_owned(),
            sbom_type: None,
        });
        let answer: DepsolveAnswer = read_answer(&self.answer(&question, cancel))?;
        let found = answer.transactions.into_values().flatten().flatten();
        Ok(found.map(listed).collect())
    }

    fn search(
        &self,
        target: &Target,
        repositories: &[Repository],
        patterns: &[String],
        cancel: &AtomicBool,
    ) -> Result<Vec<PackageInfo>> {
        let (distro, arch) = self.system(target)?;
        let system = System::of(&distro, arch);
        let patterns = match patterns.is_empty() {
            true => vec!["*".to_owned()],
            false => patterns.to_vec(),
        };
        let question = Question::Search(Search {
            packages: patterns,
            repos: repositories.to_vec(),
            module_platform_id: system.platform.to_owned(),
            arch: system.arch.to_owned(),
            releasever: system.releasever.to_owned(),
        });
        let answer: SearchAnswer = read_answer(&self.answer(&question, cancel))?;
        Ok(answer.packages.into_iter().map(described).collect())
    }

    fn image(&self, wish: &ImageWish) -> Result<Image> {
        for (path, uri) in file_uris(&wish.blueprint) {
            if !is_remote(uri) {
                return Err(Error::Manifest(format!(
                    "cannot include {uri} as {path}: files of the service's machine are its own; name a URL of a web server, or give `data`"
                )));
            }
        }
        self.with_plan(wish, &LocalFiles::new(), |request, plan| {
            let needs = plan.content();
            let system = System::of(request.distro, request.arch);
            let names = needs.iter().map(|(name, _)| name.clone());
            let (build, payload) = names.partition(|name| is_build_root(name));
            let image_type = request.image_type;
            Ok(Image {
                image_type: image_type.name.clone(),
                export: image_type.exports.first().cloned().unwrap_or_default(),
                file: image_type.filename.clone(),
                mime: image_type.mime_type.clone(),
                boot_mode: image_type.platform.boot_mode().name().to_owned(),
                pipelines: PipelineNames { build, payload },
                questions: questions(&system, &needs, &wish.blueprint),
            })
        })
    }

    fn answer(&self, question: &Question, cancel: &AtomicBool) -> Value {
        let answered = self.ask(cancel, |resolver| question.answer(resolver));
        answered.unwrap_or_else(|error| {
            let reason = error.to_string();
            failed(&JobError::new(Failure::Solver, reason))
        })
    }

    fn manifest(
        &self,
        wish: &ImageWish,
        answers: &[(String, Value)],
    ) -> std::result::Result<Value, JobError> {
        let files = fetched(answers)?;
        let made = self.with_plan(wish, &files, |_, plan| {
            let resolved = resolved(&plan.content(), answers);
            Ok(resolved.and_then(|resolved| plan.manifest(&resolved).map_err(ungenerated)))
        });
        made.unwrap_or_else(|error| {
            let reason = error.to_string();
            Err(JobError::new(Failure::ManifestGeneration, reason))
        })
    }
}

/// Why a manifest cannot be made of what was found.
fn ungenerated(error: GeneratorError) -> JobError {
    JobError::new(Failure::ManifestGeneration, error.to_string())
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

fn described(package: JobPackage) -> PackageInfo {
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
        package: listed(package),
    }
}
