//! Logical volumes, activated by lvm.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use osbuild_wasm_protocol::{ActivateVolume, ErrorCode, Failure, Volume};

use crate::failure::invalid;
use crate::programs::{Machine, Programs};
use crate::session::{Held, Session};
use crate::{device, mapper};

/// Where lvm keeps lists of the devices that it looks at.
const LISTS: &str = "/etc/lvm/devices";

/// How often lvm is asked for a volume group that the kernel may not show yet.
const ATTEMPTS: u64 = 10;

/// Exit status of lvm's programs when they find or can do nothing.
const FAILED: i32 = 5;

/// An active volume.
struct Active {
    group: String,
    volume: String,
    list: Option<DeviceList>,
}

/// A list of devices of our own: on machines that use lists, lvm looks at nothing else.
struct DeviceList {
    name: String,
    path: PathBuf,
}

/// Activates a volume of the group on a device.
pub fn activate(session: &mut Session, activate: &ActivateVolume) -> Result<Volume, Failure> {
    mapper::check()?;
    check_name(&activate.volume)?;
    let device = device::partition(&session.access, &activate.device, activate.partition)?;
    let device = device.to_string_lossy();
    let programs = Machine(session);
    let list = DeviceList::make(&programs, Path::new(LISTS), &device)?;
    let active = Active::activate(&programs, &device, &activate.volume, list)?;
    let name = mapper::name_of_volume(&active.group, &active.volume);
    let node = match mapper::node(&name) {
        Ok(node) => node,
        Err(failure) => {
            let _ = active.set(&programs, "n");
            return Err(failure);
        }
    };
    Ok(Volume {
        group: active.group.clone(),
        mapper: format!("/dev/mapper/{name}"),
        major: node.major,
        minor: node.minor,
        handle: session.hold(Box::new(active)),
    })
}

/// Names of groups and volumes become parts of paths and arguments.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+_.-".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(plain) {
        return Err(invalid(
            name,
            "this is no name of a logical volume or its group",
        ));
    }
    Ok(())
}

impl DeviceList {
    fn make(programs: &dyn Programs, lists: &Path, device: &str) -> Result<Option<Self>, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !lists.join("system.devices").exists() {
            return Ok(None);
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("osbuild-{}-{number}.devices", std::process::id());
        let list = Self {
            path: lists.join(&name),
            name,
        };
        let arguments = ["--devicesfile", &list.name, "--adddev", device];
        let made = programs.run("lvmdevices", &arguments, b"")?;
        made.worked("cannot make a list of devices for lvm")?;
        Ok(Some(list))
    }

    fn arguments(list: Option<&Self>) -> Vec<&str> {
        list.map_or_else(Vec::new, |list| vec!["--devicesfile", &list.name])
    }
}

impl Drop for DeviceList {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Active {
    fn activate(
        programs: &dyn Programs,
        device: &str,
        volume: &str,
        list: Option<DeviceList>,
    ) -> Result<Self, Failure> {
        let group = find_group(programs, device, list.as_ref())?;
        check_name(&group)?;
        let active = Self {
            group,
            volume: volume.to_owned(),
            list,
        };
        active.set(programs, "y")?;
        Ok(active)
    }

    fn set(&self, programs: &dyn Programs, active: &str) -> Result<(), Failure> {
        let name = format!("{}/{}", self.group, self.volume);
        let mut arguments = vec!["--activate", active];
        arguments.extend(DeviceList::arguments(self.list.as_ref()));
        arguments.push(&name);
        let verb = if active == "y" {
            "activate"
        } else {
            "deactivate"
        };
        let done = programs.run("lvchange", &arguments, b"")?;
        done.worked(&format!("cannot {verb} the logical volume {name}"))
            .map(drop)
    }
}

/// The volume group on a device; lvm may need some time to see it.
fn find_group(
    programs: &dyn Programs,
    device: &str,
    list: Option<&DeviceList>,
) -> Result<String, Failure> {
    let mut arguments = vec!["--columns", "--noheadings", "--options", "vg_name"];
    arguments.extend(DeviceList::arguments(list));
    arguments.push(device);
    let what = format!("cannot find the volume group on {device}");
    for attempt in 0.. {
        let ended = programs.run("pvdisplay", &arguments, b"")?;
        if ended.status == FAILED && attempt < ATTEMPTS {
            programs.pause(Duration::from_secs(attempt))?;
            continue;
        }
        let group = ended.worked(&what)?.trim().to_owned();
        if !group.is_empty() {
            return Ok(group);
        }
        break;
    }
    let detail = format!("{what}: its physical volume belongs to none");
    Err(Failure::new(ErrorCode::NotFound, "", detail))
}

impl Held for Active {
    fn release(self: Box<Self>, session: &Session) -> Result<(), Failure> {
        let name = mapper::name_of_volume(&self.group, &self.volume);
        let written = mapper::write_back(&Path::new("/dev/mapper").join(name));
        let deactivated = mapper::insist(|| self.set(&Machine(session), "n"));
        written.and(deactivated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::recorded::Recorded;

    const FIND: &str = "pvdisplay --columns --noheadings --options vg_name /dev/loop0p2";

    #[test]
    fn the_group_is_found_and_the_volume_activated_and_deactivated() {
        let programs = Recorded::answering(&[(0, "  rootvg\n", "")]);
        let active = Active::activate(&programs, "/dev/loop0p2", "rootlv", None).unwrap();
        active.set(&programs, "n").unwrap();
        let calls = [
            FIND,
            "lvchange --activate y rootvg/rootlv",
            "lvchange --activate n rootvg/rootlv",
        ];
        assert_eq!(programs.calls(), calls);
    }

    #[test]
    fn lvm_is_asked_again_while_it_sees_nothing_with_growing_pauses() {
        let nothing = (5, "", "Failed to find physical volume \"/dev/loop0p2\".");
        let programs = Recorded::answering(&[nothing, nothing, nothing, (0, "vg\n", "")]);
        assert_eq!(find_group(&programs, "/dev/loop0p2", None).unwrap(), "vg");
        let calls = [FIND, "wait 0ns", FIND, "wait 1s", FIND, "wait 2s", FIND];
        assert_eq!(programs.calls(), calls);
        let programs = Recorded::answering(&[nothing; 11]);
        let failure = find_group(&programs, "/dev/loop0p2", None).unwrap_err();
        assert!(
            failure.detail.contains("Failed to find physical volume"),
            "{failure}"
        );
        assert_eq!(programs.calls().len(), 21);
    }

    #[test]
    fn other_failures_are_not_repeated() {
        let programs = Recorded::answering(&[(3, "", "No such option")]);
        assert!(find_group(&programs, "/dev/loop0p2", None).is_err());
        let programs = Recorded::answering(&[(0, "\n", "")]);
        let failure = find_group(&programs, "/dev/loop0p2", None).unwrap_err();
        assert_eq!(failure.code, ErrorCode::NotFound);
    }

    #[test]
    fn machines_with_lists_of_devices_get_one_that_goes_with_the_volume() {
        let lists = tempfile::tempdir().unwrap();
        let programs = Recorded::answering(&[(0, "", ""), (0, "vg\n", "")]);
        assert!(
            DeviceList::make(&programs, lists.path(), "/dev/loop0")
                .unwrap()
                .is_none()
        );
        std::fs::write(lists.path().join("system.devices"), "").unwrap();
        let list = DeviceList::make(&programs, lists.path(), "/dev/loop0")
            .unwrap()
            .unwrap();
        let (name, path) = (list.name.clone(), list.path.clone());
        std::fs::write(&path, "").unwrap();
        let active = Active::activate(&programs, "/dev/loop0", "lv", Some(list)).unwrap();
        let calls = [
            format!("lvmdevices --devicesfile {name} --adddev /dev/loop0"),
            format!(
                "pvdisplay --columns --noheadings --options vg_name --devicesfile {name} /dev/loop0"
            ),
            format!("lvchange --activate y --devicesfile {name} vg/lv"),
        ];
        assert_eq!(programs.calls(), calls);
        drop(active);
        assert!(!path.exists());
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for fine in ["rootlv", "root-lv", "a.b_c+d"] {
            assert!(check_name(fine).is_ok(), "{fine}");
        }
        for bad in ["", "-an", "a/b", "..", "a b", "@tag"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
