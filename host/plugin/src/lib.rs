//! Plugins: stages that others ship as one file. Projects for them, packing, a conformance kit, signatures, and the directory of
//! installed ones.
//!
//! Nothing here runs a component: the conformance kit is handed something that does.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

mod conformance;
mod error;
mod file;
mod installed;
mod origin;
mod pack;
mod project;
mod signature;

pub use conformance::{Check, Verdict, check};
pub use error::{PluginError, Result};
pub use installed::{Directory, InstallRequest, Installed, Signer};
pub use origin::{Fetched, Origin, push};
pub use pack::pack;
pub use project::{Built, Language, build, create};
pub use signature::{PrivateKey, PublicKey, Trusted};

use sha2::{Digest, Sha256};

/// The digest of `bytes` as users see it: `sha256:` and lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
