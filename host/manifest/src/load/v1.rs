//! Documents with one nested pipeline.
//!
//! The main pipeline becomes `tree`, its build pipeline `build`, the one below `build-build` and so on; an assembler becomes a
//! pipeline of its own that reads the tree.

use super::cursor::Cursor;
use super::stage::{Parts, References, assemble, make_input, resolved_references};
use super::v2::load_runner;
use super::{LoadOptions, Loaded};
use crate::ids;
use crate::json::{Object, Text, Value};
use crate::model::{Input, Manifest, Origin, Pipeline, Runner, Source, Stage, StageClass, Version};
use crate::problem::Path;

static EMPTY: Value = Value::Null;

pub(super) fn load(document: &Value, options: &LoadOptions) -> Loaded<Manifest> {
    let root = Cursor::root(document);
    root.object()?;
    let sources = load_sources(&root)?;
    let main = root.member("pipeline").unwrap_or(Cursor {
        value: &EMPTY,
        path: Path::new(),
    });
    let mut pipelines: Vec<Pipeline> = Vec::new();
    // The deepest build pipeline has the runner of the host; each other the one its `build` names.
    for (name, pipeline) in nested_pipelines(&main)?.into_iter().rev() {
        let build = pipelines.last().and_then(|below| below.id.clone());
        let runner = runner_of(&pipeline, options)?;
        if let Some(below) = pipelines.last_mut() {
            below.declared_runner = Some(runner.clone());
        }
        let stages = load_stages(&pipeline, build.as_deref())?;
        pipelines.push(make_pipeline(name, build, runner, stages));
    }
    if let Some(assembler) = main
        .member("assembler")
        .filter(|assembler| assembler.value.is_truthy())
    {
        let assembler = load_assembler(&assembler, pipelines.last())?;
        pipelines.extend(assembler);
    }
    let v1_sources = root
        .member("sources")
        .and_then(|sources| sources.value.as_object().cloned());
    Ok(Manifest {
        version: Version::V1,
        pipelines,
        sources,
        metadata: None,
        warnings: Vec::new(),
        v1_sources,
    })
}

/// The main pipeline and the build pipelines below it, with their names.
fn nested_pipelines<'a>(main: &Cursor<'a>) -> Loaded<Vec<(String, Cursor<'a>)>> {
    let mut nested = vec![("tree".to_owned(), main.clone())];
    let mut name = String::from("build");
    let mut current = main.clone();
    while let Some(build) = build_of(&current) {
        let pipeline = build.required("pipeline")?;
        if !pipeline.value.is_truthy() {
            break;
        }
        nested.push((name.clone(), pipeline.clone()));
        name += "-build";
        current = pipeline;
    }
    Ok(nested)
}

/// The `build` of a pipeline; an empty one counts as none.
fn build_of<'a>(pipeline: &Cursor<'a>) -> Option<Cursor<'a>> {
    pipeline
        .member("build")
        .filter(|build| build.value.is_truthy())
}

fn runner_of(pipeline: &Cursor<'_>, options: &LoadOptions) -> Loaded<Runner> {
    match build_of(pipeline) {
        Some(build) => load_runner(&build.required("runner")?),
        None => Ok(options.host_runner.clone()),
    }
}

fn make_pipeline(
    name: String,
    build: Option<String>,
    runner: Runner,
    stages: Vec<Stage>,
) -> Pipeline {
    let id = stages.last().map(|stage| stage.id.clone());
    Pipeline {
        name,
        id,
        build,
        runner,
        declared_runner: None,
        source_epoch: None,
        stages,
    }
}

fn load_stages(pipeline: &Cursor<'_>, build: Option<&str>) -> Loaded<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    for stage in pipeline.elements("stages")? {
        let module = stage.required("name")?.text()?;
        let options = stage.options("options")?;
        let inputs = match module {
            "org.osbuild.rpm" => vec![packages_input(&stage)?],
            "org.osbuild.ostree" => vec![commits_input(&stage)?],
            _ => Vec::new(),
        };
        let parts = Parts {
            class: StageClass::Stage,
            options,
            inputs,
            devices: Vec::new(),
            mounts: Vec::new(),
        };
        let base = stages.last().map(|stage| stage.id.clone());
        stages.push(assemble(module, parts, build, base.as_deref(), None));
    }
    Ok(stages)
}

/// The packages that `org.osbuild.rpm` names in its options.
fn packages_input(stage: &Cursor<'_>) -> Loaded<Input> {
    let options = stage.required("options")?;
    options.required("packages")?;
    let mut references = References::new();
    for package in options.elements("packages")? {
        if package.value.as_text().is_some() {
            references.insert(Some(package.text()?.to_owned()), Value::object());
            continue;
        }
        let checksum = package.required("checksum")?.text()?;
        let check = package
            .member("check_gpg")
            .filter(|check| check.value.is_truthy());
        let options = match check {
            Some(check) => nested("metadata", nested("rpm.check_gpg", check.value.clone())),
            None => Value::object(),
        };
        references.insert(Some(checksum.to_owned()), options);
    }
    Ok(source_input("packages", "org.osbuild.files", references))
}

/// The commit that `org.osbuild.ostree` names in its options.
fn commits_input(stage: &Cursor<'_>) -> Loaded<Input> {
    let options = stage.required("options")?;
    let commit = options.required("commit")?.text()?;
    let reference = options
        .member("ref")
        .filter(|reference| reference.value.is_truthy());
    let reference_options = match reference {
        Some(reference) => nested("ref", reference.value.clone()),
        None => Value::object(),
    };
    let references = References::from_iter([(Some(commit.to_owned()), reference_options)]);
    Ok(source_input("commits", "org.osbuild.ostree", references))
}

fn source_input(name: &str, module: &str, references: References) -> Input {
    make_input(
        name,
        module,
        Origin::Source,
        resolved_references(references),
        Value::object(),
    )
}

fn nested(key: &str, value: Value) -> Value {
    Value::Object(Object::from_iter([(Text::from(key), value)]))
}

fn load_assembler(assembler: &Cursor<'_>, tree: Option<&Pipeline>) -> Loaded<Option<Pipeline>> {
    let Some(tree) = tree else {
        return Ok(None);
    };
    let module = assembler.required("name")?.text()?;
    let reference = References::from_iter([(tree.id.clone(), Value::object())]);
    let input = make_input(
        "tree",
        "org.osbuild.tree",
        Origin::Pipeline,
        resolved_references(reference),
        Value::object(),
    );
    let options = assembler.options("options")?;
    let parts = Parts {
        class: StageClass::Assembler,
        options,
        inputs: vec![input],
        devices: Vec::new(),
        mounts: Vec::new(),
    };
    let stage = assemble(module, parts, tree.build.as_deref(), None, None);
    Ok(Some(make_pipeline(
        "assembler".into(),
        tree.build.clone(),
        tree.runner.clone(),
        vec![stage],
    )))
}

/// The module of a v1 source, and the member that holds its items.
pub(crate) fn source_module(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "org.osbuild.files" | "org.osbuild.curl" => Some(("org.osbuild.curl", "urls")),
        "org.osbuild.ostree" => Some(("org.osbuild.ostree", "commits")),
        "org.osbuild.librepo" => Some(("org.osbuild.librepo", "items")),
        _ => None,
    }
}

fn load_sources(root: &Cursor<'_>) -> Loaded<Vec<Source>> {
    let mut sources = Vec::new();
    for (name, source) in root.members("sources")? {
        let Some((module, items_key)) = source_module(name) else {
            return source.fail(format!("Unknown source type: {name}"));
        };
        let items = source.required(items_key)?;
        let mut options = source.object()?.clone();
        options.shift_remove(items_key);
        sources.push(Source {
            module: module.to_owned(),
            items: Value::Object(items.object()?.clone()),
            options: Value::Object(options),
            id: ids::source_id(module, items.value),
        });
    }
    Ok(sources)
}
