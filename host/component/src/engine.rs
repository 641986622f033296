//! The wasmtime engine: configuration, compilation, and the clock that interrupts components.
use crate::bindings;
use crate::cache::Cache;
use crate::compiler::Compiler;
use crate::complexity::{code_size, weight};
use crate::failure::ComponentError;
use crate::installed::{self, Installed};
use crate::module::Module;
use crate::run::State;
use crate::threads;
use osbuild_wasm_capability::Interface;
use rustix::process::{Resource, getrlimit};
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, OptLevel};

/// How often running components are asked whether they may go on.
const TICK: Duration = Duration::from_millis(20);

/// Threads that a stage takes: its own, those of its calls, and processes that work for it.
const THREADS: usize = 16;

/// Address space that takes this program and the memory of one component.
const ADDRESS_SPACE: u64 = 5 << 30;

/// Compiles components and keeps them ready. Cheap to share.
pub struct Engine {
    inner: wasmtime::Engine,
    installed: Option<Installed>,
    cache: Option<Cache>,
    ready: Mutex<HashMap<String, Compiled>>,
    stop: Arc<AtomicBool>,
}

/// A component that is compiled and linked.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) instance: InstancePre<State>,
    /// Bytes of memory that it needs before it runs.
    pub(crate) weight: usize,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("installed", &self.installed)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// An engine that takes compiled code from `installed`, and keeps what it compiles itself in `cache`, or nowhere.
    pub fn new(installed: Option<Installed>, cache: Option<Cache>) -> Result<Self, ComponentError> {
        check_address_space()?;
        threads::check(THREADS).map_err(|error| {
            ComponentError::Engine(format!("it takes {THREADS} threads at once: {error}"))
        })?;
        let inner = wasmtime::Engine::new(&configuration()?)
            .map_err(|error| ComponentError::Engine(error.to_string()))?;
        let stop = Arc::new(AtomicBool::new(false));
        start_clock(inner.clone(), stop.clone())?;
        Ok(Self {
            inner,
            installed,
            cache,
            ready: Mutex::default(),
            stop,
        })
    }

    /// The engine of wasmtime.
    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// Compiles (or loads) and links a module; the second time it is there at once. Compiling is bounded by `time`, and by what a component
    /// of its size usually takes.
    pub fn prepare(
        &self,
        module: &Module,
        time: Option<Duration>,
    ) -> Result<Compiled, ComponentError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = ready.get(&module.digest) {
            return Ok(compiled.clone());
        }
        let link = |error: wasmtime::Error| ComponentError::Link {
            name: module.metadata.name.clone(),
            cause: format!("{error:#}"),
        };
        let component = self.component(module, time)?;
        let linker = self.linker(module).map_err(link)?;
        let compiled = Compiled {
            instance: linker.instantiate_pre(&component).map_err(link)?,
            weight: weight(&module.bytes).map_err(|error| link(error.into()))?,
        };
        ready.insert(module.digest.clone(), compiled.clone());
        Ok(compiled)
    }

    /// Writes the compiled code of a module to `directory`, where a program finds it that is installed beside it.
    pub fn compile_to(&self, module: &Module, directory: &Path) -> Result<(), ComponentError> {
        let failed = |cause| ComponentError::Unwritable {
            path: directory.to_owned(),
            cause,
        };
        let code = self.component(module, None)?.serialize();
        let code = code.map_err(|error| failed(io::Error::other(error)))?;
        installed::put(directory, &self.entry(module), &code).map_err(failed)
    }

    /// The compiled component: of the installation, of the cache, or made now.
    fn component(
        &self,
        module: &Module,
        time: Option<Duration>,
    ) -> Result<Component, ComponentError> {
        let name = self.entry(module);
        let installed = self.installed.as_ref();
        let kept = installed.and_then(|installed| self.load(&installed.get(&name)?));
        let cache = self.cache.as_ref();
        if let Some(component) = kept.or_else(|| self.load(&cache?.get(&name)?)) {
            return Ok(component);
        }
        let code = compile(module, time)?;
        if let Some(cache) = cache {
            cache.put(&name, &code);
        }
        self.load(&code).ok_or_else(|| {
            ComponentError::Engine("what the compiler made is not for this engine".into())
        })
    }

    /// The name of a module's compiled code: of this component, for this engine.
    fn entry(&self, module: &Module) -> String {
        format!("{}-{:016x}", module.digest, self.configuration_hash())
    }

    fn configuration_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.inner.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Loads compiled code that the compiler made, or that the installation or the cache vouches for; none when it is of another engine.
    #[allow(
        unsafe_code,
        reason = "wasmtime cannot check compiled code; where it comes from vouches for it"
    )]
    fn load(&self, code: &[u8]) -> Option<Component> {
        // SAFETY: `code` is output of `Component::serialize`. It comes from `Cache::get`, which returns only bytes that `Cache::put`
        // of this user stored (HMAC under a key that only this user can read), or from `Installed::get`, which returns only bytes that
        // only root and the owner of this program could write, who could as well replace the program, or from `compile`, which
        // reads them from a pipe of a process of this very program. The bytes are in private memory, so they cannot change after the
        // check.
        unsafe { Component::deserialize(&self.inner, code).ok() }
    }

    /// Links the interfaces that the module imports, and no others.
    fn linker(&self, module: &Module) -> wasmtime::Result<Linker<State>> {
        let mut linker = Linker::new(&self.inner);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        crate::wasi::add_to_linker(&mut linker)?;
        for interface in &module.request.interfaces {
            link_interface(&mut linker, *interface)?;
        }
        Ok(linker)
    }
}

fn link_interface(linker: &mut Linker<State>, interface: Interface) -> wasmtime::Result<()> {
    type Host = HasSelf<State>;
    match interface {
        Interface::Types => bindings::types::add_to_linker::<State, Host>(linker, |state| state),
        Interface::Tree => bindings::tree::add_to_linker::<State, Host>(linker, |state| state),
        Interface::Report => bindings::report::add_to_linker::<State, Host>(linker, |state| state),
        Interface::Loopback => {
            bindings::loopback::add_to_linker::<State, Host>(linker, |state| state)
        }
        Interface::Mount => bindings::mount::add_to_linker::<State, Host>(linker, |state| state),
        Interface::Rpm => bindings::rpm::add_to_linker::<State, Host>(linker, |state| state),
        Interface::Grub => bindings::grub::add_to_linker::<State, Host>(linker, |state| state),
        Interface::QemuImg => {
            bindings::qemu_img::add_to_linker::<State, Host>(linker, |state| state)
        }
        Interface::Command => {
            bindings::command::add_to_linker::<State, Host>(linker, |state| state)
        }
    }
}

fn compile(module: &Module, time: Option<Duration>) -> Result<Vec<u8>, ComponentError> {
    let name = &module.metadata.name;
    let code = code_size(&module.bytes).map_err(|error| ComponentError::Link {
        name: name.clone(),
        cause: error.message().to_owned(),
    })?;
    Compiler::of(code, module.bytes.len(), time).compile(name, &module.bytes)
}

/// Bytes of stack that a component may use, beside the one in its memory.
pub(crate) const WASM_STACK: usize = 1 << 20;

/// The configuration of all engines: code that every processor of this architecture runs, so that what was compiled at installation or
/// on another machine (that of a virtual machine's owner) is good here too.
pub(crate) fn configuration() -> Result<Config, ComponentError> {
    let mut config = Config::new();
    let architecture = match std::env::consts::ARCH {
        "riscv64" => "riscv64gc",
        other => other,
    };
    // With a target wasmtime does not look at what more this processor can do.
    config
        .target(&format!("{architecture}-unknown-linux-gnu"))
        .map_err(|error| ComponentError::Engine(error.to_string()))?;
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK);
    Ok(config)
}

/// Fails where the caller's limit leaves no room for the memory of one component, of which all 4 GiB are reserved.
fn check_address_space() -> Result<(), ComponentError> {
    let limit = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    if limit >= ADDRESS_SPACE {
        return Ok(());
    }
    let (limit, needed) = (limit >> 10, ADDRESS_SPACE >> 10);
    Err(ComponentError::Engine(format!(
        "the limit of the address space is {limit} KiB, and a component needs {needed}: raise it (`ulimit -v {needed}`)"
    )))
}

fn start_clock(engine: wasmtime::Engine, stop: Arc<AtomicBool>) -> Result<(), ComponentError> {
    let tick = move || {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            engine.increment_epoch();
        }
    };
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(tick)
        .map(drop)
        .map_err(|error| ComponentError::Engine(error.to_string()))
}
