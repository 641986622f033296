//! LUKS containers, opened by cryptsetup.

use std::path::Path;

use osbuild_wasm_protocol::{Bytes, Failure, Mapped, OpenCrypt};

use crate::failure::About;
use crate::mapper::Mapping;
use crate::programs::{Machine, Programs};
use crate::session::{Resource, Session};
use crate::{device, loopback, mapper};

/// What stages get of a container: a loop device on it. lvm takes no mapped device without access to the kernel's device mapper, and
/// with that a program would be as strong as root.
struct Shown {
    container: Mapping,
    device: loopback::Device,
}

/// Opens a container under a new name.
pub fn open(session: &mut Session, open: &OpenCrypt) -> Result<Mapped, Failure> {
    mapper::check()?;
    let device = device::resolve(&session.access, &open.device)?;
    let Bytes(passphrase) = &open.passphrase;
    let name = new_name()?;
    let machine = Machine {
        session,
        devices: std::slice::from_ref(&device),
    };
    open_container(&machine, &device.path, &name, passphrase)?;
    let container = match take(&machine, &name) {
        Ok(container) => container,
        Err(failure) => {
            let _ = machine.run("cryptsetup", &["-q", "close", &name], b"");
            return Err(failure);
        }
    };
    let device = loopback::Device::over(&container.node().path)?;
    let (node, major, minor) = device.node();
    Ok(Mapped {
        name,
        handle: session.hold(Box::new(Shown { container, device })),
        device: node,
        major,
        minor,
    })
}

fn new_name() -> Result<String, Failure> {
    const RANDOM: &str = "/proc/sys/kernel/random/uuid";
    let uuid = std::fs::read_to_string(RANDOM).about(RANDOM, "make a name")?;
    Ok(format!("osbuild-luks-{}", uuid.trim()))
}

fn open_container(
    programs: &dyn Programs,
    device: &Path,
    name: &str,
    passphrase: &[u8],
) -> Result<(), Failure> {
    let device = device.to_string_lossy();
    let opened = programs.run("cryptsetup", &["-q", "open", &device, name], passphrase)?;
    opened.worked("cannot open the LUKS container").map(drop)
}

fn take(programs: &dyn Programs, name: &str) -> Result<Mapping, Failure> {
    let close = ["-q", "close", "--deferred"];
    Mapping::take(programs, name.to_owned(), "cryptsetup", &close)
}

impl Resource for Shown {
    fn release(self: Box<Self>, _: &Session) -> Result<(), Failure> {
        let Self {
            container,
            mut device,
        } = *self;
        let detached = device.detach();
        // It has the mapping open.
        drop(device);
        detached.and(container.release())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::recorded::Recorded;

    #[test]
    fn the_passphrase_goes_to_standard_input_only() {
        let programs = Recorded::default();
        let device = Path::new("/dev/loop3");
        open_container(&programs, device, "osbuild-luks-1", b"secret").unwrap();
        let calls = ["cryptsetup -q open /dev/loop3 osbuild-luks-1"];
        assert_eq!(programs.calls(), calls);
        assert_eq!(*programs.inputs.borrow(), [b"secret".to_vec()]);
    }

    #[test]
    fn what_cryptsetup_says_is_the_reason() {
        let programs = Recorded::answering(&[(2, "", "No key available with this passphrase.\n")]);
        let failure = open_container(&programs, Path::new("/dev/loop3"), "x", b"").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot open the LUKS container: No key available with this passphrase."
        );
    }

    #[test]
    fn names_are_new_each_time() {
        let (one, other) = (new_name().unwrap(), new_name().unwrap());
        assert!(
            one != other && one.len() == "osbuild-luks-".len() + 36,
            "{one}"
        );
    }
}
