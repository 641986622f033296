//! What holds a stage's devices and mounts from before its start to after its end.
use crate::devices::Part;
use crate::failure::{BuildError, Result};
use crate::file_systems::FileSystems;
use crate::helper_processes::HelperProcesses;
use crate::record::Journal;
use crate::run::Settings;
use osbuild_wasm_protocol::{Failure, Granted, Interface, Session};
use rustix::fd::OwnedFd;

/// The helper processes, for what is done before a stage starts; what their tools print goes to the stage's log.
#[derive(Clone, Copy)]
pub(crate) struct Helpers<'a> {
    pub(crate) processes: &'a HelperProcesses,
    pub(crate) settings: &'a Settings,
    pub(crate) log: &'a OwnedFd,
}

impl Helpers<'_> {
    /// Begins a session for `place`, which messages name.
    pub(crate) fn begin(
        &self,
        interface: Interface,
        granted: &Granted,
        place: &str,
    ) -> Result<Session> {
        let log = self.log.try_clone().map_err(BuildError::io("log pipe"))?;
        let session = self.processes.begin(interface, granted, log);
        let session = session.map_err(refused(place))?;
        self.settings.interrupt.sessions.add(&session);
        Ok(session)
    }
}

/// Turns a helper's refusal into an error about `place`.
pub(crate) fn refused(place: &str) -> impl Fn(Failure) -> BuildError {
    let place = place.to_owned();
    move |failure| BuildError::Helper {
        place: place.clone(),
        failure,
    }
}

/// One session, or part of an image, for each device and mount, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Leases(Vec<(String, Kept)>);

enum Kept {
    Session(Session),
    Part(Part),
}

impl Leases {
    pub(crate) fn keep(&mut self, place: String, session: Session) {
        self.0.push((place, Kept::Session(session)));
    }

    pub(crate) fn keep_part(&mut self, place: String, part: Part) {
        self.0.push((place, Kept::Part(part)));
    }

    /// Unmounts and detaches in reverse order. Goes on after a failure and returns the first: data that did not reach the disk makes
    /// the stage fail.
    pub(crate) fn release(
        mut self,
        file_systems: &FileSystems,
        journal: Option<&Journal>,
    ) -> Result<()> {
        let mut result = Ok(());
        while let Some((place, kept)) = self.0.pop() {
            let released = match kept {
                Kept::Session(session) => match session.end() {
                    Ok(ran) => {
                        if let Some(journal) = journal {
                            journal.helped(ran);
                        }
                        Ok(())
                    }
                    Err(failure) => Err(refused(&place)(failure)),
                },
                Kept::Part(part) => part
                    .release(file_systems)
                    .map_err(|error| BuildError::manifest(place, error.to_string())),
            };
            result = result.and(released);
        }
        result
    }
}

impl Drop for Leases {
    /// After a failure: the same order, and further failures are not reported.
    fn drop(&mut self) {
        while let Some((_, kept)) = self.0.pop() {
            drop(kept);
        }
    }
}
