//! An archive (tar) of a tree.
use super::Pipeline;
use super::media::PxeTree;
use super::ostree::OstreeCommit;
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::{Stage, pipeline_tree};
use crate::sources::Sources;
use osbuild_wasm_distro::ImageType;
use serde_json::{Map, Value};

/// Packs the tree of another pipeline.
#[derive(Clone, Debug)]
pub struct TreeArchive<'a> {
    name: &'static str,
    tree: &'static str,
    filename: &'a str,
    numeric_owner: bool,
}

impl<'a> TreeArchive<'a> {
    /// Packs the system of the pipeline `os`. Owners are noted by numbers: the machine that unpacks it may know others
    /// by their names.
    pub fn of_system(image_type: &'a ImageType) -> Self {
        Self {
            name: "archive",
            tree: "os",
            // What is compressed in a pipeline of its own has the type's name only then.
            filename: match image_type.compression {
                Some(_) => "image.tar",
                None => &image_type.filename,
            },
            numeric_owner: true,
        }
    }

    /// Packs the repository of the pipeline `ostree-commit`.
    pub fn of_commit(image_type: &'a ImageType) -> Self {
        Self {
            name: "commit-archive",
            tree: OstreeCommit::NAME,
            filename: &image_type.filename,
            numeric_owner: false,
        }
    }

    /// Packs the files for a boot over the network, of the pipeline `pxe-tree`.
    pub fn of_network_boot(image_type: &'a ImageType) -> Self {
        Self {
            name: "tar",
            tree: PxeTree::NAME,
            numeric_owner: false,
            ..Self::of_system(image_type)
        }
    }

    /// File that comes out.
    pub fn filename(&self) -> &'a str {
        self.filename
    }
}

impl Pipeline for TreeArchive<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn build_packages(&self) -> Vec<String> {
        vec!["tar".into()]
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let mut options = Map::new();
        options.insert("filename".into(), self.filename.into());
        if self.numeric_owner {
            options.insert("numeric-owner".into(), true.into());
        }
        let stage = Stage::new("tar", Value::from(options));
        Ok(vec![stage.input("tree", pipeline_tree(self.tree))])
    }
}
