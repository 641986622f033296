//! Registration of the system with Red Hat, when it starts for the first time.
use super::{Os, Writer};
use crate::GeneratorError;
use crate::customizations::nodes::text_file_stages;
use crate::manifest::Stage;
use crate::request::Subscription;
use serde_json::json;

const UNIT: &str = "osbuild-subscription-register.service";
const KEYS: &str = "/etc/osbuild-subscription-register.env";

/// Packages that register.
pub fn packages(os: &Os<'_>) -> Vec<&'static str> {
    match &os.request.options.subscription {
        None => Vec::new(),
        Some(Subscription { rhc: true, .. }) => {
            vec![
                "subscription-manager",
                "rhc",
                "insights-client",
                "rhc-worker-playbook",
            ]
        }
        Some(Subscription { insights: true, .. }) => {
            vec!["subscription-manager", "insights-client"]
        }
        Some(_) => vec!["subscription-manager"],
    }
}

/// The unit that registers, if there is one.
pub fn unit_name(os: &Os<'_>) -> Option<String> {
    os.request
        .options
        .subscription
        .as_ref()
        .map(|_| UNIT.to_string())
}

/// The unit, and the file with the key that it removes when it is done.
pub(super) fn write(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let Some(subscription) = &writer.os.request.options.subscription else {
        return Ok(());
    };
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
    writer.push(Stage::new(
        "systemd.unit.create",
        json!({
            "filename": UNIT,
            "unit-type": "system",
            "unit-path": "usr",
            "config": {"Unit": section, "Service": service, "Install": {"WantedBy": ["default.target"]}},
        }),
    ));
    let text = format!(
        "ORG_ID={}\nACTIVATION_KEY={}",
        subscription.organization, subscription.activation_key
    );
    writer
        .stages
        .extend(text_file_stages(KEYS, &text, Some(0o600), writer.sources));
    Ok(())
}

/// What the unit runs, in order; the file with the key goes last.
fn commands(subscription: &Subscription) -> Vec<String> {
    const MANAGER: &str = "/usr/sbin/subscription-manager";
    let mut commands = Vec::new();
    if !subscription.server_url.is_empty() {
        commands.push(format!(
            "{MANAGER} config --server.hostname '{}'",
            subscription.server_url
        ));
    }
    if !subscription.proxy.is_empty() {
        commands.push(format!(
            "{MANAGER} config --server.proxy_hostname '{}'",
            subscription.proxy
        ));
    }
    if subscription.rhc {
        commands.push(format!(
            "/usr/bin/rhc connect --organization=\"${{ORG_ID}}\" --activation-key=\"${{ACTIVATION_KEY}}\" --server '{}'",
            subscription.server_url
        ));
    } else {
        commands.push(format!(
            "{MANAGER} register --org=\"${{ORG_ID}}\" --activationkey=\"${{ACTIVATION_KEY}}\" --serverurl '{}' --baseurl '{}'",
            subscription.server_url, subscription.base_url
        ));
        if subscription.insights {
            commands.push("/usr/bin/insights-client --register".into());
        }
    }
    commands.push(format!("/usr/bin/rm {KEYS}"));
    commands
}
