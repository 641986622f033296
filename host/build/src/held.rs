//! What holds a stage's devices and mounts from before its start to after its end.
use crate::failure::{BuildError, Result};
use crate::run::Settings;
use osbuild_wasm_protocol::{Failure, Grant, Interface, Session};
use rustix::fd::OwnedFd;

/// The helper processes, for what is done before a stage starts; what their tools print goes to the stage's log.
#[derive(Clone, Copy)]
pub(crate) struct Helpers<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) log: &'a OwnedFd,
}

impl Helpers<'_> {
    /// Begins a session for `place`, which messages name.
    pub(crate) fn begin(
        &self,
        interface: Interface,
        grant: &Grant,
        place: &str,
    ) -> Result<Session> {
        let log = self.log.try_clone().map_err(BuildError::io("log pipe"))?;
        let session = self.settings.helpers.begin(interface, grant, log);
        let session = session.map_err(refused(place))?;
        self.settings.interrupt.cuts.add(&session);
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

/// One session for each device and mount, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Held(Vec<(String, Session)>);

impl Held {
    pub(crate) fn keep(&mut self, place: String, session: Session) {
        self.0.push((place, session));
    }

    /// Unmounts and detaches in reverse order. Goes on after a failure and returns the first: data that did not reach the disk makes
    /// the stage fail.
    pub(crate) fn release(mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some((place, session)) = self.0.pop() {
            result = result.and(session.end().map_err(refused(&place)));
        }
        result
    }
}

impl Drop for Held {
    /// After a failure: the same order, and nobody is told of more failures.
    fn drop(&mut self) {
        while let Some((_, session)) = self.0.pop() {
            drop(session);
        }
    }
}
