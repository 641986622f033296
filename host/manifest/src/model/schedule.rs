//! Which pipelines a build needs, in which order.

use super::{Manifest, Origin};
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
        let inputs = to_run
            .flat_map(|stage| &stage.inputs)
            .filter(|input| input.origin == Origin::Pipeline);
        let referred = inputs
            .flat_map(|input| &input.references)
            .filter_map(|reference| reference.id.as_deref());
        pipeline
            .build
            .as_deref()
            .into_iter()
            .chain(referred)
            .filter_map(|id| self.manifest.find_id(id))
            .collect()
    }
}
