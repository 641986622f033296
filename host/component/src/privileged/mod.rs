//! Interfaces that a helper process carries out; here their calls are put into the words of its protocol and passed on, when granted.
mod translation;

use crate::bindings::command::{self, Input, Outcome, Output, Request, Root};
use crate::bindings::grub::{self, Core};
use crate::bindings::loopback::{self, HostDevice, Options};
use crate::bindings::mount::{self, FileSystem, HostMounted};
use crate::bindings::qemu_img::{self, Format, ImageInfo};
use crate::bindings::rpm::{self, Database, InstalledPackage, Transaction};
use crate::bindings::tree::OpenMode;
use crate::bindings::types::Error;
use crate::run::State;
use crate::tree::{Passed, Roots, denied, failed};
use osbuild_wasm_capability::{Interface, Verb};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::{Bytes, Call, Detach, Failure, Handle, TrustedValue, Unmount};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde_json::Value;
use std::borrow::Cow;
use wasmtime::component::Resource;

/// Contract path of the tree.
const TREE: &str = "/run/osbuild/tree";
/// Where everything is that a stage is given, devices excepted.
const CONTRACT: &str = "/run/osbuild/";

type Result<T> = std::result::Result<T, Error>;

/// Carries out the calls of one run that take a helper.
pub trait Helpers: Send {
    /// Makes a call with the descriptors that it comes with; what answers it is its [`Call::Reply`].
    ///
    /// # Errors
    /// As the interface says, and where nothing carries it out.
    fn answer(
        &mut self,
        request: protocol::Request,
        files: &[BorrowedFd<'_>],
    ) -> std::result::Result<Value, Failure>;
}

impl dyn Helpers {
    fn call<C: Call>(&mut self, call: C, files: &[BorrowedFd<'_>]) -> Result<C::Reply> {
        let answer = self.answer(call.into(), files)?;
        serde_json::from_value(answer).map_err(|error| failed("", &error))
    }

    /// Sets an attribute where the kernel asks for a privilege that the host gave up.
    pub(crate) fn set_xattr(&mut self, object: &Passed, name: &str, value: &[u8]) -> Result<()> {
        let call = protocol::XattrValue {
            path: object.path.clone(),
            name: name.to_owned(),
            value: Bytes(value.to_vec()),
        };
        self.call(call, &[object.file.as_fd()])
    }

    /// What an object and all below it has in `trusted.*`: only who has the machine's privileges sees that.
    pub(crate) fn trusted(&mut self, object: &Passed) -> Result<Vec<TrustedValue>> {
        let path = object.path.clone();
        self.call(protocol::Trusted { path }, &[object.file.as_fd()])
    }
}

fn no_helper(interface: Interface, path: &str) -> Error {
    denied(
        path,
        format_args!("interface {interface} was not granted to this run"),
    )
}

/// What a helper holds for a component until the call `Release` gives it back.
#[derive(Debug)]
pub struct Lease<Release> {
    /// The helper's name for it, and its contract path; none when it was given back.
    there: Option<(Handle, String)>,
    release: fn(Handle) -> Release,
}

/// A `loopback.device` of a component.
pub type Attached = Lease<Detach>;

/// A `mount.mounted` of a component.
pub type Mounted = Lease<Unmount>;

impl State {
    /// Gives a component something that a helper holds.
    fn hold<Release: Send + 'static>(
        &mut self,
        (handle, path): (Handle, String),
        release: fn(Handle) -> Release,
    ) -> Result<Resource<Lease<Release>>> {
        let there = Some((handle, path.clone()));
        self.table
            .push(Lease { there, release })
            .map_err(|error| failed(&path, &error))
    }

    fn path_of<Release: 'static>(&self, lease: &Resource<Lease<Release>>) -> String {
        let lease = self.table.get(lease).ok();
        let there = lease.and_then(|lease| lease.there.as_ref());
        there.map_or_else(String::new, |(_, path)| path.clone())
    }

    fn give_back<Release: Call<Reply = ()> + 'static>(
        &mut self,
        lease: &Resource<Lease<Release>>,
    ) -> Result<()> {
        let lease = self.table.get_mut(lease);
        let lease = lease.map_err(|error| failed("", &error))?;
        match lease.there.take() {
            None => Ok(()),
            Some((handle, _)) => self.helpers.call((lease.release)(handle), &[]),
        }
    }

    /// A drop cannot return an error, so a failed release makes the whole run fail afterwards.
    fn dropped<Release: Call<Reply = ()> + 'static>(
        &mut self,
        lease: Resource<Lease<Release>>,
    ) -> wasmtime::Result<()> {
        let lease = self.table.delete(lease)?;
        if let Some((handle, path)) = lease.there
            && let Err(error) = self.helpers.call((lease.release)(handle), &[])
        {
            self.release_failure
                .get_or_insert(format!("{path}: {}", error.detail));
        }
        Ok(())
    }
}

impl State {
    /// Goes on when the interface was granted.
    fn allow(&self, interface: Interface, path: &str) -> Result<()> {
        self.roots.quota.go_on(path)?;
        match self.interfaces.contains(&interface) {
            true => Ok(()),
            false => self.roots.record_result(Err(no_helper(interface, path))),
        }
    }

    /// A call whose programs may write: what they wrote counts as written by the stage.
    fn by_programs<C: Call>(
        &mut self,
        path: &str,
        call: C,
        files: &[BorrowedFd<'_>],
    ) -> Result<C::Reply> {
        let before = self.roots.usage()?;
        let outcome = self.helpers.call(call, files);
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
        let call = translation::attachment(file.path, options);
        let attached = self.helpers.call(call, &[file.file.as_fd()])?;
        self.hold((attached.handle, attached.device), Detach)
    }
}

impl HostDevice for State {
    fn path(&mut self, device: Resource<Attached>) -> String {
        self.path_of(&device)
    }

    fn detach(&mut self, device: Resource<Attached>) -> Result<()> {
        self.give_back(&device)
    }

    fn drop(&mut self, device: Resource<Attached>) -> wasmtime::Result<()> {
        self.dropped(device)
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
        self.allow(Interface::Mount, &device)?;
        let call = protocol::Mount {
            device,
            partition: None,
            target,
            kind: kind.into(),
            read_only,
            options,
        };
        let mounted = self.helpers.call(call, &[])?;
        self.hold((mounted.handle, mounted.path), Unmount)
    }
}

impl HostMounted for State {
    fn path(&mut self, mounted: Resource<Mounted>) -> String {
        self.path_of(&mounted)
    }

    fn unmount(&mut self, mounted: Resource<Mounted>) -> Result<()> {
        self.give_back(&mounted)
    }

    fn drop(&mut self, mounted: Resource<Mounted>) -> wasmtime::Result<()> {
        self.dropped(mounted)
    }
}

impl rpm::Host for State {
    fn import_key(&mut self, database: Database, key: Vec<u8>) -> Result<()> {
        let root = self.database(&database)?;
        let call = protocol::ImportKey {
            database: database.into(),
            key: Bytes(key),
        };
        self.by_programs(&root, call, &[])
    }

    fn verify(&mut self, database: Database, package: String) -> Result<()> {
        self.database(&database)?;
        let found = self.pass(|roots| roots.packages(std::slice::from_ref(&package)))?;
        let call = protocol::Verify {
            database: database.into(),
            package,
            file: found.files.into_iter().next().unwrap_or_default(),
        };
        self.helpers.call(call, &descriptors(&found.directories))
    }

    fn install(&mut self, database: Database, transaction: Transaction) -> Result<()> {
        let root = self.database(&database)?;
        let found = self.pass(|roots| roots.packages(&transaction.packages))?;
        let call = protocol::Install {
            database: database.into(),
            packages: found.files,
            exclude_docs: transaction.exclude_docs,
            no_dependencies: transaction.no_dependencies,
            ignore_architecture: transaction.ignore_architecture,
            install_langs: transaction.install_langs,
            environment: transaction.environment,
        };
        self.by_programs(&root, call, &descriptors(&found.directories))
    }

    fn query(&mut self, database: Database) -> Result<Vec<InstalledPackage>> {
        self.database(&database)?;
        let database = database.into();
        let packages = self.helpers.call(protocol::Query { database }, &[])?;
        Ok(packages.into_iter().map(Into::into).collect())
    }
}

impl State {
    /// Goes on when the component may use the database; gives its root.
    fn database(&self, database: &Database) -> Result<String> {
        self.allow(Interface::Rpm, &database.root)?;
        self.refuse_links(Root::BuildRoot, [&database.root])?;
        Ok(database.root.clone())
    }
}

impl grub::Host for State {
    fn core_image(&mut self, core: Core) -> Result<Vec<u8>> {
        self.allow(Interface::Grub, &core.program)?;
        let image = self.helpers.call(protocol::CoreImage::from(core), &[])?;
        Ok(image.0)
    }

    fn boot_image(&mut self, platform: String) -> Result<Vec<u8>> {
        self.allow(Interface::Grub, &platform)?;
        let image = self.helpers.call(protocol::BootImage { platform }, &[])?;
        Ok(image.0)
    }

    fn environment_block(&mut self, variables: Vec<(String, String)>) -> Result<Vec<u8>> {
        self.allow(Interface::Grub, "")?;
        let call = protocol::EnvironmentBlock { variables };
        Ok(self.helpers.call(call, &[])?.0)
    }
}

impl qemu_img::Host for State {
    fn convert(
        &mut self,
        source: String,
        to: String,
        conversion: qemu_img::Conversion,
    ) -> Result<()> {
        self.allow(Interface::QemuImg, &source)?;
        let source = self.pass(|roots| roots.passed(&source, &[Verb::Read]))?;
        let to = self.pass(|roots| roots.target(&to))?;
        let call = protocol::Conversion {
            source: source.path.clone(),
            to: to.file.path,
            format: conversion.format.into(),
            compress: conversion.compress,
            options: conversion.options,
            coroutines: conversion.coroutines,
        };
        let files = [&source.file, &to.file.file, &to.directory];
        self.by_programs(&source.path, call, &files.map(AsFd::as_fd))
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
        let call = protocol::Create {
            path: to.file.path.clone(),
            format: format.into(),
            size,
            options,
        };
        let files = [&to.file.file, &to.directory];
        self.by_programs(&to.file.path, call, &files.map(AsFd::as_fd))
    }

    fn info(&mut self, path: String) -> Result<ImageInfo> {
        self.allow(Interface::QemuImg, &path)?;
        let image = self.pass(|roots| roots.passed(&path, &[Verb::Read]))?;
        let call = protocol::Info { path: image.path };
        let info = self.helpers.call(call, &[image.file.as_fd()])?;
        Ok(info.into())
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
        let call = protocol::Run::from(request);
        let outcome = self.by_programs(&program, call, &descriptors(&streams))?;
        Ok(Outcome {
            status: outcome.status,
            output: outcome.output.0,
        })
    }
}

fn descriptors(files: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    files.iter().map(AsFd::as_fd).collect()
}
