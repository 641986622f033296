//! The directory of installed plugins: files, and `index.json`, which says of each where it is from, its digest, who signed it, and when
//! it came.
use crate::error::{PluginError, Result};
use crate::file::write;
use crate::origin::{Origin, read_signature};
use crate::signature::{PublicKey, Trusted, with_suffix};
use osbuild_wasm_component::{Module, Origin as From, Registry};
use osbuild_wasm_files::resolve::{make_directory, open_unshared_directory, read_unshared_file};
use osbuild_wasm_files::{LARGEST_DOCUMENT, open_lock_file, read_file};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const INDEX: &str = "index.json";
/// Version of the index; another one is refused rather than guessed.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u32,
    plugins: Vec<Installed>,
}

/// One installed plugin as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// Module name.
    pub name: String,
    /// `stage` or `assembler`.
    pub kind: String,
    /// Digest of the file, `sha256:` and hex.
    pub digest: String,
    /// Where it is from, with the digest that pinned it.
    pub origin: String,
    /// Who signed it; none: it was installed without a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// When it was installed, RFC 3339.
    pub installed: String,
    /// It takes the place of a built-in module, as the user wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadows: bool,
}

/// Who signed a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The public key, `ed25519:` and hex.
    pub key: String,
    /// The key was named when the plugin was installed; otherwise it is one of the trusted keys, and must stay one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
}

/// How to install a plugin.
#[derive(Debug)]
pub struct InstallRequest<'a> {
    /// From where.
    pub origin: &'a Origin,
    /// Signature file instead of the one beside the plugin.
    pub signature: Option<&'a Path>,
    /// Public key that must have signed it.
    pub signer: Option<&'a Path>,
    /// Without a trusted signature it is refused.
    pub require_signature: bool,
    /// It may take the place of a built-in module.
    pub allow_shadow: bool,
    /// Whether a module of this kind and name is built in.
    pub is_builtin: fn(&Module) -> bool,
}

/// A directory of installed plugins, and the keys that are trusted.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    keys: PathBuf,
}

impl Directory {
    /// The plugins in `path`, whose signatures are judged by the keys `*.pub` in `keys`. Neither has to be there.
    pub fn new(path: impl Into<PathBuf>, keys: impl Into<PathBuf>) -> Self {
        let (path, keys) = (path.into(), keys.into());
        Self { path, keys }
    }

    /// All installed plugins, by name.
    pub fn list(&self) -> Result<Vec<Installed>> {
        match open_unshared_directory(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            directory => directory.map_err(PluginError::untrusted(&self.path))?,
        };
        let path = self.path.join(INDEX);
        let text = match read_unshared_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(PluginError::untrusted(&path))?,
        };
        let failed = |cause: String| PluginError::Document {
            path: path.clone(),
            cause,
        };
        let index: Index =
            serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        if index.version != VERSION {
            return Err(failed(format!(
                "version {} of the index: this program knows {VERSION}",
                index.version
            )));
        }
        Ok(index.plugins)
    }

    /// The file of a plugin.
    pub fn file(&self, plugin: &Installed) -> PathBuf {
        self.path
            .join(format!("{}s", plugin.kind))
            .join(format!("{}.wasm", plugin.name))
    }

    /// Gets a plugin, checks it, and keeps it. One of the same name is replaced.
    pub fn install(&self, order: &InstallRequest<'_>) -> Result<Installed> {
        let mut fetched = order.origin.fetch()?;
        let origin = order.origin.to_string();
        if let Some(path) = order.signature {
            fetched.signature =
                Some(read_file(path, LARGEST_DOCUMENT).map_err(PluginError::io(path))?);
        }
        let signer = self.signer(order, &origin, &fetched.bytes, fetched.signature.as_deref())?;
        let module = Module::read(&origin, fetched.bytes, From::File((&origin).into()))?;
        let builtin = (order.is_builtin)(&module);
        if module.metadata.has_reserved_name() && !builtin {
            return Err(PluginError::Usage(format!(
                "{origin} says it is {}, a name that only built-in modules have: it needs a domain of its author's",
                module.metadata.name
            )));
        }
        if builtin && !order.allow_shadow {
            return Err(PluginError::Usage(format!(
                "{origin} says it is {}, which is built in: if it shall take that place, give --allow-shadow",
                module.metadata.name
            )));
        }
        let plugin = Installed {
            name: module.metadata.name.clone(),
            kind: module.metadata.kind.clone(),
            digest: format!("sha256:{}", module.digest),
            origin,
            signer,
            installed: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            shadows: builtin,
        };
        self.keep(&plugin, &module.bytes, fetched.signature.as_deref())?;
        Ok(plugin)
    }

    /// Who signed it, when the signature is trusted. A signature without a trusted key is worth nothing, and one that is required and
    /// absent or wrong an error.
    fn signer(
        &self,
        order: &InstallRequest<'_>,
        origin: &str,
        bytes: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Option<Signer>> {
        let failed = |cause: &str| PluginError::Signature {
            name: origin.to_owned(),
            cause: cause.to_owned(),
        };
        let mut trusted = match order.signer {
            Some(_) => Trusted::default(),
            None => Trusted::directory(&self.keys)?,
        };
        if let Some(path) = order.signer {
            trusted.add(path)?;
        }
        let required = order.require_signature || order.signer.is_some();
        let Some(signature) = signature else {
            return match required {
                true => Err(failed("a signature is required and there is none")),
                false => Ok(None),
            };
        };
        match trusted.signer(bytes, signature) {
            Some(key) => Ok(Some(Signer {
                key: key.to_string(),
                named: order.signer.is_some(),
            })),
            None if trusted.is_empty() && required => Err(PluginError::Signature {
                name: origin.to_owned(),
                cause: format!(
                    "a signature is required and no key is trusted: name one by --signer, or put it into {}",
                    self.keys.display()
                ),
            }),
            None if required => Err(failed(
                "its signature is not of a trusted key, or not of this file",
            )),
            None => Ok(None),
        }
    }

    fn keep(&self, plugin: &Installed, bytes: &[u8], signature: Option<&[u8]>) -> Result<()> {
        let _lock = self.lock()?;
        let path = self.file(plugin);
        let signature_path = with_suffix(&path, ".sig");
        // The signature before the index says that there is one; the index last.
        write(&path, bytes)?;
        match signature.filter(|_| plugin.signer.is_some()) {
            Some(signature) => write(&signature_path, signature)?,
            None => remove_if_there(&signature_path)?,
        }
        let mut plugins = self.list()?;
        plugins.retain(|other| !same(other, plugin));
        plugins.push(plugin.clone());
        plugins.sort_by(|a, b| (&a.name, &a.kind).cmp(&(&b.name, &b.kind)));
        self.write_index(plugins)
    }

    /// Removes a plugin; of two kinds with the same name, both. Returns what was removed, nothing when there is no such plugin.
    pub fn remove(&self, name: &str) -> Result<Vec<Installed>> {
        let _lock = self.lock()?;
        let (gone, kept): (Vec<_>, Vec<_>) = self
            .list()?
            .into_iter()
            .partition(|plugin| plugin.name == name);
        if !gone.is_empty() {
            self.write_index(kept)?;
        }
        for plugin in &gone {
            let path = self.file(plugin);
            remove_if_there(&with_suffix(&path, ".sig"))?;
            remove_if_there(&path)?;
        }
        Ok(gone)
    }

    /// Checks a plugin as every use of it does: digest, name, signature, trust.
    pub fn verify(&self, plugin: &Installed) -> Result<Arc<Module>> {
        let path = self.file(plugin);
        let name = path.display().to_string();
        let bytes = read_unshared_file(&path).map_err(PluginError::untrusted(&path))?;
        let found = crate::digest(&bytes);
        if found != plugin.digest {
            return Err(PluginError::Digest {
                name,
                wanted: plugin.digest.clone(),
                found,
                advice: format!(
                    "it is not what was installed: `osbuild-wasm plugin install {}` again, or `osbuild-wasm plugin remove {}`",
                    plugin.origin, plugin.name
                ),
            });
        }
        if let Some(signer) = &plugin.signer {
            self.verify_signature(&path, &bytes, signer)?;
        }
        let mut module = Module::read(&name, bytes, From::File(path))?;
        let verified = plugin
            .signer
            .iter()
            .map(|signer| osbuild_wasm_capability::Signer {
                key: signer.key.clone(),
                ..Default::default()
            });
        module.signers = verified.collect();
        if (&module.metadata.name, &module.metadata.kind) != (&plugin.name, &plugin.kind) {
            return Err(PluginError::Document {
                path: self.path.join(INDEX),
                cause: format!("it says that {name} is {} {}", plugin.kind, plugin.name),
            });
        }
        Ok(Arc::new(module))
    }

    fn verify_signature(&self, path: &Path, bytes: &[u8], signer: &Signer) -> Result<()> {
        let failed = |cause: String| PluginError::Signature {
            name: path.display().to_string(),
            cause,
        };
        let key = PublicKey::parse(&signer.key)
            .ok_or_else(|| failed(format!("the index names {}, which is no key", signer.key)))?;
        let signature = read_signature(&with_suffix(path, ".sig"))?
            .ok_or_else(|| failed("its signature is gone".into()))?;
        if !key.verifies(bytes, &signature) {
            return Err(failed(format!("its signature is not that of {key}")));
        }
        if !signer.named && !Trusted::directory(&self.keys)?.contains(&key) {
            return Err(failed(format!(
                "it was signed by {key}, which is no longer among the trusted keys in {}",
                self.keys.display()
            )));
        }
        Ok(())
    }

    /// Adds all installed plugins to a registry. One that does not verify is an error: nothing runs beside it.
    pub fn load(&self, registry: &mut Registry) -> Result<()> {
        for plugin in self.list()? {
            registry.add(self.verify(&plugin)?, plugin.shadows)?;
        }
        Ok(())
    }

    fn write_index(&self, plugins: Vec<Installed>) -> Result<()> {
        let path = self.path.join(INDEX);
        let version = VERSION;
        let index = serde_json::to_vec_pretty(&Index { version, plugins });
        let index = index.map_err(|error| PluginError::Document {
            path: path.clone(),
            cause: error.to_string(),
        })?;
        write(&path, &index)
    }

    /// One change at a time.
    fn lock(&self) -> Result<File> {
        let path = self.path.join("lock");
        make_directory(&self.path).map_err(PluginError::io(&self.path))?;
        let file = open_lock_file(&path).map_err(PluginError::io(&path))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| PluginError::io(&path)(errno.into()))?;
        Ok(file)
    }
}

fn same(a: &Installed, b: &Installed) -> bool {
    (&a.name, &a.kind) == (&b.name, &b.kind)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PluginError::io(path)(error))
        }
        _ => Ok(()),
    }
}
