//! Which paths a blueprint may mount at or write to. The longest entry that a path is at or below decides.

/// What an entry of a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The path and all below it are allowed.
    Allow,
    /// The path and all below it are denied.
    Deny,
    /// The path is allowed, all below it is denied.
    Exact,
}

/// Which paths are allowed.
#[derive(Clone, Copy, Debug)]
pub struct PathPolicy {
    entries: &'static [(&'static str, Rule)],
}

use Rule::{Allow, Deny, Exact};

/// The policies of a kind of images.
#[derive(Clone, Copy, Debug)]
pub struct PathPolicies {
    /// Of file systems.
    pub mount_points: PathPolicy,
    /// Of directories.
    pub directories: PathPolicy,
    /// Of files.
    pub files: PathPolicy,
}

impl PathPolicies {
    /// Systems made of packages.
    pub const PACKAGES: Self = Self {
        mount_points: MOUNT_POINTS,
        directories: DIRECTORIES,
        files: FILES,
    };
    /// Commits of ostree, and images that are made from them.
    pub const OSTREE: Self = Self {
        mount_points: MOUNT_POINTS,
        directories: OSTREE_DIRECTORIES,
        files: OSTREE_FILES,
    };
    /// Disks made from bootable containers.
    pub const BOOTC: Self = Self {
        mount_points: OSTREE_MOUNT_POINTS,
        ..Self::OSTREE
    };
}

impl Default for PathPolicies {
    fn default() -> Self {
        Self::PACKAGES
    }
}

/// File systems of `filesystem` and `disk`.
pub const MOUNT_POINTS: PathPolicy = PathPolicy {
    entries: &[
        ("/", Allow),
        ("/etc", Deny),
        ("/sys", Deny),
        ("/proc", Deny),
        ("/dev", Deny),
        ("/run", Deny),
        ("/bin", Deny),
        ("/sbin", Deny),
        ("/lib", Deny),
        ("/lib64", Deny),
        ("/lost+found", Deny),
        ("/sysroot", Deny),
        ("/var/run", Deny),
        ("/var/lock", Deny),
        ("/usr", Exact),
    ],
};

/// Entries of `directories`.
pub const DIRECTORIES: PathPolicy = PathPolicy {
    entries: &[
        ("/", Allow),
        ("/bin", Deny),
        ("/boot", Deny),
        ("/dev", Deny),
        ("/efi", Deny),
        ("/lib", Deny),
        ("/lib64", Deny),
        ("/lost+found", Deny),
        ("/proc", Deny),
        ("/run", Deny),
        ("/sbin", Deny),
        ("/sys", Deny),
        ("/sysroot", Deny),
        ("/tmp", Deny),
        ("/usr", Deny),
        ("/usr/local", Allow),
        ("/var/run", Deny),
        ("/var/tmp", Deny),
    ],
};

/// Entries of `files`.
pub const FILES: PathPolicy = PathPolicy {
    entries: &[
        ("/", Allow),
        ("/bin", Deny),
        ("/boot", Deny),
        ("/dev", Deny),
        ("/efi", Deny),
        ("/etc/fstab", Deny),
        ("/etc/group", Deny),
        ("/etc/passwd", Deny),
        ("/etc/shadow", Deny),
        ("/lib", Deny),
        ("/lib64", Deny),
        ("/lost+found", Deny),
        ("/proc", Deny),
        ("/run", Deny),
        ("/sbin", Deny),
        ("/sys", Deny),
        ("/sysroot", Deny),
        ("/tmp", Deny),
        ("/usr", Deny),
        ("/usr/local", Allow),
        ("/var/run", Deny),
        ("/var/tmp", Deny),
    ],
};

/// File systems of disks that are made from bootable containers.
pub const OSTREE_MOUNT_POINTS: PathPolicy = PathPolicy {
    entries: &[
        ("/", Allow),
        ("/home", Deny),
        ("/mnt", Deny),
        ("/opt", Deny),
        ("/ostree", Deny),
        ("/root", Deny),
        ("/srv", Deny),
        ("/var/home", Deny),
        ("/var/mnt", Deny),
        ("/var/opt", Deny),
        ("/var/roothome", Deny),
        ("/var/srv", Deny),
        ("/var/usrlocal", Deny),
    ],
};

/// Directories of images with ostree.
pub const OSTREE_DIRECTORIES: PathPolicy = PathPolicy {
    entries: &[("/", Deny), ("/etc", Allow)],
};

/// Files of images with ostree.
pub const OSTREE_FILES: PathPolicy = PathPolicy {
    entries: &[
        ("/", Deny),
        ("/etc", Allow),
        ("/etc/fstab", Deny),
        ("/etc/group", Deny),
        ("/etc/passwd", Deny),
        ("/etc/shadow", Deny),
        ("/root", Allow),
        ("/usr/local/bin", Allow),
        ("/usr/local/sbin", Allow),
    ],
};

impl PathPolicy {
    /// Whether a path is allowed. One that is not absolute and canonical is not.
    pub fn allows(&self, path: &str) -> bool {
        canonical(path) == Some(path.to_owned()) && self.decide(path)
    }

    fn decide(&self, path: &str) -> bool {
        let at_or_above = |(entry, _): &&(&str, Rule)| is_at_or_below(path, entry);
        let found = self
            .entries
            .iter()
            .filter(at_or_above)
            .max_by_key(|(entry, _)| entry.len());
        match found {
            Some((_, Allow)) => true,
            Some((entry, Exact)) => path == *entry,
            Some((_, Deny)) | None => false,
        }
    }

    /// The entry that denies a path, for people; none when it is allowed.
    pub fn denied_by(&self, path: &str) -> Option<&'static str> {
        if self.allows(path) {
            return None;
        }
        let above = self
            .entries
            .iter()
            .filter(|(entry, _)| is_at_or_below(path, entry));
        above
            .max_by_key(|(entry, _)| entry.len())
            .map(|(entry, _)| *entry)
    }
}

fn is_at_or_below(path: &str, entry: &str) -> bool {
    let rest = path.strip_prefix(entry.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An absolute path without `.`, `..`, repeated and trailing slashes; none for one that is not absolute.
pub fn canonical(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let mut parts = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}
