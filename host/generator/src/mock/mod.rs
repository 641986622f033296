//! Resolvers that invent their answers, so that a manifest can be made and compared without any repository. The rules
//! are those of the generator's oracle: names, versions and checksums follow from what is asked for.
mod document;

pub use document::Document;

use crate::content::{
    Commit, CommitRequest, Container, ContainerRequest, Content, Depsolved, Flatpak,
    FlatpakRequest, Package, Repository, ResolvedContent, Transaction,
};
use crate::plan::Needs;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_distro::Arch;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Files that the first transaction of every pipeline is known to bring.
const KEY_FILES: [&str; 2] = [
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release",
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-microsoft-azure-release",
];

/// Invents what the needs of all pipelines resolve to. Keys that the blueprint imports from the tree are among the files of packages.
pub fn resolve_all(needs: &Needs, arch: Arch, blueprint: &Blueprint) -> Vec<ResolvedContent> {
    let rpm = blueprint.customizations.rpm.as_ref();
    let keys = rpm.and_then(|rpm| rpm.import_keys.as_ref());
    let keys = keys.map_or(&[][..], |keys| &keys.files);
    let of = |(pipeline, content): &(String, Content)| resolve(pipeline, content, arch, keys);
    needs.iter().map(of).collect()
}

/// Invents what the needs of a pipeline resolve to. `key_files` are files that its packages shall bring beside those
/// they always do.
pub fn resolve(
    pipeline: &str,
    content: &Content,
    arch: Arch,
    key_files: &[String],
) -> ResolvedContent {
    ResolvedContent {
        packages: Depsolver {
            pipeline,
            arch,
            key_files,
        }
        .solve(&content.transactions),
        containers: content.containers.iter().map(container).collect(),
        commits: content.commits.iter().map(commit).collect(),
        flatpaks: content.flatpaks.iter().map(flatpak).collect(),
    }
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// ASCII code of a digit of a checksum, in some base: where invented versions come from.
fn digit(checksum: &str, index: usize, base: u8) -> u8 {
    checksum.as_bytes()[index] % base
}

struct Depsolver<'a> {
    pipeline: &'a str,
    arch: Arch,
    key_files: &'a [String],
}

impl Depsolver<'_> {
    fn solve(&self, transactions: &[Transaction]) -> Depsolved {
        let mut seen = HashSet::new();
        let mut solved = Depsolved::default();
        for (number, transaction) in transactions.iter().enumerate() {
            let repositories: Vec<Repository> = transaction
                .repositories
                .iter()
                .map(Repository::with_id)
                .collect();
            let mut packages = self.transaction(number, transaction, &repositories);
            for repository in repositories {
                if seen.insert(repository.id.clone()) {
                    packages.push(self.repository_package(&repository));
                    solved.repositories.push(repository);
                }
            }
            packages.sort_by_key(nevra);
            solved.transactions.push(packages);
        }
        solved.repositories.sort_by(|a, b| a.id.cmp(&b.id));
        solved
    }

    fn transaction(
        &self,
        number: usize,
        transaction: &Transaction,
        repositories: &[Repository],
    ) -> Vec<Package> {
        let place = format!("pkgset:{}_trans:{number}", self.pipeline);
        let named = |name: &str, role: &str, shown: String, base: u8| {
            let checksum = digest(&format!("{place}_{role}:{name}"));
            let repository =
                &repositories[usize::from(Sha256::digest(name)[0]) % repositories.len()];
            let version = digit(&checksum, 0, base).to_string();
            let release = format!(
                "{}.pkgset~{}^trans~{number}",
                digit(&checksum, 1, 9),
                self.pipeline
            );
            self.package(shown, version, release, checksum, repository)
        };
        if repositories.is_empty() {
            return Vec::new();
        }
        let mut packages: Vec<Package> = Vec::new();
        packages.extend(
            transaction
                .include
                .iter()
                .map(|name| named(name, "include", name.clone(), 5)),
        );
        packages.extend(
            transaction
                .exclude
                .iter()
                .map(|name| named(name, "exclude", format!("exclude:{name}"), 9)),
        );
        packages.push(self.configuration(number, &place, transaction, repositories));
        packages
    }

    /// The package that stands for how the transaction was asked for.
    fn configuration(
        &self,
        number: usize,
        place: &str,
        transaction: &Transaction,
        repositories: &[Repository],
    ) -> Package {
        let names: Vec<&str> = repositories
            .iter()
            .map(|repository| repository.name.as_str())
            .collect();
        let weak = if transaction.install_weak_deps {
            "+weak"
        } else {
            ""
        };
        let name = format!("{place}_repos:{}{weak}", names.join("+"));
        let mut package = self.marker(name, &repositories[0]);
        if number == 0 {
            package.files = KEY_FILES.iter().map(|file| (*file).to_string()).collect();
            package.files.extend(self.key_files.iter().cloned());
        }
        package
    }

    /// The package that stands for a repository.
    fn repository_package(&self, repository: &Repository) -> Package {
        let url = repository.baseurls.first().map_or("", String::as_str);
        let base = match url.rfind('-') {
            Some(cut) if cut > 0 => &url[..cut],
            _ => url,
        };
        let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
        let path = rest.find('/').map_or("", |slash| &rest[slash..]);
        let place = format!("passed-arch:{}/passed-repo:{path}", self.arch);
        let mut package = self.marker(format!("{scheme}://example.com/{place}"), repository);
        package.location = place;
        package
    }

    fn marker(&self, name: String, repository: &Repository) -> Package {
        let checksum = digest(&name);
        let version = digit(&checksum, 0, 9).to_string();
        let release = format!("{}.fk1", digit(&checksum, 1, 9));
        let package = self.package(name, version, release, checksum, repository);
        Package {
            check_gpg: false,
            ..package
        }
    }

    fn package(
        &self,
        name: String,
        version: String,
        release: String,
        checksum: String,
        repository: &Repository,
    ) -> Package {
        let mut package = Package {
            name,
            version,
            release,
            arch: self.arch.name().into(),
            checksum: format!("sha256:{checksum}"),
            repository: repository.id.clone(),
            check_gpg: repository.check_gpg == Some(true),
            ..Package::default()
        };
        package.location = format!("packages/{}.rpm", nevra(&package));
        package
    }
}

fn nevra(package: &Package) -> String {
    format!(
        "{}-{}:{}-{}.{}",
        package.name, package.epoch, package.version, package.release, package.arch
    )
}

fn container(request: &ContainerRequest) -> Container {
    let id = |what: &str| {
        format!(
            "sha256:{}",
            digest(&format!("{}{}{what}", request.name, request.source))
        )
    };
    Container {
        source: request.source.clone(),
        digest: id("digest"),
        image_id: id("imageid"),
        list_digest: id("list-digest"),
        local_name: if request.name.is_empty() {
            request.source.clone()
        } else {
            request.name.clone()
        },
        tls_verify: request.tls_verify,
        local: request.local,
    }
}

fn commit(request: &CommitRequest) -> Commit {
    Commit {
        reference: request.reference.clone(),
        url: request.url.clone(),
        content_url: request.content_url.clone(),
        checksum: digest(&format!("{}{}", request.url, request.reference)),
        secrets: if request.rhsm {
            "org.osbuild.rhsm.consumer".into()
        } else {
            String::new()
        },
    }
}

fn flatpak(request: &FlatpakRequest) -> Flatpak {
    // The number of the kind of remote, which is OCI's, is part of what the checksums are made of.
    let base = format!(
        "1{}{}{}",
        request.remote_name, request.url, request.reference
    );
    Flatpak {
        remote_name: request.remote_name.clone(),
        container: Container {
            source: request.reference.clone(),
            digest: format!("sha256:{}", digest(&format!("{base}digest"))),
            image_id: format!("sha256:{}", digest(&format!("{base}imageid"))),
            local_name: request.reference.clone(),
            ..Container::default()
        },
    }
}
