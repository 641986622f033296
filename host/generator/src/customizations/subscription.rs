//! Registration of the system with Red Hat, when it starts for the first time.
use super::nodes::text_file_stages;
use crate::GeneratorError;
use crate::manifest::Stage;
use crate::request::Subscription;
use crate::sources::Sources;
use serde_json::json;

/// Name of the unit that registers; it must be enabled.
pub const UNIT: &str = "osbuild-subscription-register.service";
const KEYS: &str = "/etc/osbuild-subscription-register.env";

/// Packages that register.
pub fn packages(subscription: &Subscription) -> &'static [&'static str] {
    match subscription {
        Subscription { rhc: true, .. } => &[
            "subscription-manager",
            "rhc",
            "insights-client",
            "rhc-worker-playbook",
        ],
        Subscription { insights: true, .. } => &["subscription-manager", "insights-client"],
        _ => &["subscription-manager"],
    }
}

/// Stages that make the unit, and the file with the key that it removes when it is done. `unit_path` is the directory
/// of the unit, as the stage names it: `usr`, or `etc` where `/usr` is not to be changed.
///
/// # Errors
/// A value has characters that neither a command nor that file can hold.
pub fn subscription_stages(
    subscription: &Subscription,
    unit_path: &str,
    sources: &mut Sources,
) -> Result<Vec<Stage>, GeneratorError> {
    check(subscription)?;
    let section = json!({
        "Description": "First-boot service for registering with Red Hat subscription manager and/or insights",
        "ConditionPathExists": [KEYS],
        "Wants": ["network-online.target"],
        "After": ["network-online.target"],
    });
    let service = json!({
        "Type": "oneshot",
        "RemainAfterExit": false,
        "ExecStart": commands(subscription),
        "EnvironmentFile": [KEYS],
    });
    let unit = Stage::new(
        "systemd.unit.create",
        json!({
            "filename": UNIT,
            "unit-type": "system",
            "unit-path": unit_path,
            "config": {"Unit": section, "Service": service, "Install": {"WantedBy": ["default.target"]}},
        }),
    );
    let text = format!(
        "ORG_ID={}\nACTIVATION_KEY={}",
        subscription.organization, subscription.activation_key
    );
    let mut stages = vec![unit];
    stages.extend(text_file_stages(KEYS, &text, Some(0o600), sources));
    Ok(stages)
}

/// Values stand between quotes of a unit's command, or alone on a line of the file with the key.
fn check(subscription: &Subscription) -> Result<(), GeneratorError> {
    let templates = [
        &subscription.template_uuid,
        &subscription.template_name,
        &subscription.patch_url,
    ];
    if templates.iter().any(|value| !value.is_empty()) {
        return Err(GeneratorError::Request(
            "subscription: content templates are not supported; leave template_uuid, template_name and patch_url out"
                .into(),
        ));
    }
    for (name, value) in [
        ("organization", &subscription.organization),
        ("activation_key", &subscription.activation_key),
        ("server_url", &subscription.server_url),
        ("base_url", &subscription.base_url),
        ("proxy", &subscription.proxy),
    ] {
        let refused = |character: &char| character.is_control() || "'\"\\".contains(*character);
        if let Some(character) = value.chars().find(refused) {
            return Err(GeneratorError::Request(format!(
                "subscription: {name} has the character {character:?}, which a unit of systemd cannot hold"
            )));
        }
    }
    Ok(())
}

/// What the unit runs, in order; the file with the key goes last.
fn commands(subscription: &Subscription) -> Vec<String> {
    const MANAGER: &str = "/usr/sbin/subscription-manager";
    let mut commands = Vec::new();
    if !subscription.server_url.is_empty() {
        commands.push(format!(
            "{MANAGER} config --server.hostname {}",
            quoted(&subscription.server_url)
        ));
    }
    if !subscription.proxy.is_empty() {
        commands.push(format!(
            "{MANAGER} config --server.proxy_hostname {}",
            quoted(&subscription.proxy)
        ));
    }
    if subscription.rhc {
        commands.push(format!(
            "/usr/bin/rhc connect --organization=\"${{ORG_ID}}\" --activation-key=\"${{ACTIVATION_KEY}}\" --server {}",
            quoted(&subscription.server_url)
        ));
    } else {
        commands.push(format!(
            "{MANAGER} register --org=\"${{ORG_ID}}\" --activationkey=\"${{ACTIVATION_KEY}}\" --serverurl {} --baseurl {}",
            quoted(&subscription.server_url),
            quoted(&subscription.base_url)
        ));
        if subscription.insights {
            commands.push("/usr/bin/insights-client --register".into());
        }
    }
    commands.push(format!("/usr/bin/rm {KEYS}"));
    commands
}

/// One word of a command of systemd, which would replace what follows `%` and `$`.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('%', "%%").replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_subscription_cannot_leave_their_quotes() {
        let with = |key: &str, server: &str| Subscription {
            organization: "1".into(),
            activation_key: key.into(),
            server_url: server.into(),
            ..Subscription::default()
        };
        let stages =
            |subscription| subscription_stages(&subscription, "usr", &mut Sources::default());
        let unit = stages(with("key", "https://example.com/%40$x")).expect("stages");
        let command = &unit[0].options().expect("options")["config"]["Service"]["ExecStart"][0];
        assert_eq!(
            command,
            "/usr/sbin/subscription-manager config --server.hostname 'https://example.com/%%40$$x'"
        );
        for (key, server) in [("key", "s' ; reboot '"), ("key\nLD_PRELOAD=/x", "s")] {
            assert!(stages(with(key, server)).is_err(), "{key:?} {server:?}");
        }
    }
}
