//! What stages really do, noted while they do it.
mod calls;
mod changes;
mod written;

pub(crate) use calls::RecordedHelpers;
pub(crate) use changes::Before;

use crate::plan::StagePlan;
use osbuild_wasm_capability::record::{
    AccessRecord, CallRecord, ChangeRecord, ComponentRecord, DenialRecord, DeviceRecord,
    DirectoryRecord, GrantRecord, HelperProgramRecord, LayerRecord, ProgramRecord, StageRecord,
    UnusedRecord, WrittenRecord, ran,
};
use osbuild_wasm_capability::{Access, Grant, Interface, MountNames, Root, Verb, shown};
use osbuild_wasm_component::{Module, Origin, Outcome, Recorder, Stopped};
use osbuild_wasm_events::StageOutcome;
use osbuild_wasm_protocol::Ran;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use written::Writers;

/// Collects the records of all stages of a run.
#[derive(Debug)]
pub struct Records {
    started: Instant,
    stages: Mutex<Vec<(String, StageRecord)>>,
    /// By id of the source.
    asked: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            stages: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

impl Records {
    /// The stages that ended so far, each with the name of its pipeline, in the order in which they ended.
    pub fn take(&self) -> Vec<(String, StageRecord)> {
        std::mem::take(&mut *lock(&self.stages))
    }

    /// Adds what somebody else recorded of a stage who began so long after the run.
    pub(crate) fn add(&self, pipeline: &str, mut stage: StageRecord, later: Duration) {
        stage.started += later.as_secs_f64();
        lock(&self.stages).push((pipeline.to_owned(), stage));
    }

    /// How long the run has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Notes that a source asks a host.
    pub(crate) fn ask(&self, source: &str, host: &str) {
        let mut asked = lock(&self.asked);
        let hosts = asked.entry(source.to_owned()).or_default();
        hosts.insert(host.to_owned());
    }

    /// The hosts (with port) that a source asked, those that servers led to included.
    pub fn asked(&self, source: &str) -> BTreeSet<String> {
        lock(&self.asked).get(source).cloned().unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which component that is.
pub(crate) fn component(module: &Module) -> ComponentRecord {
    ComponentRecord {
        sha256: module.digest.clone(),
        origin: match &module.origin {
            Origin::Builtin => "built in".into(),
            Origin::File(path) => path.display().to_string(),
        },
    }
}

/// Notes what one stage does. Equal accesses are counted, so that the notes stay small.
#[derive(Debug)]
pub(crate) struct Journal {
    records: Arc<Records>,
    started: Instant,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    accesses: Accesses,
    tried: Accesses,
    denials: BTreeMap<(String, String), u64>,
    helped: Vec<HelperProgramRecord>,
    used: BTreeSet<Interface>,
    calls: Vec<CallRecord>,
    programs: Vec<ProgramRecord>,
    written: Vec<WrittenRecord>,
    changes: Vec<ChangeRecord>,
    devices: Vec<DeviceRecord>,
    component: Option<ComponentRecord>,
    granted: GrantRecord,
    unused: UnusedRecord,
    limits: Vec<String>,
    /// The mounts of the stage, by whose names places go.
    mounts: MountNames,
}

/// Verbs, and to which paths.
type Accesses = BTreeMap<Verb, HashMap<String, Seen>>;

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    count: u64,
    below: bool,
}

impl Journal {
    pub(crate) fn begin(records: &Arc<Records>) -> Arc<Self> {
        Arc::new(Self {
            records: records.clone(),
            started: Instant::now(),
            notes: Mutex::default(),
        })
    }

    /// The component is about to run.
    pub(crate) fn granted(&self, plan: StagePlan<'_>, grant: &Grant) {
        let StagePlan {
            module, decision, ..
        } = plan;
        let mut notes = lock(&self.notes);
        notes.mounts = grant.rights.mounts().clone();
        notes.component = Some(component(module));
        let layers = grant.rights.origins().zip(grant.rights.layers());
        let layer = |(origin, rights): (&str, _)| LayerRecord {
            origin: origin.to_owned(),
            rights,
        };
        let directory = |root: &osbuild_wasm_capability::Root| DirectoryRecord {
            path: shown(&root.contract),
            writable: root.access == Access::Write,
        };
        notes.granted = GrantRecord {
            interfaces: grant.interfaces.iter().map(ToString::to_string).collect(),
            rights: layers.map(layer).collect(),
            programs: decision.programs.clone(),
            capabilities: decision.linux_capabilities.clone(),
            directories: grant.roots.iter().map(directory).collect(),
        };
    }

    /// The component has ended, which began at that moment; what it wrote is still where it was.
    pub(crate) fn ended(&self, outcome: &Outcome, grant: &Grant, before: &Before) {
        let mut notes = lock(&self.notes);
        notes.limits.clone_from(&outcome.limits);
        if let Some(stopped @ (Stopped::Time(_) | Stopped::Output(_) | Stopped::Memory(_))) =
            &outcome.stopped
        {
            notes.limits.push(stopped.to_string());
        }
        let writers = match notes.calls.is_empty() && notes.programs.is_empty() {
            true => Writers::Component(&notes.accesses),
            false => Writers::Anybody,
        };
        let written = written::files(writers, &grant.roots, before.moment);
        let changes = before.changes(&grant.roots);
        notes.add(written, changes);
        notes.devices = before.devices_written(&grant.roots);
        notes.unused = notes.unused(grant);
    }

    /// A mount of the component's own is about to go.
    pub(crate) fn left(&self, before: &Before, mount: &Root) {
        let roots = std::slice::from_ref(mount);
        let written = written::files(Writers::Anybody, roots, before.moment);
        let changes = before.changes(roots);
        lock(&self.notes).add(written, changes);
    }

    /// A helper has run these programs of its own accord.
    pub(crate) fn helped(&self, ran: Vec<Ran>) {
        let record = |ran: Ran| HelperProgramRecord {
            by: ran.by,
            program: ran.program,
            arguments: ran.arguments,
            status: ran.status,
        };
        lock(&self.notes).helped.extend(ran.into_iter().map(record));
    }

    /// The stage is over, whatever came of it.
    pub(crate) fn finish(&self, outcome: &StageOutcome) {
        let notes = std::mem::take(&mut *lock(&self.notes));
        let since = self.started.duration_since(self.records.started);
        let denial = |((path, message), count)| DenialRecord {
            path,
            message,
            count,
        };
        let mut record = StageRecord {
            module: outcome.module.clone(),
            id: outcome.id.clone(),
            started: since.as_secs_f64(),
            duration: outcome.duration.as_secs_f64(),
            success: outcome.success,
            error: outcome.error.as_ref().map(|error| error.message.clone()),
            log_bytes: outcome.output.len() as u64,
            accesses: by_path(&notes.accesses),
            tried: by_path(&notes.tried),
            component: notes.component,
            granted: notes.granted,
            limits: notes.limits,
            written: notes.written,
            changes: notes.changes,
            devices: notes.devices,
            calls: notes.calls,
            programs: notes.programs,
            helper_programs: notes.helped,
            denials: notes.denials.into_iter().map(denial).collect(),
            unused: notes.unused,
        };
        record.name_mounts(&notes.mounts);
        lock(&self.records.stages).push((outcome.pipeline.clone(), record));
    }
}

impl Notes {
    /// Adds what was written and changed somewhere; what a mount of the component's own has was noted when it went.
    fn add(&mut self, written: Vec<WrittenRecord>, changes: Vec<ChangeRecord>) {
        self.written.extend(written);
        self.written.sort_by(|one, other| one.path.cmp(&other.path));
        self.changes.extend(changes);
        self.changes.sort_by(|one, other| one.path.cmp(&other.path));
    }

    fn unused(&self, grant: &Grant) -> UnusedRecord {
        let accesses: Vec<_> = self
            .accesses
            .iter()
            .flat_map(|(verb, paths)| {
                paths
                    .iter()
                    .map(|(path, seen)| (*verb, path.as_str(), seen.below))
            })
            .collect();
        let used = |interface: &Interface| match interface {
            Interface::Types => true,
            Interface::Tree => !accesses.is_empty(),
            other => self.used.contains(other),
        };
        let ran = |program: &&String| ran(program, &self.programs, &self.calls);
        UnusedRecord {
            rights: grant.rights.unused(&accesses),
            interfaces: grant
                .interfaces
                .iter()
                .filter(|interface| !used(interface))
                .map(ToString::to_string)
                .collect(),
            programs: self
                .granted
                .programs
                .iter()
                .filter(|program| !ran(program))
                .cloned()
                .collect(),
        }
    }
}

/// Notes a verb done to a path.
fn see(accesses: &mut Accesses, verb: Verb, path: &str, below: bool) {
    let paths = accesses.entry(verb).or_default();
    if let Some(seen) = paths.get_mut(path) {
        seen.count += 1;
        seen.below |= below;
    } else {
        paths.insert(path.to_owned(), Seen { count: 1, below });
    }
}

/// By path, as rights write them.
fn by_path(accesses: &Accesses) -> Vec<AccessRecord> {
    let mut all = BTreeMap::<&str, AccessRecord>::new();
    for (verb, paths) in accesses {
        for (path, seen) in paths {
            let access = all.entry(path).or_default();
            access.verbs.insert(*verb, seen.count);
            access.below.extend(seen.below.then_some(*verb));
        }
    }
    let named = |(path, access)| AccessRecord {
        path: shown(path),
        ..access
    };
    all.into_iter().map(named).collect()
}

impl Recorder for Journal {
    fn did(&self, verb: Verb, path: &str, below: bool) {
        see(&mut lock(&self.notes).accesses, verb, path, below);
    }

    fn tried(&self, verb: Verb, path: &str, below: bool) {
        see(&mut lock(&self.notes).tried, verb, path, below);
    }

    fn used(&self, interface: Interface) {
        lock(&self.notes).used.insert(interface);
    }

    fn denied(&self, path: &str, message: &str) {
        let place = (path.to_owned(), message.to_owned());
        *lock(&self.notes).denials.entry(place).or_default() += 1;
    }
}
