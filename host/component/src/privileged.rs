//! Interfaces that a helper process carries out; here they are only passed on, and only when granted.
use crate::bindings::command::{self, Input, Outcome, Output, Request, Root};
use crate::bindings::grub::{self, Core};
use crate::bindings::loopback::{self, HostDevice, Options};
use crate::bindings::mount::{self, FileSystem, HostMounted};
use crate::bindings::qemu_img::{self, Conversion, Format, ImageInfo};
use crate::bindings::rpm::{self, Database, InstalledPackage, Transaction};
use crate::bindings::tree::OpenMode;
use crate::bindings::types::Error;
use crate::run::State;
use crate::tree::{Packages, Passed, Roots, Target, Trusted, denied, failed};
use osbuild_wasm_capability::{Interface, Verb};
use rustix::fd::OwnedFd;
use std::borrow::Cow;
use wasmtime::component::Resource;

/// Contract path of the tree.
const TREE: &str = "/run/osbuild/tree";
/// Where everything is that a stage is given, devices excepted.
const CONTRACT: &str = "/run/osbuild/";

type Result<T> = std::result::Result<T, Error>;

/// A device that a helper holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The helper's name for it.
    pub handle: u64,
    /// Its contract path.
    pub path: String,
}

/// A mounted file system that a helper holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// The helper's name for it.
    pub handle: u64,
    /// Its contract path.
    pub path: String,
}

/// Carries out the privileged interfaces for one run. Every method refuses unless it is implemented.
pub trait Helpers: Send {
    /// `loopback.attach`.
    fn attach(&mut self, file: &Passed, _: Options) -> Result<Attachment> {
        Err(no_helper(Interface::Loopback, &file.path))
    }
    /// `loopback.device.detach` and its drop.
    fn detach(&mut self, _: u64) -> Result<()> {
        Err(no_helper(Interface::Loopback, ""))
    }
    /// `mount.mount`.
    fn mount(
        &mut self,
        device: &str,
        _: &str,
        _: FileSystem,
        _: bool,
        _: Vec<String>,
    ) -> Result<MountPoint> {
        Err(no_helper(Interface::Mount, device))
    }
    /// `mount.mounted.unmount` and its drop.
    fn unmount(&mut self, _: u64) -> Result<()> {
        Err(no_helper(Interface::Mount, ""))
    }
    /// `tree.set-xattr` where the kernel asks for a privilege that the host gave up.
    fn set_xattr(&mut self, object: &Passed, _: &str, _: &[u8]) -> Result<()> {
        Err(no_helper(Interface::Tree, &object.path))
    }
    /// What an object and all below it has in `trusted.*`: only who has the machine's privileges sees that.
    fn trusted(&mut self, _: &Passed) -> Result<Vec<Trusted>> {
        Ok(Vec::new())
    }
    /// `rpm.import-key`.
    fn import_key(&mut self, database: Database, _: Vec<u8>) -> Result<()> {
        Err(no_helper(Interface::Rpm, &database.root))
    }
    /// `rpm.verify`, of one package file.
    fn verify(&mut self, _: Database, package: &str, _: &Packages) -> Result<()> {
        Err(no_helper(Interface::Rpm, package))
    }
    /// `rpm.install`, with the package files of the transaction.
    fn install(&mut self, database: Database, _: Transaction, _: &Packages) -> Result<()> {
        Err(no_helper(Interface::Rpm, &database.root))
    }
    /// `rpm.query`.
    fn query(&mut self, database: Database) -> Result<Vec<InstalledPackage>> {
        Err(no_helper(Interface::Rpm, &database.root))
    }
    /// `grub.core-image`.
    fn core_image(&mut self, core: Core) -> Result<Vec<u8>> {
        Err(no_helper(Interface::Grub, &core.program))
    }
    /// `grub.boot-image`.
    fn boot_image(&mut self, platform: &str) -> Result<Vec<u8>> {
        Err(no_helper(Interface::Grub, platform))
    }
    /// `grub.environment-block`.
    fn environment_block(&mut self, _: Vec<(String, String)>) -> Result<Vec<u8>> {
        Err(no_helper(Interface::Grub, ""))
    }
    /// `qemu-img.convert`.
    fn convert(&mut self, source: &Passed, _: &Target, _: Conversion) -> Result<()> {
        Err(no_helper(Interface::QemuImg, &source.path))
    }
    /// `qemu-img.create`.
    fn create(&mut self, to: &Target, _: Format, _: u64, _: Vec<String>) -> Result<()> {
        Err(no_helper(Interface::QemuImg, &to.file.path))
    }
    /// `qemu-img.info`.
    fn info(&mut self, image: &Passed) -> Result<ImageInfo> {
        Err(no_helper(Interface::QemuImg, &image.path))
    }
    /// `command.run`, with the files of its input and output, in this order.
    fn run(&mut self, request: Request, _: &[OwnedFd]) -> Result<Outcome> {
        Err(no_helper(Interface::Command, &request.program))
    }
}

/// For runs without privileged interfaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHelpers;

impl Helpers for NoHelpers {}

fn no_helper(interface: Interface, path: &str) -> Error {
    denied(
        path,
        format_args!("interface {interface} was not granted to this run"),
    )
}

/// A `loopback.device` of a component.
#[derive(Debug)]
pub struct Attached(Option<Attachment>);

/// A `mount.mounted` of a component.
#[derive(Debug)]
pub struct Mounted(Option<MountPoint>);

impl State {
    fn allow(&mut self, interface: Interface, path: &str) -> Result<&mut dyn Helpers> {
        self.roots.quota.go_on(path)?;
        if !self.interfaces.contains(&interface) {
            return self.roots.record_result(Err(no_helper(interface, path)));
        }
        Ok(self.helpers.as_mut())
    }

    /// A call whose programs may write: what they wrote counts as written by the stage.
    fn by_programs<T>(
        &mut self,
        interface: Interface,
        path: &str,
        call: impl FnOnce(&mut dyn Helpers) -> Result<T>,
    ) -> Result<T> {
        self.allow(interface, path)?;
        let before = self.roots.usage()?;
        let outcome = call(self.helpers.as_mut());
        self.roots.take_growth(path, before)?;
        outcome
    }

    /// Paths that a helper opens itself lead through no link either where none may.
    fn refuse_links<'a>(
        &self,
        root: Root,
        paths: impl IntoIterator<Item = &'a String>,
    ) -> Result<()> {
        for path in paths {
            let path = self.seen(root, path);
            self.pass(|roots| roots.refuse_link(&path))?;
        }
        Ok(())
    }

    /// The same for paths in words that a program is given: its arguments, relative to its directory too, and its variables.
    fn refuse_links_of_words(&self, request: &Request) -> Result<()> {
        if !self.roots.refuses_links() {
            return Ok(());
        }
        let variables = request.environment.iter().map(|(_, value)| value);
        let words = request.arguments.iter().chain(variables);
        let paths = words
            .clone()
            .flat_map(|word| paths_in(word))
            .map(str::to_owned);
        let relative = request.directory.iter().flat_map(|directory| {
            let plain = request
                .arguments
                .iter()
                .filter(|word| !word.starts_with('/'));
            plain.map(move |word| format!("{}/{word}", directory.trim_end_matches('/')))
        });
        let paths: Vec<_> = paths.chain(relative).collect();
        self.refuse_links(request.root, &paths)
    }

    /// The contract path for one of a program, which may be inside of the tree where that is its root.
    fn seen<'a>(&self, root: Root, path: &'a str) -> Cow<'a, str> {
        match root == Root::Tree && !self.roots.has(path) {
            true => format!("{TREE}{path}").into(),
            false => path.into(),
        }
    }

    /// What a helper works on: it does not do to an object what the component may not do itself.
    fn pass<T>(&self, find: impl FnOnce(&Roots) -> Result<T>) -> Result<T> {
        self.roots.record_result(find(&self.roots))
    }

    /// Opens a file that a program reads or writes; one that runs in the tree may be given a path inside of that.
    fn stream(&self, root: Root, path: &str, how: OpenMode) -> Result<OwnedFd> {
        let path = self.seen(root, path);
        self.pass(|roots| roots.stream(&path, how))
    }
}

/// The absolute paths that a word may mean: it, what follows the name of an option, and what stands between separators of lists and
/// scripts.
fn paths_in(word: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_alphanumeric() || "._-/+@".contains(c);
    let slashes = word.match_indices('/').map(|(at, _)| at);
    let starts = slashes.filter(move |at| {
        let before = word[..*at].chars().next_back();
        before.is_none_or(|before| !is_name(before)) || word[*at..].starts_with(CONTRACT)
    });
    starts.flat_map(|at| {
        let rest = &word[at..];
        let end = rest.find(|c: char| c.is_whitespace() || ":,;='\"|&<>()".contains(c));
        [Some(rest), end.map(|end| &rest[..end])]
            .into_iter()
            .flatten()
    })
}

impl loopback::Host for State {
    fn attach(&mut self, path: String, options: Options) -> Result<Resource<Attached>> {
        let verbs = match options.read_only {
            true => &[Verb::Read][..],
            false => &[Verb::Read, Verb::Replace],
        };
        self.allow(Interface::Loopback, &path)?;
        let file = self.pass(|roots| roots.passed(&path, verbs))?;
        let attachment = self.helpers.attach(&file, options)?;
        self.table
            .push(Attached(Some(attachment)))
            .map_err(|error| failed(&path, &error))
    }
}

impl HostDevice for State {
    fn path(&mut self, device: Resource<Attached>) -> String {
        let attached = self
            .table
            .get(&device)
            .ok()
            .and_then(|attached| attached.0.as_ref());
        attached.map_or_else(String::new, |attachment| attachment.path.clone())
    }

    fn detach(&mut self, device: Resource<Attached>) -> Result<()> {
        let attached = self
            .table
            .get_mut(&device)
            .map_err(|error| failed("", &error))?;
        attached
            .0
            .take()
            .map_or(Ok(()), |attachment| self.helpers.detach(attachment.handle))
    }

    fn drop(&mut self, device: Resource<Attached>) -> wasmtime::Result<()> {
        if let Some(attachment) = self.table.delete(device)?.0 {
            self.note_failure(attachment.path.clone(), |state| {
                state.helpers.detach(attachment.handle)
            });
        }
        Ok(())
    }
}

impl mount::Host for State {
    fn mount(
        &mut self,
        device: String,
        target: String,
        kind: FileSystem,
        read_only: bool,
        options: Vec<String>,
    ) -> Result<Resource<Mounted>> {
        let point = self
            .allow(Interface::Mount, &device)?
            .mount(&device, &target, kind, read_only, options)?;
        self.table
            .push(Mounted(Some(point)))
            .map_err(|error| failed(&target, &error))
    }
}

impl HostMounted for State {
    fn path(&mut self, mounted: Resource<Mounted>) -> String {
        let point = self
            .table
            .get(&mounted)
            .ok()
            .and_then(|mounted| mounted.0.as_ref());
        point.map_or_else(String::new, |point| point.path.clone())
    }

    fn unmount(&mut self, mounted: Resource<Mounted>) -> Result<()> {
        let mounted = self
            .table
            .get_mut(&mounted)
            .map_err(|error| failed("", &error))?;
        mounted
            .0
            .take()
            .map_or(Ok(()), |point| self.helpers.unmount(point.handle))
    }

    fn drop(&mut self, mounted: Resource<Mounted>) -> wasmtime::Result<()> {
        if let Some(point) = self.table.delete(mounted)?.0 {
            self.note_failure(point.path.clone(), |state| {
                state.helpers.unmount(point.handle)
            });
        }
        Ok(())
    }
}

impl State {
    /// A drop cannot return an error, so a failed release makes the whole run fail afterwards.
    fn note_failure(&mut self, what: String, call: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = call(self) {
            self.release_failure
                .get_or_insert(format!("{what}: {}", error.detail));
        }
    }
}

impl rpm::Host for State {
    fn import_key(&mut self, database: Database, key: Vec<u8>) -> Result<()> {
        let root = database.root.clone();
        self.allow(Interface::Rpm, &root)?;
        self.refuse_links(Root::BuildRoot, [&root])?;
        self.by_programs(Interface::Rpm, &root, |helpers| {
            helpers.import_key(database, key)
        })
    }

    fn verify(&mut self, database: Database, package: String) -> Result<()> {
        self.allow(Interface::Rpm, &package)?;
        self.refuse_links(Root::BuildRoot, [&database.root])?;
        let file = self.pass(|roots| roots.packages(std::slice::from_ref(&package)))?;
        self.helpers.verify(database, &package, &file)
    }

    fn install(&mut self, database: Database, transaction: Transaction) -> Result<()> {
        let root = database.root.clone();
        self.allow(Interface::Rpm, &root)?;
        self.refuse_links(Root::BuildRoot, [&root])?;
        let packages = self.pass(|roots| roots.packages(&transaction.packages))?;
        self.by_programs(Interface::Rpm, &root, |helpers| {
            helpers.install(database, transaction, &packages)
        })
    }

    fn query(&mut self, database: Database) -> Result<Vec<InstalledPackage>> {
        self.allow(Interface::Rpm, &database.root)?;
        self.refuse_links(Root::BuildRoot, [&database.root])?;
        self.helpers.query(database)
    }
}

impl grub::Host for State {
    fn core_image(&mut self, core: Core) -> Result<Vec<u8>> {
        self.allow(Interface::Grub, &core.program)?.core_image(core)
    }

    fn boot_image(&mut self, platform: String) -> Result<Vec<u8>> {
        self.allow(Interface::Grub, &platform)?
            .boot_image(&platform)
    }

    fn environment_block(&mut self, variables: Vec<(String, String)>) -> Result<Vec<u8>> {
        self.allow(Interface::Grub, "")?
            .environment_block(variables)
    }
}

impl qemu_img::Host for State {
    fn convert(&mut self, source: String, to: String, conversion: Conversion) -> Result<()> {
        self.allow(Interface::QemuImg, &source)?;
        let source = self.pass(|roots| roots.passed(&source, &[Verb::Read]))?;
        let to = self.pass(|roots| roots.target(&to))?;
        self.by_programs(Interface::QemuImg, &source.path, |helpers| {
            helpers.convert(&source, &to, conversion)
        })
    }

    fn create(
        &mut self,
        path: String,
        format: Format,
        size: u64,
        options: Vec<String>,
    ) -> Result<()> {
        self.allow(Interface::QemuImg, &path)?;
        let to = self.pass(|roots| roots.target(&path))?;
        self.by_programs(Interface::QemuImg, &to.file.path, |helpers| {
            helpers.create(&to, format, size, options)
        })
    }

    fn info(&mut self, path: String) -> Result<ImageInfo> {
        self.allow(Interface::QemuImg, &path)?;
        let image = self.pass(|roots| roots.passed(&path, &[Verb::Read]))?;
        self.helpers.info(&image)
    }
}

impl command::Host for State {
    fn run(&mut self, request: Request) -> Result<Outcome> {
        let (root, program) = (request.root, request.program.clone());
        self.allow(Interface::Command, &program)?;
        let binds = request.binds.iter();
        let binds = binds.flat_map(|bind| [&bind.source, &bind.target]);
        self.refuse_links(root, binds.chain(&request.directory))?;
        self.refuse_links_of_words(&request)?;
        let mut streams = Vec::new();
        if let Input::File(path) = &request.input {
            streams.push(self.stream(root, path, OpenMode::Read)?);
        }
        if let Output::File(path) = &request.output {
            streams.push(self.stream(root, path, OpenMode::Create)?);
        }
        self.by_programs(Interface::Command, &program, |helpers| {
            helpers.run(request, &streams)
        })
    }
}
