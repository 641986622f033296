//! The inner side: builds one pipeline in the machine.
use super::job::{COMPONENTS, DISK, FILE, JOB, MachineJob, OUT, STORE};
use super::message::{LeftTree, Message};
use crate::attributes::Attributes;
use crate::confinement::Prepared;
use crate::failure::{BuildError, Result};
use crate::interrupt::Interrupt;
use crate::pipeline::{self, UnfinishedTree};
use crate::plan::AuthorizedPlan;
use crate::record::Records;
use crate::run::{RunContext, Settings};
use crate::trees::{Tree, Trees};
use crate::without_devices::Devices;
use osbuild_wasm_component::{ComponentError, Engine, Module, Origin, Registry};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_files::pack_tree;
use osbuild_wasm_protocol::Interface;
use osbuild_wasm_store::{Details, Store};
use serde_json::{Map, Value};
use std::io::{Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// First word of the program's command line in the machine.
pub const WORD: &str = "build-in-virtual-machine";

/// How often it says that it is still there.
const BREATH: Duration = Duration::from_secs(5);

/// What the inner side builds.
#[derive(Debug)]
pub struct Guest(MachineJob);

impl Guest {
    /// Reads what the outer side wants, and begins to say that it is there.
    ///
    /// # Errors
    /// This process is not in such a machine.
    pub fn begin() -> Result<Self> {
        let path = Path::new(JOB).join(FILE);
        let text = std::fs::read(&path).map_err(BuildError::io(&path))?;
        let job =
            serde_json::from_slice(&text).map_err(|error| BuildError::io(&path)(error.into()))?;
        Ok(Self(job))
    }

    /// The manifest as a JSON document.
    pub fn document(&self) -> &str {
        &self.0.document
    }

    /// How the user calls it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The policy, and how messages name it.
    pub fn policy(&self) -> Option<(&str, &str)> {
        let policy = self.0.policy.as_ref();
        policy.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The id of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.0.pipeline
    }

    /// Adds the components that are not built in.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn add_components(&self, registry: &mut Registry) -> Result<()> {
        let directory = Path::new(JOB).join(COMPONENTS);
        let entries = std::fs::read_dir(&directory).map_err(BuildError::io(&directory))?;
        for entry in entries {
            let path = entry.map_err(BuildError::io(&directory))?.path();
            let bytes = std::fs::read(&path).map_err(BuildError::io(&path))?;
            let name = path.display().to_string();
            let module = Module::read(&name, bytes, Origin::File(path))?;
            registry.add(Arc::new(module), true)?;
        }
        Ok(())
    }

    /// Builds the pipeline; all that happens is said on standard output. The engine has a thread of its own and is made when this process
    /// is isolated, which has to be one thread for it.
    ///
    /// # Errors
    /// Something beside a stage went wrong.
    pub fn build(
        &self,
        plan: &AuthorizedPlan<'_>,
        engine: impl FnOnce() -> std::result::Result<Engine, ComponentError>,
    ) -> Result<()> {
        say(&Message::Alive);
        let directory = Path::new(DISK).join("store");
        std::fs::create_dir(&directory).map_err(BuildError::io(&directory))?;
        let isolated = Prepared::new(&directory).isolate()?;
        let store = Store::open(&directory)?;
        let sources = store.path().join("sources");
        rustix::mount::mount_bind(Path::new(STORE).join("sources"), &sources)
            .map_err(|errno| BuildError::io(&sources)(errno.into()))?;
        let mut charter = plan.charter();
        charter.scopes.push(STORE.into());
        let mut helpers = plan.helpers();
        helpers.insert(Interface::Tree, "attributes of the tree".into());
        let confined = isolated.start_helpers(helpers, charter)?.confine()?;
        std::thread::spawn(|| {
            loop {
                say(&Message::Alive);
                std::thread::sleep(BREATH);
            }
        });
        let engine = engine()?;
        let trees = Trees::new(store.scratch("runners")?);
        let records = self.0.recorded.then(Arc::<Records>::default);
        let settings = self.settings(engine, records);
        let context = RunContext {
            settings: &settings,
            helpers: &confined.helpers,
            isolation: &confined.isolation,
            store: &store,
            plan,
            trees: &trees,
            stop: &AtomicBool::new(false),
            kept: self.0.kept.as_ref(),
        };
        self.add_trees(&context)?;
        self.build_pipeline(&context)
    }

    fn build_pipeline(&self, context: &RunContext<'_>) -> Result<()> {
        let index = context.manifest().find_id(&self.0.pipeline);
        let index = index.ok_or_else(|| {
            let reason = "the machine reads the manifest otherwise than the outer side";
            BuildError::manifest(format!("pipeline {}", self.0.pipeline), reason)
        })?;
        let scratch = context.store.scratch("pipeline")?;
        let tree = scratch.path().join("tree");
        let shared = Path::new(STORE).join(&self.0.tree);
        pipeline::copy_into_store(context, (&shared, &self.0.attributes), &tree)?;
        let details = Details {
            created: self.0.created,
            metadata: Value::Object(Map::new()),
        };
        let mut unfinished = UnfinishedTree {
            scratch,
            tree,
            details,
            done: self.0.done,
            resumed: None,
        };
        let last = context.manifest().pipelines[index].stages.len() - 1;
        let keep = |position, unfinished: &_| deliver(context, position, unfinished);
        let done = pipeline::run_stages(context, index, &mut unfinished, &mut Vec::new(), &keep)?;
        if done {
            deliver(context, last, &unfinished)?;
        }
        say(&Message::Done);
        Ok(())
    }

    fn settings(&self, engine: Engine, records: Option<Arc<Records>>) -> Settings {
        Settings {
            engine,
            observer: Arc::new(Speaker(records.clone())),
            jobs: 1,
            stage_timeout: self.0.stage_timeout,
            checkpoints: self.0.checkpoints.clone(),
            break_at: None,
            rundir: None,
            devices: Devices::Loop,
            virtual_machines: None,
            interrupt: Interrupt::default(),
            logins: Default::default(),
            records,
        }
    }

    /// The trees of other pipelines, where the outer side has them; those with what does not come through are copied.
    fn add_trees(&self, context: &RunContext<'_>) -> Result<()> {
        for (id, shared) in &self.0.trees {
            let path = Path::new(STORE).join(&shared.path);
            let metadata = shared.metadata.clone();
            let tree = match shared.attributes.is_empty() {
                true => Tree::Shared { path, metadata },
                false => {
                    let scratch = context.store.scratch("tree")?;
                    let copy = scratch.path().join("tree");
                    pipeline::copy_into_store(context, (&path, &shared.attributes), &copy)?;
                    Tree::Floating {
                        _scratch: scratch,
                        path: copy,
                        metadata,
                    }
                }
            };
            context.trees.insert(id, tree);
        }
        Ok(())
    }
}

/// Packs the tree after a stage where the outer side finds it.
fn deliver(context: &RunContext<'_>, position: usize, unfinished: &UnfinishedTree) -> Result<()> {
    let trusted = Attributes::new(context).trusted(&unfinished.tree)?;
    pack_tree(&unfinished.tree, &Path::new(OUT).join(position.to_string()))?;
    say(&Message::Tree(LeftTree { position, trusted }));
    Ok(())
}

/// Says one thing; whoever should hear it may be gone, then so are we soon.
fn say(message: &Message) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        _ = stdout().lock().write_all(&line);
        _ = stdout().flush();
    }
}

impl Guest {
    /// Says why nothing can be built.
    pub fn fail(reason: String) {
        say(&Message::Failed(reason));
    }
}

/// Passes events on, and what was recorded of a stage when that ends.
struct Speaker(Option<Arc<Records>>);

impl Observer for Speaker {
    fn event(&self, event: &Event) {
        if let (Event::StageFinished(_), Some(records)) = (event, &self.0) {
            for (_, mut stage) in records.take() {
                let tried = std::mem::take(&mut stage.tried);
                let stage = Box::new(stage);
                say(&Message::Record { stage, tried });
            }
        }
        let message = match event {
            Event::StageStarted { id, .. } => Message::Started(id.clone()),
            Event::StageLog { id, text, .. } => Message::Log {
                id: id.clone(),
                text: text.clone(),
            },
            Event::HostLog { origin, text, .. } => Message::HostLog {
                origin: origin.clone(),
                text: text.clone(),
            },
            Event::StageFinished(outcome) => Message::Finished(outcome.into()),
            _ => return,
        };
        say(&message);
    }
}
