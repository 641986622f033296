//! The `[Install]` section of a unit file and its drop-ins.

/// What a unit says about its installation; lists as they are written, specifiers not yet replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Install {
    /// Other names.
    pub alias: Vec<String>,
    /// Units that want it.
    pub wanted_by: Vec<String>,
    /// Units that require it.
    pub required_by: Vec<String>,
    /// Units that uphold it.
    pub upheld_by: Vec<String>,
    /// Units that are installed with it.
    pub also: Vec<String>,
    /// Instance of a template that is enabled without one.
    pub default_instance: Option<String>,
}

impl Install {
    /// Reads the text of a unit file or a drop-in on top of what is known. An empty setting clears its list, but not that of `Also`.
    pub fn read(&mut self, text: &str) {
        let mut inside = false;
        for line in logical_lines(text) {
            let line = line.trim();
            if line.starts_with('[') {
                inside = line == "[Install]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
                self.set(key.trim(), value.trim());
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let list = match key {
            "Alias" => &mut self.alias,
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Also" => &mut self.also,
            "DefaultInstance" => {
                self.default_instance = Some(value.to_owned()).filter(|value| !value.is_empty());
                return;
            }
            _ => return,
        };
        match value {
            "" if key == "Also" => {}
            "" => list.clear(),
            value => list.extend(
                value
                    .split_whitespace()
                    .map(|word| word.trim_matches(['"', '\'']).to_owned()),
            ),
        }
    }
}

/// Lines with continuations joined, comments and empty lines left out.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continued = false;
    for line in text.lines() {
        let comment = line.trim_start().starts_with(['#', ';']);
        if comment || (line.trim().is_empty() && !continued) {
            continue;
        }
        let (body, more) = line
            .strip_suffix('\\')
            .map_or((line, false), |body| (body, true));
        match lines.last_mut().filter(|_| continued) {
            Some(last) => *last = format!("{last} {body}"),
            None => lines.push(body.into()),
        }
        continued = more;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_install_section_counts_and_lists_add_up() {
        let mut install = Install::default();
        install.read("[Unit]\nAlias=no\n[Install]\n# WantedBy=no\nWantedBy=a.target \\\n  b.target\nAlias = x.service\nAlso=y.socket\n");
        install.read("[Install]\nWantedBy=c.target\nAlias=\nDefaultInstance=i\n");
        assert_eq!(install.wanted_by, ["a.target", "b.target", "c.target"]);
        assert_eq!(
            (
                install.alias.len(),
                install.also.as_slice(),
                install.default_instance.as_deref()
            ),
            (0, &["y.socket".to_owned()][..], Some("i"))
        );
    }
}
