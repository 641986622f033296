//! What a runner stands for: the preparation of a build root.
//!
//! A runner is a distribution's name (`org.osbuild.fedora38`). A step whose program the build root lacks is left out.

use crate::message::{ErrorCode, Failure};

/// What a runner prepares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// ld.so.cache; with the directory of RHEL 7's iSCSI libraries.
    pub ldconfig: bool,
    /// See `ldconfig`.
    pub iscsi: bool,
    /// Users of packages, by systemd-sysusers.
    pub users: bool,
    /// Files of packages, by systemd-tmpfiles.
    pub files: bool,
    /// nsswitch.conf, which tmpfiles copies, names modules that do not work in the sandbox.
    pub remove_nsswitch: bool,
    /// A machine-id that shows that it means nothing.
    pub machine_id: bool,
    /// The DEFAULT crypto policy.
    pub crypto_policies: bool,
    /// RHEL 8's python3, an alternative.
    pub python: bool,
    /// RHEL 8's qemu-img converts with one coroutine on aarch64, where several wait for each other now and then.
    pub one_coroutine: bool,
}

impl Steps {
    /// Those of a runner, e.g. `org.osbuild.fedora38`; without one there are none.
    ///
    /// # Errors
    /// `unsupported` for a name that stands for no distribution.
    pub fn of(runner: Option<&str>) -> Result<Self, Failure> {
        let Some(runner) = runner else {
            return Ok(Self::default());
        };
        let unknown = || Failure::new(ErrorCode::Unsupported, runner, "no such runner is known");
        let name = runner.strip_prefix("org.osbuild.").ok_or_else(unknown)?;
        let distribution = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let version: u32 = name[distribution.len()..].parse().unwrap_or(u32::MAX);
        let systemd = Self {
            ldconfig: true,
            users: true,
            files: true,
            remove_nsswitch: true,
            ..Self::default()
        };
        let fedora30 = Self {
            machine_id: true,
            ..systemd
        };
        let fedora38 = Self {
            crypto_policies: true,
            ..fedora30
        };
        let rhel82 = Self {
            python: true,
            one_coroutine: true,
            ..fedora38
        };
        // RHEL's numbers are major and minor ones in a row (rhel7, rhel81, rhel810, rhel90, rhel100).
        let major = if version == 7 {
            7
        } else {
            version / 10_u32.pow(version.max(1).ilog10().max(1))
        };
        Ok(match distribution {
            "linux" | "arch" => Self::default(),
            "debian" | "ubuntu" => systemd,
            "asahi-fedora-remix" => fedora30,
            "fedora" if version < 38 => fedora30,
            "fedora" | "eln" | "fedora-asahi-remix" => fedora38,
            "rhel" | "centos" if version == 7 => Self {
                ldconfig: true,
                iscsi: true,
                remove_nsswitch: true,
                ..Self::default()
            },
            "rhel" if version == 81 => Self {
                python: true,
                ..fedora30
            },
            "rhel" if major == 8 => rhel82,
            "centos" | "almalinux" | "rocky" | "ol" if version == 8 => rhel82,
            "rhivos" => rhel82,
            "rhel" | "centos" | "almalinux" | "rocky" | "ol" | "AutoSD" | "autosd" => fedora38,
            _ => return Err(unknown()),
        })
    }

    /// The programs of the build root that they run, if it has them.
    pub fn programs(self) -> Vec<&'static str> {
        let all = [
            (self.ldconfig, "ldconfig"),
            (self.users, "systemd-sysusers"),
            (self.files, "systemd-tmpfiles"),
        ];
        let all = all.into_iter().filter(|(is_run, _)| *is_run);
        all.map(|(_, program)| program).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_stand_for_their_steps() {
        let of = |name: &str| Steps::of(Some(&format!("org.osbuild.{name}"))).unwrap();
        assert_eq!(of("linux"), Steps::default());
        assert!(!of("fedora30").crypto_policies && of("fedora30").machine_id);
        assert!(
            of("fedora38").crypto_policies
                && of("fedora43").crypto_policies
                && of("eln11").crypto_policies
        );
        assert!(of("debian").users && !of("ubuntu1804").machine_id);
        assert!(of("rhel7").iscsi && !of("rhel7").users);
        assert!(of("rhel81").python && !of("rhel81").crypto_policies);
        assert!(of("rhel82").python && of("rhel810").python && of("centos8").python);
        assert!(of("rhel82").one_coroutine && of("rhivos").one_coroutine);
        assert!(!of("rhel81").one_coroutine && !of("rhel90").one_coroutine);
        assert!(
            !of("rhel90").python
                && !of("rhel100").python
                && of("rhel100").crypto_policies
                && !of("centos10").python
        );
        assert_eq!(of("rhel7").programs(), ["ldconfig"]);
        assert_eq!(of("debian").programs().len(), 3);
        assert_eq!(
            Steps::of(Some("org.osbuild.minix")).unwrap_err().code,
            ErrorCode::Unsupported
        );
    }
}
