//! Scripts of the first boot.

use super::form::{consists_of, is_url};
use super::{Once, Rules, place};
use crate::diagnostic::dotted;
use crate::model::FirstbootScript;
use osbuild_wasm_manifest::problem::Path;

impl Rules<'_> {
    /// Scripts of the first boot.
    pub(super) fn scripts(&mut self) {
        let mut names = Once::new("script name");
        let mut single = Once::new("script of type");
        let scripts = self.customizations().firstboot.iter();
        for (index, script) in scripts.flat_map(|firstboot| &firstboot.scripts).enumerate() {
            let place = |key: &str| place!["firstboot", "scripts", index, key];
            if let Some(name) = script.name() {
                self.script_name(place("name"), name, script.kind());
                names.note(self, name, place("name"));
            }
            match script {
                FirstbootScript::Custom(_) => {}
                FirstbootScript::Satellite(_) => single.note(self, "satellite", place("type")),
                FirstbootScript::Aap(aap) => {
                    single.note(self, "aap", place("type"));
                    let url = aap.job_template_url.as_str();
                    if !is_url(url, &["https", "http"]) {
                        self.malformed(
                            place("job_template_url"),
                            url,
                            "URL",
                            "URLs begin with https:// or http://",
                        );
                    }
                }
            }
            for (number, certificate) in script.cacerts().iter().enumerate() {
                self.certificate(
                    place!["firstboot", "scripts", index, "cacerts", number],
                    certificate,
                );
            }
        }
    }

    /// Names become parts of the names of files and units.
    fn script_name(&mut self, path: Path, name: &str, kind: &str) {
        let number = name
            .strip_prefix("custom")
            .map(|rest| rest.trim_start_matches('-'));
        let is_numbered =
            number.is_some_and(|number| number.chars().all(|digit| digit.is_ascii_digit()));
        let is_reserved = is_numbered || ["satellite", "aap"].contains(&name) && name != kind;
        if !consists_of(name, ":_.-\\@") || name.starts_with('.') {
            let hint =
                "letters, digits, `_`, `.` and `-`: it becomes the name of a file and of a unit";
            self.malformed(path, name, "simple name of a file", hint);
        } else if is_reserved {
            let message = format!("`{}` {name:?} is reserved", dotted(&path));
            self.error(
                path,
                message,
                "expected another name",
                "scripts of another type, or without a name, are called so",
            );
        }
    }
}
