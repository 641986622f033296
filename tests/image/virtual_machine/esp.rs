//! An EFI system partition is the same whether the kernel of a virtual machine writes it or mtools do.
use osbuild_wasm_tests::{Program, Scratch, manifest};
use serde_json::{Value, json};
use std::process::Command;

const FILE: &str = "esp.img";
/// Names that FAT keeps as they are, keeps beside a short one, and has in other characters.
const NAMES: [&str; 8] = [
    "/EFI/BOOT/BOOTX64.EFI",
    "/EFI/BOOT/grub.cfg",
    "/EFI/demo/a name with blanks and much more than eight characters.conf",
    "/EFI/demo/.hidden",
    "/EFI/demo/Mixed.Case.Name",
    "/loader/entries/caf\u{e9}.conf",
    "/loader/entries/0123456789.0123456789.conf",
    "/x",
];

/// A pipeline with the content of the partition.
pub(super) fn content() -> Value {
    let directories = ["/EFI/BOOT", "/EFI/demo", "/loader/entries", "/empty/inner"];
    let directories = directories.map(|path| json!({ "path": path, "parents": true }));
    let from = format!("input://fetched/{}", manifest::HELLO);
    let copies = NAMES.map(|name| json!({ "from": from, "to": format!("tree://{name}") }));
    json!({ "name": "content", "stages": [
        { "type": "org.osbuild.mkdir", "options": { "paths": directories } },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": copies },
            "inputs": { "fetched": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] } },
        },
        // Many clusters, and none.
        { "type": "org.osbuild.truncate", "options": { "filename": "EFI/large.img", "size": "3M" } },
        { "type": "org.osbuild.truncate", "options": { "filename": "EFI/none", "size": "0" } },
    ] })
}

/// Stages that make the partition.
pub(super) fn stages() -> [Value; 3] {
    let device = super::loopback(FILE);
    [
        json!({ "type": "org.osbuild.truncate", "options": { "filename": FILE, "size": "16M" } }),
        json!({ "type": "org.osbuild.mkfs.fat", "options": { "volid": "7b7795e7", "label": "ESP" }, "devices": { "device": device } }),
        json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "input://content/", "to": "mount://esp/" }] },
            "inputs": { "content": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:content"] } },
            "devices": { "esp": device },
            "mounts": [{ "name": "esp", "type": "org.osbuild.fat", "source": "esp", "target": "/" }],
        }),
    ]
}

/// Builds the partition again, by mtools, and compares it with what a virtual machine made in this directory.
pub(super) fn is_as_without_kernel(scratch: &Scratch, built: &str) {
    let mut document = manifest::of(json!([content(), { "name": "esp", "stages": stages() }]));
    document["sources"] = manifest::hello_source();
    Program::new("run --devices=none --export esp")
        .option("--store", scratch.path("mtools/store"))
        .option("--output-directory", scratch.path("mtools"))
        .arg(scratch.json("esp.json", &document))
        .run()
        .expect(0);
    let by_kernel = listed(scratch, &format!("{built}/{FILE}"));
    assert_eq!(by_kernel, listed(scratch, &format!("mtools/esp/{FILE}")));
    for name in NAMES {
        assert!(
            by_kernel.contains(&format!(".{name}\n")),
            "{name}: {by_kernel}"
        );
    }
}

/// Names, lengths and sums of all files, and the directories.
fn listed(scratch: &Scratch, image: &str) -> String {
    let script = "rm -rf unpacked && mkdir unpacked && mcopy -s -n -Q -i \"$0\" '::*' unpacked && cd unpacked && find . -type d | LC_ALL=C sort && find . -type f -exec cksum {} + | LC_ALL=C sort";
    let output = Command::new("sh")
        .args(["-ec", script])
        .arg(scratch.path(image))
        .current_dir(scratch.root())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("sh");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{image}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
