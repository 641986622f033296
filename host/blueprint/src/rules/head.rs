//! Name, version, packages, containers.

use super::{Once, Rules};
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_manifest::problem::Path;

/// Architectures that images are built for.
const ARCHITECTURES: [&str; 5] = ["aarch64", "ppc64le", "riscv64", "s390x", "x86_64"];
/// What others call them.
const OTHER_NAMES: [(&str, &str); 3] = [
    ("amd64", "x86_64"),
    ("arm64", "aarch64"),
    ("x86-64", "x86_64"),
];

const VERSION_HINT: &str =
    "versions are three numbers, such as \"1.0.0\"; after them may stand -PRERELEASE and +BUILD";

impl Rules<'_> {
    /// What stands outside of the customizations.
    pub(super) fn head(&mut self) {
        if self.services && self.blueprint.name.is_empty() {
            self.warn(
                Path::new(),
                "the blueprint has no `name`",
                "`name` is missing here",
                "services keep blueprints by name: add `name`, unless it is for this program alone",
            );
        }
        self.version();
        self.architecture();
        self.modules();
        for (index, container) in self.blueprint.containers.iter().enumerate() {
            if container.source.contains(char::is_whitespace) {
                let path = vec!["containers".into(), index.into(), "source".into()];
                let hint = "write REGISTRY/PATH:TAG or REGISTRY/PATH@DIGEST, without blanks";
                self.malformed(path, &container.source, "name of an image", hint);
            }
        }
    }

    fn version(&mut self) {
        let version = &self.blueprint.version;
        let path: Path = vec!["version".into()];
        if version.is_empty() || is_semantic(version) {
            return;
        }
        let message = format!("`version` {version:?} is no semantic version");
        let expected = "expected MAJOR.MINOR.PATCH";
        // Much used where no service looks at it.
        if is_semantic(&format!("{version}.0")) || is_semantic(&format!("{version}.0.0")) {
            if !self.services {
                return;
            }
            let hint = format!(
                "services refuse it: write \"{version}{}\"",
                if version.contains('.') { ".0" } else { ".0.0" }
            );
            self.warn(path, message, expected, hint);
        } else {
            self.error(path, message, expected, VERSION_HINT);
        }
    }

    fn architecture(&mut self) {
        let given = self.blueprint.architecture.as_str();
        if given.is_empty() || ARCHITECTURES.contains(&given) {
            return;
        }
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == given);
        let near = other
            .map(|(_, name)| (*name).to_owned())
            .or_else(|| nearest(given, ARCHITECTURES.iter()));
        let known = format!("known are {}", ARCHITECTURES.join(", "));
        let hint = near.map_or(known, |near| format!("did you mean `{near}`?"));
        let message = format!("`architecture` {given:?} is not known");
        self.error(
            vec!["architecture".into()],
            message,
            "expected an architecture",
            hint,
        );
    }

    /// A module can have one stream only, and serves packages.
    fn modules(&mut self) {
        let blueprint = self.blueprint;
        if !blueprint.enabled_modules.is_empty() && blueprint.package_specs().is_empty() {
            self.warn(
                vec!["enabled_modules".into()],
                "modules are enabled for packages of the blueprint, and it has none",
                "has no effect",
                "name the packages that are to come from the modules",
            );
        }
        let mut names = Once::new("module");
        for (index, module) in self.blueprint.enabled_modules.iter().enumerate() {
            let path = vec!["enabled_modules".into(), index.into(), "name".into()];
            names.note(self, module.name.as_str(), path);
        }
    }
}

/// Whether a text is a version after Semantic Versioning 2.0.0: three numbers, then maybe a pre-release and a build.
pub fn is_semantic(version: &str) -> bool {
    let (version, build) = split_at(version, '+');
    let (version, release) = split_at(version, '-');
    let is_word = |word: &str| super::form::consists_of(word, "-");
    let is_number = |word: &str| {
        !word.is_empty()
            && word.chars().all(|digit| digit.is_ascii_digit())
            && (word == "0" || !word.starts_with('0'))
    };
    let is_release = |word: &str| {
        let digits = word.chars().all(|digit| digit.is_ascii_digit());
        is_word(word) && (!digits || is_number(word))
    };
    let numbers: Vec<&str> = version.split('.').collect();
    numbers.len() == 3
        && numbers.into_iter().all(is_number)
        && release.is_none_or(|release| release.split('.').all(is_release))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn split_at(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}
