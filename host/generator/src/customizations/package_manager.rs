//! How the system's package manager works, and how it is registered.
use crate::request::Request;
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::ImageConfig;
use serde_json::{Map, Value, json};

/// Whether the variable `releasever` of DNF is the version of the distribution.
pub fn sets_releasever(request: &Request<'_>) -> bool {
    let wished = customizations(request)
        .dnf
        .as_ref()
        .and_then(|dnf| dnf.config.as_ref());
    wished.map_or(config(request).dnf_set_releasever == Some(true), |config| {
        config.set_releasever
    })
}

/// Options of the stage `dnf.config`: the type's configuration of DNF, and the variable `releasever`; none where there
/// is nothing to say.
pub fn dnf_options(request: &Request<'_>) -> Option<Value> {
    let mut options = Map::new();
    if sets_releasever(request) {
        options.insert(
            "variables".into(),
            json!([{"name": "releasever", "value": request.distro.os_version}]),
        );
    }
    let of_type = config(request).stages.get("dnf.config");
    for more in of_type.into_iter().flatten().filter_map(Value::as_object) {
        options.extend(more.clone());
    }
    (!options.is_empty()).then(|| options.into())
}

/// Options of the stage `rhsm`: what the blueprint sets goes over what the type says; none where there is nothing to
/// say.
pub fn rhsm_options(request: &Request<'_>) -> Option<Value> {
    let subscribed = request.options.subscription.is_some();
    let config = config(request);
    let configured = if subscribed {
        &config.rhsm_subscribed
    } else {
        &config.rhsm
    };
    let mut options = configured.clone().unwrap_or_else(|| json!({}));
    if let Some(wished) = customizations(request)
        .rhsm
        .as_ref()
        .and_then(|rhsm| rhsm.config.as_ref())
    {
        let plugins = wished.dnf_plugins.as_ref();
        let product = plugins.and_then(|plugins| plugins.product_id.as_ref());
        let manager = plugins.and_then(|plugins| plugins.subscription_manager.as_ref());
        let sections = wished.subscription_manager.as_ref();
        let rhsm = sections.and_then(|sections| sections.rhsm.as_ref());
        let daemon = sections.and_then(|sections| sections.rhsmcertd.as_ref());
        let mut set = |path: [&str; 3], value: Option<bool>| {
            if let Some(value) = value {
                options[path[0]][path[1]][path[2]] = value.into();
            }
        };
        set(
            ["dnf-plugins", "product-id", "enabled"],
            product.and_then(|plugin| plugin.enabled),
        );
        set(
            ["dnf-plugins", "subscription-manager", "enabled"],
            manager.and_then(|plugin| plugin.enabled),
        );
        let manage = ["subscription-manager", "rhsm", "manage_repos"];
        set(manage, rhsm.and_then(|section| section.manage_repos));
        let enable = ["subscription-manager", "rhsm", "auto_enable_yum_plugins"];
        set(
            enable,
            rhsm.and_then(|section| section.auto_enable_yum_plugins),
        );
        let register = ["subscription-manager", "rhsmcertd", "auto_registration"];
        set(
            register,
            daemon.and_then(|section| section.auto_registration),
        );
    }
    (!options.as_object().is_some_and(Map::is_empty)).then_some(options)
}

fn config<'a>(request: &Request<'a>) -> &'a ImageConfig {
    &request.image_type.image_config
}

fn customizations<'a>(request: &Request<'a>) -> &'a Customizations {
    &request.blueprint.customizations
}
