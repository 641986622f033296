//! Logical volumes, activated by lvm.

use std::path::Path;
use std::time::Duration;

use osbuild_wasm_protocol::{ActivateVolume, ErrorCode, Failure, Volume};

use crate::failure::invalid;
use crate::mapper::Mapping;
use crate::programs::{Machine, Programs};
use crate::session::{Resource, Session};
use crate::{device, mapper};

/// How often lvm is asked for a volume group that the kernel may not show yet.
const ATTEMPTS: u64 = 10;

/// Exit status of lvm's programs when they find or can do nothing.
const FAILED: i32 = 5;

/// A volume that lvm has activated. lvm sees no other device than that of its group, nor any configuration of the machine.
struct Active {
    group: String,
    volume: String,
}

/// Activates a volume of the group on a device.
pub fn activate(session: &mut Session, activate: &ActivateVolume) -> Result<Volume, Failure> {
    mapper::check()?;
    check_name(&activate.volume)?;
    let device = device::partition(&session.access, &activate.device, activate.partition)?;
    let programs = Machine {
        session,
        devices: std::slice::from_ref(&device),
    };
    let active = Active::activate(&programs, &device.path, &activate.volume)?;
    let name = mapper::name_of_volume(&active.group, &active.volume);
    let remove = ["remove", "--deferred"];
    let mapping = match Mapping::take(&programs, name.clone(), "dmsetup", &remove) {
        Ok(mapping) => mapping,
        Err(failure) => {
            let _ = active.set(&programs, "n");
            return Err(failure);
        }
    };
    Ok(Volume {
        group: active.group,
        mapper: format!("/dev/mapper/{name}"),
        major: mapping.node().major,
        minor: mapping.node().minor,
        handle: session.hold(Box::new(mapping)),
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

impl Active {
    fn activate(programs: &dyn Programs, device: &Path, volume: &str) -> Result<Self, Failure> {
        let group = find_group(programs, &device.to_string_lossy())?;
        check_name(&group)?;
        let active = Self {
            group,
            volume: volume.to_owned(),
        };
        active.set(programs, "y")?;
        Ok(active)
    }

    fn set(&self, programs: &dyn Programs, active: &str) -> Result<(), Failure> {
        let name = format!("{}/{}", self.group, self.volume);
        let arguments = ["--activate", active, &name];
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
fn find_group(programs: &dyn Programs, device: &str) -> Result<String, Failure> {
    let arguments = ["--columns", "--noheadings", "--options", "vg_name", device];
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

impl Resource for Mapping {
    fn release(self: Box<Self>, _: &Session) -> Result<(), Failure> {
        Mapping::release(*self)
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
        let active = Active::activate(&programs, Path::new("/dev/loop0p2"), "rootlv").unwrap();
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
        assert_eq!(find_group(&programs, "/dev/loop0p2").unwrap(), "vg");
        let calls = [FIND, "wait 0ns", FIND, "wait 1s", FIND, "wait 2s", FIND];
        assert_eq!(programs.calls(), calls);
        let programs = Recorded::answering(&[nothing; 11]);
        let failure = find_group(&programs, "/dev/loop0p2").unwrap_err();
        assert!(
            failure.detail.contains("Failed to find physical volume"),
            "{failure}"
        );
        assert_eq!(programs.calls().len(), 21);
    }

    #[test]
    fn other_failures_are_not_repeated() {
        let programs = Recorded::answering(&[(3, "", "No such option")]);
        assert!(find_group(&programs, "/dev/loop0p2").is_err());
        let programs = Recorded::answering(&[(0, "\n", "")]);
        let failure = find_group(&programs, "/dev/loop0p2").unwrap_err();
        assert_eq!(failure.code, ErrorCode::NotFound);
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
