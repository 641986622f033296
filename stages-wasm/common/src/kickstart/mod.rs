//! Kickstart files: what the installer is to do, one command per line.
mod disk;
mod line;
mod network;
mod payload;
mod post;
mod user;

use crate::quoting::single_quoted;
use line::{Line, check_words};
use osbuild_stage::Result;
use serde::Deserialize;
use serde_json::Value;

/// All that a kickstart file may say, in the order in which it says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Kickstart {
    #[serde(flatten)]
    payload: payload::Payload,
    #[serde(flatten)]
    accounts: user::Accounts,
    lang: String,
    keyboard: String,
    timezone: String,
    zerombr: bool,
    clearpart: Option<disk::ClearPart>,
    display_mode: String,
    autopart: Option<serde_json::Map<String, Value>>,
    reboot: Option<Reboot>,
    network: Vec<network::Network>,
    bootloader: Option<BootLoader>,
    #[serde(rename = "%post")]
    post: Vec<post::Script>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Reboot {
    Plain(bool),
    How {
        #[serde(default)]
        eject: bool,
        #[serde(default)]
        kexec: bool,
    },
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct BootLoader {
    append: String,
}

impl Kickstart {
    /// The text of the file.
    pub fn render(&self) -> Result<String> {
        if let Some(bootloader) = &self.bootloader {
            single_quoted("bootloader.append", &bootloader.append)?;
        }
        self.accounts.check()?;
        self.clearpart
            .as_ref()
            .map_or(Ok(()), disk::ClearPart::check)?;
        for (option, words) in [
            ("lang", &self.lang),
            ("keyboard", &self.keyboard),
            ("timezone", &self.timezone),
            ("display_mode", &self.display_mode),
        ] {
            check_words(option, words)?;
        }
        let mut lines = self.payload.lines();
        lines.extend(self.accounts.lines());
        for (command, value) in [
            ("lang", &self.lang),
            ("keyboard", &self.keyboard),
            ("timezone", &self.timezone),
        ] {
            if !value.is_empty() {
                lines.push(format!("{command} {value}"));
            }
        }
        if self.zerombr {
            lines.push("zerombr".into());
        }
        lines.extend(self.clearpart.as_ref().map(disk::ClearPart::line));
        if !self.display_mode.is_empty() {
            lines.push(self.display_mode.clone());
        }
        lines.extend(self.autopart.as_ref().map(disk::autopart));
        lines.extend(self.reboot.as_ref().and_then(Reboot::line));
        lines.extend(self.network.iter().map(network::Network::line));
        lines.extend(self.bootloader.as_ref().and_then(BootLoader::line));
        let scripts: Vec<_> = self
            .post
            .iter()
            .map(post::Script::text)
            .collect::<Result<_>>()?;
        lines.extend(scripts);
        Ok(lines.join("\n") + "\n")
    }
}

impl Reboot {
    fn line(&self) -> Option<String> {
        let (eject, kexec) = match self {
            Self::Plain(wanted) => return wanted.then(|| "reboot".into()),
            Self::How { eject, kexec } => (*eject, *kexec),
        };
        let line = Line::new("reboot")
            .flag("--eject", eject)
            .flag("--kexec", kexec);
        Some(line.text())
    }
}

impl BootLoader {
    fn line(&self) -> Option<String> {
        let append = &self.append;
        (!append.is_empty()).then(|| format!("bootloader --append='{append}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(options: &str) -> String {
        let kickstart: Kickstart = serde_json::from_str(options).unwrap();
        kickstart.render().unwrap()
    }

    #[test]
    fn without_options_there_is_an_empty_line() {
        assert_eq!(render("{}"), "\n");
    }

    #[test]
    fn commands_come_in_their_order() {
        let text = render(
            r#"{"%post": [{"commands": ["a", "b"], "nochroot": true, "log": "/l"}], "reboot": {"eject": true}, "lang": "C",
                "users": {"u": {"password": "", "groups": ["a", "b"], "key": "K"}}, "zerombr": true,
                "network": [{"device": "eth0", "activate": false, "nameservers": ["1.1.1.1"]}],
                "ostree": {"osname": "o", "url": "u", "ref": "r", "gpg": false}, "clearpart": {"drives": ["a", "b"], "all": true},
                "autopart": {"nohome": false, "type": "lvm"}, "bootloader": {"append": "x"}, "rootpw": {"password": "p", "lock": true}}"#,
        );
        assert_eq!(
            text,
            "ostreesetup --osname=o --url=u --ref=r --nogpg\n\
             user --name u --password \"\" --iscrypted --groups a,b\n\
             sshkey --username u \"K\"\n\
             rootpw --lock p\n\
             lang C\n\
             zerombr\n\
             clearpart --all --drives=a,b\n\
             autopart --type=lvm --nohome\n\
             reboot --eject\n\
             network --device=eth0 --nameserver=1.1.1.1 --no-activate\n\
             bootloader --append='x'\n\
             %post --nochroot --log \"/l\"\na\nb\n%end\n"
        );
    }
}
