//! The file system image that UEFI firmware boots a medium from (El Torito).
use crate::manifest::{Stage, pipeline_tree};
use serde_json::json;

/// Where it lies on the medium.
pub const EFI_IMAGE: &str = "images/efiboot.img";
/// Its size, with room for all loaders.
const SIZE: u64 = 20 * 1024 * 1024;
const SECTOR: u64 = 512;

/// The stages that make the image from the tree of the loaders, with this volume id (`XXXX-XXXX`).
pub fn efi_image(volume_id: &str) -> Vec<Stage> {
    let loopback = |lock: bool| {
        let mut options = json!({"filename": EFI_IMAGE, "size": SIZE / SECTOR});
        if lock {
            options["lock"] = true.into();
        }
        json!({"type": "org.osbuild.loopback", "options": options})
    };
    vec![
        Stage::new(
            "truncate",
            json!({"filename": EFI_IMAGE, "size": SIZE.to_string()}),
        ),
        Stage::new("mkfs.fat", json!({"volid": volume_id.replace('-', "")}))
            .device("device", loopback(true)),
        Stage::new(
            "copy",
            json!({"paths": [{"from": "input://root-tree/", "to": "mount://-/"}]}),
        )
        .input("root-tree", pipeline_tree("efiboot-tree"))
        .device("-", loopback(false))
        .mounts(vec![
            json!({"name": "-", "type": "org.osbuild.fat", "source": "-", "target": "/"}),
        ]),
    ]
}

/// The stage that also puts the loaders beside the image, through an input of this name.
pub fn efi_directory(input: &str) -> Stage {
    let from = format!("input://{input}/EFI");
    Stage::new("copy", json!({"paths": [{"from": from, "to": "tree:///"}]}))
        .input(input, pipeline_tree("efiboot-tree"))
}
