//! The directories of a machine, in the scratch directory of its pipeline.
use super::guest::WORD;
use super::job::{
    COMPILED, COMPONENTS, CONFIGURATION, DISK, FILE, HELPER, JOB, MODULES, MachineJob, OUT,
    PROGRAM, STORE, SharedTree,
};
use super::{Kept, MEMORY, VirtualMachines};
use crate::attributes::Attributes;
use crate::failure::{BuildError, Result};
use crate::helper_processes::helper_program;
use crate::pipeline::UnfinishedTree;
use crate::run::{RunContext, needed_by};
use crate::sandbox::Once;
use osbuild_wasm_component::Origin;
use osbuild_wasm_files::{CopyOptions, copy_tree};
use osbuild_wasm_manifest::model::Pipeline;
use osbuild_wasm_protocol::{
    Boot, BuildRoot, Directory, FirstSteps, Grant, Granted, Place, Share, ShareMount,
};
use osbuild_wasm_vm::{Kernel, KernelError, RootDirectory, write_initrd};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where the helper sees the directories.
const CONTRACT: &str = "/run/osbuild/vm";

/// Names of the root directory that are links where /usr is merged.
const LINKS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Configuration of this machine that stages without a build root see, and what its programs need.
const OF_MACHINE: [&str; 6] = [
    "alternatives",
    "containers",
    "selinux",
    "mke2fs.conf",
    "os-release",
    "ld.so.cache",
];

/// What the console of the machine says, and what the emulator says of itself.
const CONSOLE: &str = "files/console";
const EMULATOR_LOG: &str = "emulator-log";

/// Processors at most.
const PROCESSORS: usize = 4;

/// The largest disk of a machine; what is not written takes no place.
const LARGEST_DISK: u64 = 128 << 30;

/// The directories of one machine.
pub(super) struct Files {
    directory: PathBuf,
    store: PathBuf,
    /// Directory of the modules of a kernel that is not this machine's.
    modules: Option<PathBuf>,
    command_line: String,
}

impl Files {
    /// Makes all of them.
    pub(super) fn prepare(
        context: &RunContext<'_>,
        machines: &VirtualMachines,
        index: usize,
        unfinished: &UnfinishedTree,
    ) -> Result<Self> {
        let pipeline = &context.manifest().pipelines[index];
        let mut files = Self {
            directory: unfinished.scratch.path().to_owned(),
            store: context.store.path().to_owned(),
            modules: None,
            command_line: String::new(),
        };
        for name in [
            "job/bin",
            "job/components",
            "job/etc",
            "out",
            "files",
            "helper",
        ] {
            make(&files.at(name))?;
        }
        make(&files.job(COMPILED))?;
        files.add_programs()?;
        files.add_components(context, index)?;
        files.add_configuration()?;
        files.write_job(context, machines, pipeline, unfinished)?;
        let build_root = match context.trees.build_root(pipeline)? {
            BuildRoot::Directory(root) => Some(root.to_path_buf()),
            BuildRoot::Host => None,
        };
        let chosen = machines.kernels.choose(build_root.as_deref());
        let (place, root, kernel) =
            chosen.map_err(|reason| BuildError::manifest("virtual machine", reason))?;
        if place != Path::new("/") {
            files.modules = Some(place.join(kernel.modules()));
        }
        files.add_kernel(&root, &kernel)?;
        files.make_disk()?;
        Ok(files)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn job(&self, name: &str) -> PathBuf {
        self.directory.join("job").join(name)
    }

    /// A tree that came out, packed.
    pub(super) fn out(&self, position: usize) -> PathBuf {
        self.at("out").join(position.to_string())
    }

    /// What the emulator and the console of the machine said, the end of it, ready to be appended to a message.
    pub(super) fn said(&self) -> String {
        const LINES: usize = 20;
        let mut said = String::new();
        for (who, file) in [("the emulator", EMULATOR_LOG), ("its console", CONSOLE)] {
            let text = end_of(&self.at(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().map(str::trim_end);
            let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
            if !lines.is_empty() {
                let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
                said.push_str(&format!("\n{who} said at last:\n{last}"));
            }
        }
        said
    }

    fn add_programs(&self) -> Result<()> {
        for (from, to) in [
            (PathBuf::from("/proc/self/exe"), PROGRAM),
            (helper_program(), HELPER),
        ] {
            fs::copy(&from, self.job(to)).map_err(BuildError::io(&from))?;
        }
        Ok(())
    }

    /// Compiled code of all components of the pipeline, and the components that are not built in.
    fn add_components(&self, context: &RunContext<'_>, index: usize) -> Result<()> {
        for position in 0..context.manifest().pipelines[index].stages.len() {
            let module = context.plan.stage(index, position)?.module;
            let engine = &context.settings.engine;
            engine.compile_to(module, &self.job(COMPILED))?;
            if module.origin != Origin::Builtin {
                let path = self.job(COMPONENTS).join(&module.digest);
                fs::write(&path, &module.bytes).map_err(BuildError::io(&path))?;
            }
        }
        Ok(())
    }

    fn add_configuration(&self) -> Result<()> {
        for name in OF_MACHINE {
            let (from, to) = (
                Path::new("/etc").join(name),
                self.job(CONFIGURATION).join(name),
            );
            match fs::metadata(&from) {
                Ok(there) if there.is_dir() => {
                    copy_tree(&from, &to, CopyOptions::default())?;
                }
                Ok(_) => _ = fs::copy(&from, &to).map_err(BuildError::io(&from))?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn write_job(
        &self,
        context: &RunContext<'_>,
        machines: &VirtualMachines,
        pipeline: &Pipeline,
        unfinished: &UnfinishedTree,
    ) -> Result<()> {
        let attributes = Attributes::new(context);
        let trees = needed_by(pipeline).map(|id| {
            let missing = || BuildError::manifest(format!("pipeline {id}"), "it is not built");
            let path = context.trees.path(id).ok_or_else(missing)?;
            let tree = SharedTree {
                attributes: match is_input(pipeline, id) {
                    true => attributes.unshared(&path)?,
                    false => Vec::new(),
                },
                path: self.below_store(&path)?,
                metadata: context.trees.metadata(id).unwrap_or_default(),
            };
            Ok((id.to_owned(), tree))
        });
        let settings = context.settings;
        let job = MachineJob {
            document: machines.document.clone(),
            name: context.plan.name().to_owned(),
            policy: machines.policy.clone(),
            pipeline: pipeline.id.clone().unwrap_or_default(),
            trees: trees.collect::<Result<_>>()?,
            tree: self.below_store(&unfinished.tree)?,
            attributes: attributes.unshared(&unfinished.tree)?,
            done: unfinished.done,
            created: unfinished.details.created,
            kept: Kept::here(&self.store),
            checkpoints: settings.checkpoints.clone(),
            recorded: settings.records.is_some(),
            stage_timeout: settings.stage_timeout,
        };
        let path = self.job(FILE);
        let text = serde_json::to_vec(&job).map_err(|error| BuildError::io(&path)(error.into()))?;
        fs::write(&path, text).map_err(BuildError::io(&path))
    }

    fn below_store(&self, path: &Path) -> Result<PathBuf> {
        let below = path.strip_prefix(&self.store);
        let outside =
            |_| BuildError::manifest(path.display().to_string(), "it is not in the store");
        below.map(Path::to_owned).map_err(outside)
    }

    fn add_kernel(&mut self, root: &RootDirectory, kernel: &Kernel) -> Result<()> {
        let path = self.at("files/kernel");
        let failed =
            |error: KernelError| BuildError::manifest("virtual machine", error.to_string());
        let mut image = kernel.image(root).map_err(failed)?;
        let mut copy = File::create(&path).map_err(BuildError::io(&path))?;
        std::io::copy(&mut image, &mut copy).map_err(BuildError::io(&path))?;
        let path = self.at("files/initrd");
        let initrd = File::create(&path).map_err(BuildError::io(&path))?;
        let helper = self.job(HELPER);
        let start = write_initrd(initrd, &helper, (root, kernel), self.first_steps());
        let console = match std::env::consts::ARCH {
            "aarch64" => "ttyAMA0",
            _ => "ttyS0",
        };
        let start = start.map_err(failed)?;
        self.command_line = format!("console={console} quiet panic=-1 no_timer_check {start}");
        Ok(())
    }

    fn first_steps(&self) -> FirstSteps {
        let link = |name: &&str| {
            let path = Path::new("/").join(name);
            Some((fs::read_link(&path).ok()?, path))
        };
        let mount = |share: Share| {
            let target = match share.tag.as_str() {
                "usr" => "/usr".into(),
                "etc" => "/etc".into(),
                "modules" => Path::new(MODULES).join("lib/modules"),
                "job" => JOB.into(),
                "store" => STORE.into(),
                _ => PathBuf::from(OUT),
            };
            ShareMount {
                tag: share.tag,
                target,
                writable: share.writable,
            }
        };
        FirstSteps {
            modules: Vec::new(),
            links: LINKS.iter().filter_map(link).collect(),
            mounts: self.shares().into_iter().map(mount).collect(),
            disk: DISK.into(),
            modules_root: self.modules.is_some().then(|| MODULES.into()),
            program: vec![Path::new(JOB).join(PROGRAM), WORD.into()],
        }
    }

    /// A file for the machine's disk, as large as the store may still grow.
    fn make_disk(&self) -> Result<()> {
        let path = self.at("files/disk");
        let space = rustix::fs::statvfs(&self.directory);
        let space = space.map_err(|errno| BuildError::io(&self.directory)(errno.into()))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let size = free.clamp(1 << 30, LARGEST_DISK);
        let made = File::create(&path).and_then(|disk| disk.set_len(size));
        made.map_err(BuildError::io(&path))
    }

    fn shares(&self) -> Vec<Share> {
        let share = |tag: &str, path: Option<&str>| Share {
            tag: tag.to_owned(),
            path: path.map(|path| format!("{CONTRACT}/{path}")),
            writable: tag == "out",
        };
        let mut shares = vec![
            share("usr", None),
            share("etc", Some("job/etc")),
            share("job", Some("job")),
            share("store", Some("store")),
            share("out", Some("out")),
        ];
        if self.modules.is_some() {
            shares.push(share("modules", Some("modules")));
        }
        shares
    }

    /// What the helper may show to the emulator.
    pub(super) fn grant(&self) -> Result<Granted> {
        let own = ["job", "out", "files"].map(|name| (name, self.at(name)));
        let others = [("store", self.store.clone())];
        let modules = self.modules.iter().map(|path| ("modules", path.clone()));
        let mut granted = Granted::default();
        let mut directories = Vec::new();
        for (name, path) in own.into_iter().chain(others).chain(modules) {
            directories.push(Directory {
                contract: format!("{CONTRACT}/{name}"),
                place: Place::Itself(granted.hold(Once::new(path).open()?)),
                writable: matches!(name, "files" | "out"),
            });
        }
        let scratch = granted.hold(Once::new(self.at("helper")).open()?);
        granted.grant = Grant {
            directories,
            scratch,
            ..Grant::default()
        };
        Ok(granted)
    }

    /// The machine.
    pub(super) fn boot(&self, accelerated: bool) -> Boot {
        let file = |name: &str| format!("{CONTRACT}/files/{name}");
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Boot {
            kernel: file("kernel"),
            initrd: file("initrd"),
            command_line: self.command_line.clone(),
            disk: file("disk"),
            console: file("console"),
            memory: MEMORY,
            processors: processors.min(PROCESSORS),
            accelerated,
            shares: self.shares(),
        }
    }

    /// A file for what the emulator says of itself; that for the console is emptied too.
    pub(super) fn emulator_log(&self) -> Result<File> {
        let make = |name| {
            let path = self.at(name);
            File::create(&path).map_err(BuildError::io(&path))
        };
        make(CONSOLE)?;
        make(EMULATOR_LOG)
    }

    /// Removes all but the trees that came out.
    pub(super) fn remove(&self) -> Result<()> {
        for name in ["job", "files", "helper"] {
            osbuild_wasm_files::remove_tree(&self.at(name))?;
        }
        Ok(())
    }
}

/// The last bytes of a file that the emulator writes, or whoever took it over: it may be of any length, and something else by now.
fn end_of(path: &Path) -> std::io::Result<Vec<u8>> {
    const LENGTH: u64 = 8192;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = file.metadata()?;
    let mut text = Vec::new();
    if found.is_file() {
        file.seek(SeekFrom::Start(found.len().saturating_sub(LENGTH)))?;
        file.take(LENGTH).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// Whether a stage of the pipeline reads that tree; attributes of a build root mean nothing to who runs its programs.
fn is_input(pipeline: &Pipeline, id: &str) -> bool {
    let inputs = pipeline.stages.iter().flat_map(|stage| &stage.inputs);
    let mut references = inputs.flat_map(|input| &input.references);
    references.any(|reference| reference.id.as_deref() == Some(id))
}

fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(BuildError::io(path))
}
