//! `version` and `system`.
use super::image::store;
use crate::command_error::{Exit, Result};
use crate::format::DocumentFormat;
use crate::image::host_distro;
use clap::Args;
use osbuild_wasm_files::disk_usage;
use serde_json::{Value, json};

/// Say which program this is
#[derive(Debug, Default, Args)]
pub(super) struct Version {
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: DocumentFormat,
}

/// Say which program and which machine this is, and what its cache takes
#[derive(Debug, Args)]
pub(super) struct System {
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: DocumentFormat,
}

impl Version {
    pub(super) fn run(&self) -> Result {
        self.format.print(&program());
        Ok(Exit::Done)
    }
}

impl System {
    pub(super) fn run(&self) -> Result {
        let path = store(None)?;
        let size = match path.exists() {
            true => disk_usage(&path)?,
            false => 0,
        };
        let mut system = program();
        system["cache"] = json!({"path": path.display().to_string(), "size": size});
        system["host"] = json!({"distro": host_distro().ok(), "arch": std::env::consts::ARCH});
        self.format.print(&system);
        Ok(Exit::Done)
    }
}

/// This program, by the names of those that it stands in for.
fn program() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let osbuild = crate::commands::osbuild::VERSION;
    json!({
        "image-builder": {"program": "osbuild-wasm", "version": version},
        "osbuild": {"program": "osbuild-wasm", "version": osbuild},
    })
}
