//! Installed plugins.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::BUILTINS;
use crate::print::{print_rows, say_json};
use crate::style::Style;
use clap::Args;
use osbuild_wasm_component::Module;
use osbuild_wasm_files::own_directory;
use osbuild_wasm_plugin::{Directory, InstallRequest, Installed, Origin, PluginError};
use std::path::{Path, PathBuf};

/// Install a plugin from a file, a URL, or a container registry
#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    /// File, https://HOST/PATH#sha256:DIGEST, or oci://HOST/REPOSITORY@sha256:DIGEST
    #[arg(value_name = "FROM")]
    origin: String,
    /// Digest of a URL that has none
    #[arg(long, value_name = "sha256:HEX")]
    digest: Option<String>,
    /// Public key that must have signed it, trusted or not
    #[arg(long, value_name = "FILE")]
    signer: Option<PathBuf>,
    /// Signature; default: FROM.sig, in a registry the layer beside the component
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Refuse it without the signature of a trusted key
    #[arg(long)]
    require_signature: bool,
    /// It may take the place of a built-in module of its name
    #[arg(long)]
    allow_shadow: bool,
    /// Directory of installed plugins, instead of this user's
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// List the installed plugins
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Print the index as JSON
    #[arg(long)]
    json: bool,
    /// Directory of installed plugins, instead of this user's
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// Remove an installed plugin
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// Module name
    name: String,
    /// Directory of installed plugins, instead of this user's
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// Check installed plugins: digest, document, signature
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Module names; default: all
    names: Vec<String>,
    /// Fail for a plugin without the signature of a trusted key
    #[arg(long)]
    require_signature: bool,
    /// Directory of installed plugins, instead of this user's
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// The directory of installed plugins: the one that was named, that of the environment, or this user's. None without a home.
pub(crate) fn directory(named: Option<&Path>) -> Option<Directory> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let place = |own: &str, base: &str, home: &str, name: &str| {
        let of_user = || Some(own_directory(base, home)?.join("osbuild-wasm").join(name));
        variable(own).map(PathBuf::from).or_else(of_user)
    };
    let plugins = place(
        "OSBUILD_WASM_PLUGINS",
        "XDG_DATA_HOME",
        ".local/share",
        "plugins",
    );
    let keys = place("OSBUILD_WASM_KEYS", "XDG_CONFIG_HOME", ".config", "keys");
    let path = named.map(Path::to_owned).or(plugins)?;
    // Without a home no key is trusted.
    let keys = keys.unwrap_or_else(|| path.join("keys"));
    Some(Directory::new(path, keys))
}

fn required(named: Option<&Path>) -> Result<Directory, PluginError> {
    directory(named).ok_or_else(|| {
        PluginError::Usage(
            "there is no place for plugins: give --plugins DIR, or set OSBUILD_WASM_PLUGINS or HOME".into(),
        )
    })
}

fn is_builtin(module: &Module) -> bool {
    BUILTINS.iter().any(|builtin| {
        (builtin.name, builtin.kind.name()) == (&module.metadata.name, &module.metadata.kind)
    })
}

impl Command for InstallArguments {
    fn run(self) -> Result {
        let directory = required(self.plugins.as_deref())?;
        let origin = Origin::parse(&self.origin, self.digest.as_deref())?;
        let plugin = directory.install(&InstallRequest {
            origin: &origin,
            signature: self.signature.as_deref(),
            signer: self.signer.as_deref(),
            require_signature: self.require_signature,
            allow_shadow: self.allow_shadow,
            is_builtin,
        })?;
        let instead = if plugin.shadows {
            ", instead of the built-in one"
        } else {
            ""
        };
        outln!(
            "installed {} {}{instead}, {}, {}",
            plugin.kind,
            plugin.name,
            plugin.digest,
            signer(&plugin)
        );
        Ok(Exit::Done)
    }
}

fn signer(plugin: &Installed) -> String {
    match &plugin.signer {
        Some(signer) => format!("signed by {}", signer.key),
        None => "not signed by anybody trusted".into(),
    }
}

impl Command for ListArguments {
    fn run(self) -> Result {
        let plugins = required(self.plugins.as_deref())?.list()?;
        if self.json {
            let text = serde_json::to_string_pretty(&plugins).unwrap_or_default();
            say_json(&text);
            return Ok(Exit::Done);
        }
        print_rows(plugins.iter().map(|plugin| {
            let shadows = if plugin.shadows {
                " (instead of the built-in one)"
            } else {
                ""
            };
            vec![
                format!("{}{shadows}", plugin.name),
                plugin.kind.clone(),
                plugin.digest.clone(),
                plugin.origin.clone(),
                signer(plugin),
                plugin.installed.clone(),
            ]
        }));
        Ok(Exit::Done)
    }
}

impl Command for RemoveArguments {
    fn run(self) -> Result {
        let gone = required(self.plugins.as_deref())?.remove(&self.name)?;
        if gone.is_empty() {
            return Err(not_installed(&self.name).into());
        }
        for plugin in gone {
            outln!("removed {} {}", plugin.kind, plugin.name);
        }
        Ok(Exit::Done)
    }
}

fn not_installed(name: &str) -> PluginError {
    PluginError::Usage(format!(
        "{name} is not installed: `osbuild-wasm plugin list` shows what is"
    ))
}

impl Command for VerifyArguments {
    fn run(self) -> Result {
        let directory = required(self.plugins.as_deref())?;
        let plugins = directory.list()?;
        let mut names = self.names.iter();
        if let Some(name) = names.find(|name| !plugins.iter().any(|plugin| plugin.name == **name)) {
            return Err(not_installed(name).into());
        }
        let asked =
            |plugin: &&Installed| self.names.is_empty() || self.names.contains(&plugin.name);
        let mut exit = Exit::Done;
        for plugin in plugins.iter().filter(asked) {
            let verified = directory.verify(plugin).and_then(|_| match &plugin.signer {
                None if self.require_signature => Err(PluginError::Signature {
                    name: plugin.name.clone(),
                    cause: "a signature is required, and it was installed without one".into(),
                }),
                _ => Ok(()),
            });
            match verified {
                Ok(()) => outln!("{}: as installed, {}", plugin.name, signer(plugin)),
                Err(error) => exit = CommandError::from(error).show(Style::Own),
            }
        }
        Ok(exit)
    }
}
