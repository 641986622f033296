//! The outer side: boots the machine, reads what it says, and takes what it made.
use super::VirtualMachines;
use super::course::Course;
use super::files::Files;
use super::message::Message;
use crate::failure::{BuildError, Result};
use crate::leases::refused;
use crate::pipeline::{UnfinishedTree, with_all_attributes};
use crate::record::component;
use crate::run::RunContext;
use crate::user_namespace::is_root_of_machine;
use osbuild_wasm_capability::Limits;
use osbuild_wasm_capability::record::StageRecord;
use osbuild_wasm_events::{Event, StageOutcome};
use osbuild_wasm_files::{FilesError, unpack_tree};
use osbuild_wasm_manifest::model::{Pipeline, Stage};
use osbuild_wasm_protocol::{Failure, Interface, Outcome, Session, TrustedValue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::path::Path;
use std::time::Duration;

/// How long a machine may take to say its first word: by the processor's own means, and emulated on a machine with much to do.
const FIRST_WORD: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(300)];

/// How long it may then be silent; it says that it is there every few seconds.
const SILENCE: Duration = Duration::from_secs(300);

/// Bytes of a line at most.
const LINE: usize = 64 << 20;

/// Called with the place of a stage and the tree after it.
pub(crate) type Keep<'a> = dyn Fn(usize, &UnfinishedTree) -> Result<()> + 'a;

/// Runs the stages of a pipeline in a machine. The tree is that of the last stage when all succeeded; trees after other stages are kept.
pub(crate) fn run_stages(
    context: &RunContext<'_>,
    machines: &VirtualMachines,
    index: usize,
    unfinished: &mut UnfinishedTree,
    outcomes: &mut Vec<StageOutcome>,
    keep: &Keep<'_>,
) -> Result<bool> {
    let files = Files::prepare(context, machines, index, unfinished)?;
    let pipeline = &context.manifest().pipelines[index];
    let mut transcript = Transcript::default();
    for accelerated in [true, false] {
        if accelerated && !can_accelerate() {
            continue;
        }
        let log = |at| {
            let plan = context.plan.stage(index, at);
            plan.map_or(0, |plan| Limits::from(plan.decision.limits).output)
        };
        let course = Course::new(pipeline, unfinished.done, log);
        transcript = run_machine(context, (pipeline, course), &files, accelerated)?;
        if transcript.spoke {
            break;
        }
    }
    if !transcript.done || transcript.failure.is_some() {
        return Err(ended_early(context, pipeline, &files, transcript));
    }
    files.remove()?;
    take(
        context,
        (pipeline, &files),
        transcript,
        (unfinished, outcomes),
        keep,
    )
}

/// Whether the processor can run machines by its own means, and the kernel lets it.
fn can_accelerate() -> bool {
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut words = processor.split_whitespace();
    // Where the processor has neither, /dev/kvm is an emulation that is slower than the emulator's own.
    let capable =
        std::env::consts::ARCH != "x86_64" || words.any(|word| matches!(word, "vmx" | "svm"));
    capable && opened.is_ok()
}

/// All that a machine said.
#[derive(Default)]
struct Transcript {
    /// Anything at all.
    spoke: bool,
    /// That there is no more to do.
    done: bool,
    /// Why it gave up.
    failure: Option<String>,
    outcomes: Vec<StageOutcome>,
    /// How long after the run its inner side began.
    began: Duration,
    /// What the trees that came out have in `trusted.*`, by the places of their stages.
    trees: BTreeMap<usize, Vec<TrustedValue>>,
    /// Bytes of a line whose end has not arrived.
    line: Vec<u8>,
}

fn run_machine(
    context: &RunContext<'_>,
    (pipeline, course): (&Pipeline, Course<'_>),
    files: &Files,
    accelerated: bool,
) -> Result<Transcript> {
    let place = format!("virtual machine of pipeline {}", pipeline.name);
    let log = files.emulator_log()?;
    let session = context
        .helpers
        .begin(Interface::Machine, &files.grant()?, log.into());
    let session = session.map_err(refused(&place))?;
    context.settings.interrupt.sessions.add(&session);
    let (reader, writer) = std::io::pipe().map_err(BuildError::io("pipe"))?;
    let mut transcript = Transcript::default();
    let ended = std::thread::scope(|scope| {
        let (session, boot) = (&session, files.boot(accelerated));
        // The machine has the only other end of the pipe when the call has begun, and no process has when it is over.
        let machine = scope.spawn(move || session.call(boot, &[writer.as_fd()]));
        let first = FIRST_WORD[usize::from(!accelerated)];
        transcript.listen(context, (pipeline, course), reader, session, first);
        machine.join()
    });
    let lost = |_| {
        Failure::new(
            osbuild_wasm_protocol::ErrorCode::Io,
            "",
            "its thread failed",
        )
    };
    let ended: std::result::Result<Outcome, Failure> =
        ended.unwrap_or_else(|panic| Err(lost(panic)));
    if context.settings.interrupt.fired() {
        return Err(BuildError::Interrupted);
    }
    match ended {
        Err(failure) if !transcript.spoke && !accelerated && transcript.failure.is_none() => {
            Err(refused(&place)(failure))
        }
        _ => Ok(transcript),
    }
}

impl Transcript {
    /// Reads all that is said until the machine is off; cancels the session of one that is silent for too long.
    fn listen(
        &mut self,
        context: &RunContext<'_>,
        (pipeline, mut course): (&Pipeline, Course<'_>),
        mut reader: PipeReader,
        session: &Session,
        first: Duration,
    ) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let patience = if self.spoke { SILENCE } else { first };
            let limit = Timespec::try_from(patience).unwrap_or_default();
            let mut polled = [PollFd::new(&reader, PollFlags::IN)];
            let ready = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&limit)));
            if ready != Ok(1) {
                self.failure = Some(format!("it said nothing for {} s", patience.as_secs()));
                session.cancel();
                return;
            }
            let count = match reader.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            if !self.hear(context, (pipeline, &mut course), &buffer[..count]) {
                session.cancel();
                return;
            }
        }
    }

    /// False when it is nonsense.
    fn hear(
        &mut self,
        context: &RunContext<'_>,
        (pipeline, course): (&Pipeline, &mut Course<'_>),
        bytes: &[u8],
    ) -> bool {
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let understood = serde_json::from_slice(&line).ok().and_then(|message| {
                let stage = course.follow(&message)?;
                self.heed(context, (pipeline, stage), message)
            });
            if understood.is_none() {
                self.failure = Some("what it says is nothing that its inner side would say".into());
                return false;
            }
            if !self.spoke {
                let records = context.settings.records.as_ref();
                self.began = records.map(|records| records.elapsed()).unwrap_or_default();
                self.spoke = true;
            }
        }
        if self.line.len() > LINE {
            self.failure = Some("it says more in one line than is read".into());
        }
        self.line.len() <= LINE
    }

    /// Keeps and tells a message, which may be of a stage. None for what no inner side says of this pipeline.
    fn heed(
        &mut self,
        context: &RunContext<'_>,
        (pipeline, stage): (&Pipeline, Option<&Stage>),
        message: Message,
    ) -> Option<()> {
        let name = || pipeline.name.clone();
        match message {
            Message::Alive => {}
            Message::Started(id) => context.tell(&Event::StageStarted {
                pipeline: name(),
                module: stage?.requested_module().to_owned(),
                options: stage?.requested_options().clone(),
                id,
            }),
            Message::Log { id, text } => context.tell(&Event::StageLog {
                pipeline: name(),
                module: stage?.requested_module().to_owned(),
                id,
                text,
            }),
            Message::HostLog { origin, text } => context.tell(&Event::HostLog {
                pipeline: name(),
                origin,
                text,
            }),
            Message::Record {
                stage: record,
                tried,
            } => {
                let record = StageRecord { tried, ..*record };
                self.record(context, pipeline, record)?;
            }
            Message::Finished(finished) => {
                let outcome = finished.outcome(&pipeline.name, stage?.requested_module());
                context.tell(&Event::StageFinished(outcome.clone()));
                self.outcomes.push(outcome);
            }
            Message::Tree(tree) => _ = self.trees.insert(tree.position, tree.trusted),
            Message::Done => self.done = true,
            Message::Failed(reason) => self.failure = Some(reason),
        }
        Some(())
    }

    /// Keeps what a stage did; which component that was, this side knows.
    fn record(
        &self,
        context: &RunContext<'_>,
        pipeline: &Pipeline,
        mut record: StageRecord,
    ) -> Option<()> {
        let mut stages = pipeline.stages.iter();
        let position = stages.position(|stage| stage.id == record.id)?;
        let index = context.manifest().find_id(pipeline.id.as_deref()?)?;
        let ran = context.plan.stage(index, position).ok()?.module;
        record.module = pipeline.stages[position].requested_module().to_owned();
        record.component = record.component.map(|_| component(ran));
        let records = context.settings.records.as_ref()?;
        records.add(&pipeline.name, record, self.began);
        Some(())
    }
}

/// Why a machine is off before its work was done.
fn ended_early(
    context: &RunContext<'_>,
    pipeline: &Pipeline,
    files: &Files,
    transcript: Transcript,
) -> BuildError {
    if context.settings.interrupt.fired() {
        return BuildError::Interrupted;
    }
    let reason = match transcript.failure {
        Some(reason) => reason,
        None => "it went off before the work was done".into(),
    };
    let place = format!("virtual machine of pipeline {}", pipeline.name);
    BuildError::manifest(place, format!("{reason}{}", files.said()))
}

/// Keeps the trees that came out, each with what the stages up to it reported. The machine is off: they do not change any more.
fn take(
    context: &RunContext<'_>,
    (pipeline, files): (&Pipeline, &Files),
    transcript: Transcript,
    (unfinished, outcomes): (&mut UnfinishedTree, &mut Vec<StageOutcome>),
    keep: &Keep<'_>,
) -> Result<bool> {
    let last = pipeline.stages.len().saturating_sub(1);
    let success = transcript.trees.contains_key(&last)
        && transcript.outcomes.iter().all(|outcome| outcome.success);
    for (position, outcome) in (unfinished.done..).zip(&transcript.outcomes) {
        if let Some(metadata) = &outcome.metadata {
            unfinished.details.metadata[outcome.id.as_str()] = metadata.into();
        }
        let Some(trusted) = transcript.trees.get(&position) else {
            continue;
        };
        osbuild_wasm_files::remove_tree(&unfinished.tree)?;
        unpack(context, (&files.out(position), trusted), &unfinished.tree).map_err(|error| {
            let place = format!("virtual machine of pipeline {}", pipeline.name);
            BuildError::manifest(place, error.to_string() + hint(&error))
        })?;
        if position != last {
            keep(position, unfinished)?;
        }
    }
    outcomes.extend(transcript.outcomes);
    Ok(success)
}

/// Makes a tree that came out what it was inside.
fn unpack(
    context: &RunContext<'_>,
    (from, trusted): (&Path, &[TrustedValue]),
    to: &Path,
) -> Result<()> {
    with_all_attributes(context, (to, to), trusted, |options| {
        unpack_tree(from, to, options)
    })?;
    osbuild_wasm_files::remove_tree(from)?;
    Ok(())
}

/// What helps when this process may not make what the machine could.
fn hint(error: &BuildError) -> &'static str {
    let refused = |error: &FilesError| {
        let cause = error.io().map(std::io::Error::kind);
        cause == Some(std::io::ErrorKind::PermissionDenied)
    };
    match error {
        BuildError::Files(error) if refused(error) && !is_root_of_machine() => {
            ": only root of this machine can have it outside: build it as root, or in a file system of an image"
        }
        _ => "",
    }
}
