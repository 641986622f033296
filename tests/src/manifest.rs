//! Small manifests.
use serde_json::{Value, json};

/// SHA-256 of `hello\n`, the content of [`hello_source`].
pub const HELLO: &str = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
/// Where the partition of [`disk`] begins, in bytes.
pub const PARTITION: u64 = 2048 * 512;

/// A manifest of version 2.
pub fn of(pipelines: Value) -> Value {
    json!({ "version": "2", "pipelines": pipelines })
}

/// A manifest with one pipeline `tree`.
pub fn tree(stages: Value) -> Value {
    of(json!([{ "name": "tree", "stages": stages }]))
}

/// A stage without inputs, devices and mounts.
pub fn stage(module: &str, options: Value) -> Value {
    json!({ "type": module, "options": options })
}

/// The stage that writes etc/hostname.
pub fn hostname(name: &str) -> Value {
    stage("org.osbuild.hostname", json!({ "hostname": name }))
}

/// A manifest of two modules, mkdir and hostname: makes /made and writes a name to /etc/hostname.
pub fn two_modules(name: &str) -> Value {
    let made = json!({ "paths": [{ "path": "/made" }] });
    tree(json!([stage("org.osbuild.mkdir", made), hostname(name)]))
}

/// The stage that fails.
pub fn error(status: i32) -> Value {
    stage("org.osbuild.error", json!({ "returncode": status }))
}

/// Sources with one small item.
pub fn hello_source() -> Value {
    json!({ "org.osbuild.inline": { "items": { HELLO: { "encoding": "base64", "data": "aGVsbG8K" } } } })
}

/// A disk image with one ext4 partition that holds a hostname; needs root and the tools of the host, no packages.
pub fn disk() -> Value {
    let partition = json!({ "filename": "disk.img", "start": 2048, "size": 126_976 });
    let loopback =
        |options: &Value| json!({ "type": "org.osbuild.loopback", "options": options.clone() });
    let whole = json!({ "filename": "disk.img" });
    let partition_table = json!({
        "label": "gpt",
        "uuid": "d209c89e-ea5e-4fbd-b161-b461cce297e0",
        "partitions": [{
            "start": 2048,
            "size": 126_976,
            "type": "0fc63daf-8483-4772-8e79-3d69d8477de4",
            "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562",
        }],
    });
    of(json!([
        { "name": "tree", "stages": [stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/srv" }] })), hostname("small")] },
        { "name": "image", "stages": [
            stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "64M" })),
            { "type": "org.osbuild.sfdisk", "options": partition_table, "devices": { "device": loopback(&whole) } },
            {
                "type": "org.osbuild.mkfs.ext4",
                "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "label": "root" },
                "devices": { "device": loopback(&partition) },
            },
            {
                "type": "org.osbuild.copy",
                "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
                "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
                "devices": { "disk": loopback(&partition) },
                "mounts": [{ "name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/" }],
            },
        ] },
    ]))
}
