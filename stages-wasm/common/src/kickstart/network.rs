//! Network devices.
use super::Line;
use osbuild_stage::Number;
use serde::Deserialize;

/// One device.
#[derive(Debug, Clone, Deserialize)]
pub struct Network {
    device: String,
    bootproto: Option<String>,
    onboot: Option<OnBoot>,
    ip: Option<String>,
    ipv6: Option<String>,
    gateway: Option<String>,
    ipv6gateway: Option<String>,
    netmask: Option<String>,
    hostname: Option<String>,
    essid: Option<String>,
    wpakey: Option<String>,
    #[serde(default)]
    nameservers: Vec<String>,
    activate: Option<bool>,
}

/// Kickstart's booleans are words or numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OnBoot {
    Word(String),
    Number(Number),
}

impl Network {
    /// The line.
    pub fn line(&self) -> String {
        let on_boot = self.onboot.as_ref().map(|value| match value {
            OnBoot::Word(word) => word.clone(),
            OnBoot::Number(number) => number.to_string(),
        });
        let mut line = Line::new("network").value("--device=", &self.device);
        for (name, value) in [
            ("bootproto", &self.bootproto),
            ("onboot", &on_boot),
            ("ip", &self.ip),
            ("ipv6", &self.ipv6),
            ("gateway", &self.gateway),
            ("ipv6gateway", &self.ipv6gateway),
            ("netmask", &self.netmask),
            ("hostname", &self.hostname),
            ("essid", &self.essid),
            ("wpakey", &self.wpakey),
        ] {
            if let Some(value) = value {
                line = line.value(&format!("--{name}="), value);
            }
        }
        for server in &self.nameservers {
            line = line.value("--nameserver=", server);
        }
        line.flag("--activate", self.activate == Some(true))
            .flag("--no-activate", self.activate == Some(false))
            .text()
    }
}
