//! Documents with an array of named pipelines.

use super::cursor::Cursor;
use super::stage::{Context, load_references, load_stage};
use super::{LoadError, LoadOptions, Loaded};
use crate::ids;
use crate::json::{Object, Text, Value, python_repr_text};
use crate::model::{Manifest, Pipeline, Runner, Source, Stage, Version};
use crate::problem::{Path, PathElement, ValidationError, join};
use crate::runner;
use std::collections::{HashMap, HashSet};

pub(super) fn load(document: &Value, options: &LoadOptions) -> Loaded<Manifest> {
    let root = Cursor::root(document);
    let sources = load_sources(&root)?;
    let mut loader = Loader {
        options,
        known_items: item_keys(&sources),
        pipelines: Vec::new(),
        by_name: HashMap::new(),
        builds: Vec::new(),
        warnings: Vec::new(),
    };
    for pipeline in root.elements("pipelines")? {
        loader.pipeline(&pipeline)?;
    }
    loader.give_runners()?;
    let Loader {
        pipelines,
        warnings,
        ..
    } = loader;
    let metadata = root
        .member("metadata")
        .map(|metadata| metadata.value.clone());
    Ok(Manifest {
        version: Version::V2,
        pipelines,
        sources,
        metadata,
        warnings,
        v1_sources: None,
    })
}

fn load_sources(root: &Cursor<'_>) -> Loaded<Vec<Source>> {
    let mut sources = Vec::new();
    for (module, source) in root.members("sources")? {
        let items = load_references(&source.required("items")?)?;
        let items: Object = items
            .into_iter()
            .map(|item| (Text::from(item.key), item.options))
            .collect();
        let items = Value::Object(items);
        let id = ids::source_id(module, &items);
        sources.push(Source {
            module: module.to_owned(),
            items,
            options: source.options("options")?,
            id,
        });
    }
    Ok(sources)
}

fn item_keys(sources: &[Source]) -> HashSet<String> {
    let items = sources.iter().filter_map(|source| source.items.as_object());
    items
        .flat_map(Object::keys)
        .filter_map(Text::as_str)
        .map(str::to_owned)
        .collect()
}

/// What a pipeline says of its build root, kept until all pipelines are known.
struct Build {
    path: Path,
    /// The pipeline, when it is referred to by name.
    index: Option<usize>,
}

struct Loader<'a> {
    options: &'a LoadOptions,
    known_items: HashSet<String>,
    pipelines: Vec<Pipeline>,
    by_name: HashMap<String, usize>,
    /// One entry per pipeline.
    builds: Vec<Build>,
    warnings: Vec<ValidationError>,
}

impl Loader<'_> {
    fn pipeline(&mut self, pipeline: &Cursor<'_>) -> Loaded<()> {
        let name_cursor = pipeline.required("name")?;
        let name = name_cursor.text()?;
        if self.by_name.contains_key(name) {
            return name_cursor.fail(format!("Name {name} already exists"));
        }
        let build_text = pipeline.optional_text("build")?;
        let (index, build) = self.resolve_build(pipeline, build_text)?;
        self.builds.push(Build {
            path: join(&pipeline.path, "build"),
            index,
        });
        let declared_runner = declared_runner(pipeline)?;
        let source_epoch = source_epoch(pipeline)?;
        let stages = self.stages(pipeline, build.as_deref(), source_epoch)?;
        self.by_name.insert(name.to_owned(), self.pipelines.len());
        self.pipelines.push(Pipeline {
            name: name.to_owned(),
            id: stages.last().map(|stage| stage.id.clone()),
            // An empty build counts in the ids only.
            build: build.filter(|id| !id.is_empty()),
            runner: self.options.host_runner.clone(),
            declared_runner,
            source_epoch,
            stages,
        });
        Ok(())
    }

    /// The pipeline that `build` names, and its id. Text without `name:` is an id itself.
    fn resolve_build(
        &self,
        pipeline: &Cursor<'_>,
        build: Option<&str>,
    ) -> Loaded<(Option<usize>, Option<String>)> {
        let Some(build) = build else {
            return Ok((None, None));
        };
        let Some(name) = build.strip_prefix("name:") else {
            return Ok((None, Some(build.to_owned())));
        };
        match self.by_name.get(name) {
            Some(&index) => Ok((
                Some(index),
                self.pipelines.get(index).and_then(|found| found.id.clone()),
            )),
            None => {
                let path = join(&pipeline.path, "build");
                Err(unknown_pipeline(&path, build, self.by_name.keys()))
            }
        }
    }

    fn stages(
        &mut self,
        pipeline: &Cursor<'_>,
        build: Option<&str>,
        source_epoch: Option<i64>,
    ) -> Loaded<Vec<Stage>> {
        let mut stages: Vec<Stage> = Vec::new();
        for stage in pipeline.elements("stages")? {
            let pipeline_id = |name: &str| {
                let index = *self.by_name.get(name)?;
                Some(self.pipelines.get(index)?.id.clone())
            };
            let context = Context {
                build,
                base: stages.last().map(|stage| stage.id.clone()),
                source_epoch,
                known_items: &self.known_items,
                pipeline_id: &pipeline_id,
                pipeline_names: &|| self.by_name.keys().cloned().collect(),
            };
            let (stage, warnings) = load_stage(&stage, &context)?;
            stages.push(stage);
            self.warnings.extend(warnings);
        }
        Ok(stages)
    }

    /// A pipeline executes with the runner that its build pipeline declares, else with that of the host.
    fn give_runners(&mut self) -> Loaded<()> {
        let by_id: HashMap<String, usize> = self
            .pipelines
            .iter()
            .enumerate()
            .rev()
            .filter_map(|(index, one)| Some((one.id.clone()?, index)))
            .collect();
        for (position, build) in self.builds.iter().enumerate() {
            let Some(id) = self
                .pipelines
                .get(position)
                .and_then(|pipeline| pipeline.build.as_ref())
            else {
                continue;
            };
            let Some(index) = build.index.or_else(|| by_id.get(id).copied()) else {
                return Err(LoadError::new(
                    &build.path,
                    format!("Unknown pipeline reference: {id}"),
                )
                .with_hint("write `name:` and the name of an earlier pipeline"));
            };
            let declared = self
                .pipelines
                .get(index)
                .and_then(|build| build.declared_runner.clone());
            if let (Some(runner), Some(pipeline)) = (declared, self.pipelines.get_mut(position)) {
                pipeline.runner = runner;
            }
        }
        Ok(())
    }
}

/// The error for a reference to a pipeline that is not there (yet).
pub(super) fn unknown_pipeline<T: AsRef<str>>(
    path: &[PathElement],
    reference: &str,
    names: impl Iterator<Item = T>,
) -> LoadError {
    let error = LoadError::new(path, format!("Unknown pipeline reference: {reference}"));
    let wanted = reference.strip_prefix("name:").unwrap_or(reference);
    match crate::nearest::nearest(wanted, names) {
        Some(name) => error.with_hint(format!("did you mean `name:{name}`?")),
        None => error.with_hint(
            "a pipeline can refer only to pipelines that come before it in the document",
        ),
    }
}

fn declared_runner(pipeline: &Cursor<'_>) -> Loaded<Option<Runner>> {
    match pipeline.member("runner") {
        None => Ok(None),
        Some(runner) => load_runner(&runner).map(Some),
    }
}

/// Resolves the name of a runner.
pub(super) fn load_runner(cursor: &Cursor<'_>) -> Loaded<Runner> {
    runner::resolve(cursor.text()?).map_err(|unknown| {
        let hint = format!("known runners: {}", unknown.known.join(", "));
        LoadError::new(&cursor.path, unknown.to_string()).with_hint(hint)
    })
}

fn source_epoch(pipeline: &Cursor<'_>) -> Loaded<Option<i64>> {
    let Some(epoch) = pipeline.member("source-epoch") else {
        return Ok(None);
    };
    match epoch.value.as_i64() {
        Some(seconds) => Ok(Some(seconds)),
        None => epoch.fail("the source epoch must be a whole number of seconds (64 bits)"),
    }
}

/// `'a', 'b'` as Python lists texts.
pub(super) fn quoted(texts: &[&str]) -> String {
    texts
        .iter()
        .map(|text| python_repr_text(&Text::from(*text)))
        .collect::<Vec<_>>()
        .join(", ")
}
