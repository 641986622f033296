//! From what pipelines need to the questions that find it, and from the answers back.
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_generator::content::{Content, ResolvedContent};
use osbuild_wasm_generator::customizations::nodes::{FileContent, LocalFile, LocalFiles};
use osbuild_wasm_generator::plan::Needs;
use osbuild_wasm_resolve::System;
use osbuild_wasm_resolve::jobs::{
    CommitAnswer, Commits, ContainerAnswer, Containers, Depsolve, DepsolveAnswer, FileAnswer,
    Files, Question, is_remote, read_answer,
};
use osbuild_wasm_tasks::{Failure, JobError, kind};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The permissions of a fetched file, if the blueprint says nothing: a web server tells of none.
const FETCHED_MODE: u32 = 0o644;

/// The names and URLs of files whose content a blueprint takes from elsewhere.
pub(crate) fn file_uris(blueprint: &Blueprint) -> impl Iterator<Item = (&str, &str)> {
    let files = blueprint.customizations.files.iter();
    files.filter_map(|file| {
        let uri = file.uri.as_deref().filter(|uri| !uri.is_empty())?;
        Some((file.path.as_str(), uri))
    })
}

/// What has to be asked, each kind at most once.
pub(crate) fn questions(
    system: &System<'_>,
    needs: &Needs,
    blueprint: &Blueprint,
) -> Vec<Question> {
    let mut questions = Vec::new();
    let sets = needs
        .iter()
        .filter(|(_, content)| !content.transactions.is_empty())
        .map(|(pipeline, content)| (pipeline.clone(), content.transactions.clone()));
    let asked = Depsolve {
        grouped_package_sets: sets.collect(),
        module_platform_id: system.platform.to_owned(),
        arch: system.arch.to_owned(),
        releasever: system.releasever.to_owned(),
        sbom_type: Some("spdx".into()),
    };
    if !asked.grouped_package_sets.is_empty() {
        questions.push(Question::Depsolve(asked));
    }
    let asked = Containers {
        arch: system.arch.to_owned(),
        specs: each(needs, |content| &content.containers),
        flatpaks: each(needs, |content| &content.flatpaks),
    };
    if !asked.specs.is_empty() || !asked.flatpaks.is_empty() {
        questions.push(Question::Containers(asked));
    }
    let asked = Commits {
        ostree_resolve_specs: each(needs, |content| &content.commits),
    };
    if !asked.ostree_resolve_specs.is_empty() {
        questions.push(Question::Commits(asked));
    }
    let mut urls: Vec<String> = file_uris(blueprint)
        .filter(|(_, uri)| is_remote(uri))
        .map(|(_, uri)| uri.to_owned())
        .collect();
    urls.sort();
    urls.dedup();
    if !urls.is_empty() {
        questions.push(Question::Files(Files { urls }));
    }
    questions
}

/// What all pipelines need of one kind, in their order.
fn each<'a, T: 'a, Spec: From<&'a T>>(
    needs: &'a Needs,
    of: impl Fn(&'a Content) -> &'a Vec<T>,
) -> Vec<Spec> {
    needs
        .iter()
        .flat_map(|(_, content)| of(content))
        .map(Spec::from)
        .collect()
}

/// What the pipelines get, in their order.
///
/// # Errors
/// The answers are none to these needs.
pub(crate) fn resolved(
    needs: &Needs,
    answers: &[(String, Value)],
) -> Result<Vec<ResolvedContent>, JobError> {
    let packages: DepsolveAnswer = answer(answers, kind::DEPSOLVE)?;
    let images: ContainerAnswer = answer(answers, kind::CONTAINERS)?;
    let commits: CommitAnswer = answer(answers, kind::COMMITS)?;
    let mut containers = images.specs.into_iter();
    let mut flatpaks = images.flatpaks.into_iter();
    let mut commits = commits.ostree_resolve_result_specs.into_iter();
    let pipelines = needs.iter().map(|(pipeline, content)| {
        let packages = packages.of(pipeline);
        let is_empty = packages.transactions.iter().all(Vec::is_empty);
        if is_empty && !content.transactions.is_empty() {
            let reason = format!("no packages were chosen for the pipeline {pipeline}");
            return Err(JobError::new(Failure::EmptyPackageSpecs, reason));
        }
        let commits = content.commits.iter().zip(&mut commits);
        let resolved = ResolvedContent {
            packages,
            commits: commits.map(|(wish, found)| found.for_wish(wish)).collect(),
            containers: take(&mut containers, content.containers.len()),
            flatpaks: take(&mut flatpaks, content.flatpaks.len()),
        };
        let is_whole = resolved.commits.len() == content.commits.len()
            && resolved.containers.len() == content.containers.len()
            && resolved.flatpaks.len() == content.flatpaks.len();
        is_whole.then_some(resolved).ok_or_else(|| {
            let reason = format!("something that the pipeline {pipeline} needs was not looked up");
            JobError::new(Failure::ParsingDynamicArgs, reason)
        })
    });
    pipelines.collect()
}

fn take<From, To: std::convert::From<From>>(
    found: &mut impl Iterator<Item = From>,
    number: usize,
) -> Vec<To> {
    found.take(number).map(Into::into).collect()
}

/// The files that were fetched, by their URLs.
///
/// # Errors
/// The answer is none to such a question.
pub(crate) fn fetched(answers: &[(String, Value)]) -> Result<LocalFiles, JobError> {
    let files: FileAnswer = answer(answers, kind::FILES)?;
    let files = files.results.into_iter().map(|file| {
        let bytes = file.bytes().ok_or_else(|| {
            let reason = format!("the content of {} is no base64", file.url);
            JobError::new(Failure::ParsingDynamicArgs, reason)
        })?;
        let content = FileContent::Fetched(bytes);
        let mode = FETCHED_MODE;
        Ok((file.url, LocalFile { content, mode }))
    });
    files.collect()
}

/// The answer of a kind; an empty one where nothing was asked.
fn answer<T: DeserializeOwned + Default>(
    answers: &[(String, Value)],
    kind: &str,
) -> Result<T, JobError> {
    let found = answers.iter().find(|(of, _)| of == kind);
    found.map_or_else(|| Ok(T::default()), |(_, result)| read_answer(result))
}
