//! SPDX 2.3 (<https://spdx.github.io/spdx-spec/v2.3/>).

use super::license::References;
use super::{Contained, Listed, Sbom, file_name, one_line};
use serde_json::{Map, Value, json};

const NOTHING_SAID: &str = "NOASSERTION";

pub(super) fn document(bill: &Sbom) -> Value {
    let tags = bill
        .packages
        .iter()
        .map(|listed| listed.package.license.as_deref());
    let licenses = References::new(tags);
    let mut packages = Vec::new();
    let mut relationships = Vec::new();
    for (number, export) in bill.exports.iter().enumerate() {
        let id = export_id(number);
        relationships.push(relationship("SPDXRef-DOCUMENT", "DESCRIBES", &id));
        exported(export, &id, &mut packages, &mut relationships);
        let contained = export.packages.iter();
        relationships
            .extend(contained.map(|index| relationship(&id, "CONTAINS", &package_id(*index))));
    }
    let listed = bill.packages.iter().enumerate();
    packages.extend(listed.map(|(index, listed)| installed(index, listed, &licenses)));
    let name = one_line(&bill.name);
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/osbuild-wasm-{}", bill.run),
        "creationInfo": {
            "created": bill.created,
            "creators": [format!("Tool: osbuild-wasm-{}", bill.version)],
        },
        "packages": packages,
        "relationships": relationships,
    });
    let texts: Vec<_> = licenses
        .all()
        .map(|(text, id)| json!({ "licenseId": id, "name": one_line(text), "extractedText": text }))
        .collect();
    if !texts.is_empty() {
        document["hasExtractedLicensingInfos"] = texts.into();
    }
    document
}

fn export_id(number: usize) -> String {
    format!("SPDXRef-Export-{}", number + 1)
}

fn package_id(index: usize) -> String {
    format!("SPDXRef-Package-{}", index + 1)
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// An export: with one file it is that file, else each file is a package in it, because files of SPDX want a SHA-1.
fn exported(
    export: &Contained,
    id: &str,
    packages: &mut Vec<Value>,
    relationships: &mut Vec<Value>,
) {
    let digest = &export.digest;
    let comment = format!("SHA-256 of the listing of its tree: {}", digest.tree);
    let mut whole = artefact(id, &digest.export);
    whole.insert("comment".into(), comment.into());
    whole.insert("primaryPackagePurpose".into(), "OPERATING-SYSTEM".into());
    if let [file] = digest.files.as_slice() {
        whole.insert("packageFileName".into(), file.path.as_str().into());
        whole.insert("checksums".into(), checksums("SHA256", &file.sha256));
    }
    packages.push(whole.into());
    for (number, file) in digest.files.iter().enumerate() {
        if digest.files.len() == 1 {
            break;
        }
        let of_file = format!("{id}-File-{}", number + 1);
        let mut package = artefact(&of_file, &format!("{}/{}", digest.export, file.path));
        package.insert("packageFileName".into(), file.path.as_str().into());
        package.insert("checksums".into(), checksums("SHA256", &file.sha256));
        package.insert("primaryPackagePurpose".into(), "FILE".into());
        packages.push(package.into());
        relationships.push(relationship(id, "CONTAINS", &of_file));
    }
}

/// What every package has.
fn artefact(id: &str, name: &str) -> Map<String, Value> {
    let members = [
        ("SPDXID", id),
        ("name", &one_line(name)),
        ("downloadLocation", NOTHING_SAID),
        ("licenseConcluded", NOTHING_SAID),
        ("licenseDeclared", NOTHING_SAID),
        ("copyrightText", NOTHING_SAID),
    ];
    let mut package: Map<_, _> = members
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    package.insert("filesAnalyzed".into(), false.into());
    package
}

fn checksums(algorithm: &str, value: &str) -> Value {
    json!([{ "algorithm": algorithm, "checksumValue": value }])
}

fn installed(index: usize, listed: &Listed, licenses: &References<'_>) -> Value {
    let rpm = &listed.package;
    let mut package = artefact(&package_id(index), &rpm.name);
    package.insert("versionInfo".into(), one_line(&listed.version()).into());
    package.insert("packageFileName".into(), file_name(rpm).into());
    let supplier = rpm.vendor.as_deref().map(one_line);
    let supplier = supplier.map(|vendor| format!("Organization: {vendor}"));
    package.insert(
        "supplier".into(),
        supplier.unwrap_or_else(|| NOTHING_SAID.into()).into(),
    );
    if let Some(license) = licenses.expression(rpm.license.as_deref()) {
        package.insert("licenseDeclared".into(), license.into());
    }
    if let Some(purl) = listed.purl() {
        let reference = json!({
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl,
        });
        package.insert("externalRefs".into(), json!([reference]));
    }
    let digests = [("sigmd5", &rpm.sigmd5), ("sha256header", &rpm.sha256header)];
    let digests: Vec<_> = digests
        .into_iter()
        .filter_map(|(tag, value)| Some(format!("{tag} {}", value.as_deref()?)))
        .collect();
    if !digests.is_empty() {
        package.insert("sourceInfo".into(), one_line(&digests.join(", ")).into());
    }
    if let Some(file) = &listed.file {
        // Other schemes are no download locations of SPDX.
        let is_web = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
        if let Some(url) = file.uri.as_ref().filter(is_web) {
            package.insert("downloadLocation".into(), url.as_str().into());
        }
        if let Some((algorithm, digest)) = file.digest.first_key_value() {
            let algorithm = algorithm.to_uppercase();
            package.insert("checksums".into(), checksums(&algorithm, digest));
        }
    }
    package.into()
}
