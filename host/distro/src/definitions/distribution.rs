//! Distributions of a family: their names, and what is true of each version.
use super::finish::is_file_name;
use super::template::Variables;
use super::when::When;
use crate::Distro;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A distribution in all its versions.
#[derive(Clone, Debug, Deserialize)]
pub struct Distribution {
    /// Name without version: `rhel`. `bootc-*` has all names that begin so, in any version.
    pub name: String,
    /// Versions that listings show.
    pub versions: Vec<String>,
    /// Condition on further versions that names may have.
    #[serde(default)]
    accepts: Option<When>,
    /// Whether versions may have a minor part. It may be written without the dot: `rhel-94` is `rhel-9.4`.
    #[serde(default)]
    minor_versions: bool,
    /// What differs between versions, over the rest.
    #[serde(default)]
    conditions: Vec<Conditional>,
    /// Fields of `Distro`, and `iso_label`, with variables.
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Conditional {
    when: When,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Name without version.
    pub name: String,
    /// Version.
    pub version: String,
}

impl Distribution {
    /// What a name means: `rhel-9.4`.
    pub fn release(&self, name: &str) -> Option<Release> {
        let (name, version) = match self.name.strip_suffix('*') {
            Some(start) => name.rsplit_once('-').filter(|(name, version)| {
                name.len() > start.len() && name.starts_with(start) && !version.is_empty()
            })?,
            None => {
                let version = name.strip_prefix(&self.name)?.strip_prefix('-')?;
                self.has(version).then_some((self.name.as_str(), version))?
            }
        };
        Some(Release {
            name: name.into(),
            version: version.into(),
        })
    }

    /// What a name without dot means: `rhel-94`.
    pub fn dotless_release(&self, name: &str) -> Option<Release> {
        let digits = name.strip_prefix(&self.name)?.strip_prefix('-')?;
        if !self.minor_versions || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let version = (1..digits.len())
            .map(|major| format!("{}.{}", &digits[..major], &digits[major..]))
            .find(|version| self.has(version))?;
        Some(Release {
            name: self.name.clone(),
            version,
        })
    }

    /// Variables of a release: its own, and `id`, which is what `*` stands for, or the name.
    pub fn variables(&self, release: &Release) -> Variables {
        let id = match self.name.strip_suffix('*') {
            Some(start) => release.name.strip_prefix(start).unwrap_or_default(),
            None => &release.name,
        };
        Variables::of(&release.name, &release.version).with("id", id)
    }

    fn has(&self, version: &str) -> bool {
        self.versions.iter().any(|listed| listed == version)
            || self.form(version)
                && self
                    .accepts
                    .as_ref()
                    .is_some_and(|accepts| accepts.holds(&self.name, version, None))
    }

    /// Whether a version is numbers, as they are usually written.
    fn form(&self, version: &str) -> bool {
        let number = |part: &str| {
            !part.is_empty()
                && part.len() <= 4
                && part.bytes().all(|digit| digit.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        };
        match version.split_once('.') {
            Some((major, minor)) => self.minor_versions && number(major) && number(minor),
            None => number(version),
        }
    }

    /// The distribution in one version.
    ///
    /// # Errors
    /// The text of what its definition says wrong.
    pub fn resolve(&self, release: &Release) -> Result<Distro, String> {
        let mut fields = self.fields_of(release);
        fields.shift_remove("iso_label");
        let name = format!("{}-{}", release.name, release.version);
        if !is_file_name(&name) {
            return Err(format!("{name:?} is no name of a distribution"));
        }
        fields.insert("name".into(), name.into());
        let mut value = Value::Object(fields);
        self.variables(release).fill_all(&mut value)?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// Label of media; variables are those of the distribution, `arch`, and `label`, which the image type says.
    pub fn iso_label(&self, release: &Release) -> String {
        let mut fields = self.fields_of(release);
        match fields.shift_remove("iso_label") {
            Some(Value::String(label)) => label,
            _ => "{{label}}".into(),
        }
    }

    fn fields_of(&self, release: &Release) -> Map<String, Value> {
        let mut fields = self.fields.clone();
        for condition in &self.conditions {
            if condition.when.holds(&release.name, &release.version, None) {
                fields.extend(condition.fields.clone());
            }
        }
        fields
    }
}
