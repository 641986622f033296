//! Discoverable disk images, mounted by systemd-dissect in a sandbox that shows it the device, its partitions and nothing else. It mounts
//! there, and what it mounted is handed over by descriptor.

use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Failure, MountImage, Mounted};

use crate::device;
use crate::failure::invalid;
use crate::mount::superblock::check_ext4_for_others;
use crate::mount::{self, Place};
use crate::programs::Machine;
use crate::session::Session;

const PROGRAM: &str = "systemd-dissect";

/// Where it mounts in its sandbox.
const MOUNT: &str = "/run/image";

/// Mounts an image.
pub fn mount(session: &mut Session, image: &MountImage) -> Result<Mounted, Failure> {
    let disk = device::resolve(&session.access, &image.device)?;
    let target = mount::target(session, &image.target)?;
    let arguments = arguments(image, &disk.path)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut devices = device::partitions(&session.access, &disk)?;
    devices.push(disk);
    for device in &devices {
        check_ext4_for_others(&device.path, &image.device)?;
    }
    let machine = Machine {
        session,
        devices: &devices,
    };
    let (ended, mounted) =
        machine.run_mounting(PROGRAM, &arguments, b"", Some(Path::new(MOUNT)))?;
    let what = "cannot mount the disk image";
    ended.worked(what)?;
    let none = || Failure::new(ErrorCode::Io, &image.device, what);
    let place = Place::attach(mounted.ok_or_else(none)?, &target, &image.target)?;
    Ok(Mounted {
        handle: session.hold(Box::new(place)),
        path: image.target.clone(),
    })
}

fn arguments(image: &MountImage, device: &Path) -> Result<Vec<String>, Failure> {
    if let Some(discard) = &image.discard
        && !["disabled", "loop", "all", "crypto"].contains(&discard.as_str())
    {
        return Err(invalid(discard, "discard is disabled, loop, all or crypto"));
    }
    let word = |flag: bool| if flag { "yes" } else { "no" };
    let mut arguments = vec!["--mount".to_owned(), "--mkdir".to_owned()];
    arguments.push(format!("--growfs={}", word(image.grow)));
    arguments.push(format!("--fsck={}", word(image.check)));
    if image.read_only {
        arguments.push("--read-only".to_owned());
    }
    for (name, value) in [
        ("discard", &image.discard),
        ("image-policy", &image.policy),
        ("image-filter", &image.filter),
    ] {
        arguments.extend(value.iter().map(|value| format!("--{name}={value}")));
    }
    arguments.push("--".to_owned());
    arguments.extend([device.to_string_lossy().into_owned(), MOUNT.into()]);
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> MountImage {
        MountImage {
            device: "/dev/loop1".into(),
            target: "/run/osbuild/mounts/image".into(),
            read_only: false,
            grow: true,
            check: true,
            discard: None,
            policy: None,
            filter: None,
        }
    }

    fn words(image: &MountImage) -> String {
        arguments(image, Path::new("/dev/loop1")).unwrap().join(" ")
    }

    #[test]
    fn every_option_reaches_systemd_dissect() {
        assert_eq!(
            words(&image()),
            "--mount --mkdir --growfs=yes --fsck=yes -- /dev/loop1 /run/image"
        );
        let other = MountImage {
            read_only: true,
            grow: false,
            check: false,
            discard: Some("all".into()),
            policy: Some("root=verity".into()),
            filter: Some("root=x*".into()),
            ..image()
        };
        assert_eq!(
            words(&other),
            "--mount --mkdir --growfs=no --fsck=no --read-only --discard=all --image-policy=root=verity --image-filter=root=x* -- /dev/loop1 /run/image"
        );
    }

    #[test]
    fn a_discard_that_is_none_is_refused() {
        let wrong = MountImage {
            discard: Some("some".into()),
            ..image()
        };
        assert!(arguments(&wrong, Path::new("/dev/loop1")).is_err());
    }
}
