//! The request documents of the generator's oracle.
use crate::content::Repository;
use crate::customizations::nodes::{FileContent, LocalFile, LocalFiles};
use crate::pipelines::bootc::info::ContainerInfo;
use crate::plan::Plan;
use crate::request::{Options, Request};
use crate::sources::checksum;
use crate::{GeneratorError, mock};
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_distro::{Arch, Distro, ImageType};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Permissions of files of the machine in the oracle: those of temporary files.
const LOCAL_FILE_MODE: u32 = 0o600;

/// A request with everything it depends on; the resolvers invent the rest.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// Name of the distribution.
    pub distro: String,
    /// Architecture.
    pub arch: Arch,
    /// Name of the image type.
    pub image_type: String,
    /// Where identifiers come from.
    #[serde(default)]
    pub seed: i64,
    /// Blueprint.
    #[serde(default)]
    pub blueprint: Value,
    /// Values beside the blueprint.
    #[serde(default)]
    pub options: Options,
    /// Repositories.
    #[serde(default)]
    repositories: Vec<Repository>,
    #[serde(default)]
    solver: Solver,
    /// Facts about the container that becomes a disk or a medium.
    #[serde(default)]
    pub bootc: Option<ContainerInfo>,
    /// Facts about the container that is its build root.
    #[serde(default)]
    pub bootc_build: Option<ContainerInfo>,
    #[serde(default)]
    local_files: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Solver {
    #[serde(default)]
    use_root_dir: bool,
}

impl Document {
    /// Repositories of the request; one is invented where the solver reads those of a container.
    pub fn repositories(&self) -> Vec<Repository> {
        if !self.solver.use_root_dir {
            return self.repositories.clone();
        }
        vec![Repository {
            name: "root-dir-repo".into(),
            baseurls: vec!["https://example.com/root_dir_repo".into()],
            ..Repository::default()
        }]
    }

    fn local_files(&self) -> LocalFiles {
        let file = |content: &String| LocalFile {
            content: FileContent::Local(checksum(content.as_bytes())),
            mode: LOCAL_FILE_MODE,
        };
        self.local_files
            .iter()
            .map(|(path, content)| (path.clone(), file(content)))
            .collect()
    }

    /// The manifest of this request with invented content.
    ///
    /// # Errors
    /// The image type cannot give what is asked for.
    pub fn manifest(
        &self,
        distro: &Distro,
        image_type: &ImageType,
        blueprint: &Blueprint,
    ) -> Result<Value, GeneratorError> {
        let (repositories, local_files) = (self.repositories(), self.local_files());
        let plan = Plan::new(Request {
            distro,
            arch: self.arch,
            image_type,
            blueprint,
            options: &self.options,
            repositories: &repositories,
            local_files: &local_files,
            bootc: self.bootc.as_ref(),
            bootc_build: self.bootc_build.as_ref(),
            seed: self.seed,
        })?;
        let resolved = mock::resolve_all(&plan.content(), self.arch, blueprint);
        plan.manifest(&resolved)
    }
}
