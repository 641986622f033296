//! LUKS containers, opened by cryptsetup.

use std::path::Path;

use osbuild_wasm_protocol::{Bytes, Failure, Mapped, OpenCrypt};

use crate::failure::About;
use crate::programs::{Machine, Programs};
use crate::session::{Held, Session};
use crate::{device, loopback, mapper};

/// An open container.
struct Container {
    name: String,
}

/// What stages get of a container: a loop device on it. lvm takes no mapped device without access to the kernel's device mapper, and
/// with that a program would be as strong as root.
struct Shown {
    container: Container,
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
    let container = Container::open(&machine, &device.path, name, passphrase)?;
    let opened = mapper::node(&container.name).and_then(|node| loopback::Device::over(&node.path));
    let device = match opened {
        Ok(device) => device,
        Err(failure) => {
            let _ = container.close(&machine);
            return Err(failure);
        }
    };
    let (node, major, minor) = device.node();
    Ok(Mapped {
        name: container.name.clone(),
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

impl Container {
    fn open(
        programs: &dyn Programs,
        device: &Path,
        name: String,
        passphrase: &[u8],
    ) -> Result<Self, Failure> {
        let device = device.to_string_lossy();
        let opened = programs.run("cryptsetup", &["-q", "open", &device, &name], passphrase)?;
        opened.worked("cannot open the LUKS container")?;
        Ok(Self { name })
    }

    fn close(&self, programs: &dyn Programs) -> Result<(), Failure> {
        let closed = programs.run("cryptsetup", &["-q", "close", &self.name], b"")?;
        let what = format!("cannot close the LUKS container {}", self.name);
        closed.worked(&what).map(drop)
    }
}

impl Held for Shown {
    fn release(self: Box<Self>, session: &Session) -> Result<(), Failure> {
        let Self {
            container,
            mut device,
        } = *self;
        let detached = device.detach();
        // It has the mapping open.
        drop(device);
        let machine = Machine {
            session,
            devices: &[],
        };
        let closed = mapper::insist(|| container.close(&machine));
        if closed.is_ok() {
            mapper::forget(&container.name);
        }
        detached.and(closed)
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
        let container =
            Container::open(&programs, device, "osbuild-luks-1".into(), b"secret").unwrap();
        container.close(&programs).unwrap();
        let calls = [
            "cryptsetup -q open /dev/loop3 osbuild-luks-1",
            "cryptsetup -q close osbuild-luks-1",
        ];
        assert_eq!(programs.calls(), calls);
        assert_eq!(*programs.inputs.borrow(), [b"secret".to_vec(), Vec::new()]);
    }

    #[test]
    fn what_cryptsetup_says_is_the_reason() {
        let programs = Recorded::answering(&[(2, "", "No key available with this passphrase.\n")]);
        let failure = Container::open(&programs, Path::new("/dev/loop3"), "x".into(), b"")
            .err()
            .unwrap();
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
