//! What an image type takes of a request. Rules within a blueprint are the blueprint's own; here are those that depend
//! on the distribution and the type.
use crate::pipelines::ostree::references;
use crate::request::Request;
use osbuild_wasm_blueprint::model::{Disk, FsType, Partition, User};
use osbuild_wasm_blueprint::policy::{self, PathPolicy};
use osbuild_wasm_blueprint::support;
use osbuild_wasm_blueprint::{Path, dotted};
use osbuild_wasm_distro::{Arch, Distro, DistroLike, Kind};

/// One thing that an image type does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The member of the blueprint it is about; none: an option of the request.
    pub path: Option<Path>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The same of the member, in a few words to stand beside it.
    pub label: &'static str,
    /// What could be done about it.
    pub hint: String,
    /// Whether an image can be made all the same: then this member has no effect.
    pub is_warning: bool,
}

impl Finding {
    /// An error of a member.
    pub fn error(
        path: Path,
        message: impl Into<String>,
        label: &'static str,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            path: Some(path),
            message: message.into(),
            label,
            hint: hint.into(),
            is_warning: false,
        }
    }

    /// The same as a warning.
    pub fn warning(self) -> Self {
        Self {
            is_warning: true,
            ..self
        }
    }

    fn of_option(message: String) -> Self {
        Self {
            path: None,
            message,
            label: "",
            hint: String::new(),
            is_warning: false,
        }
    }
}

/// Everything the image type does not take, in the order of the rules.
pub fn check(request: &Request<'_>) -> Vec<Finding> {
    let mut findings = options(request);
    findings.extend(support(request));
    findings.extend(mount_points(request));
    findings.extend(openscap(request));
    findings.extend(people(request));
    findings.extend(directories_and_files(request));
    findings.extend(swap(request));
    findings
}

fn is_ostree(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OstreeCommit
            | Kind::OstreeContainer
            | Kind::BootableContainer
            | Kind::OstreeDisk
            | Kind::OstreeInstaller
            | Kind::OstreeSimplifiedInstaller
    )
}

/// A path of keys.
fn keys(path: &[&str]) -> Path {
    path.iter().map(|key| (*key).into()).collect()
}

/// A path of keys, an index, a key.
fn element(list: &[&str], index: usize, key: &str) -> Path {
    let mut path = keys(list);
    path.push(osbuild_wasm_blueprint::PathElement::Index(index));
    path.push(key.into());
    path
}

fn options(request: &Request<'_>) -> Vec<Finding> {
    let image_type = request.image_type;
    let mut findings = Vec::new();
    if let Err(error) = references::check(request) {
        findings.push(Finding::of_option(error.to_string()));
    }
    if let Some(mode) = request.options.partitioning_mode
        && !image_type.partitioning_modes.is_empty()
        && !image_type.partitioning_modes.contains(&mode)
    {
        let message = format!(
            "partitioning mode {} not supported for {:?}",
            mode.name(),
            image_type.name
        );
        findings.push(Finding::of_option(message));
    }
    findings
}

/// Members that have no effect, and members without which the type cannot be made.
fn support(request: &Request<'_>) -> Vec<Finding> {
    let image_type = request.image_type;
    let described = format!(
        "`osbuild-wasm describe {} --distro {}` says what it takes",
        image_type.name, request.distro.name
    );
    let unsupported = support::unsupported(request.blueprint, &image_type.supported_options);
    let without_effect = unsupported.into_iter().map(|path| {
        let message = format!(
            "{}: not supported by image type {:?}: it may have no effect",
            dotted(&path),
            image_type.name
        );
        Finding::error(path, message, "may have no effect", &*described).warning()
    });
    let missing = support::missing(request.blueprint, &image_type.required_options);
    let required = missing.into_iter().map(|name| {
        let path = name.split('.').map(Into::into).collect();
        let message = format!("image type {:?} needs {name}", image_type.name);
        Finding::error(path, message, "is missing here", format!("give `{name}`")).warning()
    });
    without_effect
        .chain(required)
        .chain(ssh_server(request))
        .collect()
}

/// Settings of the SSH server are changes of those that a type has.
fn ssh_server(request: &Request<'_>) -> Option<Finding> {
    let image_type = request.image_type;
    let of_type = image_type.image_config.stages.get("sshd.config");
    let is_configured = of_type.is_some_and(|stages| !stages.is_empty());
    request.blueprint.customizations.sshd.as_ref()?;
    let message = format!(
        "customizations.sshd: image type {:?} does not configure the SSH server: it has no effect",
        image_type.name
    );
    let hint = "write a file of /etc/ssh/sshd_config.d by customizations.files";
    let finding = Finding::error(
        keys(&["customizations", "sshd"]),
        message,
        "has no effect",
        hint,
    );
    (!is_configured).then(|| finding.warning())
}

fn mount_points(request: &Request<'_>) -> Vec<Finding> {
    let allowed: &[PathPolicy] = match request.bootc {
        Some(_) => &[policy::MOUNT_POINTS, policy::OSTREE_MOUNT_POINTS],
        None => &[policy::MOUNT_POINTS],
    };
    let customizations = &request.blueprint.customizations;
    let mut places: Vec<(Path, &str)> = Vec::new();
    for (index, file_system) in customizations.filesystem.iter().enumerate() {
        let path = element(&["customizations", "filesystem"], index, "mountpoint");
        places.push((path, &file_system.mountpoint));
    }
    if let Some(disk) = &customizations.disk {
        places.extend(mount_points_of(disk));
    }
    // What the system keeps from one version to the next is in there, and is there before the file system is mounted.
    let is_state = |mountpoint: &str| {
        request.bootc.is_some() && customizations.disk.is_none() && mountpoint == "/var"
    };
    let refused = |mountpoint: &str| {
        is_state(mountpoint) || allowed.iter().any(|policy| !policy.allows(mountpoint))
    };
    places
        .into_iter()
        .filter(|(_, mountpoint)| refused(mountpoint))
        .map(|(path, mountpoint)| {
            let message = format!(
                "{}: path {mountpoint:?} is not allowed as a mount point",
                dotted(&path)
            );
            let hint = "choose another directory: the system itself needs this one";
            Finding::error(path, message, "not allowed", hint)
        })
        .collect()
}

fn mount_points_of(disk: &Disk) -> Vec<(Path, &str)> {
    let mut places = Vec::new();
    for (index, partition) in disk.partitions.iter().enumerate() {
        let at = |list: &str, inner: usize| {
            let mut path = element(&["customizations", "disk", "partitions"], index, list);
            path.push(osbuild_wasm_blueprint::PathElement::Index(inner));
            path.push("mountpoint".into());
            path
        };
        match partition {
            Partition::Plain(plain) => {
                places.extend(plain.mountpoint.as_deref().map(|mountpoint| {
                    (
                        element(
                            &["customizations", "disk", "partitions"],
                            index,
                            "mountpoint",
                        ),
                        mountpoint,
                    )
                }))
            }
            Partition::Lvm(group) => {
                for (inner, volume) in group.logical_volumes.iter().enumerate() {
                    places.extend(
                        volume
                            .mountpoint
                            .as_deref()
                            .map(|mountpoint| (at("logical_volumes", inner), mountpoint)),
                    );
                }
            }
            Partition::Btrfs(btrfs) => {
                for (inner, subvolume) in btrfs.subvolumes.iter().enumerate() {
                    places.push((at("subvolumes", inner), &subvolume.mountpoint));
                }
            }
        }
    }
    places.retain(|(_, mountpoint)| !mountpoint.is_empty());
    places
}

/// A user without a group that is named gets one of the user's name, which then cannot be there yet. Installers make people themselves.
fn people(request: &Request<'_>) -> Vec<Finding> {
    let customizations = &request.blueprint.customizations;
    if request.image_type.kind == Kind::ImageInstaller {
        return Vec::new();
    }
    let is_made = |name: &str| customizations.group.iter().any(|group| group.name == name);
    let finding = |(index, user): (usize, &User)| {
        let name = &user.name;
        let is_refused = user.gid.is_none() && is_made(name);
        is_refused.then(|| {
            let path = element(&["customizations", "user"], index, "name");
            let message = format!(
                "{}: user {name:?} would get a group of this name, which the blueprint makes already",
                dotted(&path)
            );
            let hint = "give the group and the user the same `gid`, or leave the group out";
            Finding::error(path, message, "has no `gid`", hint)
        })
    };
    let people = customizations.user.iter().enumerate();
    people.filter_map(finding).collect()
}

fn openscap(request: &Request<'_>) -> Vec<Finding> {
    let Some(openscap) = &request.blueprint.customizations.openscap else {
        return Vec::new();
    };
    let distro = request.distro;
    if is_too_old_for_openscap(distro) {
        let path = keys(&["customizations", "openscap"]);
        let message = format!(
            "{}: not supported for distro version: {}",
            dotted(&path),
            distro.os_version
        );
        let hint = "leave it out, or take a newer release";
        return vec![Finding::error(path, message, "not supported", hint)];
    }
    let profile = openscap.profile_id.as_str();
    let profiles = &distro.oscap_profiles;
    let is_listed = profiles.iter().any(|listed| {
        listed == profile
            || listed
                .strip_suffix(profile)
                .is_some_and(|rest| rest.ends_with('_'))
    });
    if profiles.is_empty() || is_listed {
        return Vec::new();
    }
    let path = keys(&["customizations", "openscap", "profile_id"]);
    let message = format!("{}: unsupported profile {profile}", dotted(&path));
    let hint = format!("{} has {}", distro.name, profiles.join(", "));
    vec![Finding::error(path, message, "not a known profile", hint)]
}

/// Releases whose OpenSCAP cannot be run while an image is built.
fn is_too_old_for_openscap(distro: &Distro) -> bool {
    let minor = distro
        .version()
        .split_once('.')
        .and_then(|(_, minor)| minor.parse::<u64>().ok());
    match distro.like {
        DistroLike::El8 => minor.is_some_and(|minor| minor < 7),
        DistroLike::El9 => minor == Some(0),
        _ => false,
    }
}

fn directories_and_files(request: &Request<'_>) -> Vec<Finding> {
    let is_state_only = is_ostree(request.image_type.kind) || request.bootc.is_some();
    let (directories, files) = match is_state_only {
        true => (policy::OSTREE_DIRECTORIES, policy::OSTREE_FILES),
        false => (policy::DIRECTORIES, policy::FILES),
    };
    let customizations = &request.blueprint.customizations;
    let refused = |policy: PathPolicy, list: &'static str, what: &'static str| {
        move |(index, path): (usize, &String)| {
            (!policy.allows(path)).then(|| {
                let place = element(&["customizations", list], index, "path");
                let message = format!("{}: a {what} at {path:?} is not allowed", dotted(&place));
                let hint = match is_state_only {
                    true => "such images take entries below /etc, and files below /root and /usr/local/bin",
                    false => "use a package for it, or another place such as /etc or /usr/local",
                };
                Finding::error(place, message, "not allowed", hint)
            })
        }
    };
    let paths = customizations
        .directories
        .iter()
        .map(|directory| &directory.path)
        .enumerate();
    let mut findings: Vec<Finding> = paths
        .filter_map(refused(directories, "directories", "directory"))
        .collect();
    let paths = customizations
        .files
        .iter()
        .map(|file| &file.path)
        .enumerate();
    findings.extend(paths.filter_map(refused(files, "files", "file")));
    findings
}

/// The kernel of EL 8 on 64-bit ARM has pages of 64 KiB: swap space made elsewhere is not its.
fn swap(request: &Request<'_>) -> Vec<Finding> {
    let Some(disk) = &request.blueprint.customizations.disk else {
        return Vec::new();
    };
    if request.distro.like != DistroLike::El8 || request.arch != Arch::Aarch64 {
        return Vec::new();
    }
    let place = format!("{} {}", request.distro.name, request.arch);
    let mut findings = Vec::new();
    for (index, partition) in disk.partitions.iter().enumerate() {
        let path = element(&["customizations", "disk", "partitions"], index, "fs_type");
        let message = match partition {
            Partition::Plain(plain) if plain.fs_type == Some(FsType::Swap) => "swap partition",
            Partition::Lvm(group)
                if group
                    .logical_volumes
                    .iter()
                    .any(|volume| volume.fs_type == Some(FsType::Swap)) =>
            {
                "swap logical volume"
            }
            _ => continue,
        };
        let message = format!(
            "{}: {message} creation is not supported on {place}",
            dotted(&path)
        );
        let hint = "make swap space in the system, when it runs";
        findings.push(Finding::error(path, message, "not supported", hint));
    }
    findings
}
