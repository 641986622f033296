//! Helper calls, noted on their way.
use super::{Before, Journal, lock};
use crate::programs;
use crate::sandbox::MOUNTS;
use osbuild_wasm_capability::record::{CallRecord, ProgramRecord};
use osbuild_wasm_capability::{Access, Interface, Root};
use osbuild_wasm_component::bindings::{command, grub, loopback, mount, qemu_img, rpm};
use osbuild_wasm_component::{
    Attachment, CallError, ErrorCode, Helpers, MountPoint, Packages, Passed, Recorder, Target,
    Trusted,
};
use rustix::fd::OwnedFd;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Call<T> = Result<T, CallError>;

/// Passes calls on and notes them.
pub(crate) struct RecordedHelpers {
    pub(crate) helpers: Box<dyn Helpers>,
    pub(crate) journal: Arc<Journal>,
    /// Where the directory of all mounts is.
    pub(crate) mounts: PathBuf,
    /// The mounts that the component has made and that are there, by their handle: before and as a directory.
    pub(crate) own: BTreeMap<u64, (Before, Root)>,
}

impl Drop for RecordedHelpers {
    fn drop(&mut self) {
        let handles: Vec<_> = self.own.keys().copied().collect();
        handles.into_iter().for_each(|handle| self.leave(handle));
    }
}

impl RecordedHelpers {
    /// Remembers what is on a mount.
    fn enter(&mut self, point: &MountPoint) {
        let below = point.path.strip_prefix(MOUNTS).unwrap_or_default();
        let root = Root {
            contract: point.path.clone(),
            host: self.mounts.join(below.trim_start_matches('/')),
            access: Access::Write,
        };
        let before = Before::of_mount(&root, &self.mounts);
        self.own.insert(point.handle, (before, root));
    }

    /// Notes what became of it.
    fn leave(&mut self, handle: u64) {
        if let Some((before, root)) = self.own.remove(&handle) {
            self.journal.left(&before, &root);
        }
    }
}

impl RecordedHelpers {
    fn call<T>(
        &mut self,
        (interface, name): (Interface, &str),
        arguments: Value,
        programs: &[String],
        call: impl FnOnce(&mut dyn Helpers) -> Call<T>,
    ) -> Call<T> {
        let started = Instant::now();
        let outcome = call(self.helpers.as_mut());
        let error = self.journal.record_result(interface, &outcome);
        let started_none = matches!(&outcome, Err(error) if is_before_start(error));
        let programs = programs.iter().filter(|_| !started_none);
        lock(&self.journal.notes).calls.push(CallRecord {
            interface: interface.to_string(),
            call: name.to_owned(),
            arguments,
            programs: programs.cloned().collect(),
            duration: seconds(started.elapsed()),
            error,
        });
        outcome
    }
}

impl Journal {
    /// Notes the use of an interface and its refusal; an error's text.
    fn record_result<T>(&self, interface: Interface, outcome: &Call<T>) -> Option<String> {
        self.used(interface);
        let error = outcome.as_ref().err()?;
        if error.code == ErrorCode::Denied {
            self.denied(&error.path, &error.detail);
        }
        Some(match error.path.is_empty() {
            true => error.detail.clone(),
            false => format!("{}: {}", error.path, error.detail),
        })
    }
}

/// Whether a call failed before its program was started.
fn is_before_start(error: &CallError) -> bool {
    matches!(
        error.code,
        ErrorCode::Denied | ErrorCode::MissingTool | ErrorCode::Invalid
    )
}

/// To the microsecond: more is noise.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

/// A case of an enum, as WIT spells it.
fn word(case: impl std::fmt::Debug) -> String {
    let text = format!("{case:?}").to_lowercase();
    text.rsplit("::").next().unwrap_or_default().to_owned()
}

fn database(of: &rpm::Database) -> Value {
    json!({ "root": of.root, "path": of.path, "keys-program": of.keys_program })
}

impl Helpers for RecordedHelpers {
    fn attach(&mut self, file: &Passed, options: loopback::Options) -> Call<Attachment> {
        let arguments = json!({
            "path": file.path,
            "offset": options.offset,
            "size": options.size,
            "sector-size": options.sector_size,
            "read-only": options.read_only,
        });
        self.call((Interface::Loopback, "attach"), arguments, &[], |helpers| {
            helpers.attach(file, options)
        })
    }

    fn detach(&mut self, handle: u64) -> Call<()> {
        self.call((Interface::Loopback, "detach"), json!({}), &[], |helpers| {
            helpers.detach(handle)
        })
    }

    fn mount(
        &mut self,
        device: &str,
        target: &str,
        kind: mount::FileSystem,
        read_only: bool,
        options: Vec<String>,
    ) -> Call<MountPoint> {
        let arguments = json!({
            "device": device,
            "target": target,
            "kind": word(kind),
            "read-only": read_only,
            "options": options,
        });
        let mounted = self.call((Interface::Mount, "mount"), arguments, &[], |helpers| {
            helpers.mount(device, target, kind, read_only, options)
        });
        if let (Ok(point), false) = (&mounted, read_only) {
            self.enter(point);
        }
        mounted
    }

    fn unmount(&mut self, handle: u64) -> Call<()> {
        self.leave(handle);
        self.call((Interface::Mount, "unmount"), json!({}), &[], |helpers| {
            helpers.unmount(handle)
        })
    }

    fn set_xattr(&mut self, object: &Passed, name: &str, value: &[u8]) -> Call<()> {
        let arguments = json!({ "path": object.path, "name": name, "bytes": value.len() });
        self.call((Interface::Tree, "set-xattr"), arguments, &[], |helpers| {
            helpers.set_xattr(object, name, value)
        })
    }

    /// What the component did not call is no call of it.
    fn trusted(&mut self, object: &Passed) -> Call<Vec<Trusted>> {
        self.helpers.trusted(object)
    }

    fn import_key(&mut self, of: rpm::Database, key: Vec<u8>) -> Call<()> {
        let arguments = json!({ "database": database(&of), "bytes": key.len() });
        let keys = programs::keys(&of);
        self.call(
            (Interface::Rpm, "import-key"),
            arguments,
            &keys,
            |helpers| helpers.import_key(of, key),
        )
    }

    fn verify(&mut self, of: rpm::Database, package: &str, file: &Packages) -> Call<()> {
        let arguments = json!({ "database": database(&of), "package": package });
        let keys = programs::keys(&of);
        self.call((Interface::Rpm, "verify"), arguments, &keys, |helpers| {
            helpers.verify(of, package, file)
        })
    }

    fn install(
        &mut self,
        of: rpm::Database,
        transaction: rpm::Transaction,
        packages: &Packages,
    ) -> Call<()> {
        let arguments = json!({
            "database": database(&of),
            "packages": transaction.packages,
            "exclude-docs": transaction.exclude_docs,
            "no-dependencies": transaction.no_dependencies,
            "ignore-architecture": transaction.ignore_architecture,
            "install-langs": transaction.install_langs,
            "environment": transaction.environment,
        });
        self.call(
            (Interface::Rpm, "install"),
            arguments,
            &programs::rpm(),
            |helpers| helpers.install(of, transaction, packages),
        )
    }

    fn query(&mut self, of: rpm::Database) -> Call<Vec<rpm::InstalledPackage>> {
        let arguments = json!({ "database": database(&of) });
        self.call(
            (Interface::Rpm, "query"),
            arguments,
            &programs::rpm(),
            |helpers| helpers.query(of),
        )
    }

    fn core_image(&mut self, core: grub::Core) -> Call<Vec<u8>> {
        let arguments = json!({
            "program": core.program,
            "platform": core.platform,
            "format": core.format,
            "prefix": core.prefix,
            "modules": core.modules,
        });
        let mkimage = programs::mkimage(&core);
        self.call(
            (Interface::Grub, "core-image"),
            arguments,
            &mkimage,
            |helpers| helpers.core_image(core),
        )
    }

    fn boot_image(&mut self, platform: &str) -> Call<Vec<u8>> {
        let arguments = json!({ "platform": platform });
        self.call((Interface::Grub, "boot-image"), arguments, &[], |helpers| {
            helpers.boot_image(platform)
        })
    }

    fn environment_block(&mut self, variables: Vec<(String, String)>) -> Call<Vec<u8>> {
        let arguments = json!({ "variables": variables });
        let name = (Interface::Grub, "environment-block");
        self.call(name, arguments, &[], |helpers| {
            helpers.environment_block(variables)
        })
    }

    fn convert(
        &mut self,
        source: &Passed,
        to: &Target,
        conversion: qemu_img::Conversion,
    ) -> Call<()> {
        let arguments = json!({
            "source": source.path,
            "to": to.file.path,
            "format": word(conversion.format),
            "compress": conversion.compress,
            "options": conversion.options,
            "coroutines": conversion.coroutines,
        });
        self.call(
            (Interface::QemuImg, "convert"),
            arguments,
            &programs::qemu_img(),
            |helpers| helpers.convert(source, to, conversion),
        )
    }

    fn create(
        &mut self,
        to: &Target,
        format: qemu_img::Format,
        size: u64,
        options: Vec<String>,
    ) -> Call<()> {
        let arguments = json!({
            "path": to.file.path,
            "format": word(format),
            "size": size,
            "options": options,
        });
        self.call(
            (Interface::QemuImg, "create"),
            arguments,
            &programs::qemu_img(),
            |helpers| helpers.create(to, format, size, options),
        )
    }

    fn info(&mut self, image: &Passed) -> Call<qemu_img::ImageInfo> {
        let arguments = json!({ "path": image.path });
        self.call(
            (Interface::QemuImg, "info"),
            arguments,
            &programs::qemu_img(),
            |helpers| helpers.info(image),
        )
    }

    fn run(&mut self, request: command::Request, streams: &[OwnedFd]) -> Call<command::Outcome> {
        let mut record = ProgramRecord {
            program: request.program.clone(),
            arguments: request.arguments.clone(),
            environment: request.environment.iter().cloned().collect(),
            in_tree: matches!(request.root, command::Root::Tree),
            ..ProgramRecord::default()
        };
        let started = Instant::now();
        let outcome = self.helpers.run(request, streams);
        record.duration = seconds(started.elapsed());
        record.status = outcome.as_ref().ok().map(|outcome| outcome.status);
        record.error = self.journal.record_result(Interface::Command, &outcome);
        lock(&self.journal.notes).programs.push(record);
        outcome
    }
}
