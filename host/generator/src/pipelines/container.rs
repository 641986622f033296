//! An archive of a container (OCI).
use super::Pipeline;
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::{Stage, pipeline_tree};
use crate::sources::Sources;
use osbuild_wasm_distro::Arch;
use serde_json::{Map, Value, json};

/// What a container runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Command with its arguments.
    pub command: Vec<String>,
    /// Ports that it serves.
    pub ports: Vec<String>,
}

impl Process {
    /// As a container's configuration has it.
    pub fn config(&self) -> Value {
        json!({"Cmd": self.command, "ExposedPorts": self.ports})
    }
}

/// Packs the tree of another pipeline as a container.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// Pipeline with the tree.
    pub tree: &'static str,
    /// File that comes out.
    pub filename: &'a str,
    /// Architecture of the programs in it.
    pub arch: Arch,
    /// Its configuration, by the keys of OCI images.
    pub config: Option<Value>,
}

impl Pipeline for Container<'_> {
    fn name(&self) -> &str {
        "container"
    }

    fn build_packages(&self) -> Vec<String> {
        vec!["tar".into()]
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let mut options = Map::new();
        options.insert("architecture".into(), oci_arch(self.arch).into());
        options.insert("filename".into(), self.filename.into());
        let config = self.config.clone().unwrap_or_else(|| json!({}));
        options.insert("config".into(), config);
        let stage = Stage::new("oci-archive", options.into());
        Ok(vec![stage.input("base", pipeline_tree(self.tree))])
    }
}

/// Name of an architecture in images of containers, which is Go's.
/// <https://github.com/opencontainers/image-spec/blob/main/config.md>
fn oci_arch(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
        Arch::Ppc64le | Arch::S390x | Arch::Riscv64 => arch.name(),
    }
}
