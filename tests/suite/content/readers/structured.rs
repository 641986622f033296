//! TOML, YAML, JSON.
use super::{WRITER, Writer, check, python};
use serde_json::json;

const TOML: &str = "import tomllib\ndata = tomllib.load(open(path, 'rb'))";

#[test]
fn parsers_read_the_values_of_structured_files() {
    const WRITERS: Writer = Writer {
        programs: &["python3"],
        ..WRITER
    };
    check(&[
        Writer {
            stage: "org.osbuild.containers.storage.conf",
            option: "graphroot",
            before: &[("etc/containers/x", "")],
            options: |value| json!({ "config": { "storage": { "graphroot": value } } }),
            read: |tree| {
                python(
                    &format!("{TOML}\nvalue = data['storage']['graphroot']"),
                    &tree.join("etc/containers/storage.conf"),
                )
            },
            ..WRITERS
        },
        Writer {
            stage: "org.osbuild.containers.storage.conf",
            option: "comment",
            before: &[("etc/containers/x", "")],
            options: |value| json!({ "comment": [value], "config": { "storage": { "driver": "x" } } }),
            read: |tree| {
                let script = format!(
                    "{TOML}\nlines = open(path, encoding='utf-8').read().split('\\n')\nvalue = lines[3][2:] if data == {{'storage': {{'driver': 'x'}}}} else ''"
                );
                python(&script, &tree.join("etc/containers/storage.conf"))
            },
            ..WRITERS
        },
        Writer {
            stage: "org.osbuild.bootc.install.config",
            option: "kargs",
            options: |value| json!({ "filename": "a.toml", "config": { "install": { "kargs": [value] } } }),
            read: |tree| {
                python(
                    &format!("{TOML}\nvalue, = data['install']['kargs']"),
                    &tree.join("usr/lib/bootc/install/a.toml"),
                )
            },
            ..WRITERS
        },
        Writer {
            stage: "org.osbuild.cloud-init",
            option: "config",
            before: &[("etc/cloud/cloud.cfg.d/x", "")],
            options: |value| json!({ "filename": "a.cfg", "config": { "output": { "all": value } } }),
            read: |tree| {
                python(
                    "import yaml\nvalue = yaml.safe_load(open(path, encoding='utf-8'))['output']['all']",
                    &tree.join("etc/cloud/cloud.cfg.d/a.cfg"),
                )
            },
            ..WRITERS
        },
        Writer {
            stage: "org.osbuild.rhsm.facts",
            option: "facts",
            options: |value| json!({ "facts": { "a": value } }),
            read: |tree| {
                python(
                    "import json\nvalue = json.load(open(path))['a']",
                    &tree.join("etc/rhsm/facts/osbuild.facts"),
                )
            },
            ..WRITERS
        },
    ]);
}
