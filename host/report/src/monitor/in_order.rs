//! The events of pipelines that are built at the same time, one pipeline after the other.

use osbuild_wasm_events::{Event, Observer};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Passes events on in the order of the schedule: those of a pipeline wait until every earlier one is finished.
#[derive(Debug)]
pub struct InOrder<O> {
    observer: O,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Names of the pipelines that are not finished, the next one last.
    unfinished: Vec<String>,
    waiting: HashMap<String, Vec<Event>>,
}

impl<O: Observer> InOrder<O> {
    /// Passes events on to `observer`.
    pub fn new(observer: O) -> Self {
        InOrder {
            observer,
            state: Mutex::default(),
        }
    }
}

impl<O: Observer> Observer for InOrder<O> {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { pipelines, .. } => {
                state.unfinished = pipelines.iter().rev().cloned().collect();
            }
            Event::RunFinished { .. } => {
                // What a failure cut short.
                while let Some(name) = state.unfinished.pop() {
                    self.pass(state.waiting.remove(&name));
                }
            }
            _ => {}
        }
        match pipeline_of(event).filter(|name| state.unfinished.iter().any(|other| other == *name))
        {
            Some(name) if state.unfinished.last().is_none_or(|next| next != name) => {
                let waiting = state.waiting.entry(name.to_owned()).or_default();
                waiting.push(event.clone());
            }
            _ => {
                self.observer.event(event);
                self.advance(&mut state, event);
            }
        }
    }
}

impl<O: Observer> InOrder<O> {
    /// After the end of the pipeline whose turn it was: the next ones, as far as they are.
    fn advance(&self, state: &mut State, event: &Event) {
        let mut over = finished(event).is_some_and(|name| state.unfinished.last() == Some(name));
        while over {
            state.unfinished.pop();
            let events = state
                .unfinished
                .last()
                .and_then(|next| state.waiting.remove(next));
            let last = events.as_ref().and_then(|events| events.last());
            over = last.and_then(finished).is_some();
            self.pass(events);
        }
    }

    fn pass(&self, events: Option<Vec<Event>>) {
        for event in events.into_iter().flatten() {
            self.observer.event(&event);
        }
    }
}

/// The pipeline that an event is about.
fn pipeline_of(event: &Event) -> Option<&String> {
    match event {
        Event::PipelineStarted { name, .. } | Event::PipelineFinished { name, .. } => Some(name),
        Event::StageStarted { pipeline, .. }
        | Event::ShellStarted { pipeline, .. }
        | Event::StageLog { pipeline, .. }
        | Event::HostLog { pipeline, .. }
        | Event::Checkpoint { pipeline, .. } => Some(pipeline),
        Event::StageFinished(stage) => Some(&stage.pipeline),
        Event::RunStarted { .. }
        | Event::SourceStarted { .. }
        | Event::SourceProgress { .. }
        | Event::SourceLog { .. }
        | Event::SourceFinished(_)
        | Event::Exported { .. }
        | Event::Digested(_)
        | Event::Installed(_)
        | Event::RunFinished { .. } => None,
    }
}

/// The pipeline that ends with this event.
fn finished(event: &Event) -> Option<&String> {
    match event {
        Event::PipelineFinished { name, .. } => Some(name),
        _ => None,
    }
}
