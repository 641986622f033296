//! Signatures: Ed25519 over the whole file, detached; keys in the PEM forms of OpenSSL (PKCS #8 and SubjectPublicKeyInfo), the signature
//! 64 raw bytes, so that `openssl pkeyutl -rawin` makes and verifies the same.
use crate::error::{PluginError, Result};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use osbuild_wasm_files::resolve::{open_unshared_directory, read_unshared_file};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text, write_new_file};
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of a signature.
pub(crate) const SIGNATURE: usize = ed25519_dalek::SIGNATURE_LENGTH;

/// A key that signs.
pub struct PrivateKey(SigningKey);

/// The key itself is never shown.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public())
    }
}

impl PrivateKey {
    /// A new key from the system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| key_error(Path::new("getrandom"), &error))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a PEM file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path, LARGEST_DOCUMENT).map_err(PluginError::io(path))?;
        SigningKey::from_pkcs8_pem(&text)
            .map(Self)
            .map_err(|error| key_error(path, &error))
    }

    /// Writes the key to the new file `path`, which only this user can read, and the public key to `path` with `.pub` appended.
    pub fn write(&self, path: &Path) -> Result<PathBuf> {
        let text = self
            .0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| key_error(path, &error))?;
        let public = with_suffix(path, ".pub");
        let public_text = self
            .0
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|error| key_error(&public, &error))?;
        for (path, mode, text) in [(path, 0o600, text.as_str()), (&public, 0o644, &public_text)] {
            write_new_file(path, mode, text.as_bytes()).map_err(PluginError::io(path))?;
        }
        Ok(public)
    }

    /// The key that verifies.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature of these bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE] {
        self.0.sign(bytes).to_bytes()
    }
}

/// A key that verifies; shown as `ed25519:` and its 32 bytes in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a PEM file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path, LARGEST_DOCUMENT).map_err(PluginError::io(path))?;
        Self::from_pem(path, &text)
    }

    fn from_pem(path: &Path, text: &str) -> Result<Self> {
        VerifyingKey::from_public_key_pem(text)
            .map(Self)
            .map_err(|error| key_error(path, &error))
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text.strip_prefix("ed25519:")?).ok()?;
        let key = VerifyingKey::from_bytes(bytes.as_slice().try_into().ok()?).ok()?;
        Some(Self(key))
    }

    /// Whether `signature` is this key's signature of these bytes.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        // Strict: no signature or key that other implementations might judge otherwise.
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(bytes, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.0.as_bytes()))
    }
}

fn key_error(path: &Path, error: &dyn fmt::Display) -> PluginError {
    PluginError::Signature {
        name: path.display().to_string(),
        cause: format!("no usable Ed25519 key in PEM format: {error}"),
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The public keys that are trusted, each with where it is from.
#[derive(Debug, Clone, Default)]
pub struct Trusted(Vec<(PathBuf, PublicKey)>);

impl Trusted {
    /// Trusts the keys `*.pub` of a directory; a missing one has none.
    pub fn directory(directory: &Path) -> Result<Self> {
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            entries => entries.map_err(PluginError::io(directory))?,
        };
        open_unshared_directory(directory).map_err(PluginError::untrusted(directory))?;
        let mut trusted = Self::default();
        for entry in entries {
            let path = entry.map_err(PluginError::io(directory))?.path();
            if path.extension().is_some_and(|extension| extension == "pub") {
                let text = read_unshared_file(&path).map_err(PluginError::untrusted(&path))?;
                let key = PublicKey::from_pem(&path, &String::from_utf8_lossy(&text))?;
                trusted.0.push((path, key));
            }
        }
        Ok(trusted)
    }

    /// Trusts one more key.
    pub fn add(&mut self, path: &Path) -> Result<PublicKey> {
        let key = PublicKey::read(path)?;
        self.0.push((path.to_owned(), key));
        Ok(key)
    }

    /// Whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this key is trusted.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.iter().any(|(_, known)| known == key)
    }

    /// The trusted key that made the signature.
    pub fn signer(&self, bytes: &[u8], signature: &[u8]) -> Option<PublicKey> {
        let mut keys = self.0.iter().map(|(_, key)| *key);
        keys.find(|key| key.verifies(bytes, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_signs_exactly_one_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let public = PrivateKey::generate().unwrap().write(&path).unwrap();
        let (private, public) = (
            PrivateKey::read(&path).unwrap(),
            PublicKey::read(&public).unwrap(),
        );
        assert_eq!(private.public(), public);
        assert_eq!(PublicKey::parse(&public.to_string()), Some(public));
        let signature = private.sign(b"text");
        assert!(public.verifies(b"text", &signature));
        assert!(!public.verifies(b"texT", &signature));
        assert!(!public.verifies(b"text", &signature[1..]));
        let trusted = Trusted::directory(directory.path()).unwrap();
        assert_eq!(trusted.signer(b"text", &signature), Some(public));
        assert!(
            PrivateKey::generate().unwrap().write(&path).is_err(),
            "a key is never overwritten"
        );
    }
}
