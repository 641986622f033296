//! What lists show: composes a line each, their files, the workers.
use super::composes::Note;
use super::{Caller, ComposeEntry, ComposeState, Result, Service};
use jiff::Timestamp;
use osbuild_wasm_jobs::{JobId, ListedCompose, Part, Worker};
use tokio::fs::File;

/// A compose in a list.
#[derive(Clone, Debug)]
pub struct ComposeLine {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: ComposeState,
    /// The name of its blueprint.
    pub blueprint: String,
    /// The version of its blueprint.
    pub version: String,
    /// The image type.
    pub image_type: String,
    /// The name of the image's file.
    pub file: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// When a worker took it.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub finished: Option<Timestamp>,
}

impl Service {
    /// A part of the composes, the newest first, and how many there are in all.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list_composes(
        &self,
        caller: &Caller,
        part: Part,
    ) -> Result<(Vec<ComposeLine>, u64)> {
        let (listed, total) = self.store().list_composes(&caller.channel, part).await?;
        let lines = listed.into_iter().map(line);
        Ok((lines.collect::<Result<_>>()?, total))
    }

    /// Names and sizes of the files that workers sent for a compose, by name.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn files(&self, compose: &ComposeEntry) -> Result<Vec<(String, u64)>> {
        self.artefacts.files(compose.job.id).await
    }

    /// A file that a worker sent for a compose.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be read.
    pub async fn file(&self, compose: &ComposeEntry, name: &str) -> Result<File> {
        self.artefacts.read(compose.job.id, name).await
    }

    /// The workers that may build for a caller, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn workers(&self, caller: &Caller) -> Result<Vec<Worker>> {
        let mut workers = self.store().workers().await?;
        workers.retain(|worker| worker.channel == caller.channel);
        Ok(workers)
    }

    /// What time it is for the service.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn line(listed: ListedCompose) -> Result<ComposeLine> {
    let note: Note = serde_json::from_value(listed.compose.body)
        .map_err(|_| osbuild_wasm_jobs::Error::Damaged("compose"))?;
    let text = |key: &str| note.blueprint[key].as_str().unwrap_or_default().to_owned();
    Ok(ComposeLine {
        id: listed.compose.id,
        state: ComposeState::new(listed.state, listed.success),
        blueprint: text("name"),
        version: text("version"),
        image_type: note.image_type,
        file: note.file,
        created: listed.compose.created,
        started: listed.started,
        finished: listed.finished,
    })
}
