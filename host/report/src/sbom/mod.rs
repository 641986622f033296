//! What the exports of a run are made of, as a software bill of materials: SPDX 2.3 or CycloneDX 1.6, both as JSON.
//!
//! Listed are the RPM packages in the trees that went into an export. Build roots are not part of it: their files stay behind.

mod cyclonedx;
mod license;
mod spdx;

use crate::findings::Findings;
use crate::provenance::{Descriptor, materials, seconds};
use osbuild_wasm_events::{Distribution, ExportDigest, Package};
use osbuild_wasm_manifest::model::{Manifest, contents};
use packageurl::PackageUrl;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// SPDX 2.3 (ISO/IEC 5962), JSON.
    Spdx,
    /// CycloneDX 1.6 (ECMA-424), JSON.
    CycloneDx,
}

impl Format {
    /// The format that a file of this name has by convention: `*.spdx.json` or `*.cdx.json`.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            _ if name.ends_with(".spdx.json") => Some(Self::Spdx),
            _ if name.ends_with(".cdx.json") => Some(Self::CycloneDx),
            _ => None,
        }
    }
}

/// A bill of materials, still without a format.
#[derive(Clone, Debug)]
pub struct Sbom {
    /// What the user calls the manifest.
    name: String,
    /// Version of this program.
    version: String,
    /// A UUID that no other run has.
    run: String,
    /// When it was made, RFC 3339.
    created: String,
    exports: Vec<Contained>,
    systems: Vec<Distribution>,
    packages: Vec<Listed>,
}

/// An export with the positions of what is in it.
#[derive(Clone, Debug)]
struct Contained {
    digest: ExportDigest,
    systems: BTreeSet<usize>,
    packages: BTreeSet<usize>,
}

impl Contained {
    fn new(export: &ExportDigest) -> Self {
        Self {
            digest: export.clone(),
            systems: BTreeSet::new(),
            packages: BTreeSet::new(),
        }
    }
}

/// A package, and what is known of it beside the database.
#[derive(Clone, Debug)]
struct Listed {
    package: Package,
    /// The distribution it was found in.
    system: Option<Distribution>,
    /// The source's item that it was installed from.
    file: Option<Descriptor>,
}

impl Sbom {
    /// The bill of a successful run. `run` is a UUID that no other run has; `version` that of this program.
    pub fn new(
        name: &str,
        run: &str,
        version: &str,
        manifest: &Manifest,
        findings: &Findings,
    ) -> Self {
        let mut bill = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            run: run.to_owned(),
            created: seconds(findings.finished),
            exports: Vec::new(),
            systems: Vec::new(),
            packages: Vec::new(),
        };
        let files = package_files(manifest);
        let mut known = HashMap::new();
        for export in &findings.exports {
            let contents = contents(manifest, &[&export.export]);
            let is_in = |name: &String| {
                let mut names = contents
                    .iter()
                    .map(|index| &manifest.pipelines[*index].name);
                names.any(|other| other == name)
            };
            let inventories = findings.inventories.iter();
            let mut contained = Contained::new(export);
            for inventory in inventories.filter(|inventory| is_in(&inventory.pipeline)) {
                let system = inventory.distribution.as_ref();
                contained
                    .systems
                    .extend(system.map(|system| bill.system(system)));
                for package in &inventory.packages {
                    let index = *known.entry((system, package)).or_insert_with(|| {
                        bill.packages.push(Listed {
                            package: package.clone(),
                            system: system.cloned(),
                            file: files.get(&file_name(package)).cloned(),
                        });
                        bill.packages.len() - 1
                    });
                    contained.packages.insert(index);
                }
            }
            bill.exports.push(contained);
        }
        bill
    }

    /// The document.
    pub fn document(&self, format: Format) -> Value {
        match format {
            Format::Spdx => spdx::document(self),
            Format::CycloneDx => cyclonedx::document(self),
        }
    }

    /// The position of a distribution, which may be new.
    fn system(&mut self, system: &Distribution) -> usize {
        let known = self.systems.iter().position(|other| other == system);
        known.unwrap_or_else(|| {
            self.systems.push(system.clone());
            self.systems.len() - 1
        })
    }
}

/// `NAME-VERSION-RELEASE.ARCH.rpm`.
fn file_name(package: &Package) -> String {
    let arch = package.arch.as_deref().unwrap_or("noarch");
    format!(
        "{}-{}-{}.{arch}.rpm",
        package.name, package.version, package.release
    )
}

/// Items of the manifest's sources by the file name of the package.
fn package_files(manifest: &Manifest) -> BTreeMap<String, Descriptor> {
    let named = |material: Descriptor| {
        let path = material.uri.as_deref()?.split(['?', '#']).next()?;
        let name = percent_decode_str(path.rsplit('/').next()?);
        let name = name.decode_utf8().ok()?.into_owned();
        name.ends_with(".rpm").then_some((name, material))
    };
    materials(manifest).into_iter().filter_map(named).collect()
}

impl Listed {
    /// `[EPOCH:]VERSION-RELEASE`.
    fn version(&self) -> String {
        let Package {
            version,
            release,
            epoch,
            ..
        } = &self.package;
        match epoch {
            Some(epoch) => format!("{epoch}:{version}-{release}"),
            None => format!("{version}-{release}"),
        }
    }

    /// `pkg:rpm/DISTRIBUTION/NAME@VERSION-RELEASE?...` (<https://github.com/package-url/purl-spec>); none for a name that no
    /// package can have.
    fn purl(&self) -> Option<String> {
        let package = &self.package;
        let mut purl = PackageUrl::new("rpm", package.name.as_str()).ok()?;
        purl.with_version(format!("{}-{}", package.version, package.release))
            .ok()?;
        if let Some(system) = self.system.as_ref().filter(|system| !system.id.is_empty()) {
            purl.with_namespace(system.id.as_str()).ok()?;
        }
        let distro = self.system.as_ref().and_then(|system| {
            let version = system.version.as_deref()?;
            Some(format!("{}-{version}", system.id))
        });
        let qualifiers = [
            ("arch", package.arch.clone()),
            ("distro", distro),
            ("epoch", package.epoch.clone()),
            ("upstream", package.source_rpm.clone()),
        ];
        for (name, value) in qualifiers {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                purl.add_qualifier(name, value).ok()?;
            }
        }
        Some(purl.to_string())
    }
}

/// One line of what may be anything.
fn one_line(text: &str) -> String {
    text.split(char::is_control)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests;
