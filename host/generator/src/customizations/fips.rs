//! FIPS mode: a kernel and libraries that only do approved cryptography.
use super::nodes::text_file_stages;
use crate::manifest::Stage;
use crate::sources::Sources;
use serde_json::json;

/// A boot file system of its own: the kernel looks there for the checksum of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootFileSystem<'a> {
    /// Its label, or empty.
    pub label: &'a str,
    /// Its UUID.
    pub uuid: &'a str,
}

/// Arguments of the kernel for FIPS mode.
pub fn kernel_options(boot: Option<BootFileSystem<'_>>) -> Vec<String> {
    let mut options = vec!["fips=1".to_string()];
    options.extend(boot.map(|boot| match boot.label {
        "" => format!("boot=UUID={}", boot.uuid),
        label => format!("boot=LABEL={label}"),
    }));
    options
}

/// Stages that choose the policy of libraries, and the module for the initrd.
pub fn policy_stages() -> Vec<Stage> {
    vec![
        Stage::new("update-crypto-policies", json!({"policy": "FIPS"})),
        Stage::new(
            "dracut.conf",
            json!({"filename": "40-fips.conf", "config": {"add_dracutmodules": ["fips"]}}),
        ),
    ]
}

/// Stages that write the file by which programs see that FIPS mode was set up.
pub fn marker_stages(sources: &mut Sources) -> Vec<Stage> {
    let text = "# FIPS module installation complete\n";
    text_file_stages("/etc/system-fips", text, Some(0o644), sources)
}
