//! The sessions that one stage has with helper processes.
use crate::attached::Attached;
use crate::file_systems::{Beginning, FileSystems, Key};
use crate::helper_processes::HelperProcesses;
use crate::interrupt::Cancellations;
use crate::programs;
use crate::record::Journal;
use crate::sectors;
use crate::user_namespace::is_root_of_machine;
use osbuild_wasm_component::Helpers;
use osbuild_wasm_protocol::{
    Detach, ErrorCode, Failure, Granted, Interface, Ran, Request, Run, Session, TrustedValue,
    Unmount,
};
use rustix::fd::{BorrowedFd, OwnedFd};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Carries out a stage's privileged calls: a session with each helper from its first use to the stage's end.
pub(crate) struct StageHelpers {
    pub(crate) processes: Arc<HelperProcesses>,
    pub(crate) granted: Granted,
    pub(crate) log: OwnedFd,
    /// What files stand for of images, by the contract path of the device.
    pub(crate) parts: BTreeMap<String, (Key, Beginning)>,
    pub(crate) sectors: BTreeMap<String, u32>,
    pub(crate) file_systems: Option<Arc<FileSystems>>,
    /// What it attaches itself where there are no loop devices; none: the helper attaches.
    pub(crate) attached: Option<Attached>,
    pub(crate) cancellations: Cancellations,
    /// Is told what the helpers ran of their own accord.
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) sessions: BTreeMap<Interface, Session>,
}

impl Drop for StageHelpers {
    fn drop(&mut self) {
        let Some(journal) = &self.journal else {
            return;
        };
        while let Some((_, session)) = self.sessions.pop_first() {
            // A failure was told by the call that it belongs to.
            journal.helped(session.end().unwrap_or_default());
        }
    }
}

impl StageHelpers {
    /// Begins a session that also has the devices of what the stage attached itself.
    fn begin(&self, interface: Interface, attached: Option<&Attached>) -> Result<Session, Failure> {
        let io = |error: std::io::Error| Failure::new(ErrorCode::Io, "", error.to_string());
        let log = self.log.try_clone().map_err(io)?;
        let mut granted = self.granted.clone();
        if let Some(attached) = attached {
            attached.grant(&mut granted);
        }
        let session = self.processes.begin(interface, &granted, log)?;
        self.cancellations.add(&session);
        Ok(session)
    }

    fn session(&mut self, interface: Interface) -> Result<&Session, Failure> {
        if !self.sessions.contains_key(&interface) {
            let session = self.begin(interface, self.attached.as_ref())?;
            self.sessions.insert(interface, session);
        }
        let gone = || Failure::new(ErrorCode::Io, "", "the helper's session is gone");
        self.sessions.get(&interface).ok_or_else(gone)
    }

    /// Notes what a helper ran of its own accord.
    fn note(&self, ran: Vec<Ran>) {
        if let Some(journal) = &self.journal {
            journal.helped(ran);
        }
    }

    /// Ends the session of programs, whose devices are those of its beginning.
    fn end_programs(&mut self) -> Result<(), Failure> {
        if let Some(session) = self.sessions.remove(&Interface::Command) {
            self.note(session.end()?);
        }
        Ok(())
    }

    /// Carries out by files what takes loop devices elsewhere; none: this is no such call.
    fn by_files(
        &mut self,
        attached: &mut Attached,
        request: &Request,
        files: &[BorrowedFd<'_>],
    ) -> Option<Result<Value, Failure>> {
        let answer = match request {
            Request::Attach(attach) => {
                let device = attached.attach(attach, files, &self.granted);
                device.and_then(|device| self.end_programs().and_then(|()| value(device)))
            }
            Request::Detach(Detach(handle)) => {
                let detached = attached.detach(*handle);
                detached.and_then(|()| self.end_programs()).and_then(value)
            }
            Request::Mount(mount) => {
                let begin = |attached: &Attached| self.begin(Interface::Mount, Some(attached));
                attached.mount(mount.clone(), begin).and_then(value)
            }
            Request::Unmount(Unmount(handle)) => {
                let ran = attached.unmount(*handle);
                ran.map(|ran| self.note(ran)).and_then(value)
            }
            _ => return None,
        };
        Some(answer)
    }

    fn run(&mut self, mut run: Run, files: &[BorrowedFd<'_>]) -> Result<Value, Failure> {
        sectors::tell(&mut run, &self.sectors);
        let session = self.session(Interface::Command)?;
        let outcome = session.call(run.clone(), files)?;
        if outcome.status == 0 {
            if let Some(file_systems) = &self.file_systems {
                file_systems.ran(&run, &self.parts);
            }
            if let Some(attached) = &self.attached {
                attached.ran(&run)?;
            }
        }
        value(outcome)
    }
}

impl Helpers for StageHelpers {
    fn answer(&mut self, request: Request, files: &[BorrowedFd<'_>]) -> Result<Value, Failure> {
        programs::check(&request, &self.granted.grant.programs)?;
        if let Some(mut attached) = self.attached.take() {
            let answer = self.by_files(&mut attached, &request, files);
            self.attached = Some(attached);
            if let Some(answer) = answer {
                return answer;
            }
        }
        match request {
            Request::Run(run) => self.run(run, files),
            // To anybody else the kernel shows none, and lets them make none.
            Request::Trusted(_)
                if !is_root_of_machine() || !self.processes.has(Interface::Tree) =>
            {
                value(Vec::<TrustedValue>::new())
            }
            request => {
                let session = self.session(request.interfaces()[0])?;
                session.answer(&request, files)
            }
        }
    }
}

/// An answer that no helper gave.
fn value(answer: impl Serialize) -> Result<Value, Failure> {
    let broken = |error: serde_json::Error| Failure::new(ErrorCode::Io, "", error.to_string());
    serde_json::to_value(answer).map_err(broken)
}
