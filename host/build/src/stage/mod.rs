//! One stage: its sandbox is prepared, its component run, and everything released again.
pub(crate) mod bounds;
pub(crate) mod component;
mod outcome;

use crate::attributes::Attributes;
use crate::failure::{BuildError, Result};
use crate::file_systems::FileSystems;
use crate::inputs::Origins;
use crate::leases::{Helpers, Leases};
use crate::log::StageLog;
use crate::plan::StagePlan;
use crate::record::Journal;
use crate::run::RunContext;
use crate::sandbox::{MOUNTS, Named, Once, Sandbox, TREE};
use crate::{arguments, devices, inputs, mounts, shell};
use bounds::Bounds;
use component::{ComponentRun, run_component};
use osbuild_wasm_capability::{Access, Interface, Refusal};
use osbuild_wasm_component::Outcome;
use osbuild_wasm_events::{Event, StageOutcome};
use osbuild_wasm_manifest::model::Stage;
use rustix::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Runs one stage, by the index of its pipeline and its place there, on a tree whose images have these file systems. Whatever goes
/// wrong is in the outcome.
pub(crate) fn run(
    context: &RunContext<'_>,
    (index, position): (usize, usize),
    tree: (&Path, &Arc<FileSystems>),
) -> StageOutcome {
    let started = Instant::now();
    let pipeline = &context.manifest().pipelines[index];
    let stage = &pipeline.stages[position];
    let (name, module, id) = (
        pipeline.name.clone(),
        stage.requested_module().to_owned(),
        stage.id.clone(),
    );
    context.tell(&Event::StageStarted {
        pipeline: name.clone(),
        module: module.clone(),
        id: id.clone(),
        options: stage.requested_options().clone(),
    });
    let log = StageLog::new(&name, &module, &id, context.settings.observer.clone());
    let journal = context.settings.records.as_ref().map(Journal::begin);
    let ended = carry_out(context, (index, position), tree, &log, journal.as_ref());
    let advice = policy_advice(context, stage, &ended);
    let mut outcome = outcome::of(
        ended,
        StageOutcome {
            pipeline: name,
            module,
            id,
            success: false,
            output: log.finish(),
            error: None,
            metadata: None,
            duration: started.elapsed(),
        },
    );
    if !outcome.success {
        outcome::add_hints(&mut outcome, context.store, advice);
    }
    if let Some(journal) = journal {
        journal.finish(&outcome);
    }
    context.tell(&Event::StageFinished(outcome.clone()));
    outcome
}

/// The lines that would let the policy allow what it refused to a stage that failed.
fn policy_advice(
    context: &RunContext<'_>,
    stage: &Stage,
    ended: &Result<Outcome>,
) -> Option<String> {
    let ended = ended.as_ref().ok().filter(|ended| !ended.success())?;
    let missing: Vec<_> = ended.refusals.iter().filter_map(Refusal::missing).collect();
    if missing.is_empty() {
        return None;
    }
    let lines = context.plan.remedy(&stage.module, &missing)?;
    // The blanks keep the lines together; TOML does not mind them.
    let lines = lines.lines().map(|line| format!("\n    {line}"));
    Some(format!(
        "to allow it, append to the policy:{}",
        lines.collect::<String>()
    ))
}

fn carry_out(
    context: &RunContext<'_>,
    (index, position): (usize, usize),
    (tree, file_systems): (&Path, &Arc<FileSystems>),
    log: &Arc<StageLog>,
    journal: Option<&Arc<Journal>>,
) -> Result<Outcome> {
    let pipeline = &context.manifest().pipelines[index];
    let stage = &pipeline.stages[position];
    let plan = context.plan.stage(index, position)?;
    let scratch = context.store.scratch("stage")?;
    let mut sandbox = Sandbox {
        scratch: Once::new(scratch.path()),
        build_root: context.trees.build_root(pipeline)?,
        runner: Some(pipeline.runner.exec.clone()),
        source_epoch: pipeline.source_epoch,
        links: plan.decision.links,
        runner_cache: Named::new(&context.trees.runner_cache(pipeline)),
        file_systems: Some(file_systems.clone()),
        ..Sandbox::default()
    };
    sandbox.grant(TREE, tree, Access::Write);
    let bounds = Bounds::new(plan.decision, context.settings);
    let (pipe, pump) = log.pipe(&bounds)?;
    let leases = prepare(context, stage, plan, &mut sandbox, &pipe)?;
    let arguments = arguments::document(&sandbox, &stage.options, &stage.id, pipeline.source_epoch);
    if shell::wanted(context.settings, stage) {
        shell::run(context, (pipeline, stage), plan, &sandbox, &arguments)?;
    }
    let run = ComponentRun {
        plan,
        bounds: bounds.clone(),
        arguments,
        seed: stage.id.clone(),
        helpers: context.helpers.clone(),
        journal: journal.cloned(),
    };
    let ended = run_component(context.settings, run, &sandbox, log, pipe);
    let released = leases.release(file_systems, journal.map(|journal| &**journal));
    let ended = bounds.heed(ended?, pump);
    if ended.abandoned {
        return Ok(ended);
    }
    if ended.success() {
        released?;
        if let Some(kept) = context.kept {
            kept.check(tree, &Attributes::new(context).trusted(tree)?)?;
        }
    }
    scratch.close()?;
    Ok(ended)
}

/// Opens devices, maps inputs and makes mounts, in osbuild's order.
fn prepare(
    context: &RunContext<'_>,
    stage: &Stage,
    plan: StagePlan<'_>,
    sandbox: &mut Sandbox,
    pipe: &OwnedFd,
) -> Result<Leases> {
    let helpers = Helpers {
        processes: context.helpers,
        settings: context.settings,
        log: pipe,
    };
    let origins = Origins {
        store: context.store,
        trees: context.trees,
        sources: &context.manifest().sources,
        helpers,
    };
    for input in &stage.inputs {
        inputs::map(input, origins, sandbox)?;
    }
    let mut leases = Leases::default();
    for device in &stage.devices {
        devices::open(stage, device, helpers, &mut leases, sandbox)?;
    }
    let mounts_itself = plan.decision.interfaces.contains(&Interface::Mount);
    if !stage.mounts.is_empty() || mounts_itself {
        let directory = sandbox.scratch.join("mounts");
        std::fs::create_dir_all(&directory).map_err(BuildError::io(&directory))?;
        sandbox.grant(MOUNTS, &directory, Access::Write);
    }
    for mount in &stage.mounts {
        mounts::mount(mount, helpers, &mut leases, sandbox)?;
    }
    Ok(leases)
}
