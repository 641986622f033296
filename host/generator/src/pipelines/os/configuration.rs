//! Configuration of services and programs.
use super::{Os, Writer};
use crate::customizations::{package_manager, subscription};
use crate::manifest::Stage;
use serde_json::{Map, Value, json};

/// Options of the stage `firewall`: a blueprint's stand for all that the type says.
pub fn firewall(os: &Os<'_>) -> Option<Value> {
    let Some(firewall) = &os.customizations().firewall else {
        return os.config().firewall.clone();
    };
    let mut options = Map::new();
    let mut add = |name: &str, values: &[String]| {
        if !values.is_empty() {
            options.insert(name.into(), json!(values));
        }
    };
    add("ports", &firewall.ports);
    if let Some(services) = &firewall.services {
        add("enabled_services", &services.enabled);
        add("disabled_services", &services.disabled);
    }
    if !firewall.zones.is_empty() {
        let zones = firewall
            .zones
            .iter()
            .map(|zone| json!({"name": zone.name, "sources": zone.sources}));
        options.insert("zones".into(), zones.collect());
    }
    Some(options.into())
}

/// From the firewall to the modules of the kernel.
pub(super) fn before_first_boot(writer: &mut Writer<'_, '_>) {
    if let Some(options) = firewall(writer.os) {
        writer.push(Stage::new("firewall", options));
    }
    writer.configured(&["sysconfig", "systemd-logind", "cloud-init", "modprobe"]);
}

/// From units of the type to its repositories and programs.
pub(super) fn after_first_boot(writer: &mut Writer<'_, '_>) {
    writer.configured(&[
        "authselect",
        "selinux.config",
        "tuned",
        "tmpfilesd",
        "pam.limits.conf",
        "sysctld",
    ]);
    let dnf = package_manager::dnf_options(&writer.os.request);
    writer
        .stages
        .extend(dnf.map(|options| Stage::new("dnf.config", options)));
    writer.configured(&["dnf-automatic.config", "yum.repos"]);
    super::repositories::write(writer);
    writer.configured(&["yum.config", "gcp.guest-agent.conf"]);
    sshd(writer);
    writer.configured(&[
        "insights-client.config",
        "nm.conf",
        "authconfig",
        "pwquality.conf",
    ]);
}

/// The type's configuration of the SSH server, changed where the blueprint says.
fn sshd(writer: &mut Writer<'_, '_>) {
    let os = writer.os;
    let Some(options) = os
        .config()
        .stages
        .get("sshd.config")
        .and_then(|stages| stages.first())
    else {
        return;
    };
    let mut options = options.clone();
    if let Some(wished) = &os.customizations().sshd {
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                options["config"][name] = value;
            }
        };
        set(
            "PasswordAuthentication",
            wished.password_authentication.map(Value::from),
        );
        set(
            "ChallengeResponseAuthentication",
            wished.kbd_interactive_authentication.map(Value::from),
        );
        set(
            "ClientAliveInterval",
            wished.client_alive_interval.map(Value::from),
        );
        set(
            "PermitRootLogin",
            wished.permit_root_login.as_ref().map(|value| json!(value)),
        );
    }
    writer.push(Stage::new("sshd.config", options));
}

/// From the subscription to the rules of devices.
pub(super) fn after_subscription(writer: &mut Writer<'_, '_>) {
    if let Some(options) = package_manager::rhsm_options(&writer.os.request) {
        writer.push(Stage::new("rhsm", options));
    }
    writer.configured(&["waagent.conf", "udev.rules"]);
}

/// A system made by OSTree keeps its journal.
pub(super) fn journal(writer: &mut Writer<'_, '_>) {
    if writer.os.is_ostree() {
        let config = json!({"Journal": {"Storage": "persistent"}});
        writer.push(Stage::new(
            "systemd-journald",
            json!({"filename": "10-persistent.conf", "config": config}),
        ));
    }
    writer.configured(&["systemd-journald"]);
}

/// Services: the type's, the blueprint's, those of first boot and of the subscription, those of where it runs.
pub(super) fn services(writer: &mut Writer<'_, '_>) {
    let os = writer.os;
    let config = os.config();
    let wished = os.customizations().services.clone().unwrap_or_default();
    let mut enabled: Vec<String> = config.enabled_services.clone().unwrap_or_default();
    enabled.extend(wished.enabled);
    enabled.extend(os.first_boot().services());
    let subscription = os.request.options.subscription.as_ref();
    enabled.extend(subscription.map(|_| subscription::UNIT.to_string()));
    enabled.extend(os.request.image_type.environment.services.iter().cloned());
    let mut disabled: Vec<String> = config.disabled_services.clone().unwrap_or_default();
    disabled.extend(wished.disabled);
    let mut masked: Vec<String> = config.masked_services.clone().unwrap_or_default();
    masked.extend(wished.masked);
    let mut options = Map::new();
    for (name, services) in [
        ("enabled_services", enabled),
        ("disabled_services", disabled),
        ("masked_services", masked),
    ] {
        if !services.is_empty() {
            options.insert(name.into(), json!(services));
        }
    }
    if let Some(target) = &config.default_target {
        options.insert("default_target".into(), json!(target));
    }
    if !options.is_empty() {
        writer.push(Stage::new("systemd", options.into()));
    }
}
