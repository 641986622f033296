//! Helper calls, noted on their way.
use super::{Before, Journal, lock};
use crate::programs;
use crate::sandbox::MOUNTS;
use osbuild_wasm_capability::record::{CallRecord, ProgramRecord};
use osbuild_wasm_capability::{Access, Interface, Root};
use osbuild_wasm_component::{Helpers, Recorder};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::{ErrorCode, Failure, Handle, Mounted, Request, Run, Unmount};
use rustix::fd::BorrowedFd;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Answer = Result<Value, Failure>;

/// Passes calls on and notes them.
pub(crate) struct RecordedHelpers {
    pub(crate) helpers: Box<dyn Helpers>,
    pub(crate) journal: Arc<Journal>,
    /// Where the directory of all mounts is.
    pub(crate) mounts: PathBuf,
    /// The mounts that the component has made and that are there, by their handle: before and as a directory.
    pub(crate) own: BTreeMap<Handle, (Before, Root)>,
}

impl Drop for RecordedHelpers {
    fn drop(&mut self) {
        let handles: Vec<_> = self.own.keys().copied().collect();
        handles.into_iter().for_each(|handle| self.leave(handle));
    }
}

impl RecordedHelpers {
    /// Remembers what is on a mount.
    fn enter(&mut self, mounted: Mounted) {
        let below = mounted.path.strip_prefix(MOUNTS).unwrap_or_default();
        let host = self.mounts.join(below.trim_start_matches('/'));
        let root = Root {
            contract: mounted.path,
            host,
            access: Access::Write,
        };
        let before = Before::of_mount(&root, &self.mounts);
        self.own.insert(mounted.handle, (before, root));
    }

    /// Notes what became of it.
    fn leave(&mut self, handle: Handle) {
        if let Some((before, root)) = self.own.remove(&handle) {
            self.journal.left(&before, &root);
        }
    }
}

impl RecordedHelpers {
    fn call(&mut self, request: Request, files: &[BorrowedFd<'_>]) -> Answer {
        let interface = request.interfaces()[0];
        let (call, arguments) = described(&request);
        let programs = programs::of(&request);
        let started = Instant::now();
        let answer = self.helpers.answer(request, files);
        let error = self.journal.record_result(interface, &answer);
        let started_none = matches!(&answer, Err(failure) if is_before_start(failure));
        let programs = programs.into_iter().filter(|_| !started_none);
        lock(&self.journal.notes).calls.push(CallRecord {
            interface: interface.to_string(),
            call,
            arguments,
            programs: programs.collect(),
            duration: seconds(started.elapsed()),
            error,
        });
        answer
    }

    fn run(&mut self, run: Run, files: &[BorrowedFd<'_>]) -> Answer {
        let mut record = ProgramRecord {
            program: run.program.clone(),
            arguments: run.arguments.clone(),
            environment: run.environment.iter().cloned().collect(),
            in_tree: run.root == protocol::Root::Tree,
            ..ProgramRecord::default()
        };
        let started = Instant::now();
        let answer = self.helpers.answer(run.into(), files);
        record.duration = seconds(started.elapsed());
        let outcome = answer.as_ref().ok().map(protocol::Outcome::deserialize);
        record.status = outcome.and_then(Result::ok).map(|outcome| outcome.status);
        record.error = self
            .journal
            .record_result(protocol::Interface::Command, &answer);
        lock(&self.journal.notes).programs.push(record);
        answer
    }
}

impl Helpers for RecordedHelpers {
    fn answer(&mut self, request: Request, files: &[BorrowedFd<'_>]) -> Answer {
        match request {
            // What the component did not call is no call of it.
            Request::Trusted(_) => self.helpers.answer(request, files),
            Request::Run(run) => self.run(run, files),
            Request::Mount(mount) if !mount.read_only => {
                let answer = self.call(mount.into(), files)?;
                if let Ok(mounted) = Mounted::deserialize(&answer) {
                    self.enter(mounted);
                }
                Ok(answer)
            }
            Request::Unmount(Unmount(handle)) => {
                self.leave(handle);
                self.call(request, files)
            }
            request => self.call(request, files),
        }
    }
}

/// Name and arguments of a call; of bytes only how many there are.
fn described(request: &Request) -> (String, Value) {
    let bytes = match request {
        Request::ImportKey(call) => Some(("key", call.key.0.len())),
        Request::XattrValue(call) => Some(("value", call.value.0.len())),
        _ => None,
    };
    let Ok(Value::Object(call)) = serde_json::to_value(request) else {
        return (String::new(), json!({}));
    };
    let (name, mut arguments) = call.into_iter().next().unwrap_or_default();
    match (&mut arguments, bytes) {
        (Value::Object(arguments), Some((member, count))) => {
            arguments.remove(member);
            arguments.insert("bytes".to_owned(), json!(count));
        }
        (Value::Object(_), None) => {}
        // A handle tells nothing.
        _ => arguments = json!({}),
    }
    (name, arguments)
}

impl Journal {
    /// Notes the use of an interface and its refusal; an error's text.
    fn record_result(&self, interface: protocol::Interface, answer: &Answer) -> Option<String> {
        if let Some(interface) = Interface::from_name(interface.as_str()) {
            self.used(interface);
        }
        let failure = answer.as_ref().err()?;
        if failure.code == ErrorCode::Denied {
            self.denied(&failure.path, &failure.detail);
        }
        Some(failure.to_string())
    }
}

/// Whether a call failed before its program was started.
fn is_before_start(failure: &Failure) -> bool {
    matches!(
        failure.code,
        ErrorCode::Denied | ErrorCode::MissingTool | ErrorCode::Invalid
    )
}

/// To the microsecond: more is noise.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}
