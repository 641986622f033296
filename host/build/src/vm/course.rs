//! The order in which the inner side of a machine says things: stage after stage, each begun, recorded and finished once. Whoever broke
//! out of a stage in the machine may say anything there; out of order it is nonsense, and no more is heard than the plan allows.
use super::message::Message;
use osbuild_wasm_manifest::model::{Pipeline, Stage};
use std::collections::BTreeSet;

/// Bytes of log beyond the limit of a stage: the last lines, and what the host says of it.
const SLACK: u64 = 1 << 20;

/// How far a machine has come.
pub(super) struct Course<'a> {
    /// The stages, each with the bytes of log that it may have.
    stages: Vec<(&'a Stage, u64)>,
    /// The number of stages that are done.
    done: usize,
    begun: bool,
    recorded: bool,
    /// The last one that ended did so with success.
    success: bool,
    logged: u64,
    /// Places of the stages whose trees are outside.
    trees: BTreeSet<usize>,
    ended: bool,
}

impl<'a> Course<'a> {
    /// For a pipeline of which so many stages are done.
    pub(super) fn new(pipeline: &'a Pipeline, done: usize, log: impl Fn(usize) -> u64) -> Self {
        let stages = pipeline.stages.iter().enumerate();
        Self {
            stages: stages.map(|(at, stage)| (stage, log(at))).collect(),
            done,
            begun: false,
            recorded: false,
            success: true,
            logged: 0,
            trees: BTreeSet::new(),
            ended: false,
        }
    }

    /// The stage that a message is about, or the next one; none for a message that cannot follow the ones before it.
    pub(super) fn follow(&mut self, message: &Message) -> Option<Option<&'a Stage>> {
        if self.ended {
            return matches!(message, Message::Alive).then_some(None);
        }
        let next = self.stages.get(self.done).copied();
        let begun = |id: &str| next.filter(|(stage, _)| self.begun && stage.id == id);
        match message {
            Message::Started(id) => {
                let (stage, _) = next.filter(|(stage, _)| stage.id == *id)?;
                (!self.begun && self.success).then_some(())?;
                (self.begun, self.recorded, self.logged) = (true, false, 0);
                return Some(Some(stage));
            }
            Message::Log { id, text } => {
                let (stage, most) = begun(id)?;
                self.log(text, most)?;
                return Some(Some(stage));
            }
            Message::HostLog { text, .. } => {
                let most = next.map_or(0, |(_, most)| most);
                self.log(text, most)?;
            }
            Message::Record { stage: record, .. } => {
                begun(&record.id).filter(|_| !self.recorded)?;
                self.recorded = true;
            }
            Message::Finished(finished) => {
                let (stage, _) = begun(finished.id())?;
                self.done += 1;
                (self.begun, self.success) = (false, finished.success());
                return Some(Some(stage));
            }
            Message::Tree(tree) => {
                let is_last =
                    Some(tree.position) == self.done.checked_sub(1) && !self.begun && self.success;
                (is_last && self.trees.insert(tree.position)).then_some(())?;
            }
            Message::Done => self.ended = true,
            Message::Alive | Message::Failed(_) => {}
        }
        Some(None)
    }

    /// Counts what is said of a stage.
    fn log(&mut self, text: &str, most: u64) -> Option<()> {
        self.logged += text.len() as u64;
        (self.logged <= most.saturating_add(SLACK)).then_some(())
    }
}
