//! Groups, users and the password of root.
use super::Line;
use super::line::{check_element, quoted};
use osbuild_stage::{IndexMap, Number, Result, bail, json};
use serde::Deserialize;
use serde_json::Value;

/// Who may log in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Accounts {
    groups: IndexMap<String, Group>,
    users: IndexMap<String, User>,
    rootpw: RootPassword,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Group {
    gid: Option<Number>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct User {
    password: Option<String>,
    shell: Option<String>,
    uid: Option<Number>,
    gid: Option<Number>,
    groups: Vec<String>,
    home: Option<String>,
    key: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RootPassword {
    lock: Value,
    plaintext: Value,
    iscrypted: Value,
    allow_ssh: Value,
    password: Value,
}

impl Accounts {
    /// Refuses what the arguments of the commands cannot hold.
    pub fn check(&self) -> Result<()> {
        for user in self.users.values() {
            let mut groups = user.groups.iter();
            groups.try_for_each(|group| check_element("users.groups", group))?;
        }
        let keys = self.users.values().filter_map(|user| user.key.as_deref());
        check_argument("users.key", keys)?;
        check_argument("rootpw.password", self.rootpw.password.as_str())
    }

    /// Groups, users with their keys, root.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .groups
            .iter()
            .map(|(name, group)| group.line(name))
            .collect();
        for (name, user) in &self.users {
            lines.push(user.line(name));
            if let Some(key) = user.key.as_deref().filter(|key| !key.is_empty()) {
                let line = Line::new("sshkey").value("--username ", name);
                lines.push(line.arg(&quoted(key)).text());
            }
        }
        lines.extend(self.rootpw.line());
        lines
    }
}

/// An argument without a flag is not to look like one.
fn check_argument<'a>(option: &str, values: impl IntoIterator<Item = &'a str>) -> Result<()> {
    match values.into_iter().find(|value| value.starts_with('-')) {
        Some(value) => bail!("options.{option}: {value:?} would be an option of its command"),
        None => Ok(()),
    }
}

/// A number that is not 0.
fn given(number: &Option<Number>) -> Option<String> {
    let text = number.as_ref()?.to_string();
    (!matches!(text.as_str(), "0" | "0.0")).then_some(text)
}

impl Group {
    fn line(&self, name: &str) -> String {
        Line::new("group")
            .value("--name ", name)
            .option("--gid ", given(&self.gid))
            .text()
    }
}

impl User {
    fn line(&self, name: &str) -> String {
        let line = Line::new("user").value("--name ", name);
        let line = match self.password.as_deref() {
            Some(password) => line.value("--password ", password).arg("--iscrypted"),
            None => line,
        };
        line.option("--shell ", self.shell.as_ref())
            .option("--uid ", self.uid.as_ref().map(Number::to_string))
            .option("--gid ", self.gid.as_ref().map(Number::to_string))
            .option("--groups ", Some(self.groups.join(",")))
            .option("--homedir ", self.home.as_ref())
            .text()
    }
}

impl RootPassword {
    /// Each part is a flag, or stands for itself.
    fn line(&self) -> Option<String> {
        let parts = [
            (&self.lock, "--lock"),
            (&self.plaintext, "--plaintext"),
            (&self.iscrypted, "--iscrypted"),
            (&self.allow_ssh, "--allow-ssh"),
            (&self.password, ""),
        ];
        let mut line = Line::new("rootpw");
        let mut any = false;
        for (value, flag) in parts {
            if json::is_true(value) {
                any = true;
                line = match value.as_str() {
                    Some(text) => line.value("", text),
                    None => line.arg(flag),
                };
            }
        }
        any.then(|| line.text())
    }
}
