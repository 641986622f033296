//! Keys, signatures, publishing.
use super::io;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use clap::Args;
use osbuild_wasm_files::{LARGEST_COMPONENT, read_file, write_file};
use osbuild_wasm_plugin::{Origin, PrivateKey, push as push_plugin};
use std::path::PathBuf;

/// Make a key pair for signatures (Ed25519): FILE and FILE.pub
#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Where the private key goes (PEM, PKCS #8); it is not overwritten
    #[arg(value_name = "FILE")]
    key: PathBuf,
}

/// Sign a plugin: writes FILE.sig beside it
#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// The plugin
    #[arg(value_name = "FILE")]
    plugin: PathBuf,
    /// Private key (PEM, PKCS #8)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Publish a plugin in a container registry, with FILE.sig when there is one
#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The plugin
    #[arg(value_name = "FILE")]
    plugin: PathBuf,
    /// oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "TO")]
    target: String,
}

impl Command for KeygenArguments {
    fn run(self) -> Result {
        let key = PrivateKey::generate()?;
        let public = key.write(&self.key)?;
        outln!("{}: {}", public.display(), key.public());
        Ok(Exit::Done)
    }
}

impl Command for SignArguments {
    fn run(self) -> Result {
        let key = PrivateKey::read(&self.key)?;
        let bytes = read_file(&self.plugin, LARGEST_COMPONENT).map_err(io(&self.plugin))?;
        let mut path = self.plugin.clone().into_os_string();
        path.push(".sig");
        let path = PathBuf::from(path);
        write_file(&path, &key.sign(&bytes)).map_err(io(&path))?;
        outln!("{}: signed by {}", path.display(), key.public());
        Ok(Exit::Done)
    }
}

impl Command for PushArguments {
    fn run(self) -> Result {
        let path = &self.plugin;
        let fetched = Origin::File(path.clone()).fetch()?;
        // What cannot be installed is not published.
        let origin = osbuild_wasm_component::Origin::File(path.clone());
        osbuild_wasm_component::Module::read(
            &path.display().to_string(),
            fetched.bytes.as_slice(),
            origin,
        )?;
        outln!(
            "{}",
            push_plugin(&self.target, fetched.bytes, fetched.signature)?
        );
        Ok(Exit::Done)
    }
}
