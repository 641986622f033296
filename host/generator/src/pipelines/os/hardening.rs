//! FIPS, OpenSCAP, presets, certificates, version locks.
use super::{Os, Writer};
use crate::GeneratorError;
use crate::customizations::{certificates::certificate_stages, fips};
use crate::manifest::Stage;
use osbuild_wasm_blueprint::model::{Directory, Openscap};
use serde_json::{Map, Value, json};

/// Where what OpenSCAP found is kept.
const OPENSCAP_DATA: &str = "/oscap_data";

/// Directories that the stages here need.
pub fn directories(os: &Os<'_>) -> Vec<Directory> {
    let data = Directory {
        path: OPENSCAP_DATA.into(),
        ensure_parents: true,
        ..Directory::default()
    };
    os.customizations()
        .openscap
        .iter()
        .map(|_| data.clone())
        .collect()
}

pub(super) fn write(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let os = writer.os;
    if os.is_fips() {
        writer.stages.extend(fips::policy_stages());
        writer.stages.extend(fips::marker_stages(writer.sources));
    }
    if let Some(openscap) = &os.customizations().openscap {
        for stage in openscap_stages(os, openscap)? {
            writer.push(stage);
        }
    }
    if let Some(presets) = &os.config().presets {
        writer.push(Stage::new("systemd.preset", json!({"presets": presets})));
    }
    let wished = os
        .customizations()
        .cacerts
        .as_ref()
        .map_or(&[][..], |cacerts| &cacerts.pem_certs);
    let texts = [wished, &os.first_boot().certificates()].concat();
    let stages = certificate_stages(&texts, writer.sources)?;
    writer.stages.extend(stages);
    version_locks(writer)
}

fn openscap_stages(os: &Os<'_>, openscap: &Openscap) -> Result<Vec<Stage>, GeneratorError> {
    let datastream = openscap.datastream.as_ref().filter(|path| !path.is_empty());
    let datastream = datastream
        .or(os.request.distro.oscap_datastream.as_ref())
        .ok_or_else(|| {
            GeneratorError::Request(
                "No OSCAP datastream specified and the distro does not have any default set".into(),
            )
        })?;
    let mut stages = Vec::new();
    let mut profile = openscap.profile_id.clone();
    let mut tailoring_file = None;
    if let Some((tailored, config)) = tailoring(openscap, datastream) {
        let path = format!("{OPENSCAP_DATA}/tailoring.xml");
        stages.push(Stage::new(
            "oscap.autotailor",
            json!({"filepath": path, "config": config}),
        ));
        profile = tailored;
        tailoring_file = Some(path);
    }
    let mut config = json!({"datastream": datastream, "profile_id": profile});
    if let Some(path) = tailoring_file {
        config["tailoring"] = path.into();
    }
    config["compress_results"] = true.into();
    stages.push(Stage::new(
        "oscap.remediation",
        json!({"data_dir": OPENSCAP_DATA, "config": config}),
    ));
    Ok(stages)
}

/// The profile that the tailoring makes, and how it is made.
fn tailoring(openscap: &Openscap, datastream: &str) -> Option<(String, Value)> {
    if let Some(json_tailoring) = &openscap.json_tailoring {
        let profile = json_tailoring.profile_id.clone();
        let config = json!({
            "datastream": datastream,
            "tailored_profile_id": profile,
            "tailoring_file": json_tailoring.filepath,
        });
        return Some((profile, config));
    }
    let tailoring = openscap.tailoring.as_ref()?;
    let profile = format!("{}_osbuild_tailoring", openscap.profile_id);
    let mut config = Map::new();
    config.insert("new_profile".into(), json!(profile));
    config.insert("datastream".into(), json!(datastream));
    config.insert("profile_id".into(), json!(openscap.profile_id));
    for (name, rules) in [
        ("selected", &tailoring.selected),
        ("unselected", &tailoring.unselected),
    ] {
        if !rules.is_empty() {
            config.insert(name.into(), json!(rules));
        }
    }
    Some((profile, config.into()))
}

/// Packages keep the version they have; the file that says so is DNF 4's.
fn version_locks(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let packages = &writer.resolved.packages;
    let locks = writer.os.config().version_locks.clone().unwrap_or_default();
    if locks.is_empty() {
        return Ok(());
    }
    let found = |name: &str| {
        packages
            .package(name)
            .ok_or_else(|| GeneratorError::Unresolved {
                pipeline: "os".into(),
                missing: format!("the package {name}"),
            })
    };
    let dnf = &found("dnf")?.version;
    let major = dnf
        .split('.')
        .next()
        .and_then(|major| major.parse::<u64>().ok());
    if major.is_none_or(|major| major > 4) {
        return Err(GeneratorError::Request(format!(
            "the image type keeps packages at their version, which is not possible with DNF {dnf}"
        )));
    }
    let mut locked = Vec::new();
    for name in &locks {
        let package = found(name)?;
        locked.push(format!(
            "{name}-{}:{}-{}",
            package.epoch, package.version, package.release
        ));
    }
    writer.push(Stage::new("dnf4.versionlock", json!({"add": locked})));
    Ok(())
}
