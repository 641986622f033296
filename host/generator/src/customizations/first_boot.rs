//! Scripts that run when a system starts for the first time: files, and a unit of systemd for each.
use crate::manifest::Stage;
use osbuild_wasm_blueprint::model::{Directory, File, Firstboot, FirstbootScript, Mode, Owner};
use serde_json::{Map, Value, json};

const SCRIPTS: &str = "/usr/libexec/osbuild-first-boot";
const STATE: &str = "/var/local/osbuild-first-boot";
/// Exists until the last script has run.
const MARKER: &str = "/var/local/osbuild-first-boot/.run";

/// Scripts with the names of their files.
#[derive(Clone, Debug, Default)]
pub struct FirstBoot {
    scripts: Vec<(String, FirstbootScript)>,
}

impl FirstBoot {
    /// The scripts of a blueprint; none where it has none.
    pub fn new(customization: Option<&Firstboot>) -> Self {
        let mut unnamed = 0;
        let named = |script: &FirstbootScript| {
            let name = match script {
                FirstbootScript::Satellite(_) => "satellite".to_string(),
                FirstbootScript::Aap(_) => "aap".to_string(),
                FirstbootScript::Custom(script) => {
                    let name = script.name.clone().filter(|name| !name.is_empty());
                    name.unwrap_or_else(|| {
                        unnamed += 1;
                        format!("custom-{unnamed}")
                    })
                }
            };
            (format!("osbuild-first-boot-{name}"), script.clone())
        };
        let scripts = customization.map_or(&[][..], |found| &found.scripts);
        Self {
            scripts: scripts.iter().map(named).collect(),
        }
    }

    /// Directories that the files lie in.
    pub fn directories(&self) -> Vec<Directory> {
        let directory = |path: &str| Directory {
            path: path.into(),
            user: root(),
            group: root(),
            mode: Some(Mode(0o755)),
            ensure_parents: true,
        };
        match self.scripts.is_empty() {
            true => Vec::new(),
            false => vec![directory(SCRIPTS), directory(STATE)],
        }
    }

    /// The scripts, and the file that says that they have not run yet.
    pub fn files(&self) -> Vec<File> {
        if self.scripts.is_empty() {
            return Vec::new();
        }
        let file = |path: String, text: String| File {
            path,
            user: root(),
            group: root(),
            mode: Some(Mode(0o770)),
            data: Some(text),
            uri: None,
        };
        let scripts = self
            .scripts
            .iter()
            .map(|(name, script)| file(format!("{SCRIPTS}/{name}"), text(script)));
        std::iter::once(file(MARKER.into(), String::new()))
            .chain(scripts)
            .collect()
    }

    /// Stages that make the units. A unit runs after the one before it; the last one says that all have run.
    pub fn unit_stages(&self) -> Vec<Stage> {
        let services = self.services();
        let unit = |(index, (_, script)): (usize, &(String, FirstbootScript))| {
            let before = index.checked_sub(1).map(|index| services[index].as_str());
            let is_last = index + 1 == services.len();
            Stage::new(
                "systemd.unit.create",
                json!({
                    "filename": services[index],
                    "unit-type": "system",
                    "unit-path": "usr",
                    "config": {
                        "Unit": unit_section(script, before),
                        "Service": self.service_section(index, is_last),
                        "Install": {"WantedBy": ["basic.target"]},
                    },
                }),
            )
        };
        self.scripts.iter().enumerate().map(unit).collect()
    }

    /// Names of the units, which must be enabled.
    pub fn services(&self) -> Vec<String> {
        self.scripts
            .iter()
            .map(|(name, _)| format!("{name}.service"))
            .collect()
    }

    /// Certificates that the scripts need the system to trust.
    pub fn certificates(&self) -> Vec<String> {
        self.scripts
            .iter()
            .flat_map(|(_, script)| script.cacerts().iter().cloned())
            .collect()
    }

    fn service_section(&self, index: usize, is_last: bool) -> Map<String, Value> {
        let (name, script) = &self.scripts[index];
        let mut section = Map::new();
        section.insert("Type".into(), "oneshot".into());
        section.insert("RemainAfterExit".into(), true.into());
        if is_last {
            let remove = format!("/usr/bin/rm {MARKER}");
            section.insert("ExecStartPre".into(), json!([remove]));
        }
        // systemd passes over the failure of a command with a `-` before it.
        let ignore = if script.ignore_failure() { "-" } else { "" };
        section.insert(
            "ExecStart".into(),
            json!([format!("{ignore}{SCRIPTS}/{name}")]),
        );
        section
    }
}

fn unit_section(script: &FirstbootScript, before: Option<&str>) -> Map<String, Value> {
    let mut after = vec!["network-online.target", "osbuild-first-boot.service"];
    for unit in script.after().iter().map(String::as_str).chain(before) {
        if !after.contains(&unit) {
            after.push(unit);
        }
    }
    let mut section = Map::new();
    section.insert("ConditionPathExists".into(), json!([MARKER]));
    section.insert("Wants".into(), json!(["network-online.target"]));
    section.insert("After".into(), json!(after));
    if !script.before().is_empty() {
        section.insert("Before".into(), json!(script.before()));
    }
    section
}

fn text(script: &FirstbootScript) -> String {
    match script {
        FirstbootScript::Custom(script) => script.contents.clone(),
        FirstbootScript::Satellite(script) => script.command.clone(),
        FirstbootScript::Aap(script) => format!(
            "#!/usr/bin/bash\ncurl -i --data {} {}\n",
            quoted(&format!("host_config_key={}", script.host_config_key)),
            quoted(&script.job_template_url)
        ),
    }
}

/// One word of a shell's command, whatever it holds.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn root() -> Option<Owner> {
    Some(Owner::Name("root".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_blueprint::model::{AapScript, CustomScript};

    #[test]
    fn scripts_run_one_after_the_other_and_the_last_one_ends_the_first_boot() {
        let custom = |name: Option<&str>, after: &[&str]| {
            FirstbootScript::Custom(CustomScript {
                name: name.map(str::to_owned),
                after: after.iter().map(ToString::to_string).collect(),
                ..CustomScript::default()
            })
        };
        let first_boot = FirstBoot::new(Some(&Firstboot {
            scripts: vec![
                custom(None, &[]),
                custom(
                    Some("x"),
                    &["osbuild-first-boot-custom-1.service", "y.service"],
                ),
                custom(None, &[]),
            ],
        }));
        let names = ["custom-1", "x", "custom-2"];
        let services = names.map(|name| format!("osbuild-first-boot-{name}.service"));
        assert_eq!(first_boot.services(), services);
        let units: Vec<Value> = first_boot
            .unit_stages()
            .iter()
            .filter_map(|stage| stage.options().map(|options| options["config"].clone()))
            .collect();
        assert_eq!(
            units[1]["Unit"]["After"],
            json!([
                "network-online.target",
                "osbuild-first-boot.service",
                services[0],
                "y.service"
            ])
        );
        let ends: Vec<bool> = units
            .iter()
            .map(|unit| unit["Service"].get("ExecStartPre").is_some())
            .collect();
        assert_eq!(ends, [false, false, true]);
    }

    #[test]
    fn values_of_a_callback_stay_words() {
        let script = FirstbootScript::Aap(AapScript {
            host_config_key: "k'; reboot '".into(),
            job_template_url: "https://h/c".into(),
            ..AapScript::default()
        });
        assert_eq!(
            text(&script),
            "#!/usr/bin/bash\ncurl -i --data 'host_config_key=k'\\''; reboot '\\''' 'https://h/c'\n"
        );
    }
}
