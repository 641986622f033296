//! Write files below etc/sysconfig.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Result, Tree};
use osbuild_stage_common::quoting::shell_word;
use osbuild_stage_common::sysconfig::{assignments, write_livesys, write_owned};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const KERNEL: [(&str, &str); 2] = [
    ("update_default", "UPDATEDEFAULT"),
    ("default_kernel", "DEFAULTKERNEL"),
];
const NETWORK: [(&str, &str); 2] = [("networking", "NETWORKING"), ("no_zero_conf", "NOZEROCONF")];
const INTERFACE: [(&str, &str); 7] = [
    ("bootproto", "BOOTPROTO"),
    ("device", "DEVICE"),
    ("ipv6init", "IPV6INIT"),
    ("onboot", "ONBOOT"),
    ("peerdns", "PEERDNS"),
    ("type", "TYPE"),
    ("userctl", "USERCTL"),
];

#[derive(Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[derive(Default)]
struct Options {
    kernel: Map<String, Value>,
    network: Map<String, Value>,
    network_scripts: Scripts,
    livesys: Option<Livesys>,
    desktop: Desktop,
}

#[derive(Deserialize, Default)]
struct Scripts {
    #[serde(default)]
    ifcfg: IndexMap<String, Map<String, Value>>,
}

#[derive(Deserialize)]
struct Livesys {
    session: String,
}

#[derive(Deserialize, Default)]
struct Desktop {
    preferred: Option<String>,
    displaymanager: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        tree.create_dir_all("etc/sysconfig")?;
        write(tree, "kernel", &options.kernel, &KERNEL, "")?;
        write(tree, "network", &options.network, &NETWORK, "")?;
        interfaces(tree, &options.network_scripts)?;
        if let Some(livesys) = &options.livesys {
            write_livesys(tree, "livesys.session", &livesys.session)?;
        }
        desktop(tree, &options.desktop)
    })
}

/// Writes a file, unless nothing is to be set in it.
fn write(
    tree: &Tree,
    name: &str,
    settings: &Map<String, Value>,
    keys: &[(&str, &str)],
    quote: &str,
) -> Result<()> {
    if settings.is_empty() {
        return Ok(());
    }
    let text = assignments(settings, keys, quote).with_context(|| format!("sysconfig {name}"))?;
    tree.write(&format!("etc/sysconfig/{name}"), text)
}

fn interfaces(tree: &Tree, scripts: &Scripts) -> Result<()> {
    if scripts.ifcfg.is_empty() {
        return Ok(());
    }
    tree.create_dir_all("etc/sysconfig/network-scripts")?;
    scripts.ifcfg.iter().try_for_each(|(name, settings)| {
        let name = format!("network-scripts/ifcfg-{name}");
        write(tree, &name, settings, &INTERFACE, "\"")
    })
}

fn desktop(tree: &Tree, desktop: &Desktop) -> Result<()> {
    let lines = [
        ("PREFERRED", &desktop.preferred),
        ("DISPLAYMANAGER", &desktop.displaymanager),
    ];
    for (key, value) in &lines {
        let option = format!("desktop.{}", key.to_lowercase());
        shell_word(&option, value.as_deref().unwrap_or_default())?;
    }
    let given = lines.iter();
    let text: String = given
        .filter_map(|(key, value)| Some(format!("{key}={}\n", value.as_ref()?)))
        .collect();
    match text.as_str() {
        "" => Ok(()),
        text => write_owned(tree, "desktop", text),
    }
}
