//! Settings of the running system.

use super::form::{consists_of, is_host_name, is_locale, is_time_zone, wrong_path};
use super::{Rules, place};
use crate::diagnostic::dotted;
use crate::model::{Firewall, Openscap, Services};
use osbuild_wasm_manifest::problem::Path;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Protocols of ports.
const PROTOCOLS: [&str; 4] = ["tcp", "udp", "sctp", "dccp"];

impl<'b> Rules<'b> {
    /// Settings of the running system.
    pub(super) fn services(&mut self) {
        let customizations = self.customizations();
        if let Some(name) = customizations
            .hostname
            .as_deref()
            .filter(|name| !is_host_name(name))
        {
            let hint = "letters, digits and `-`, parts separated by dots, at most 64 characters";
            self.malformed(place!["hostname"], name, "name of a host", hint);
        }
        self.time();
        self.locale();
        if let Some(firewall) = &customizations.firewall {
            self.firewall(firewall);
        }
        if let Some(services) = &customizations.services {
            self.units(services);
        }
        if let Some(openscap) = &customizations.openscap {
            self.openscap(openscap);
        }
    }

    fn time(&mut self) {
        let Some(time) = &self.customizations().timezone else {
            return;
        };
        if let Some(zone) = time.timezone.as_deref().filter(|zone| !is_time_zone(zone)) {
            let hint = "zones are named as below /usr/share/zoneinfo, such as \"Europe/Berlin\" or \"UTC\"";
            self.malformed(place!["timezone", "timezone"], zone, "time zone", hint);
        }
        for (index, server) in time.ntpservers.iter().enumerate() {
            let is_address = server.parse::<IpAddr>().is_ok();
            if !is_address && !is_host_name(server) {
                let hint = "give the name or the address of a server, nothing more";
                self.malformed(
                    place!["timezone", "ntpservers", index],
                    server,
                    "time server",
                    hint,
                );
            }
        }
    }

    fn locale(&mut self) {
        let Some(locale) = &self.customizations().locale else {
            return;
        };
        for (index, language) in locale.languages.iter().enumerate() {
            if !is_locale(language) {
                let hint = "language, country and character set: \"de_DE.UTF-8\"";
                self.malformed(
                    place!["locale", "languages", index],
                    language,
                    "locale",
                    hint,
                );
            }
        }
        if locale.languages.len() > 1 {
            self.warn(
                place!["locale", "languages", 1],
                "only the first of `customizations.locale.languages` is used",
                "not used",
                "to have further languages, install their packages (langpacks-*)",
            );
        }
        let keyboard = locale.keyboard.as_deref();
        if let Some(keyboard) = keyboard.filter(|layout| !consists_of(layout, "_.-+")) {
            let hint = "layouts are named as `localectl list-keymaps` shows them, such as \"de\" or \"us-intl\"";
            self.malformed(
                place!["locale", "keyboard"],
                keyboard,
                "keyboard layout",
                hint,
            );
        }
    }

    fn firewall(&mut self, firewall: &'b Firewall) {
        for (index, port) in firewall.ports.iter().enumerate() {
            if !is_port(port) {
                let hint = match port.split_once('/') {
                    Some((port, protocol)) => format!("did you mean \"{port}:{protocol}\"?"),
                    None => format!(
                        "write PORT:PROTOCOL or FIRST-LAST:PROTOCOL; protocols are {}",
                        PROTOCOLS.join(", ")
                    ),
                };
                self.malformed(place!["firewall", "ports", index], port, "port", &hint);
            }
        }
        if let Some(services) = &firewall.services {
            let place = |key: &str, index: usize| place!["firewall", "services", key, index];
            self.clash(
                &services.enabled,
                ("disabled", &services.disabled),
                place,
                str::to_owned,
            );
        }
        for (index, zone) in firewall.zones.iter().enumerate() {
            let place = |key: &str| place!["firewall", "zones", index, key];
            if let Some(name) = zone.name.as_deref().filter(|name| !consists_of(name, "_-")) {
                self.malformed(
                    place("name"),
                    name,
                    "name of a zone",
                    "letters, digits, `_` and `-`",
                );
            }
            for (number, source) in zone.sources.iter().enumerate() {
                if !is_source(source) {
                    let mut path = place("sources");
                    path.push(number.into());
                    let hint = "give an address, a network such as 192.0.2.0/24, a MAC address, or ipset:NAME";
                    self.malformed(path, source, "source of a zone", hint);
                }
            }
        }
    }

    fn units(&mut self, services: &'b Services) {
        let lists = [
            ("enabled", &services.enabled),
            ("disabled", &services.disabled),
            ("masked", &services.masked),
        ];
        for (key, units) in lists {
            for (index, unit) in units.iter().enumerate() {
                if !consists_of(unit, ":_.-\\@") {
                    let hint = "give the name of a unit, such as \"sshd.service\" or \"sshd\"";
                    self.malformed(place!["services", key, index], unit, "name of a unit", hint);
                }
            }
        }
        let place = |key: &str, index: usize| place!["services", key, index];
        self.clash(
            &services.enabled,
            ("disabled", &services.disabled),
            place,
            unit_name,
        );
        self.clash(
            &services.enabled,
            ("masked", &services.masked),
            place,
            unit_name,
        );
    }

    /// What is enabled cannot be the contrary too.
    fn clash(
        &mut self,
        enabled: &[String],
        (contrary, others): (&str, &[String]),
        place: impl Fn(&str, usize) -> Path,
        full_name: fn(&str) -> String,
    ) {
        let enabled: BTreeSet<String> = enabled.iter().map(|name| full_name(name)).collect();
        for (index, name) in others.iter().enumerate() {
            if enabled.contains(&full_name(name)) {
                let message = format!("{name:?} is both enabled and {contrary}");
                self.error(
                    place(contrary, index),
                    message,
                    "enabled as well",
                    "leave it out of one of the lists",
                );
            }
        }
    }

    fn openscap(&mut self, openscap: &'b Openscap) {
        if openscap.tailoring.is_some() && openscap.json_tailoring.is_some() {
            self.error(
                place!["openscap", "json_tailoring"],
                "`customizations.openscap` has both `tailoring` and `json_tailoring`",
                "excludes `tailoring`",
                "leave one of them out",
            );
        }
        self.absolute(
            place!["openscap", "datastream"],
            openscap.datastream.as_deref(),
        );
        let file = openscap
            .json_tailoring
            .as_ref()
            .map(|tailoring| tailoring.filepath.as_str());
        self.absolute(place!["openscap", "json_tailoring", "filepath"], file);
    }

    /// A path in the image must be absolute and canonical.
    pub(super) fn absolute(&mut self, path: Path, given: Option<&str>) {
        if let Some((reason, hint)) = given.and_then(wrong_path) {
            let message = format!("`{}` {reason}", dotted(&path));
            self.error(path, message, "expected an absolute path", hint);
        }
    }
}

/// `sshd` is `sshd.service`.
fn unit_name(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// A port, a range of ports or the name of a service, with a protocol.
fn is_port(text: &str) -> bool {
    let Some((port, protocol)) = text.rsplit_once(':') else {
        return false;
    };
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let is_digit = |character: char| character.is_ascii_digit() || character == '-';
    let is_name = consists_of(port, "_-") && !port.chars().all(is_digit);
    let is_number = match port.split_once('-') {
        None => number(port).is_some(),
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last)
        }
    };
    PROTOCOLS.contains(&protocol) && (is_name || is_number)
}

/// An address, a network, a MAC address or a set of addresses.
fn is_source(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let is_prefix = |most: u8| {
        prefix.is_empty() && !text.contains('/')
            || prefix.parse::<u8>().is_ok_and(|bits| bits <= most)
    };
    let is_mask = prefix.parse::<std::net::Ipv4Addr>().is_ok();
    let is_mac = || {
        let parts: Vec<&str> = text.split(':').collect();
        let is_byte =
            |part: &&str| part.len() == 2 && part.chars().all(|digit| digit.is_ascii_hexdigit());
        parts.len() == 6 && parts.iter().all(is_byte)
    };
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => is_prefix(32) || is_mask,
        Ok(IpAddr::V6(_)) => is_prefix(128),
        Err(_) => {
            is_mac()
                || text
                    .strip_prefix("ipset:")
                    .is_some_and(|name| consists_of(name, "_.-:"))
        }
    }
}
