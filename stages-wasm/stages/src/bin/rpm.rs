//! Verify packages and install them into the tree.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use osbuild_stage::rpm::{self, Database, InstalledPackage, Transaction};
use osbuild_stage::{Arguments, Context, IndexMap, Result, Tree, bail, json, report};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use serde_json::{Value, json as object};
use std::process::ExitCode;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    dbpath: Option<String>,
    gpgkeys: Vec<String>,
    #[serde(rename = "gpgkeys.fromtree")]
    gpgkeys_from_tree: Vec<String>,
    rpmkeys: RpmKeys,
    disable_dracut: bool,
    exclude: Exclude,
    install_langs: Vec<String>,
    nodeps: bool,
    ignorearch: bool,
    ostree_booted: bool,
    generic_env: IndexMap<String, String>,
    kernel_install_env: KernelInstall,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RpmKeys {
    bin_path: Option<String>,
    ignore_import_failures: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Exclude {
    docs: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KernelInstall {
    boot_root: String,
    conf_root: String,
    plugins: String,
    machine_id: String,
}

const MACHINE_ID: &str = "etc/machine-id";
const OSTREE_BOOTED: &str = "run/ostree-booted";
const INSTALL_HOOKS: &str = "etc/kernel/install.d";
const DRACUT_HOOKS: [&str; 2] = ["50-dracut.install", "51-dracut-rescue.install"];

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let environment = environment(options)?;
        let database = Database {
            root: tree.root().into(),
            path: options.dbpath.clone().filter(|path| !path.is_empty()),
            keys_program: options.rpmkeys.bin_path.clone(),
        };
        for key in &options.gpgkeys {
            import(
                &database,
                key.as_bytes(),
                options.rpmkeys.ignore_import_failures,
            )?;
        }
        let input = arguments.input("packages")?;
        for (name, of_file) in input.files()? {
            if of_file.get("rpm.check_gpg").is_some_and(json::is_true) {
                rpm::verify(&database, &input.tree().path(name))?;
            }
        }
        chroot::mount_points(tree)?;
        let packages = input
            .files()?
            .keys()
            .map(|name| input.tree().path(name))
            .collect();
        let transaction = Transaction {
            packages,
            exclude_docs: options.exclude.docs,
            no_dependencies: options.nodeps,
            ignore_architecture: options.ignorearch,
            install_langs: options.install_langs.clone(),
            environment,
        };
        guarded(tree, options, || rpm::install(&database, &transaction))?;
        for path in &options.gpgkeys_from_tree {
            import(&database, &tree.read(path)?, false)
                .with_context(|| format!("key {path} of the tree"))?;
        }
        tree.remove_if_exists("var/lib/systemd/random-seed")?;
        publish(rpm::query(&database)?)
    })
}

/// Variables for the scriptlets; naming one in both places is a mistake.
fn environment(options: &Options) -> Result<Vec<(String, String)>> {
    let kernel = &options.kernel_install_env;
    let named = [
        ("BOOT_ROOT", &kernel.boot_root),
        ("KERNEL_INSTALL_CONF_ROOT", &kernel.conf_root),
        ("KERNEL_INSTALL_PLUGINS", &kernel.plugins),
        ("MACHINE_ID", &kernel.machine_id),
    ];
    let kernel = named.into_iter().filter(|(_, value)| !value.is_empty());
    let mut both: Vec<&str> = kernel
        .clone()
        .map(|(name, _)| name)
        .filter(|name| options.generic_env.contains_key(*name))
        .collect();
    both.sort_unstable();
    if !both.is_empty() {
        bail!(
            "environment variable(s) set in both generic_env and kernel_install_env: {}",
            both.join(", ")
        );
    }
    let generic = options
        .generic_env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    Ok(generic
        .chain(kernel.map(|(name, value)| (name.into(), value.clone())))
        .collect())
}

fn import(database: &Database, key: &[u8], ignore_failure: bool) -> Result<()> {
    match rpm::import_key(database, key) {
        Err(error) if ignore_failure => {
            eprintln!("warning: a key was not imported: {error}");
            Ok(())
        }
        result => result,
    }
}

/// Installs with what scriptlets look for: a machine id that later boots do not share, and the wanted marks.
fn guarded(tree: &Tree, options: &Options, install: impl FnOnce() -> Result<()>) -> Result<()> {
    if !tree.exists(MACHINE_ID)? {
        tree.create_dir_all("etc")?;
        tree.write_with_mode(MACHINE_ID, "f".repeat(32) + "\n", 0o444)?;
    }
    if options.ostree_booted {
        tree.create_dir_all("run")?;
        tree.write(OSTREE_BOOTED, "")?;
    }
    if options.disable_dracut {
        tree.create_dir_all(INSTALL_HOOKS)?;
        DRACUT_HOOKS
            .iter()
            .try_for_each(|hook| tree.symlink("/dev/null", &format!("{INSTALL_HOOKS}/{hook}")))?;
    }
    install()?;
    if options.disable_dracut {
        DRACUT_HOOKS
            .iter()
            .try_for_each(|hook| tree.remove(&format!("{INSTALL_HOOKS}/{hook}")))?;
    }
    if options.ostree_booted {
        tree.remove(OSTREE_BOOTED)?;
    }
    // An empty file makes the first boot generate an id.
    tree.replace(MACHINE_ID, "", 0o444)
}

fn publish(mut packages: Vec<InstalledPackage>) -> Result<()> {
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let packages: Vec<Value> = packages.iter().map(describe).collect();
    report::metadata(&object!({ "packages": packages }))
}

fn describe(package: &InstalledPackage) -> Value {
    object!({
        "name": package.name,
        "version": package.version,
        "release": package.release,
        "epoch": package.epoch,
        "arch": package.arch,
        "sigmd5": package.sigmd5,
        "sha1header": package.sha1header,
        "sha256header": package.sha256header,
        "sha3_256header": package.sha3_256header,
        "sigpgp": package.sigpgp,
        "siggpg": package.siggpg,
    })
}
