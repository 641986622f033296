//! What the deployed tree says of itself.
use super::json;
use crate::globs;
use osbuild_stage::{Context, Error, IndexMap, Result, Tree, bail};
use serde_json::{Map, Value, json};

const OS_RELEASE: &str = "etc/os-release";
const IMAGE: &str = "usr/share/coreos-assembler/image.json";
const INSTALLER_CONFIG: &str = "usr/share/coreos-installer/example-config.yaml";

/// The deployed tree.
#[derive(Debug)]
pub struct System {
    /// Its files.
    pub tree: Tree,
    os_release: IndexMap<String, String>,
    image: Map<String, Value>,
}

impl System {
    /// Reads what it says of itself.
    pub fn new(tree: Tree) -> Result<Self> {
        let os_release = variables(&tree.read_to_string(OS_RELEASE)?)?;
        let image = serde_json::from_str(&tree.read_to_string(IMAGE)?).context(IMAGE)?;
        Ok(Self {
            tree,
            os_release,
            image,
        })
    }

    /// A variable of its os-release.
    pub fn variable(&self, name: &str) -> Result<&str> {
        let value = self.os_release.get(name).map(String::as_str);
        value.ok_or_else(|| Error::new(format!("/{OS_RELEASE} of the deployed tree has no {name}")))
    }

    /// Its version.
    pub fn version(&self) -> Result<&str> {
        self.variable("OSTREE_VERSION")
    }

    /// The name that it has without a label: ID, with VARIANT_ID if there is one.
    pub fn name(&self) -> Result<String> {
        let id = self.variable("ID")?;
        Ok(match self.os_release.get("VARIANT_ID") {
            Some(variant) if !variant.is_empty() => format!("{id}-{variant}"),
            _ => id.to_owned(),
        })
    }

    /// A text of its image.json.
    pub fn image(&self, name: &str) -> Result<Option<&str>> {
        match self.image.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => bail!("/{IMAGE} of the deployed tree: {name} is {other}, not a string"),
        }
    }

    /// The only file of its kernel with this name.
    pub fn of_kernel(&self, name: &str) -> Result<String> {
        let pattern = format!("usr/lib/modules/*/{name}");
        match &globs::expand(&self.tree, &pattern)?[..] {
            [only] => Ok(self.tree.path(only)),
            found => bail!(
                "the deployed tree has {} files /{pattern}, not one",
                found.len()
            ),
        }
    }

    /// What its installer and its initramfs can do, as JSON.
    pub fn features(&self) -> Result<String> {
        let config = self.tree.read_to_string(INSTALLER_CONFIG)?;
        let keys = top_level_keys(&config).context(INSTALLER_CONFIG)?;
        let directives: Map<String, Value> =
            keys.into_iter().map(|key| (key, true.into())).collect();
        json(&json!({
            "installer-config": true,
            "installer-config-directives": directives,
            "live-initrd-network": true,
        }))
    }
}

/// The assignments of os-release(5).
fn variables(text: &str) -> Result<IndexMap<String, String>> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let assignment = |line: &str| {
        let words = shlex::split(line)?;
        let (name, value) = words.first()?.split_once('=')?;
        (words.len() == 1).then(|| (name.to_owned(), value.to_owned()))
    };
    let wrong = |line| Error::new(format!("{OS_RELEASE}: `{line}` is no assignment"));
    lines
        .map(|line| assignment(line).ok_or_else(|| wrong(line)))
        .collect()
}

/// The keys of a YAML document that is a block mapping, sorted.
fn top_level_keys(text: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for line in text.lines() {
        if line.is_empty()
            || line.starts_with(['#', ' '])
            || line == "---"
            || line.starts_with("- ")
        {
            continue;
        }
        let key = line.split_once(':').map_or("", |(key, _)| key);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if key.is_empty() || !key.chars().all(is_plain) {
            bail!("`{line}` is no key of a mapping");
        }
        keys.push(key.to_owned());
    }
    keys.sort();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read_as_a_shell_reads_it() {
        let text = "# x\nID=fedora\nPRETTY_NAME=\"Fedora CoreOS 40 (x)\"\n\nVARIANT_ID='coreos'\n";
        let found = variables(text).unwrap();
        let found: Vec<_> = found.iter().map(|(a, b)| format!("{a}:{b}")).collect();
        assert_eq!(
            found,
            [
                "ID:fedora",
                "PRETTY_NAME:Fedora CoreOS 40 (x)",
                "VARIANT_ID:coreos"
            ]
        );
        for text in ["ID", "ID=\"x", "ID=x y"] {
            assert!(variables(text).is_err(), "{text}");
        }
    }

    #[test]
    fn directives_are_the_keys_of_the_example() {
        let text = "# Sample\nstream: name\n\nappend-karg: [arg, arg]\nnested:\n  inner: 1\n- x\n";
        assert_eq!(
            top_level_keys(text).unwrap(),
            ["append-karg", "nested", "stream"]
        );
        assert!(top_level_keys("{a: 1}").is_err() && top_level_keys("text").is_err());
    }
}
