//! Discoverable disk images, mounted by systemd-dissect.

use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Failure, MountImage, Mounted};
use osbuild_wasm_sys::mount::set_attributes;
use rustix::mount::MountAttrFlags;

use crate::access::real_path;
use crate::failure::{About, invalid};
use crate::programs::{Outside, Programs};
use crate::sandbox::view::open_own;
use crate::session::{Held, Session};
use crate::{device, mount};

const SEALED: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// A mounted image.
struct Image {
    contract: String,
    target: PathBuf,
}

/// Mounts an image.
pub fn mount(session: &mut Session, image: &MountImage) -> Result<Mounted, Failure> {
    let device = device::resolve(&session.access, &image.device)?;
    let target = mount::target(session, &image.target)?;
    let target = real_path(&target).about(&image.target, "find this directory")?;
    let arguments = arguments(image, &device, &target)?;
    run(&Outside(session), &arguments, "cannot mount the disk image")?;
    let held = Image {
        contract: image.target.clone(),
        target,
    };
    // What an image holds is neither to be opened as a device nor to make anybody somebody else.
    let sealed = open_own(&held.target).and_then(|root| {
        set_attributes(&root, SEALED, MountAttrFlags::empty())
            .about(&image.target, "limit this mount")
    });
    if let Err(failure) = sealed {
        let _ = Box::new(held).release(session);
        return Err(failure);
    }
    Ok(Mounted {
        handle: session.hold(Box::new(held)),
        path: image.target.clone(),
    })
}

fn arguments(image: &MountImage, device: &Path, target: &Path) -> Result<Vec<String>, Failure> {
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
    arguments.extend([device, target].map(|path| path.to_string_lossy().into_owned()));
    Ok(arguments)
}

fn run(programs: &dyn Programs, arguments: &[String], what: &str) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = programs.run("systemd-dissect", &arguments, b"")?;
    ended.worked(what).map(drop)
}

impl Held for Image {
    fn release(self: Box<Self>, session: &Session) -> Result<(), Failure> {
        let target = self.target.to_string_lossy().into_owned();
        let arguments = ["--umount".to_owned(), "--".to_owned(), target];
        let unmounted = run(
            &Outside(session),
            &arguments,
            "cannot unmount the disk image",
        );
        // Whatever it left: nothing of the image may stay in use.
        let rest = mount::take_away(&self.target, &self.contract);
        unmounted.and(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::recorded::Recorded;

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

    fn called(image: &MountImage) -> String {
        let programs = Recorded::default();
        let arguments = arguments(image, Path::new("/dev/loop1"), Path::new("/mnt")).unwrap();
        run(&programs, &arguments, "x").unwrap();
        programs.calls().concat()
    }

    #[test]
    fn every_option_reaches_systemd_dissect() {
        assert_eq!(
            called(&image()),
            "systemd-dissect --mount --mkdir --growfs=yes --fsck=yes -- /dev/loop1 /mnt"
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
            called(&other),
            "systemd-dissect --mount --mkdir --growfs=no --fsck=no --read-only --discard=all --image-policy=root=verity --image-filter=root=x* -- /dev/loop1 /mnt"
        );
    }

    #[test]
    fn a_discard_that_is_none_is_refused() {
        let wrong = MountImage {
            discard: Some("some".into()),
            ..image()
        };
        assert!(arguments(&wrong, Path::new("/dev/loop1"), Path::new("/mnt")).is_err());
    }

    #[test]
    fn a_failure_tells_the_reason() {
        let programs = Recorded::answering(&[(1, "", "No suitable root partition found.\n")]);
        let failure = run(&programs, &[], "cannot mount the disk image").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot mount the disk image: No suitable root partition found."
        );
    }
}
