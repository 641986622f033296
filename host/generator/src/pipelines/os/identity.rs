//! What tells one system from another: language, keyboard, names, time, people.
use super::{Os, Writer};
use crate::GeneratorError;
use crate::customizations::users;
use crate::manifest::Stage;
use serde_json::{Value, json};

/// Whether the system gets users or groups of its own.
pub fn has_users_or_groups(os: &Os<'_>) -> bool {
    let customizations = os.customizations();
    let wished = !(customizations.user.is_empty()
        && customizations.sshkey.is_empty()
        && customizations.group.is_empty());
    let configured = os
        .config()
        .users
        .as_ref()
        .is_some_and(|users| !users.is_empty());
    !os.is_installed() && (wished || configured)
}

/// Options of the stage `chrony`: servers of the blueprint stand for all that the type says.
pub fn time_synchronization(os: &Os<'_>) -> Option<Value> {
    let servers = os
        .customizations()
        .timezone
        .as_ref()
        .map_or(&[][..], |timezone| &timezone.ntpservers);
    if servers.is_empty() {
        return os.config().time_synchronization.clone();
    }
    let servers: Vec<Value> = servers
        .iter()
        .map(|server| json!({"hostname": server}))
        .collect();
    Some(json!({"servers": servers}))
}

/// Language, keyboard, host name, time, groups and users.
pub(super) fn write(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let os = writer.os;
    let (config, customizations) = (os.config(), os.customizations());
    let locale = customizations.locale.as_ref();
    let language = locale
        .and_then(|locale| locale.languages.first())
        .or(config.locale.as_ref());
    if let Some(language) = language {
        writer.push(Stage::new("locale", json!({"language": language})));
    }
    let keymap = locale.and_then(|locale| locale.keyboard.as_ref());
    if let Some(options) = keymap
        .map(|keymap| json!({"keymap": keymap}))
        .or_else(|| config.keyboard.clone())
    {
        writer.push(Stage::new("keymap", options));
    }
    if let Some(hostname) = customizations
        .hostname
        .as_ref()
        .or(config.hostname.as_ref())
    {
        writer.push(Stage::new("hostname", json!({"hostname": hostname})));
    }
    let zone = customizations
        .timezone
        .as_ref()
        .and_then(|timezone| timezone.timezone.as_ref());
    if let Some(zone) = zone.or(config.timezone.as_ref()) {
        writer.push(Stage::new("timezone", json!({"zone": zone})));
    }
    if let Some(options) = time_synchronization(os) {
        writer.push(Stage::new("chrony", options));
    }
    if os.is_installed() {
        Ok(())
    } else {
        people(writer)
    }
}

fn people(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let os = writer.os;
    let (config, customizations) = (os.config(), os.customizations());
    writer
        .stages
        .extend(users::groups_stage(&customizations.group));
    if config.lock_root_user == Some(true) {
        writer.push(users::lock_root_stage());
    }
    let mut people = users::users(customizations);
    let first_boot = match os.is_ostree() {
        true => users::first_boot_keys_stage(&people)?,
        false => None,
    };
    if os.is_ostree() {
        people = users::without_keys(&people);
    }
    writer.stages.extend(users::users_stage(
        &people,
        config.users.as_ref(),
        os.request.seed,
    )?);
    writer.stages.extend(first_boot);
    Ok(())
}
