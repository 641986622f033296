//! Which pipelines a build needs, in which order.

use super::{Manifest, Origin, Stage};
use std::collections::HashSet;

/// The pipelines (as indices) that must be built to get `targets`, dependencies first.
///
/// A target is the name or the id of a pipeline; one that is neither is passed over (`Manifest::find` tells). What is cached is not built and what only it
/// needs is not either; within a pipeline the stages before its last cached one, and what only they need, are left out. Pipelines with the
/// same id are built once.
pub fn schedule(
    manifest: &Manifest,
    targets: &[&str],
    is_cached: &dyn Fn(&str) -> bool,
) -> Vec<usize> {
    let mut walk = Walk {
        manifest,
        is_cached,
        seen: HashSet::new(),
        order: Vec::new(),
    };
    for target in targets {
        if let Some(index) = manifest.find(target) {
            walk.visit(index);
        }
    }
    walk.order
}

/// The pipelines (as indices) whose trees `targets` are made of, the targets included, dependencies first: what their stages take in, and
/// what goes into that. Build roots are not part of it: their files are used, and stay behind.
pub fn contents(manifest: &Manifest, targets: &[&str]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    let mut todo: Vec<usize> = targets
        .iter()
        .filter_map(|name| manifest.find(name))
        .collect();
    while let Some(index) = todo.pop() {
        let Some(pipeline) = manifest.pipelines.get(index) else {
            continue;
        };
        if found.contains(&index) {
            continue;
        }
        found.push(index);
        todo.extend(inputs(pipeline.stages.iter()).filter_map(|id| manifest.find_id(id)));
    }
    // References only go backwards.
    found.sort_unstable();
    found
}

/// Ids of the pipelines that stages take in.
fn inputs<'a>(stages: impl Iterator<Item = &'a Stage>) -> impl Iterator<Item = &'a str> {
    stages
        .flat_map(|stage| &stage.inputs)
        .filter(|input| input.origin == Origin::Pipeline)
        .flat_map(|input| &input.references)
        .filter_map(|reference| reference.id.as_deref())
}

/// A depth-first walk; the order of finishing is the order of building.
struct Walk<'a> {
    manifest: &'a Manifest,
    is_cached: &'a dyn Fn(&str) -> bool,
    seen: HashSet<&'a str>,
    order: Vec<usize>,
}

enum Step {
    Enter(usize),
    Finish(usize),
}

impl Walk<'_> {
    /// Walks with a stack of its own, because manifests may chain any number of pipelines.
    fn visit(&mut self, start: usize) {
        let mut steps = vec![Step::Enter(start)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Finish(index) => self.order.push(index),
                Step::Enter(index) => {
                    if self.is_new(index) {
                        steps.push(Step::Finish(index));
                        steps.extend(self.needs(index).into_iter().rev().map(Step::Enter));
                    }
                }
            }
        }
    }

    /// Must the pipeline be built, and is it met for the first time? One without stages has nothing to build.
    fn is_new(&mut self, index: usize) -> bool {
        let Some(id) = self
            .manifest
            .pipelines
            .get(index)
            .and_then(|pipeline| pipeline.id.as_deref())
        else {
            return false;
        };
        !(self.is_cached)(id) && self.seen.insert(id)
    }

    /// The build pipeline, then what the stages after the last cached one refer to, the last stage first.
    fn needs(&self, index: usize) -> Vec<usize> {
        let Some(pipeline) = self.manifest.pipelines.get(index) else {
            return Vec::new();
        };
        let to_run = pipeline
            .stages
            .iter()
            .rev()
            .take_while(|stage| !(self.is_cached)(&stage.id));
        pipeline
            .build
            .as_deref()
            .into_iter()
            .chain(inputs(to_run))
            .filter_map(|id| self.manifest.find_id(id))
            .collect()
    }
}
