//! What packages are made of, as an SPDX 2.3 document.
use super::package::{evr, remote_location, time};
use crate::sack::Sack;
use jiff::Timestamp;
use md5::{Digest, Md5};
use osbuild_wasm_solver_sys::{Id, Number, Package, Relation, Text};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::{Builder, Uuid};

/// What stays as it is in a part of a package URL.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// What stays as it is in the address of a repository.
const ADDRESS: &AsciiSet = &PART.remove(b'/').remove(b':').remove(b'=');

/// The document about packages.
pub(crate) fn document(sack: &Sack, packages: &[Package]) -> Value {
    let name = format!("sbom-by-osbuild-{}", env!("CARGO_PKG_VERSION"));
    let mut licenses = BTreeMap::new();
    let described: Vec<_> = packages
        .iter()
        .map(|package| describe(sack, *package, &mut licenses))
        .collect();
    let mut document = json!({
        "SPDXID": "SPDXRef-DOCUMENT",
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "name": name,
        "documentNamespace": format!("https://osbuild.org/spdxdocs/{name}-{}", Uuid::new_v4()),
        "creationInfo": {
            "created": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "creators": [format!("Tool: osbuild-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": described,
        "relationships": relationships(sack, packages),
    });
    if !licenses.is_empty() {
        let infos = licenses.into_iter();
        let infos = infos.map(|(id, text)| json!({"licenseId": id, "extractedText": text}));
        document["hasExtractedLicensingInfos"] = infos.collect();
    }
    document
}

fn describe(sack: &Sack, package: Package, licenses: &mut BTreeMap<String, String>) -> Value {
    let pool = &sack.pool;
    let remote = remote_location(sack, package);
    let mut described = json!({
        "SPDXID": id(sack, package),
        "name": pool.name(package),
        "downloadLocation": remote.as_deref().unwrap_or("NOASSERTION"),
        "filesAnalyzed": false,
        "versionInfo": evr(sack, package).1,
    });
    if let Some((algorithm, value)) = pool.checksum(package) {
        described["checksums"] =
            json!([{"algorithm": algorithm.to_uppercase(), "checksumValue": value}]);
    }
    let not_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(url) = not_empty(pool.lookup(package, Text::Url)) {
        described["homepage"] = url.into();
    }
    if let Some(source) = not_empty(pool.source_package(package)) {
        described["sourceInfo"] = format!("Source RPM: {source}").into();
    }
    if let Some(text) = not_empty(pool.lookup(package, Text::License)) {
        described["licenseDeclared"] = license(&text, licenses).into();
    }
    for (key, text) in [
        ("summary", Text::Summary),
        ("description", Text::Description),
    ] {
        if let Some(text) = not_empty(pool.lookup(package, text)) {
            described[key] = text.into();
        }
    }
    let mut locator = package_url(sack, package);
    if let (Some(remote), Some(location)) = (&remote, pool.location(package)) {
        let address = remote
            .strip_suffix(&format!("/{location}"))
            .unwrap_or(remote);
        locator += &format!("&repository_url={}", utf8_percent_encode(address, ADDRESS));
    }
    described["externalRefs"] = json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}]);
    let built = pool.number(package, Number::BuildTime);
    if built > 0 {
        described["builtDate"] = time(built).into();
    }
    described
}

/// A licence as an expression of SPDX, or the name of a text that is none.
fn license(text: &str, licenses: &mut BTreeMap<String, String>) -> String {
    if text.starts_with("LicenseRef-") {
        return text.to_owned();
    }
    if let Ok(expression) = spdx::Expression::parse(text) {
        return expression.to_string();
    }
    let id = format!("LicenseRef-{}", hex::encode(Sha256::digest(text)));
    licenses.insert(id.clone(), text.to_owned());
    id
}

/// The package URL without the address of a repository.
fn package_url(sack: &Sack, package: Package) -> String {
    let pool = &sack.pool;
    let encoded = |text: &str| utf8_percent_encode(text, PART).to_string();
    let vendor = pool.vendor(package).to_lowercase();
    let vendor = if vendor.is_empty() {
        vendor
    } else {
        format!("{}/", encoded(&vendor))
    };
    let (epoch, version, release) = evr(sack, package);
    let version = encoded(&format!("{version}-{release}"));
    let (name, arch) = (encoded(&pool.name(package)), pool.arch(package));
    let epoch = if epoch == 0 {
        String::new()
    } else {
        format!("&epoch={epoch}")
    };
    format!("pkg:rpm/{vendor}{name}@{version}?arch={arch}{epoch}")
}

/// A UUID of version 3 of the package URL.
fn id(sack: &Sack, package: Package) -> String {
    let digest = Md5::new()
        .chain_update(Uuid::NAMESPACE_URL.as_bytes())
        .chain_update(package_url(sack, package));
    let uuid = Builder::from_md5_bytes(digest.finalize().into()).into_uuid();
    format!("SPDXRef-{uuid}")
}

/// Ids of packages by what they provide: names, capabilities, files.
type Providers = HashMap<String, BTreeSet<String>>;

fn relationships(sack: &Sack, packages: &[Package]) -> Value {
    let mut providers = Providers::new();
    for package in packages {
        let provides = sack.pool.relations(*package, Relation::Provides, false);
        let names = provides
            .into_iter()
            .map(|provided| sack.pool.dependency(provided).name);
        for name in names.chain(sack.pool.files(*package)) {
            providers
                .entry(name)
                .or_default()
                .insert(id(sack, *package));
        }
    }
    let names: BTreeSet<_> = packages
        .iter()
        .map(|package| sack.pool.name(*package).into_owned())
        .collect();
    let mut relationships = Vec::new();
    for package in packages {
        let own = id(sack, *package);
        relationships.push(related("SPDXRef-DOCUMENT", "DESCRIBES", &own));
        let required = [false, true]
            .map(|pre| sack.pool.relations(*package, Relation::Requires, pre))
            .concat();
        for other in provided(sack, &providers, &names, required) {
            relationships.push(related(&own, "DEPENDS_ON", &other));
        }
        let optional = [Relation::Recommends, Relation::Suggests];
        let optional = optional
            .map(|relation| sack.pool.relations(*package, relation, false))
            .concat();
        for other in provided(sack, &providers, &names, optional) {
            relationships.push(related(&other, "OPTIONAL_DEPENDENCY_OF", &own));
        }
    }
    relationships.into()
}

fn related(element: &str, kind: &str, other: &str) -> Value {
    json!({"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": other})
}

/// Ids of the packages that provide what dependencies name; what waits for a package that is not there is left out.
fn provided(
    sack: &Sack,
    providers: &Providers,
    names: &BTreeSet<String>,
    wanted: Vec<Id>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for dependency in wanted {
        let name = sack.pool.dependency(dependency).name;
        for name in capabilities(&name, names) {
            found.extend(providers.get(name).into_iter().flatten().cloned());
        }
    }
    found
}

/// Capabilities that a dependency names: itself, or the parts of a rich one up to a condition that does not hold.
fn capabilities<'a>(text: &'a str, names: &BTreeSet<String>) -> Vec<&'a str> {
    let Some(rich) = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
    else {
        return vec![text];
    };
    let (wanted, condition) = rich.split_once(" if ").unwrap_or((rich, ""));
    let condition = condition
        .trim_matches(['(', ')'])
        .split_whitespace()
        .next()
        .unwrap_or_default();
    if !condition.is_empty() && !names.contains(condition) {
        return Vec::new();
    }
    let parts = wanted.split([' ', '(', ')'].as_ref());
    let is_operator =
        |part: &&str| matches!(*part, "and" | "or" | "with" | "without" | "unless" | "else");
    parts
        .filter(|part| !part.is_empty() && !is_operator(part))
        .collect()
}
