//! `plugin new`.
use super::Language;
use crate::error::{PluginError, Result};
use crate::file::write;
use osbuild_wasm_files::resolve::{make_directory, path_of};
use std::path::{Path, PathBuf};

/// Every file of the templates: folder of the language and path, content.
static TEMPLATES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// What the templates call the module, and its package (which may have no dots).
const MODULE: &str = "{{module}}";
const PACKAGE: &str = "{{package}}";

/// Makes the project of module `name` in `directory`, which must be new or empty. Returns its files.
pub fn create(language: Language, name: &str, directory: &Path) -> Result<Vec<PathBuf>> {
    check_name(name)?;
    let made = make_directory(directory).and_then(|made| path_of(&made));
    let made = made.map_err(PluginError::io(directory))?;
    if std::fs::read_dir(made).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(PluginError::Usage(format!(
            "{} is not empty: choose another --directory",
            directory.display()
        )));
    }
    let package = name.replace(['.', '_'], "-").to_ascii_lowercase();
    let folder = format!("{language}/");
    let mut made = Vec::new();
    for (file, content) in TEMPLATES {
        let Some(file) = file.strip_prefix(&folder) else {
            continue;
        };
        // A template's .gitignore would hide files of this repository.
        let path = directory.join(if *file == *"gitignore" {
            ".gitignore"
        } else {
            file
        });
        let content = match std::str::from_utf8(content) {
            Ok(text) => text.replace(MODULE, name).replace(PACKAGE, &package).into(),
            Err(_) => content.to_vec(),
        };
        write(&path, &content)?;
        made.push(path);
    }
    Ok(made)
}

/// Names that are module names and package names in every language.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(fits)
        && !name.contains("..");
    if !good {
        return Err(PluginError::Usage(format!(
            "{name:?} is no module name: use letters, digits, `.`, `_` and `-`, e.g. com.example.motd"
        )));
    }
    if let Some(own) = name.strip_prefix("org.osbuild.") {
        return Err(PluginError::Usage(format!(
            "{name}: names in org.osbuild are those of built-in modules: use a domain of your own, e.g. com.example.{}",
            own
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_template_whose_documents_can_be_packed() {
        for language in Language::ALL {
            let directory = tempfile::tempdir().unwrap();
            let project = directory.path().join("project");
            create(language, "com.example.try_it", &project).unwrap();
            assert_eq!(Language::of(&project).unwrap(), language);
            let text = std::fs::read_to_string(project.join("module.json")).unwrap();
            let document = osbuild_wasm_capability::ModuleMetadata::parse(text.as_bytes()).unwrap();
            assert_eq!(document.name, "com.example.try_it", "{language}");
            assert!(
                !osbuild_stage_test::cases(&project.join("cases"))
                    .unwrap()
                    .is_empty()
            );
            let again = create(language, "com.example.try_it", &project).unwrap_err();
            assert!(again.to_string().contains("not empty"), "{again}");
        }
    }

    #[test]
    fn no_file_of_a_template_keeps_a_placeholder() {
        for (name, content) in TEMPLATES {
            let text = String::from_utf8_lossy(content);
            let rest = text.replace(MODULE, "").replace(PACKAGE, "");
            let own = name.contains("vendor/") || name.contains("jsmn");
            assert!(own || !rest.contains("{{"), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in [
            "",
            "a/b",
            "..",
            ".a",
            "-a",
            "a b",
            "a..b",
            "org.osbuild.mkdir",
            "a.",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
