//! Installation media.

use super::form::is_url;
use super::{Rules, place};
use crate::diagnostic::dotted;
use crate::model::Installer;

/// The module of the installer that makes users.
const USERS: &str = "org.fedoraproject.Anaconda.Modules.Users";

impl<'b> Rules<'b> {
    /// Installation media.
    pub(super) fn installer(&mut self) {
        let Some(installer) = &self.customizations().installer else {
            return;
        };
        self.kickstart(installer);
        self.modules_of_installer(installer);
        let flatpaks = installer
            .payload
            .iter()
            .filter_map(|payload| payload.flatpaks.as_ref());
        for (index, flatpak) in flatpaks.flat_map(|flatpaks| &flatpaks.force).enumerate() {
            let url = flatpak.registry.url.as_str();
            if !is_url(url, &["https", "http", "oci+https", "oci+http"]) {
                let path = place![
                    "installer",
                    "payload",
                    "flatpaks",
                    "force",
                    index,
                    "registry",
                    "url"
                ];
                self.malformed(
                    path,
                    url,
                    "URL",
                    "URLs of registries begin with oci+https:// or https://",
                );
            }
        }
    }

    /// An own kickstart file says itself what would be added to it.
    fn kickstart(&mut self, installer: &'b Installer) {
        let kickstart = installer.kickstart.as_ref();
        if kickstart
            .and_then(|kickstart| kickstart.contents.as_deref())
            .is_none()
        {
            return;
        }
        let customizations = self.customizations();
        let excluded = [
            (installer.unattended, place!["installer", "unattended"]),
            (
                !installer.sudo_nopasswd.is_empty(),
                place!["installer", "sudo-nopasswd"],
            ),
            (!customizations.user.is_empty(), place!["user", 0]),
            (!customizations.sshkey.is_empty(), place!["sshkey", 0]),
            (!customizations.group.is_empty(), place!["group", 0]),
        ];
        for (_, path) in excluded.into_iter().filter(|(is_given, _)| *is_given) {
            let message = format!(
                "`{}` cannot be used together with `customizations.installer.kickstart.contents`",
                dotted(&path)
            );
            self.error(
                path,
                message,
                "excludes an own kickstart file",
                "write it into the kickstart file itself",
            );
        }
    }

    fn modules_of_installer(&mut self, installer: &'b Installer) {
        let Some(modules) = &installer.modules else {
            return;
        };
        for (index, module) in modules.disable.iter().enumerate() {
            let path = place!["installer", "modules", "disable", index];
            if modules.enable.contains(module) {
                let message = format!("the module {module:?} is both enabled and disabled");
                self.error(
                    path.clone(),
                    message,
                    "enabled as well",
                    "leave it out of one of the lists",
                );
            }
            let customizations = self.customizations();
            let has_users = !customizations.user.is_empty()
                || !customizations.group.is_empty()
                || !customizations.sshkey.is_empty();
            if module == USERS && has_users {
                let message = "the module that makes users is disabled, but the blueprint has users or groups";
                self.error(
                    path,
                    message,
                    "needed for users",
                    "leave it out, or leave the users and groups out",
                );
            }
        }
    }
}
