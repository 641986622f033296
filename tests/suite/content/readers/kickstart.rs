//! Kickstart files, read by pykickstart, which is Anaconda's reader.
use super::{WRITER, Writer, check};
use osbuild_wasm_tests::{Program, machine, paths};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;

/// The interpreter of an environment that has pykickstart.
fn interpreter() -> &'static Path {
    static ONCE: OnceLock<std::path::PathBuf> = OnceLock::new();
    ONCE.get_or_init(|| {
        let kept = paths::kept("pykickstart");
        let script = "[ -e done ] || { rm -rf .venv && python3 -m venv .venv && .venv/bin/pip install --quiet pykickstart==3.78 && touch done; }";
        Program::of("sh", "-c")
            .arg(script)
            .directory(&kept)
            .limit(std::time::Duration::from_secs(600))
            .run()
            .expect(0);
        kept.join(".venv/bin/python3")
    })
}

/// What an expression about the handler of the file is.
fn read(tree: &Path, expression: &str) -> Option<String> {
    let script = format!(
        "import sys, warnings
warnings.simplefilter('ignore')
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
parser = KickstartParser(makeVersion())
parser.readKickstart(sys.argv[1])
ks = parser.handler
value = {expression}
sys.stdout.buffer.write(value.encode())"
    );
    let file = tree.join("a.ks");
    super::printed(interpreter().to_str()?, &["-c", &script, file.to_str()?])
}

fn user(key: &str, value: &str) -> Value {
    json!({ "path": "a.ks", "users": { "u": { key: value } } })
}

fn network(key: &str, value: &str) -> Value {
    let mut device = json!({ "device": "eth0" });
    device[key] = json!(value);
    json!({ "path": "a.ks", "network": [device] })
}

fn ostree(key: &str, value: &str) -> Value {
    let mut ostree = json!({ "osname": "o", "url": "http://u", "ref": "r" });
    ostree[key] = json!(value);
    json!({ "path": "a.ks", "ostree": ostree })
}

const KICKSTART: Writer = Writer {
    stage: "org.osbuild.kickstart",
    programs: &["python3"],
    // What is empty is not written.
    meant: str::is_empty,
    ..WRITER
};

#[test]
fn pykickstart_reads_accounts_as_they_were_given() {
    if !machine::offers(KICKSTART.programs) {
        return;
    }
    check(&[
        Writer {
            option: "users",
            options: |value| user("password", value),
            read: |tree| read(tree, "ks.user.userList[0].password"),
            ..KICKSTART
        },
        Writer {
            option: "users",
            options: |value| user("key", value),
            read: |tree| read(tree, "ks.sshkey.sshUserList[0].key"),
            // A key for each line.
            meant: |value| value.is_empty() || value.contains('\n'),
            ..KICKSTART
        },
        Writer {
            option: "users",
            options: |value| json!({ "path": "a.ks", "users": { "u": { "groups": [value, "b"] } } }),
            read: |tree| {
                read(
                    tree,
                    "(lambda groups: groups[0] if groups[1:] == ['b'] else repr(groups))(ks.user.userList[0].groups)",
                )
            },
            ..KICKSTART
        },
        Writer {
            option: "users",
            options: |value| json!({ "path": "a.ks", "users": { value: {} } }),
            read: |tree| read(tree, "ks.user.userList[0].name"),
            ..KICKSTART
        },
        Writer {
            option: "rootpw",
            options: |value| json!({ "path": "a.ks", "rootpw": { "plaintext": true, "password": value } }),
            read: |tree| read(tree, "ks.rootpw.password"),
            ..KICKSTART
        },
    ]);
}

#[test]
fn pykickstart_reads_networks_and_payloads_as_they_were_given() {
    if !machine::offers(KICKSTART.programs) {
        return;
    }
    check(&[
        Writer {
            option: "network",
            options: |value| network("wpakey", value),
            read: |tree| read(tree, "ks.network.network[0].wpakey"),
            ..KICKSTART
        },
        Writer {
            option: "ostree",
            options: |value| ostree("ref", value),
            read: |tree| read(tree, "ks.ostreesetup.ref"),
            ..KICKSTART
        },
        Writer {
            option: "bootc",
            options: |value| json!({ "path": "a.ks", "bootc": { "source-imgref": value } }),
            read: |tree| read(tree, "ks.bootc.sourceImgRef"),
            ..KICKSTART
        },
    ]);
}

#[test]
fn pykickstart_reads_disks_and_scripts_as_they_were_given() {
    if !machine::offers(KICKSTART.programs) {
        return;
    }
    check(&[
        Writer {
            option: "bootloader",
            options: |value| json!({ "path": "a.ks", "bootloader": { "append": value } }),
            read: |tree| read(tree, "ks.bootloader.appendLine"),
            ..KICKSTART
        },
        Writer {
            option: "autopart",
            options: |value| json!({ "path": "a.ks", "autopart": { "encrypted": true, "passphrase": value } }),
            read: |tree| read(tree, "ks.autopart.passphrase"),
            ..KICKSTART
        },
        Writer {
            option: "clearpart",
            options: |value| json!({ "path": "a.ks", "clearpart": { "drives": [value, "b"] } }),
            read: |tree| {
                read(
                    tree,
                    "(lambda drives: drives[0] if drives[1:] == ['b'] else repr(drives))(ks.clearpart.drives)",
                )
            },
            ..KICKSTART
        },
        Writer {
            option: "%post",
            options: |value| json!({ "path": "a.ks", "%post": [{ "log": value, "commands": ["true"] }] }),
            read: |tree| read(tree, "ks.scripts[0].logfile"),
            ..KICKSTART
        },
        Writer {
            option: "lang",
            options: |value| json!({ "path": "a.ks", "lang": value }),
            read: |tree| read(tree, "ks.lang.lang"),
            // Words of the command, options included.
            meant: |value| value.starts_with('-') || value.contains([' ', '\t', '"', '\'', '\\']),
            ..KICKSTART
        },
    ]);
}
