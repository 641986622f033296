//! Directories and files.
use crate::GeneratorError;
use crate::manifest::{Stage, source_file};
use crate::sources::Sources;
use osbuild_wasm_blueprint::model::{Directory, File, Mode, Owner};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A file that a blueprint names as content: one of the machine that builds, or of a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// What is in it.
    pub content: FileContent,
    /// Its permissions: those of the file in the image where the blueprint says nothing.
    pub mode: u32,
}

/// What is in a file that a blueprint names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// What the machine that builds has, by its checksum with algorithm: `sha256:...`.
    Local(String),
    /// These bytes, which the manifest brings along.
    Fetched(Vec<u8>),
}

/// Files that blueprints name, by their paths or URLs.
pub type LocalFiles = BTreeMap<String, LocalFile>;

/// The path of a file's `uri`, which is a path itself or `file://PATH`.
pub fn local_path(uri: &str) -> &str {
    uri.strip_prefix("file://").unwrap_or(uri)
}

/// Stages that make directories: all of them, then their permissions and owners as far as they are given.
pub fn directory_stages(directories: &[Directory]) -> Vec<Stage> {
    if directories.is_empty() {
        return Vec::new();
    }
    let paths: Vec<Value> = directories.iter().map(new_directory).collect();
    let mut stages = vec![Stage::new("mkdir", json!({"paths": paths}))];
    let modes = directories
        .iter()
        .map(|directory| (directory.path.as_str(), directory.mode));
    stages.extend(chmod_stage(modes));
    let owners = directories
        .iter()
        .map(|directory| (directory.path.as_str(), &directory.user, &directory.group));
    stages.extend(chown_stage(owners));
    stages
}

/// A directory that may exist already is one of which nothing else is asked.
fn new_directory(directory: &Directory) -> Value {
    let mut path = json!({"path": directory.path});
    if directory.ensure_parents {
        path["parents"] = true.into();
    }
    if directory.mode.is_none() && directory.user.is_none() && directory.group.is_none() {
        path["exist_ok"] = true.into();
    }
    path
}

/// Stages that write files: their contents, which become sources, then permissions and owners as far as they are given.
///
/// # Errors
/// A file of the machine is not among `local`.
pub fn file_stages(
    files: &[File],
    local: &LocalFiles,
    sources: &mut Sources,
) -> Result<Vec<Stage>, GeneratorError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut copy = Copy::default();
    let mut modes = Vec::new();
    for file in files {
        let (checksum, mode) = content(file, local, sources)?;
        copy.add(&checksum, &file.path);
        modes.push((file.path.as_str(), file.mode.or(mode)));
    }
    let mut stages = vec![copy.into_stage()];
    stages.extend(chmod_stage(modes));
    let owners = files
        .iter()
        .map(|file| (file.path.as_str(), &file.user, &file.group));
    stages.extend(chown_stage(owners));
    Ok(stages)
}

/// Stages that write one file with this text, owned by root.
pub fn text_file_stages(
    path: &str,
    text: &str,
    mode: Option<u32>,
    sources: &mut Sources,
) -> Vec<Stage> {
    let root = || Some(Owner::Name("root".into()));
    let (user, group) = (root(), root());
    let mut copy = Copy::default();
    copy.add(&sources.add_inline(text.as_bytes()), path);
    let mut stages = vec![copy.into_stage()];
    stages.extend(chmod_stage([(path, mode.map(Mode))]));
    stages.extend(chown_stage([(path, &user, &group)]));
    stages
}

/// The stage that writes one file with these bytes, as the stage before left its place.
pub fn bytes_file_stage(path: &str, bytes: &[u8], sources: &mut Sources) -> Stage {
    let mut copy = Copy::default();
    copy.add(&sources.add_inline(bytes), path);
    copy.into_stage()
}

/// The checksum of a file's content, and the permissions that come with it.
fn content(
    file: &File,
    local: &LocalFiles,
    sources: &mut Sources,
) -> Result<(String, Option<Mode>), GeneratorError> {
    let Some(uri) = file.uri.as_deref().filter(|uri| !uri.is_empty()) else {
        let text = file.data.as_deref().unwrap_or_default();
        return Ok((sources.add_inline(text.as_bytes()), None));
    };
    let path = local_path(uri);
    let Some(found) = local.get(path) else {
        return Err(GeneratorError::Request(format!(
            "cannot include blueprint file: {path} for {} was not read",
            file.path
        )));
    };
    let checksum = match &found.content {
        FileContent::Fetched(bytes) => sources.add_inline(bytes),
        FileContent::Local(checksum) => {
            sources.add_local_file(path, checksum);
            checksum.clone()
        }
    };
    Ok((checksum, Some(Mode(found.mode))))
}

/// The stage that copies contents to their places: an input for each content.
#[derive(Debug, Default)]
struct Copy {
    inputs: Map<String, Value>,
    paths: Vec<Value>,
}

impl Copy {
    fn add(&mut self, checksum: &str, path: &str) {
        let digest = checksum.split_once(':').map_or(checksum, |(_, hex)| hex);
        let input = format!("file-{digest}");
        self.paths.push(json!({
            "from": format!("input://{input}/{checksum}"),
            "to": format!("tree://{path}"),
            "remove_destination": true,
        }));
        self.inputs.insert(input, source_file(checksum));
    }

    fn into_stage(self) -> Stage {
        let stage = Stage::new("copy", json!({"paths": self.paths}));
        self.inputs
            .into_iter()
            .fold(stage, |stage, (name, input)| stage.input(name, input))
    }
}

fn chmod_stage<'a>(modes: impl IntoIterator<Item = (&'a str, Option<Mode>)>) -> Option<Stage> {
    let items: Map<String, Value> = modes
        .into_iter()
        .filter_map(|(path, mode)| {
            let mode = mode?.to_string();
            Some((path.to_string(), json!({"mode": mode})))
        })
        .collect();
    (!items.is_empty()).then(|| Stage::new("chmod", json!({"items": items})))
}

fn chown_stage<'a>(
    owners: impl IntoIterator<Item = (&'a str, &'a Option<Owner>, &'a Option<Owner>)>,
) -> Option<Stage> {
    let mut items = Map::new();
    for (path, user, group) in owners {
        let mut owner = Map::new();
        for (name, value) in [("user", user), ("group", group)] {
            if let Some(value) = value {
                owner.insert(name.into(), json!(value));
            }
        }
        if !owner.is_empty() {
            items.insert(path.into(), owner.into());
        }
    }
    (!items.is_empty()).then(|| Stage::new("chown", json!({"items": items})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(stages: &[Stage]) -> Vec<Value> {
        stages
            .iter()
            .filter_map(|stage| stage.options().cloned())
            .collect()
    }

    #[test]
    fn a_directory_may_exist_where_nothing_else_is_asked_of_it() {
        let directory = |path: &str, mode: Option<u32>, user: Option<u32>| Directory {
            path: path.into(),
            mode: mode.map(Mode),
            user: user.map(Owner::Id),
            ..Directory::default()
        };
        let directories = [
            directory("/etc/a", None, None),
            directory("/etc/b", Some(0o770), None),
            directory("/etc/c", None, Some(1020)),
        ];
        assert_eq!(
            options(&directory_stages(&directories)),
            [
                json!({"paths": [{"path": "/etc/a", "exist_ok": true}, {"path": "/etc/b"}, {"path": "/etc/c"}]}),
                json!({"items": {"/etc/b": {"mode": "0770"}}}),
                json!({"items": {"/etc/c": {"user": 1020}}}),
            ]
        );
    }

    #[test]
    fn a_file_of_the_machine_keeps_its_permissions_unless_others_are_asked_for() {
        let file = |path: &str, mode: Option<u32>| File {
            path: path.into(),
            mode: mode.map(Mode),
            uri: Some("file:///srv/x".into()),
            ..File::default()
        };
        let local = LocalFiles::from([(
            "/srv/x".to_string(),
            LocalFile {
                content: FileContent::Local("sha256:00".into()),
                mode: 0o600,
            },
        )]);
        let mut sources = Sources::default();
        let files = [file("/etc/a", None), file("/etc/b", Some(0o644))];
        let stages = file_stages(&files, &local, &mut sources).expect("stages");
        assert_eq!(
            options(&stages)[1],
            json!({"items": {"/etc/a": {"mode": "0600"}, "/etc/b": {"mode": "0644"}}})
        );
        assert_eq!(
            sources.into_json()["org.osbuild.curl"]["items"],
            json!({"sha256:00": {"url": "file:/srv/x"}})
        );
        let mut sources = Sources::default();
        assert!(file_stages(&files, &LocalFiles::new(), &mut sources).is_err());
    }
}
