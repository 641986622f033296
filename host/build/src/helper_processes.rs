//! Helper processes: which a run needs, where their program is, and starting them.
use crate::failure::{BuildError, Result};
use osbuild_wasm_capability::Interface as Named;
use osbuild_wasm_files::companion_program;
use osbuild_wasm_manifest::model::Stage;
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::{Charter, Client, Failure, Granted, Interface, Session};
use rustix::fd::OwnedFd;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The helper processes of a run: one for each interface in use.
#[derive(Debug, Default)]
pub struct HelperProcesses {
    clients: BTreeMap<Interface, Client>,
}

/// Where the helper's program is. What is found first holds: in another mount namespace the kernel may tell another path of this program.
pub fn helper_program() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| companion_program("osbuild-wasm-helper"))
        .clone()
}

/// The helper interfaces that carry out these interfaces of the contract.
pub fn needed_by(interfaces: &BTreeSet<Named>) -> impl Iterator<Item = Interface> + '_ {
    interfaces.iter().filter_map(|interface| match interface {
        Named::Loopback => Some(Interface::Loopback),
        Named::Mount => Some(Interface::Mount),
        Named::Rpm => Some(Interface::Rpm),
        Named::Grub => Some(Interface::Grub),
        Named::QemuImg => Some(Interface::QemuImg),
        Named::Command => Some(Interface::Command),
        Named::Types | Named::Tree | Named::Report => None,
    })
}

/// The helper interfaces that a stage's inputs, devices and mounts need, beside those of its component.
pub(crate) fn needed_by_stage(stage: &Stage) -> BTreeSet<Interface> {
    let inputs = stage.inputs.iter().map(|input| &input.module);
    let mounts = stage.mounts.iter().map(|mount| &mount.module);
    let devices = stage.devices.iter().map(|device| &device.module);
    inputs
        .flat_map(|module| crate::inputs::interfaces(module))
        .chain(mounts.flat_map(|module| crate::mounts::interfaces(module)))
        .copied()
        .chain(devices.filter_map(|module| crate::devices::interface(module)))
        .collect()
}

impl HelperProcesses {
    /// Starts one process for each interface, which comes with the first stage that needs it; no session gets more than the charter has. Must
    /// come before privileges are given up.
    pub fn start(
        interfaces: impl IntoIterator<Item = (Interface, String)>,
        charter: &Charter,
    ) -> Result<Self> {
        let program = helper_program();
        let mut clients = BTreeMap::new();
        for (interface, asker) in interfaces {
            let client = Client::spawn(&program, interface, charter).map_err(|failure| {
                BuildError::Helper {
                    place: format!("{asker}: interface {interface}"),
                    failure,
                }
            })?;
            clients.insert(interface, client);
        }
        Ok(Self { clients })
    }

    /// Whether there is one for an interface.
    pub(crate) fn has(&self, interface: Interface) -> bool {
        self.clients.contains_key(&interface)
    }

    pub(crate) fn begin(
        &self,
        interface: Interface,
        granted: &Granted,
        log: OwnedFd,
    ) -> std::result::Result<Session, Failure> {
        let missing = || {
            Failure::new(
                protocol::ErrorCode::Denied,
                "",
                format!("interface {interface} was not granted to this run"),
            )
        };
        self.clients
            .get(&interface)
            .ok_or_else(missing)?
            .begin(granted, log)
    }
}
