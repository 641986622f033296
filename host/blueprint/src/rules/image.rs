//! The image as a whole: kernel, provisioning, certificates, paths.

use super::form::{consists_of, is_url};
use super::{Rules, place};
use crate::diagnostic::dotted;
use crate::model::{Fdo, Ignition, Iso};
use crate::pem;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use osbuild_wasm_manifest::problem::Path;

/// How long a volume id is (ISO 9660).
const MAX_VOLUME_ID: usize = 32;

impl<'b> Rules<'b> {
    /// The image as a whole.
    pub(super) fn image(&mut self) {
        let customizations = self.customizations();
        self.kernel();
        if let Some(fdo) = &customizations.fdo {
            self.fdo(fdo);
        }
        if let Some(ignition) = &customizations.ignition {
            self.ignition(ignition);
        }
        if let Some(iso) = &customizations.iso {
            self.iso(iso);
        }
        let device = customizations.installation_device.as_deref();
        if let Some(device) = device.filter(|device| !device.starts_with("/dev/")) {
            let hint = "give the device of the machine to install, such as \"/dev/vda\"";
            self.malformed(place!["installation_device"], device, "device", hint);
        }
        let certificates = customizations
            .cacerts
            .iter()
            .flat_map(|cacerts| &cacerts.pem_certs);
        for (index, certificate) in certificates.enumerate() {
            self.certificate(place!["cacerts", "pem_certs", index], certificate);
        }
        let keys = customizations
            .rpm
            .iter()
            .filter_map(|rpm| rpm.import_keys.as_ref());
        for (index, file) in keys.flat_map(|keys| &keys.files).enumerate() {
            self.absolute(place!["rpm", "import_keys", "files", index], Some(file));
        }
        let storage = customizations.containers_storage.as_ref();
        let storage = storage.and_then(|storage| storage.destination_path.as_deref());
        self.absolute(place!["containers-storage", "destination-path"], storage);
    }

    fn kernel(&mut self) {
        let Some(kernel) = &self.customizations().kernel else {
            return;
        };
        if let Some(name) = kernel
            .name
            .as_deref()
            .filter(|name| !consists_of(name, "_.+-"))
        {
            let hint = "give the name of a package, such as \"kernel-debug\"";
            self.malformed(place!["kernel", "name"], name, "name of a package", hint);
        }
        if kernel
            .append
            .as_deref()
            .is_some_and(|options| options.contains(char::is_control))
        {
            let message = "`customizations.kernel.append` has a line break in it";
            let hint = "options stand on one line, separated by blanks";
            self.error(
                place!["kernel", "append"],
                message,
                "expected one line",
                hint,
            );
        }
    }

    fn fdo(&mut self, fdo: &'b Fdo) {
        match fdo.manufacturing_server_url.as_deref() {
            None => self.error(
                place!["fdo"],
                "`customizations.fdo` has no `manufacturing_server_url`",
                "`manufacturing_server_url` is missing here",
                "add the URL of the manufacturing server",
            ),
            Some(url) if !is_url(url, &["http", "https"]) => {
                self.malformed(
                    place!["fdo", "manufacturing_server_url"],
                    url,
                    "URL",
                    "URLs begin with https:// or http://",
                );
            }
            Some(_) => {}
        }
        let keys = [
            ("diun_pub_key_insecure", &fdo.diun_pub_key_insecure),
            ("diun_pub_key_hash", &fdo.diun_pub_key_hash),
            ("diun_pub_key_root_certs", &fdo.diun_pub_key_root_certs),
        ];
        let given: Vec<&str> = keys
            .iter()
            .filter(|(_, key)| key.is_some())
            .map(|(name, _)| *name)
            .collect();
        let names = keys.map(|(name, _)| format!("`{name}`")).join(", ");
        match given.as_slice() {
            [_] => {}
            [] => self.error(
                place!["fdo"],
                format!("`customizations.fdo` has none of {names}"),
                "one key is missing here",
                "give exactly one of them",
            ),
            [_, second, ..] => self.error(
                place!["fdo", *second],
                format!("`customizations.fdo` has several of {names}"),
                "excludes the one before",
                "give exactly one of them",
            ),
        }
    }

    fn ignition(&mut self, ignition: &'b Ignition) {
        if let Some(embedded) = &ignition.embedded {
            let text: String = embedded.config.split_whitespace().collect();
            if BASE64_STANDARD.decode(text).is_err() {
                let message = "`customizations.ignition.embedded.config` is not base64";
                let hint = "encode the configuration: `base64 --wrap=0 config.ign`";
                self.error(
                    place!["ignition", "embedded", "config"],
                    message,
                    "expected base64",
                    hint,
                );
            }
        }
        let Some(firstboot) = &ignition.firstboot else {
            return;
        };
        if ignition.embedded.is_some() {
            self.error(
                place!["ignition", "firstboot"],
                "`customizations.ignition` has both `embedded` and `firstboot`",
                "excludes `embedded`",
                "leave one of them out",
            );
        }
        let place = place!["ignition", "firstboot"];
        match (firstboot.url.as_deref(), firstboot.empty) {
            (None, false) => self.error(
                place,
                "`customizations.ignition.firstboot` has no `url`",
                "`url` is missing here",
                "add the URL of the configuration, or `empty = true` when there is none on purpose",
            ),
            (Some(_), true) => self.error(
                place!["ignition", "firstboot", "empty"],
                "`customizations.ignition.firstboot` has both `url` and `empty`",
                "excludes `url`",
                "leave one of them out",
            ),
            (Some(url), false) if !is_url(url, &["http", "https", "tftp", "s3", "gs", "arn"]) => {
                self.malformed(
                    place!["ignition", "firstboot", "url"],
                    url,
                    "URL",
                    "URLs begin with https:// or http://",
                );
            }
            _ => {}
        }
    }

    fn iso(&mut self, iso: &'b Iso) {
        let id = iso.volume_id.as_deref();
        if let Some(id) = id.filter(|id| id.len() > MAX_VOLUME_ID || !consists_of(id, "_-")) {
            let hint = format!("letters, digits, `-` and `_`, at most {MAX_VOLUME_ID}");
            self.malformed(place!["iso", "volume_id"], id, "volume id", &hint);
        }
        // The fields of ISO 9660 have 128 bytes.
        const MAX: usize = 128;
        for (key, value) in [
            ("application_id", &iso.application_id),
            ("publisher", &iso.publisher),
        ] {
            if value.as_deref().is_some_and(|value| value.len() > MAX) {
                let path = place!["iso", key];
                let message = format!("`{}` is too long", dotted(&path));
                self.error(
                    path,
                    message,
                    format!("expected at most {MAX} bytes"),
                    "shorten it",
                );
            }
        }
    }

    /// One or more certificates in PEM form.
    pub(super) fn certificate(&mut self, path: Path, text: &str) {
        if let Err(reason) = pem::certificates(text) {
            let message = format!("`{}` is no certificate: {reason}", dotted(&path));
            let hint = "give the whole block from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
            self.error(path, message, "expected a certificate in PEM form", hint);
        }
    }
}
