//! The pipelines of a manifest, from the first question to the last stage.
use crate::GeneratorError;
use crate::content::{Content, Repository, ResolvedContent};
use crate::pipelines::build::Build;
use crate::pipelines::{BuildRoot, Pipeline};
use crate::request::Request;
use crate::sources::Sources;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The pipelines of a manifest in their order; the build root is the first.
#[derive(Debug)]
pub struct Plan<'a> {
    pipelines: Vec<Box<dyn Pipeline + 'a>>,
}

/// What one pipeline needs, by the pipeline's name.
pub type Needs = Vec<(String, Content)>;

impl<'a> Plan<'a> {
    /// The pipelines of what is asked for.
    ///
    /// # Errors
    /// The image type cannot give it.
    pub fn new(request: Request<'a>) -> Result<Self, GeneratorError> {
        let mut pipelines = crate::kinds::pipelines(request)?;
        if !pipelines.iter().any(|pipeline| pipeline.name() == "build") {
            let packages = pipelines
                .iter()
                .flat_map(|pipeline| pipeline.build_packages())
                .collect();
            pipelines.insert(0, Box::new(Build::of(&request, packages)));
        }
        Ok(Self { pipelines })
    }

    /// What content the pipelines need.
    pub fn content(&self) -> Needs {
        self.pipelines
            .iter()
            .map(|pipeline| (pipeline.name().to_string(), pipeline.content()))
            .collect()
    }

    /// The manifest, of what the needs were resolved to: an entry for each pipeline, in the order of
    /// [`content`](Self::content).
    ///
    /// # Errors
    /// Something that was asked for is not among what was resolved.
    pub fn manifest(&self, resolved: &[ResolvedContent]) -> Result<Value, GeneratorError> {
        let mut sources = Sources::default();
        let mut pipelines = Vec::new();
        for (pipeline, own) in self.pipelines.iter().zip(resolved) {
            let stages =
                pipeline.stages(&self.known(pipeline.as_ref(), own, resolved), &mut sources)?;
            let mut written = Map::new();
            written.insert("name".into(), pipeline.name().into());
            match pipeline.build_root() {
                BuildRoot::Pipeline(build) => {
                    written.insert("build".into(), format!("name:{build}").into())
                }
                BuildRoot::Runner(runner) => written.insert("runner".into(), runner.into()),
                BuildRoot::Machine => None,
            };
            written.insert(
                "stages".into(),
                stages.into_iter().map(|stage| stage.into_json()).collect(),
            );
            pipelines.push(Value::from(written));
        }
        Ok(json!({"version": "2", "pipelines": pipelines, "sources": sources.into_json()}))
    }

    /// What a pipeline's own content was resolved to, with what is known of its system.
    fn known<'b>(
        &self,
        pipeline: &dyn Pipeline,
        own: &'b ResolvedContent,
        resolved: &'b [ResolvedContent],
    ) -> Cow<'b, ResolvedContent> {
        let system = pipeline.system();
        let other = self
            .pipelines
            .iter()
            .zip(resolved)
            .find(|(other, _)| other.name() == system)
            .filter(|_| system != pipeline.name());
        match other {
            None => Cow::Borrowed(own),
            Some((_, other)) => Cow::Owned(ResolvedContent {
                packages: other.packages.clone(),
                commits: [own.commits.as_slice(), &other.commits].concat(),
                ..own.clone()
            }),
        }
    }
}

/// Repositories that have an image type's tag, or none.
pub fn for_type(repositories: &[Repository], image_type: &str) -> Vec<Repository> {
    let serves = |repository: &&Repository| {
        repository.image_type_tags.is_empty()
            || repository
                .image_type_tags
                .iter()
                .any(|tag| tag == image_type)
    };
    repositories.iter().filter(serves).cloned().collect()
}

/// Whether a pipeline makes no part of an image: it is what others are built in, and its name says so.
#[must_use]
pub fn is_build_root(pipeline: &str) -> bool {
    pipeline == "build" || pipeline.ends_with("-build")
}
