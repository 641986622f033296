//! Repositories of the system, and how its package manager uses them.
use super::{Os, Writer};
use crate::GeneratorError;
use crate::content;
use crate::customizations::nodes::bytes_file_stage;
use crate::manifest::Stage;
use osbuild_wasm_blueprint::model::{File, Repository};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const KEYS: &str = "/etc/pki/rpm-gpg";
const FAILSAFE: &str = "/var/lib/dnf/modulefailsafe";

/// Repositories for what the blueprint lists: the base ones, those that serve nothing else, and those of the blueprint
/// that say so.
pub fn payload(os: &Os<'_>) -> Vec<content::Repository> {
    let mut repositories = os.request.repositories_of("os");
    let only = |repository: &&content::Repository| {
        repository.package_sets.iter().any(|set| set == "blueprint")
    };
    repositories.extend(os.request.repositories.iter().filter(only).cloned());
    let wished = os
        .customizations()
        .repositories
        .iter()
        .filter(|repository| repository.install_from);
    repositories.extend(wished.map(|repository| {
        content::Repository {
            id: repository.id.clone(),
            name: repository
                .name
                .clone()
                .unwrap_or_else(|| repository.id.clone()),
            baseurls: repository.baseurls.clone(),
            metalink: repository.metalink.clone().unwrap_or_default(),
            mirrorlist: repository.mirrorlist.clone().unwrap_or_default(),
            gpgkeys: repository.gpgkeys.clone(),
            check_gpg: repository.gpgcheck,
            check_repo_gpg: repository.repo_gpgcheck,
            ignore_ssl: repository.sslverify.map(|verify| !verify),
            priority: repository.priority,
            module_hotfixes: repository.module_hotfixes,
            ..content::Repository::default()
        }
    }));
    repositories
}

/// Name of the file that holds a repository.
fn filename(repository: &Repository) -> String {
    let name = repository
        .filename
        .as_ref()
        .filter(|name| !name.is_empty())
        .unwrap_or(&repository.id);
    if name.ends_with(".repo") {
        name.clone()
    } else {
        format!("{name}.repo")
    }
}

/// Whether a key is the key itself, not where it is found.
fn is_inline(key: &str) -> bool {
    key.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----")
}

fn key_path(repository: &Repository, index: usize) -> String {
    format!("{KEYS}/RPM-GPG-KEY-{}-{index}", repository.id)
}

/// Files with the keys that the blueprint's repositories bring.
pub fn key_files(os: &Os<'_>) -> Vec<File> {
    let of = |repository: &Repository| {
        let keys = repository
            .gpgkeys
            .iter()
            .enumerate()
            .filter(|(_, key)| is_inline(key));
        let file = |(index, key): (usize, &String)| File {
            path: key_path(repository, index),
            data: Some(key.clone()),
            ..File::default()
        };
        keys.map(file).collect::<Vec<_>>()
    };
    os.customizations()
        .repositories
        .iter()
        .flat_map(of)
        .collect()
}

/// The blueprint's repositories, a stage a file.
pub(super) fn write(writer: &mut Writer<'_, '_>) {
    let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for repository in &writer.os.customizations().repositories {
        files
            .entry(filename(repository))
            .or_default()
            .push(written(repository));
    }
    for (filename, repositories) in files {
        writer.push(Stage::new(
            "yum.repos",
            json!({"filename": filename, "repos": repositories}),
        ));
    }
}

fn written(repository: &Repository) -> Value {
    let mut written = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            written.insert(name.into(), value);
        }
    };
    set("id", Some(json!(repository.id)));
    set(
        "baseurl",
        (!repository.baseurls.is_empty()).then(|| json!(repository.baseurls)),
    );
    set("cost", None);
    set("enabled", repository.enabled.map(Value::from));
    set("priority", repository.priority.map(Value::from));
    let key = |(index, key): (usize, &String)| match is_inline(key) {
        true => format!("file://{}", key_path(repository, index)),
        false => key.clone(),
    };
    let keys: Vec<String> = repository.gpgkeys.iter().enumerate().map(key).collect();
    set("gpgkey", (!keys.is_empty()).then(|| json!(keys)));
    set(
        "metalink",
        repository.metalink.as_ref().map(|url| json!(url)),
    );
    set(
        "mirrorlist",
        repository.mirrorlist.as_ref().map(|url| json!(url)),
    );
    set(
        "module_hotfixes",
        repository.module_hotfixes.map(Value::from),
    );
    set("name", repository.name.as_ref().map(|name| json!(name)));
    set("gpgcheck", repository.gpgcheck.map(Value::from));
    set("repo_gpgcheck", repository.repo_gpgcheck.map(Value::from));
    set("sslverify", repository.sslverify.map(Value::from));
    written.into()
}

/// Module streams that the solver enabled, and copies of what they are for the day their repository is gone.
pub(super) fn modules(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let modules = &writer.resolved.packages.modules;
    if modules.is_empty() {
        return Ok(());
    }
    for module in modules {
        writer.stages.push(Stage::new(
            "dnf.module-config",
            json!({"conf": module.config}),
        ));
    }
    let directory = json!({"path": FAILSAFE, "parents": true, "exist_ok": true});
    writer
        .stages
        .push(Stage::new("mkdir", json!({"paths": [directory]})));
    for module in modules {
        let data = module.failsafe_data.as_bytes();
        let stage = bytes_file_stage(&module.failsafe_path, data, writer.sources);
        writer.stages.push(stage);
    }
    Ok(())
}
