//! Packages of a system and of its build root.
use super::Os;
use crate::GeneratorError;
use crate::content::{ContainerRequest, Depsolved, Transaction};
use crate::customizations::{package_manager, subscription};
use crate::disk;
use crate::manifest::Stage;
use crate::pipelines::rpm::{RpmOptions, rpm_stages};
use osbuild_wasm_distro::{Bootloader, DistroLike};

/// Where containers of a system made by OSTree lie: its own storage is not kept from one version to the next.
const OSTREE_STORAGE: &str = "/usr/share/containers/storage";

/// Packages of the build root that the stages of a system need, in the order of the recorded ones.
pub fn build_packages(os: &Os<'_>) -> Vec<String> {
    let config = os.config();
    let like = os.request.distro.like;
    let mut packages: Vec<String> = os.request.image_type.platform.build_packages.clone();
    if let Some(table) = &os.table {
        packages.extend(disk::tool_packages(table).into_iter().map(String::from));
    }
    let mut add = |names: &[&str]| packages.extend(names.iter().map(|name| (*name).to_string()));
    add(&["rpm"]);
    if os.is_ostree() {
        add(&["rpm-ostree"]);
    }
    if let Some(policy) = os.selinux_policy() {
        add(&["policycoreutils", &format!("selinux-policy-{policy}")]);
    }
    if config.stages.contains_key("cloud-init") {
        add(&[if like == DistroLike::El7 {
            "python3-PyYAML"
        } else {
            "python3-pyyaml"
        }]);
    }
    if edits_ini_files(os) {
        add(&["python3-iniparse"]);
    }
    if !os.request.blueprint.containers.is_empty() {
        if container_storage(os).is_some() {
            add(&[toml_package(like)]);
        }
        add(&["skopeo"]);
    }
    let openscap = os.customizations().openscap.as_ref();
    if openscap
        .is_some_and(|openscap| openscap.tailoring.is_some() || openscap.json_tailoring.is_some())
    {
        add(&["openscap-utils"]);
    }
    if config.bootc_install.is_some() {
        add(&[toml_package(like)]);
    }
    if os.request.image_type.platform.bootloader == Bootloader::Uki {
        add(&["libkcapi-hmaccalc"]);
    }
    if changes_users(os) {
        add(&["shadow-utils"]);
    }
    if config.rpmkeys_path.is_some() {
        add(&["pqrpm"]);
    }
    packages
}

/// Whether a stage edits a configuration by the program that keeps its comments.
fn edits_ini_files(os: &Os<'_>) -> bool {
    let config = os.config();
    let stages = [
        "dnf.config",
        "dnf-automatic.config",
        "yum.config",
        "wsl.conf",
        "wsl-distribution.conf",
    ];
    stages
        .iter()
        .any(|stage| config.stages.contains_key(*stage))
        || config.dnf_set_releasever == Some(true)
        || package_manager::rhsm_options(&os.request).is_some()
        || package_manager::sets_releasever(&os.request)
}

/// Whether users or groups are made here.
fn changes_users(os: &Os<'_>) -> bool {
    super::identity::has_users_or_groups(os) || os.config().lock_root_user == Some(true)
}

/// The package that writes TOML.
pub fn toml_package(like: DistroLike) -> &'static str {
    match like {
        DistroLike::El7 | DistroLike::El8 => "python3-pytoml",
        DistroLike::El9 => "python3-toml",
        DistroLike::El10 | DistroLike::Eln | DistroLike::Fedora => "python3-tomli-w",
    }
}

/// What the solver is asked for, transaction after transaction.
pub fn transactions(os: &Os<'_>) -> Vec<Transaction> {
    let mut transactions = vec![base(os)];
    let derived = derived(os);
    let repositories = os.request.repositories_of("os");
    if !derived.is_empty() {
        transactions.push(Transaction {
            include: derived,
            repositories,
            ..Transaction::default()
        });
    }
    let wished = os.request.blueprint.package_specs();
    if !wished.is_empty() {
        transactions.push(Transaction {
            include: wished,
            modules: os
                .request
                .blueprint
                .enabled_modules
                .iter()
                .map(|module| module.spec())
                .collect(),
            repositories: super::repositories::payload(os),
            ..Transaction::default()
        });
    }
    transactions
}

/// What the type is made of.
fn base(os: &Os<'_>) -> Transaction {
    let image_type = os.request.image_type;
    let set = image_type
        .package_sets
        .get("os")
        .cloned()
        .unwrap_or_default();
    let mut include = image_type.platform.packages.clone();
    include.extend(os.kernel_name().map(String::from));
    include.extend(image_type.environment.packages.iter().cloned());
    if let Some(table) = &os.table {
        include.extend(disk::tool_packages(table).into_iter().map(String::from));
    }
    include.extend(set.include);
    Transaction {
        include,
        exclude: set.exclude,
        repositories: os.request.repositories_of("os"),
        install_weak_deps: image_type.install_weak_deps,
        ..Transaction::default()
    }
}

/// What the configuration and the customizations need.
fn derived(os: &Os<'_>) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    let mut add = |names: &[&str]| packages.extend(names.iter().map(|name| (*name).to_string()));
    if super::identity::time_synchronization(os).is_some() {
        add(&["chrony"]);
    }
    if let Some(policy) = os.selinux_policy() {
        add(&[&format!("selinux-policy-{policy}")]);
    }
    if os.customizations().openscap.is_some() {
        add(&["openscap-scanner", "scap-security-guide", "xz"]);
    }
    if let Some(subscription) = &os.request.options.subscription {
        add(subscription::packages(subscription));
    }
    if changes_users(os) {
        add(&["shadow-utils", "pam", "passwd"]);
    }
    if super::configuration::firewall(os).is_some() {
        add(&["firewalld"]);
    }
    if os
        .config()
        .version_locks
        .as_ref()
        .is_some_and(|locks| !locks.is_empty())
    {
        add(&["dnf", "python3-dnf-plugin-versionlock"]);
    }
    packages
}

/// Containers that the system has from the start.
pub fn containers(os: &Os<'_>) -> Vec<ContainerRequest> {
    let containers = os.request.blueprint.containers.iter();
    containers
        .map(crate::customizations::containers::request)
        .collect()
}

/// Where the system's containers lie, where that is not the usual storage.
pub fn container_storage<'a>(os: &'a Os<'_>) -> Option<&'a str> {
    let wished = os.customizations().containers_storage.as_ref();
    let wished = wished
        .and_then(|storage| storage.destination_path.as_deref())
        .filter(|path| !path.is_empty());
    wished.or_else(|| os.is_ostree().then_some(OSTREE_STORAGE))
}

/// The stages that install solved packages.
pub fn install(os: &Os<'_>, solved: &Depsolved) -> Result<Vec<Stage>, GeneratorError> {
    let config = os.config();
    let mut keys_from_tree = config.gpgkey_files.clone().unwrap_or_default();
    keys_from_tree.extend(imported_keys(os));
    let options = RpmOptions {
        exclude_docs: config.exclude_docs == Some(true),
        install_langs: config.install_langs.clone().unwrap_or_default(),
        boot_root: config.kernel_install_boot_root.clone(),
        rpmkeys_path: config.rpmkeys_path.clone(),
        ostree: os.is_ostree(),
        keys_from_tree,
        ..RpmOptions::default()
    };
    rpm_stages("os", solved, &options)
}

/// Keys that the blueprint imports from the tree.
pub fn imported_keys(os: &Os<'_>) -> Vec<String> {
    let keys = os
        .customizations()
        .rpm
        .as_ref()
        .and_then(|rpm| rpm.import_keys.as_ref());
    keys.map(|keys| keys.files.clone()).unwrap_or_default()
}
