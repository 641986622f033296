//! The kickstart file of a medium: what the installation does without being asked.
use super::Payload;
use crate::GeneratorError;
use crate::customizations::{nodes, users};
use crate::manifest::Stage;
use crate::request::Request;
use crate::sources::Sources;
use osbuild_wasm_blueprint::model::{Customizations, Group, User};
use serde_json::{Map, Value, json};

/// The file that the loaders name, below the root of the medium.
pub const ON_MEDIUM: &str = "/osbuild.ks";
/// What it includes where it is a text of the user's.
const BASE: &str = "/osbuild-base.ks";
/// The same file in a running installer.
const BASE_IN_INSTALLER: &str = "/run/install/repo/osbuild-base.ks";
/// The file of an installer that asks.
const IN_SYSTEM: &str = "/usr/share/anaconda/interactive-defaults.ks";
const SUDOERS: &str = "/etc/sudoers.d";

/// Answers to what an installer asks of every system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Language of the installed system.
    pub language: String,
    /// Its keyboard.
    pub keyboard: String,
    /// Its time zone.
    pub timezone: String,
}

impl Answers {
    fn of(customizations: &Customizations) -> Self {
        let locale = customizations.locale.as_ref();
        let zone = customizations
            .timezone
            .as_ref()
            .and_then(|timezone| timezone.timezone.as_ref());
        let text = |given: Option<&String>, usual: &str| match given {
            Some(text) if !text.is_empty() => text.clone(),
            _ => usual.into(),
        };
        Self {
            language: text(
                locale.and_then(|locale| locale.languages.first()),
                "en_US.UTF-8",
            ),
            keyboard: text(locale.and_then(|locale| locale.keyboard.as_ref()), "us"),
            timezone: text(zone, "UTC"),
        }
    }
}

/// What a kickstart says beside the payload.
#[derive(Clone, Debug)]
pub struct Kickstart {
    /// Users to make.
    pub users: Vec<User>,
    /// Groups to make.
    pub groups: Vec<Group>,
    /// Seed of the request, for salts of passwords.
    pub seed: i64,
    /// What the installed system is like.
    pub answers: Answers,
    /// Whether the installation asks nothing.
    pub unattended: bool,
    /// Users, and groups with `%`, that need no password for sudo.
    pub sudo_nopasswd: Vec<String>,
    /// A text of the user's.
    pub contents: Option<String>,
}

impl Kickstart {
    /// What the blueprint says.
    ///
    /// # Errors
    /// A name for sudo has characters that no user or group has.
    pub fn of(request: &Request<'_>) -> Result<Self, GeneratorError> {
        let customizations = &request.blueprint.customizations;
        let installer = customizations.installer.clone().unwrap_or_default();
        let sudo_nopasswd = installer.sudo_nopasswd;
        sudo_nopasswd
            .iter()
            .try_for_each(|name| checked_sudo_name(name))?;
        let contents = installer.kickstart.and_then(|kickstart| kickstart.contents);
        Ok(Self {
            users: users::users(customizations),
            groups: customizations.group.clone(),
            seed: request.seed,
            answers: Answers::of(customizations),
            unattended: installer.unattended,
            sudo_nopasswd,
            contents: contents.filter(|text| !text.is_empty()),
        })
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        let nobody = self.users.is_empty() && self.groups.is_empty();
        nobody && !self.unattended && self.sudo_nopasswd.is_empty() && self.contents.is_none()
    }

    /// The stages that write it onto the medium.
    ///
    /// # Errors
    /// A password cannot be hashed.
    pub fn on_medium(
        &self,
        payload: Option<&Payload>,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        if let Some(payload @ Payload::Container { request, root_fs }) = payload {
            let stage = self.container_stage(payload, &request.source)?;
            let usual =
                format!("\nautopart --nohome --type=plain --fstype={root_fs}\n\nreboot --eject\n");
            let text = self.contents.as_deref().unwrap_or(&usual);
            return Ok(vec![stage, including_stage(text, sources)]);
        }
        let written = |path| self.options(path, payload.map(|payload| payload.command(false)));
        match &self.contents {
            None => Ok(vec![Stage::new("kickstart", written(ON_MEDIUM)?.into())]),
            // The reference's media have the base twice; the second one is the same file again.
            Some(text) => Ok(vec![
                Stage::new("kickstart", written(BASE)?.into()),
                Stage::new("kickstart", written(BASE)?.into()),
                including_stage(text, sources),
            ]),
        }
    }

    /// The stage that writes it into the installer's system.
    ///
    /// # Errors
    /// A password cannot be hashed; there is a text of the user's, which cannot stand there.
    pub fn in_system(&self, payload: &Payload) -> Result<Stage, GeneratorError> {
        if self.contents.is_some() {
            return Err(GeneratorError::Request(
                "customizations.installer.kickstart.contents: this image type keeps its kickstart in the installer's system; leave it out".into(),
            ));
        }
        let options = self.options(IN_SYSTEM, Some(payload.command(true)))?;
        Ok(Stage::new("kickstart", options.into()))
    }

    fn options(
        &self,
        path: &str,
        command: Option<(&'static str, Value)>,
    ) -> Result<Map<String, Value>, GeneratorError> {
        let mut options = Map::new();
        options.insert("path".into(), path.into());
        if let Some((name, command)) = command {
            options.insert(name.into(), command);
        }
        self.add_people(&mut options)?;
        if self.unattended {
            self.answers.add_unattended(&mut options);
        }
        if !self.sudo_nopasswd.is_empty() {
            let commands = self.sudo_commands();
            options.insert("%post".into(), json!([{"commands": commands}]));
        }
        Ok(options)
    }

    fn add_people(&self, options: &mut Map<String, Value>) -> Result<(), GeneratorError> {
        let mut made = Map::new();
        for user in &self.users {
            let mut user_options = users::user_options(user, self.seed)?;
            for key in ["expiredate", "force_password_reset"] {
                if user_options.remove(key).is_some() {
                    return Err(GeneratorError::Request(format!(
                        "user {:?}: a kickstart cannot set {key}; leave it out",
                        user.name
                    )));
                }
            }
            made.insert(user.name.clone(), user_options.into());
        }
        if !made.is_empty() {
            options.insert("users".into(), made.into());
        }
        let mut made = Map::new();
        for group in &self.groups {
            let gid = group.gid.map(|gid| ("gid".to_owned(), json!(gid)));
            made.insert(group.name.clone(), Map::from_iter(gid).into());
        }
        if !made.is_empty() {
            options.insert("groups".into(), made.into());
        }
        Ok(())
    }

    fn sudo_commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        for name in &self.sudo_nopasswd {
            let file = format!("{SUDOERS}/{name}");
            commands.push(format!(
                "echo -e \"{name}\\tALL=(ALL)\\tNOPASSWD: ALL\" > \"{file}\""
            ));
            commands.push(format!("chmod 0440 {file}"));
        }
        commands.push(format!("restorecon -rvF {SUDOERS}"));
        commands
    }

    /// A bootable container is always installed with these answers; the installed system updates from the registry.
    fn container_stage(&self, payload: &Payload, reference: &str) -> Result<Stage, GeneratorError> {
        let mut options = self.options(BASE, Some(payload.command(false)))?;
        let post = json!({"erroronfail": true, "commands": [
            "set -e",
            format!("bootc switch --mutate-in-place --transport registry {}", quoted(reference)?),
            "# used during automatic image testing as finished marker",
            "if [ -c /dev/ttyS0 ]; then",
            "  # continue on errors here, because we used to omit --erroronfail",
            "  echo \"Install finished\" > /dev/ttyS0 || true",
            "fi",
        ]});
        // The file that includes this one divides the disk and ends the installation.
        for command in ["autopart", "reboot"] {
            options.remove(command);
        }
        let mut answers = self.answers.commands().to_vec();
        answers.extend([
            ("rootpw", json!({"lock": true})),
            ("clearpart", json!({"all": true})),
            ("network", network()),
        ]);
        for (name, answer) in answers {
            options.entry(name).or_insert(answer);
        }
        let posts = options.entry("%post").or_insert_with(|| json!([]));
        if let Some(posts) = posts.as_array_mut() {
            posts.insert(0, post);
        }
        Ok(Stage::new("kickstart", options.into()))
    }
}

impl Answers {
    fn add_unattended(&self, options: &mut Map<String, Value>) {
        let commands = [
            ("display_mode", json!("text")),
            ("reboot", json!({"eject": true})),
            ("rootpw", json!({"lock": true})),
            ("zerombr", json!(true)),
            ("clearpart", json!({"all": true, "initlabel": true})),
            (
                "autopart",
                json!({"type": "plain", "fstype": "xfs", "nohome": true}),
            ),
            ("network", network()),
        ];
        let commands = self.commands().into_iter().chain(commands);
        options.extend(commands.map(|(name, command)| (name.to_owned(), command)));
    }

    /// Their commands in a kickstart.
    fn commands(&self) -> [(&'static str, Value); 3] {
        [
            ("lang", json!(self.language)),
            ("keyboard", json!(self.keyboard)),
            ("timezone", json!(self.timezone)),
        ]
    }
}

fn network() -> Value {
    json!([{"activate": true, "bootproto": "dhcp", "device": "link", "onboot": "on"}])
}

/// The stage that writes a text that includes the base.
fn including_stage(text: &str, sources: &mut Sources) -> Stage {
    nodes::bytes_file_stage(
        ON_MEDIUM,
        format!("%include {BASE_IN_INSTALLER}\n{text}").as_bytes(),
        sources,
    )
}

/// A name for sudo becomes part of commands and of a file's name.
fn checked_sudo_name(name: &str) -> Result<(), GeneratorError> {
    let bare = name.strip_prefix('%').unwrap_or(name);
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-@".contains(character);
    if !bare.is_empty() && !bare.starts_with(['.', '-']) && bare.chars().all(allowed) {
        return Ok(());
    }
    Err(GeneratorError::Request(format!(
        "customizations.installer.sudo-nopasswd: {name:?} is no name of a user, nor of a group with % before it"
    )))
}

/// A container's reference as a word of a shell.
fn quoted(reference: &str) -> Result<&str, GeneratorError> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || "._-/:@".contains(character);
    if reference.chars().all(allowed) {
        return Ok(reference);
    }
    Err(GeneratorError::Request(format!(
        "the container {reference:?} cannot be named in a kickstart: only letters, digits and . _ - / : @ can stand there"
    )))
}
