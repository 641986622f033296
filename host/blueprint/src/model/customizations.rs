//! The table `customizations`.

use super::*;

/// Changes to the system beside its packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Customizations {
    /// Name of the host.
    pub hostname: Option<String>,
    /// The kernel and its options.
    pub kernel: Option<Kernel>,
    /// Keys of users that need nothing else; placed before the entries of `user`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sshkey: Vec<SshKey>,
    /// Users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<User>,
    /// Groups of users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Group>,
    /// Time zone and time servers.
    pub timezone: Option<Timezone>,
    /// Languages and keyboard.
    pub locale: Option<Locale>,
    /// Firewall; replaces that of the image type.
    pub firewall: Option<Firewall>,
    /// Units that are enabled, disabled or masked.
    pub services: Option<Services>,
    /// File systems beside those of the image type. Excludes `disk`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filesystem: Vec<FileSystem>,
    /// The whole partition table. Excludes `filesystem`.
    pub disk: Option<Disk>,
    /// Device that the simplified installer writes to, e.g. `/dev/vda`.
    pub installation_device: Option<String>,
    /// How file systems beside those of the image type are laid out; `auto-lvm` when it is not given.
    pub partitioning_mode: Option<PartitioningMode>,
    /// Device onboarding (FIDO).
    pub fdo: Option<Fdo>,
    /// Hardening by a profile of OpenSCAP.
    pub openscap: Option<Openscap>,
    /// Ignition configuration of ostree images.
    pub ignition: Option<Ignition>,
    /// Directories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<Directory>,
    /// Files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Package repositories that the system has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Repository>,
    /// Whether the system runs in FIPS mode.
    pub fips: Option<bool>,
    /// Installation media.
    pub installer: Option<Installer>,
    /// Database of packages.
    pub rpm: Option<Rpm>,
    /// Red Hat subscription management.
    pub rhsm: Option<Rhsm>,
    /// Certificate authorities that the system trusts.
    pub cacerts: Option<Cacerts>,
    /// Where images of containers are stored.
    #[serde(rename = "containers-storage")]
    pub containers_storage: Option<ContainersStorage>,
    /// Scripts of the first boot.
    pub firstboot: Option<Firstboot>,
    /// Settings of dnf.
    pub dnf: Option<Dnf>,
    /// Descriptors of an ISO image.
    pub iso: Option<Iso>,
    /// OpenSSH server.
    pub sshd: Option<Sshd>,
    /// Boot loader of disks made from bootable containers.
    pub bootloader: Option<Bootloader>,
}

impl Customizations {
    /// Nothing is customized.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
