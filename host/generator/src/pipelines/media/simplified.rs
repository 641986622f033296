//! The pipelines of a medium that writes the disk it carries.
use super::coi_tree::ONBOARDING_CERTIFICATES;
use super::installer::{KERNEL, rpm_options};
use super::medium::label;
use super::{BootIso, CoiTree, EfiBootTree, Kernel, Medium, SimplifiedTree, SystemSource};
use crate::GeneratorError;
use crate::pipelines::Pipeline;
use crate::pipelines::formats::Artifact;
use crate::random::Random;
use crate::request::Request;
use osbuild_wasm_blueprint::model::{Fdo, Ignition};
use std::rc::Rc;

const SYSTEM: &str = "coi-tree";
/// Where the medium is mounted in its initrd.
const MOUNTED: &str = "/run/media/iso";

/// The pipelines after the compressed disk.
///
/// # Errors
/// A customization cannot be had on this medium, or one that it needs is missing.
pub fn simplified_pipelines<'a>(
    request: Request<'a>,
    disk: &Artifact,
    random: &mut Random,
) -> Result<Vec<Box<dyn Pipeline + 'a>>, GeneratorError> {
    let image_type = request.image_type;
    let medium = Rc::new(Medium::of(&request, kernel_options(&request, &disk.file)?));
    let kernel = Kernel::Package(KERNEL.into());
    let onboarding = request.blueprint.customizations.fdo.as_ref();
    let system = CoiTree {
        source: SystemSource::installer(&request, SYSTEM, rpm_options(&request, false)),
        kernel: kernel.clone(),
        medium: medium.clone(),
        variant: image_type.variant.clone(),
        config: image_type.installer_config.clone(),
        onboarding_certificates: onboarding.and_then(|fdo| given(&fdo.diun_pub_key_root_certs)),
    };
    let tree = SimplifiedTree {
        medium: medium.clone(),
        kernel,
        volume_id: random.volume_id(),
        disk: disk.clone(),
    };
    Ok(vec![
        Box::new(system),
        Box::new(EfiBootTree {
            medium: medium.clone(),
        }),
        Box::new(tree),
        Box::new(BootIso { medium }),
    ])
}

/// Arguments by which the installer of CoreOS knows what to write where. Those of the blueprint's kernel are for the
/// disk it writes.
fn kernel_options(request: &Request<'_>, disk: &str) -> Result<Vec<String>, GeneratorError> {
    let customizations = &request.blueprint.customizations;
    let device = given(&customizations.installation_device).ok_or_else(|| {
        GeneratorError::Request("customizations.installation_device: required".into())
    })?;
    let mut options = vec![
        "rd.neednet=1".into(),
        "coreos.inst.crypt_root=1".into(),
        format!("coreos.inst.isoroot={}", label(request)),
        format!("coreos.inst.install_dev={device}"),
        format!("coreos.inst.image_file={MOUNTED}/{disk}"),
        "coreos.inst.insecure".into(),
    ];
    if let Some(onboarding) = &customizations.fdo {
        options.extend(onboarding_options(onboarding));
    }
    if let Some(ignition) = &customizations.ignition {
        options.extend(ignition_option(ignition)?);
    }
    Ok(options)
}

fn onboarding_options(onboarding: &Fdo) -> Vec<String> {
    let certificates = given(&onboarding.diun_pub_key_root_certs);
    let values = [
        (
            "manufacturing_server_url",
            given(&onboarding.manufacturing_server_url),
        ),
        (
            "diun_pub_key_insecure",
            given(&onboarding.diun_pub_key_insecure),
        ),
        ("diun_pub_key_hash", given(&onboarding.diun_pub_key_hash)),
        (
            "diun_pub_key_root_certs",
            certificates.map(|_| ONBOARDING_CERTIFICATES.into()),
        ),
        (
            "di_mfg_string_type_mac_iface",
            given(&onboarding.di_mfg_string_type_mac_iface),
        ),
    ];
    values
        .into_iter()
        .filter_map(|(name, value)| Some(format!("fdo.{name}={}", value?)))
        .collect()
}

/// Where the written system fetches its configuration; the installer puts this argument into its loader.
fn ignition_option(ignition: &Ignition) -> Result<Option<String>, GeneratorError> {
    if ignition.embedded.is_some() {
        return Err(GeneratorError::Request(
            "customizations.ignition.embedded: a medium that writes a disk cannot embed a configuration; give customizations.ignition.firstboot.url".into(),
        ));
    }
    let url = ignition
        .firstboot
        .as_ref()
        .and_then(|firstboot| given(&firstboot.url));
    Ok(url.map(|url| format!("coreos.inst.append=ignition.config.url={url}")))
}

fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}
