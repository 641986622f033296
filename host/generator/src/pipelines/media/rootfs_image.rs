//! The ext4 around an installer's system, for initrds that mount such a one inside of the squashfs.
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::{Stage, pipeline_tree};
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use serde_json::json;

const FILENAME: &str = "LiveOS/rootfs.img";
/// The system is found by its place, so that every image may have the same identifier.
const UUID: &str = "2fe99653-f7ff-44fd-bea8-fa70107524fb";

/// The disk image of an installer's system.
#[derive(Clone, Debug)]
pub struct RootFsImage {
    /// Pipeline whose tree it holds.
    pub pipeline: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Pipeline for RootFsImage {
    fn name(&self) -> &str {
        "rootfs-image"
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let loopback = json!({"type": "org.osbuild.loopback", "options": {"filename": FILENAME}});
        let size = json!({"filename": format!("/{FILENAME}"), "size": self.size.to_string()});
        let copied = json!({"paths": [{"from": "input://tree/", "to": "mount://device/"}]});
        let mount = json!({"name": "device", "type": "org.osbuild.ext4", "source": "device", "target": "/"});
        Ok(vec![
            Stage::new("mkdir", json!({"paths": [{"path": "/LiveOS"}]})),
            Stage::new("truncate", size),
            Stage::new("mkfs.ext4", json!({"uuid": UUID, "label": "Anaconda"}))
                .device("device", loopback.clone()),
            Stage::new("copy", copied)
                .input("tree", pipeline_tree(&self.pipeline))
                .device("device", loopback)
                .mounts(vec![mount]),
        ])
    }
}
