//! Partitions.
use super::Line;
use super::line::check_element;
use osbuild_stage::{Number, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Options of `autopart` in the order in which they are written.
const AUTOPART: [&str; 15] = [
    "type",
    "fstype",
    "nolvm",
    "encrypted",
    "passphrase",
    "escrowcert",
    "backuppassphrase",
    "cipher",
    "luks-version",
    "pbkdf",
    "pbkdf-memory",
    "pbkdf-time",
    "pbkdf-iterations",
    "nohome",
    "noswap",
];

/// Which partitions are removed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClearPart {
    all: bool,
    initlabel: bool,
    drives: Vec<String>,
    list: Vec<String>,
    disklabel: Option<String>,
    linux: bool,
}

impl ClearPart {
    /// Refuses what lists with commas cannot hold.
    pub fn check(&self) -> Result<()> {
        let mut drives = self.drives.iter();
        drives.try_for_each(|drive| check_element("clearpart.drives", drive))?;
        let mut list = self.list.iter();
        list.try_for_each(|name| check_element("clearpart.list", name))
    }

    /// The line.
    pub fn line(&self) -> String {
        Line::new("clearpart")
            .flag("--all", self.all)
            .option("--drives=", Some(self.drives.join(",")))
            .option("--list=", Some(self.list.join(",")))
            .option("--disklabel=", self.disklabel.as_ref())
            .flag("--linux", self.linux)
            .flag("--initlabel", self.initlabel)
            .text()
    }
}

/// The line for automatic partitions. A boolean is written as a flag, whatever its value, as osbuild does.
pub fn autopart(options: &Map<String, Value>) -> String {
    let given = AUTOPART
        .iter()
        .filter_map(|name| Some((*name, options.get(*name)?)));
    let mut line = Line::new("autopart");
    for (name, value) in given {
        let flag = format!("--{name}=");
        line = match value {
            Value::Bool(_) => line.arg(&format!("--{name}")),
            Value::String(text) => line.value(&flag, text),
            Value::Number(number) => line.value(&flag, &Number::from(number).to_string()),
            other => line.value(&flag, &other.to_string()),
        };
    }
    line.text()
}
