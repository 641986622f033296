//! CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>).

use super::license::License;
use super::{Contained, Listed, Sbom, one_line};
use osbuild_wasm_events::Distribution;
use serde_json::{Map, Value, json};

/// What the properties' names begin with.
const PROPERTIES: &str = "osbuild-wasm:";
const ROOT: &str = "run";

pub(super) fn document(bill: &Sbom) -> Value {
    let exports = bill.exports.iter().enumerate();
    let systems = bill.systems.iter().enumerate();
    let packages = bill.packages.iter().enumerate();
    let components: Vec<_> = exports
        .map(|(number, export)| exported(number, export))
        .chain(systems.map(|(index, system)| operating_system(index, system)))
        .chain(packages.map(|(index, listed)| installed(index, listed)))
        .collect();
    let tool = json!({ "type": "application", "name": "osbuild-wasm", "version": bill.version });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", bill.run),
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "tools": { "components": [tool] },
            "component": { "type": "platform", "bom-ref": ROOT, "name": one_line(&bill.name) },
        },
        "components": components,
        "dependencies": dependencies(bill),
    })
}

fn export_ref(number: usize) -> String {
    format!("export-{}", number + 1)
}

fn system_ref(index: usize) -> String {
    format!("system-{}", index + 1)
}

fn package_ref(index: usize) -> String {
    format!("package-{}", index + 1)
}

/// The run made the exports; an export has its systems and packages.
fn dependencies(bill: &Sbom) -> Vec<Value> {
    let all = (0..bill.exports.len()).map(export_ref);
    let root = json!({ "ref": ROOT, "dependsOn": all.collect::<Vec<_>>() });
    let exports = bill.exports.iter().enumerate().map(|(number, export)| {
        let systems = export.systems.iter().map(|index| system_ref(*index));
        let packages = export.packages.iter().map(|index| package_ref(*index));
        let both: Vec<_> = systems.chain(packages).collect();
        json!({ "ref": export_ref(number), "dependsOn": both })
    });
    std::iter::once(root).chain(exports).collect()
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("{PROPERTIES}{name}"), "value": value })
}

fn hash(algorithm: &str, digest: &str) -> Value {
    json!([{ "alg": algorithm, "content": digest }])
}

/// An export with its files in it.
fn exported(number: usize, export: &Contained) -> Value {
    let digest = &export.digest;
    let files = digest.files.iter().map(|file| {
        json!({
            "type": "file",
            "name": one_line(&file.path),
            "hashes": hash("SHA-256", &file.sha256),
        })
    });
    let mut component = json!({
        "type": "data",
        "bom-ref": export_ref(number),
        "name": one_line(&digest.export),
        "properties": [property("tree", &digest.tree)],
    });
    let files: Vec<_> = files.collect();
    if !files.is_empty() {
        component["components"] = files.into();
    }
    component
}

fn operating_system(index: usize, system: &Distribution) -> Value {
    let mut component = json!({
        "type": "operating-system",
        "bom-ref": system_ref(index),
        "name": one_line(&system.id),
    });
    if let Some(version) = &system.version {
        component["version"] = one_line(version).into();
    }
    if let Some(name) = &system.pretty_name {
        component["description"] = one_line(name).into();
    }
    component
}

fn installed(index: usize, listed: &Listed) -> Value {
    let rpm = &listed.package;
    let mut component = Map::new();
    let mut add = |name: &str, value: Value| _ = component.insert(name.into(), value);
    add("type", "library".into());
    add("bom-ref", package_ref(index).into());
    if let Some(vendor) = &rpm.vendor {
        add("supplier", json!({ "name": one_line(vendor) }));
    }
    add("name", one_line(&rpm.name).into());
    add("version", one_line(&listed.version()).into());
    match License::of(rpm.license.as_deref()) {
        License::Unknown => (),
        License::Expression(expression) => add("licenses", json!([{ "expression": expression }])),
        License::Words(words) => add(
            "licenses",
            json!([{ "license": { "name": one_line(words) } }]),
        ),
    }
    if let Some(purl) = listed.purl() {
        add("purl", purl.into());
    }
    if let Some(file) = &listed.file {
        let hashes = file.digest.iter();
        let hashes = hashes.filter_map(|(name, digest)| Some((cyclonedx_name(name)?, digest)));
        let hashes: Vec<_> = hashes
            .map(|(name, digest)| json!({ "alg": name, "content": digest }))
            .collect();
        add("hashes", hashes.into());
        if let Some(url) = &file.uri {
            let reference = json!({ "type": "distribution", "url": url });
            add("externalReferences", json!([reference]));
        }
    }
    let tags = [
        ("arch", &rpm.arch),
        ("sigmd5", &rpm.sigmd5),
        ("sha256header", &rpm.sha256header),
        ("sourcerpm", &rpm.source_rpm),
    ];
    let properties: Vec<_> = tags
        .into_iter()
        .filter_map(|(tag, value)| {
            let value = one_line(value.as_deref()?);
            Some(property(&format!("rpm:{tag}"), &value))
        })
        .collect();
    if !properties.is_empty() {
        add("properties", properties.into());
    }
    component.into()
}

/// Names of the sources' digests as CycloneDX writes them.
fn cyclonedx_name(algorithm: &str) -> Option<&'static str> {
    Some(match algorithm {
        "md5" => "MD5",
        "sha1" => "SHA-1",
        "sha256" => "SHA-256",
        "sha384" => "SHA-384",
        "sha512" => "SHA-512",
        _ => return None,
    })
}
