//! Files of sections and settings, each by its own reader where Debian has it.
use super::{WRITER, Writer, check, python};
use serde_json::{Value, json};
use std::path::Path;

const PYTHON: Writer = Writer {
    programs: &["python3"],
    ..WRITER
};

/// A setting as Python's configparser reads it, which most readers of these files are.
fn setting(file: &Path, section: &str, key: &str) -> Option<String> {
    let script = format!(
        "import configparser
parser = configparser.RawConfigParser()
parser.read_file(open(path, encoding='utf-8'))
value = parser[{section:?}][{key:?}]"
    );
    python(&script, file)
}

/// A setting as libdnf reads it.
fn of_dnf(file: &Path, section: &str, key: &str) -> Option<String> {
    let script = format!(
        "import libdnf
parser = libdnf.conf.ConfigParser()
parser.read(path)
value = parser.getValue({section:?}, {key:?})"
    );
    python(&script, file)
}

/// A setting as GLib reads it, as NetworkManager does.
fn of_glib(file: &Path, section: &str, key: &str) -> Option<String> {
    let script = format!(
        "import ctypes
glib = ctypes.CDLL('libglib-2.0.so.0')
for name in ('g_key_file_new', 'g_key_file_get_string'):
    getattr(glib, name).restype = ctypes.c_void_p
file = ctypes.c_void_p(glib.g_key_file_new())
assert glib.g_key_file_load_from_file(file, path.encode(), 0, None)
text = glib.g_key_file_get_string(file, {section:?}.encode(), {key:?}.encode(), None)
value = ctypes.string_at(text).decode()"
    );
    python(&script, file)
}

/// A setting of the section `[options]` or of a repository as pacman reads it.
fn of_pacman(tree: &Path, section: &str, key: &str) -> Option<String> {
    let file = tree.join("etc/pacman.conf");
    let option = match section {
        "options" => String::new(),
        name => format!("--repo={name}"),
    };
    let config = format!("--config={}", file.display());
    let words = [config.as_str(), &option, key];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let text = super::printed("pacman-conf", &words)?;
    text.strip_suffix('\n').map(str::to_owned)
}

fn repository(key: &str, value: &str) -> Value {
    json!({ "filename": "a.repo", "repos": [{ "id": "r", key: value }] })
}

#[test]
fn configparser_reads_the_settings_of_installers_and_agents() {
    check(&[
        Writer {
            stage: "org.osbuild.buildstamp",
            option: "product",
            options: |value| json!({ "arch": "a", "product": value, "version": "1", "final": true }),
            read: |tree| setting(&tree.join(".buildstamp"), "Main", "product"),
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.treeinfo",
            option: "name",
            options: |value| json!({ "path": "/.treeinfo", "treeinfo": { "release": { "name": value } } }),
            read: |tree| setting(&tree.join(".treeinfo"), "release", "name"),
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.treeinfo",
            option: "images",
            options: |value| json!({ "path": "/.treeinfo", "treeinfo": { "images": [{ "name": value, "config": { "k": "v" } }] } }),
            read: |tree| {
                python(
                    "import configparser\nparser = configparser.RawConfigParser()\nparser.read_file(open(path, encoding='utf-8'))\nvalue = parser.sections()[0][7:]\nassert parser['images-' + value]['k'] == 'v'",
                    &tree.join(".treeinfo"),
                )
            },
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.anaconda",
            option: "forbidden-modules",
            options: |value| json!({ "forbidden-modules": [value] }),
            read: |tree| {
                setting(
                    &tree.join("etc/anaconda/conf.d/90-osbuild.conf"),
                    "Anaconda",
                    "forbidden_modules",
                )?
                .strip_prefix('\n')
                .map(str::to_owned)
            },
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.gcp.guest-agent.conf",
            option: "useradd_cmd",
            options: |value| json!({ "config": { "Accounts": { "useradd_cmd": value } } }),
            read: |tree| {
                setting(
                    &tree.join("etc/default/instance_configs.cfg"),
                    "Accounts",
                    "useradd_cmd",
                )
            },
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.wsl-distribution.conf",
            option: "default",
            before: &[("etc/x", "")],
            options: |value| json!({ "oobe": { "default_name": value } }),
            read: |tree| {
                setting(
                    &tree.join("etc/wsl-distribution.conf"),
                    "oobe",
                    "defaultname",
                )
            },
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.insights-client.config",
            option: "proxy",
            before: &[(
                "etc/insights-client/insights-client.conf",
                "[insights-client]\n",
            )],
            options: |value| json!({ "config": { "proxy": value } }),
            read: |tree| {
                setting(
                    &tree.join("etc/insights-client/insights-client.conf"),
                    "insights-client",
                    "proxy",
                )
            },
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.rhsm",
            option: "baseurl",
            before: &[("etc/rhsm/rhsm.conf", "[rhsm]\nbaseurl = x\n")],
            options: |value| json!({ "subscription-manager": { "rhsm": { "baseurl": value } } }),
            read: |tree| setting(&tree.join("etc/rhsm/rhsm.conf"), "rhsm", "baseurl"),
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.yum.config",
            option: "http_caching",
            options: |value| json!({ "config": { "http_caching": value } }),
            before: &[("etc/x", "")],
            read: |tree| setting(&tree.join("etc/yum.conf"), "main", "http_caching"),
            ..PYTHON
        },
    ]);
}

#[test]
fn dnf_reads_the_settings_of_its_files() {
    const DNF: Writer = Writer {
        programs: &["dnf"],
        // Quotes around a value are dnf's own.
        meant: |value| {
            value.len() > 1 && value.starts_with(['"', '\'']) && value.ends_with(['"', '\''])
        },
        ..WRITER
    };
    check(&[
        Writer {
            stage: "org.osbuild.yum.repos",
            option: "name",
            options: |value| repository("name", value),
            read: |tree| of_dnf(&tree.join("etc/yum.repos.d/a.repo"), "r", "name"),
            ..DNF
        },
        Writer {
            stage: "org.osbuild.yum.repos",
            option: "username",
            options: |value| repository("username", value),
            read: |tree| of_dnf(&tree.join("etc/yum.repos.d/a.repo"), "r", "username"),
            ..DNF
        },
        Writer {
            stage: "org.osbuild.dnf.config",
            option: "proxy",
            options: |value| json!({ "config": { "main": { "proxy": value } } }),
            read: |tree| of_dnf(&tree.join("etc/dnf/dnf.conf"), "main", "proxy"),
            ..DNF
        },
        Writer {
            stage: "org.osbuild.dnf-automatic.config",
            option: "system_name",
            before: &[("etc/dnf/automatic.conf", "[emitters]\nsystem_name = x\n")],
            options: |value| json!({ "config": { "emitters": { "system_name": value } } }),
            read: |tree| {
                of_dnf(
                    &tree.join("etc/dnf/automatic.conf"),
                    "emitters",
                    "system_name",
                )
            },
            ..DNF
        },
        Writer {
            stage: "org.osbuild.dnf.module-config",
            option: "stream",
            options: |value| json!({ "conf": { "name": "m", "profiles": [], "stream": value } }),
            read: |tree| of_dnf(&tree.join("etc/dnf/modules.d/m.module"), "m", "stream"),
            ..DNF
        },
        Writer {
            stage: "org.osbuild.dnf.config",
            option: "variables",
            before: &[("etc/dnf/vars/x", "")],
            options: |value| json!({ "variables": [{ "name": "v", "value": value }] }),
            // As libdnf does: the first line, without its end.
            read: |tree| {
                python(
                    "import dnf.conf\nsubst = dnf.conf.substitutions.Substitutions()\nsubst.update_from_etc('/', (__import__('os').path.dirname(path),))\nvalue = subst['v']",
                    &tree.join("etc/dnf/vars/v"),
                )
            },
            ..DNF
        },
    ]);
}

#[test]
fn network_manager_reads_the_settings_of_its_files() {
    check(&[
        Writer {
            stage: "org.osbuild.nm.conn",
            option: "id",
            options: |value| json!({ "filename": "a.nmconnection", "settings": { "connection": { "id": value } } }),
            read: |tree| {
                of_glib(
                    &tree.join("usr/lib/NetworkManager/system-connections/a.nmconnection"),
                    "connection",
                    "id",
                )
            },
            ..PYTHON
        },
        Writer {
            stage: "org.osbuild.nm.conf",
            option: "plugins",
            options: |value| json!({ "path": "/etc/NetworkManager/conf.d/a.conf", "settings": { "main": { "plugins": [value] } } }),
            read: |tree| {
                of_glib(
                    &tree.join("etc/NetworkManager/conf.d/a.conf"),
                    "main",
                    "plugins",
                )
            },
            // A comma is between the elements of a list.
            meant: |value| value.contains(','),
            ..PYTHON
        },
    ]);
}

#[test]
fn pacman_reads_the_settings_of_its_file() {
    const PACMAN: Writer = Writer {
        stage: "org.osbuild.pacman.conf",
        programs: &["pacman-conf"],
        ..WRITER
    };
    check(&[
        Writer {
            option: "architecture",
            options: |value| json!({ "architecture": value }),
            read: |tree| of_pacman(tree, "options", "Architecture"),
            ..PACMAN
        },
        Writer {
            option: "server",
            options: |value| json!({ "repositories": [{ "name": "r", "server": value }] }),
            read: |tree| of_pacman(tree, "r", "Server"),
            // No server, and what pacman puts in its place.
            meant: |value| value.is_empty() || value.contains("$repo") || value.contains("$arch"),
            ..PACMAN
        },
        Writer {
            option: "name",
            options: |value| json!({ "repositories": [{ "name": value, "server": "http://s" }] }),
            read: |tree| {
                super::printed(
                    "pacman-conf",
                    &[
                        "--config",
                        tree.join("etc/pacman.conf").to_str().unwrap(),
                        "--repo-list",
                    ],
                )?
                .strip_suffix('\n')
                .map(str::to_owned)
            },
            ..PACMAN
        },
    ]);
}
