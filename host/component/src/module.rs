//! A component with its module document.
use crate::failure::ComponentError;
use osbuild_wasm_capability::{ModuleMetadata, Request, SECTION, Signer};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Embedded in the program.
    Builtin,
    /// A file of a library directory.
    File(PathBuf),
}

/// A component, known without having been executed.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its module document.
    pub metadata: ModuleMetadata,
    /// What it imports.
    pub request: Request,
    /// SHA-256 of the bytes, lower-case hex.
    pub digest: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whose signatures of it were verified, where signatures are kept beside components.
    pub signers: Vec<Signer>,
    /// The binary.
    pub bytes: Arc<[u8]>,
}

impl Module {
    /// Reads a component's imports and section; `name` is for messages. Nothing is executed.
    pub fn read(
        name: &str,
        bytes: impl Into<Arc<[u8]>>,
        origin: Origin,
    ) -> Result<Self, ComponentError> {
        let bytes = bytes.into();
        let malformed = |cause: String| ComponentError::NotAComponent {
            name: name.into(),
            cause: first_line(&cause),
        };
        let (imports, section) = outline(&bytes).map_err(malformed)?;
        let section = section.ok_or_else(|| ComponentError::NoMetadata { name: name.into() })?;
        let metadata =
            ModuleMetadata::parse(section).map_err(|cause| ComponentError::Metadata {
                name: name.into(),
                cause,
            })?;
        if !matches!(metadata.kind.as_str(), "stage" | "assembler") {
            return Err(ComponentError::Kind {
                name: name.into(),
                kind: metadata.kind,
            });
        }
        let request = Request::from_imports(name, imports.iter().map(String::as_str))?;
        let digest = hex::encode(Sha256::digest(&bytes));
        Ok(Self {
            metadata,
            request,
            digest,
            origin,
            signers: Vec::new(),
            bytes: bytes.clone(),
        })
    }
}

/// What a parser has to say to people: not its dump of the bytes.
fn first_line(cause: &str) -> String {
    cause.lines().next().unwrap_or_default().to_owned()
}

/// Import names and the module section of the outermost component.
fn outline(bytes: &[u8]) -> Result<(Vec<String>, Option<&[u8]>), String> {
    let mut imports = Vec::new();
    let mut section = None;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| error.to_string())? {
            Payload::Version { encoding, .. } if depth == 0 && encoding != Encoding::Component => {
                return Err("it is a core module".into());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(reader) if depth == 0 => {
                for import in reader {
                    let import = import.map_err(|error| error.to_string())?;
                    if import.ty.kind() == ComponentExternalKind::Instance {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(custom)
                if depth == 0
                    && custom.name() == SECTION
                    && section.replace(custom.data()).is_some() =>
            {
                return Err(format!("it has two sections `{SECTION}`"));
            }
            _ => {}
        }
    }
    Ok((imports, section))
}
