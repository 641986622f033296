//! From what a compiler made to one file that is a plugin.
use crate::error::{PluginError, Result};
use osbuild_wasm_capability::{ModuleMetadata, VERSION, embed};
use osbuild_wasm_component::{Module, Origin};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file};
use osbuild_wasm_manifest::catalogue::Catalogue;
use serde_json::Value;
use std::path::Path;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};

/// How every core module begins; a component has another number behind the four letters.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Makes a plugin of the component (or command of WASI 0.1) `binary` and the module document in the file `document`. Whether the
/// program could use it is known afterwards: imports, section and schemas are read, nothing is executed.
pub fn pack(name: &str, binary: &[u8], document: &Path) -> Result<Module> {
    let component = if binary.starts_with(CORE_MODULE) {
        componentize(name, binary)?
    } else {
        binary.to_vec()
    };
    let metadata = read_document(document)?;
    let packed = embed(&component, metadata.to_string().as_bytes());
    let module = Module::read(name, packed, Origin::File(name.into()))?;
    check_schema(&module, document)?;
    Ok(module)
}

/// A command of WASI 0.1 as a component of WASI 0.2, by the adapter that wasmtime publishes for that.
fn componentize(name: &str, core: &[u8]) -> Result<Vec<u8>> {
    let failed = |cause: String| PluginError::Pack {
        name: name.to_owned(),
        cause,
    };
    wit_component::ComponentEncoder::default()
        .module(core)
        .and_then(|encoder| {
            encoder.validate(true).adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.encode())
        .map_err(|error| failed(format!("{error:#}")))
}

fn read_document(path: &Path) -> Result<Value> {
    let text = read_file(path, LARGEST_DOCUMENT).map_err(PluginError::io(path))?;
    let failed = |cause: String| PluginError::Document {
        path: path.to_owned(),
        cause,
    };
    // Here lines and columns are those of the author's file.
    let metadata = ModuleMetadata::parse(&text).map_err(|error| failed(error.to_string()))?;
    if metadata.has_reserved_name() {
        return Err(failed(format!(
            "{} is a name that only built-in modules have: use a domain of your own",
            metadata.name
        )));
    }
    let mut document: Value =
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    document["contract"] = VERSION.to_string().into();
    Ok(document)
}

/// Schemas that cannot be used are found when the plugin is made rather than when it is used.
fn check_schema(module: &Module, document: &Path) -> Result<()> {
    let failed = |cause: String| PluginError::Document {
        path: document.to_owned(),
        cause,
    };
    let value =
        serde_json::to_value(&module.metadata).map_err(|error| failed(error.to_string()))?;
    let mut catalogue = Catalogue::builtin();
    if let Err(error) = catalogue.add(value.into()) {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        return Err(failed(format!("{error}{}", cause.unwrap_or_default())));
    }
    Ok(())
}
