//! The table at the end of a run.

use crate::text::duration;
use comfy_table::{ContentArrangement, Table, presets};
use osbuild_wasm_events::{Event, Observer};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Collects what became of each pipeline, for a table.
#[derive(Debug, Default)]
pub struct Summary {
    order: Vec<String>,
    rows: Mutex<Vec<Row>>,
}

#[derive(Debug)]
struct Row {
    pipeline: String,
    id: Option<String>,
    state: State,
    stages: usize,
    duration: Duration,
    exports: Vec<String>,
}

#[derive(Debug)]
enum State {
    Unfinished,
    Built,
    Cached,
    Failed,
}

impl Summary {
    /// A table whose rows come in this order of pipelines, however they are built at the same time.
    pub fn new(order: impl IntoIterator<Item = String>) -> Self {
        Self {
            order: order.into_iter().collect(),
            rows: Mutex::default(),
        }
    }

    /// The table, one row per pipeline that was begun; empty text when there are none.
    ///
    /// `width` is that of the terminal in columns; `None` lets lines become as long as they are.
    pub fn table(&self, width: Option<u16>) -> String {
        let mut rows = self.rows();
        if rows.is_empty() {
            return String::new();
        }
        let place = |row: &Row| self.order.iter().position(|name| *name == row.pipeline);
        rows.sort_by_key(|row| place(row).unwrap_or(usize::MAX));
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(["Pipeline", "Result", "Stages", "Time", "Exported to"]);
        if let Some(width) = width {
            table.set_width(width);
        }
        for row in rows.iter() {
            table.add_row(row.cells());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    }

    /// Says in the words of `place` where the export of a pipeline is in the end.
    pub fn moved(&self, pipeline: &str, place: String) {
        self.update(pipeline, |row| row.exports = vec![place]);
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the row of a pipeline, which a request may also name by its id.
    fn update(&self, pipeline: &str, change: impl FnOnce(&mut Row)) {
        let mut rows = self.rows();
        let named = rows.iter().position(|row| row.pipeline == pipeline);
        let is_id = |row: &Row| row.id.as_deref() == Some(pipeline);
        let index = match named.or_else(|| rows.iter().position(is_id)) {
            Some(index) => index,
            None => {
                rows.push(Row {
                    pipeline: pipeline.to_owned(),
                    id: None,
                    state: State::Unfinished,
                    stages: 0,
                    duration: Duration::ZERO,
                    exports: Vec::new(),
                });
                rows.len() - 1
            }
        };
        if let Some(row) = rows.get_mut(index) {
            change(row);
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let (result, worked) = match self.state {
            State::Unfinished => ("not finished", false),
            State::Built => ("built", true),
            State::Cached => ("cached", false),
            State::Failed => ("failed", true),
        };
        [
            self.pipeline.clone(),
            result.to_owned(),
            if worked {
                self.stages.to_string()
            } else {
                String::new()
            },
            if worked {
                duration(self.duration)
            } else {
                String::new()
            },
            self.exports.join("\n"),
        ]
    }
}

impl Observer for Summary {
    fn event(&self, event: &Event) {
        match event {
            Event::PipelineStarted { name, id, .. } => {
                self.update(name, |row| row.id.clone_from(id));
            }
            Event::StageFinished(stage) => self.update(&stage.pipeline, |row| row.stages += 1),
            Event::PipelineFinished {
                name,
                id,
                success,
                duration,
                cached,
            } => self.update(name, |row| {
                row.id.clone_from(id);
                row.duration = *duration;
                row.state = match (success, cached) {
                    (false, _) => State::Failed,
                    (true, true) => State::Cached,
                    (true, false) => State::Built,
                };
            }),
            Event::Exported { name, path } => {
                self.update(name, |row| row.exports.push(path.display().to_string()))
            }
            _ => (),
        }
    }
}
