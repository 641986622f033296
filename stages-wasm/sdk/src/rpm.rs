//! The RPM database and packages of a tree, by the build root's rpm.
use crate::Result;
use crate::bindings::osbuild::stage::rpm as wit;

pub use crate::bindings::osbuild::stage::rpm::{Database, InstalledPackage, Transaction};

/// Imports an ASCII-armoured public key.
pub fn import_key(database: &Database, key: &[u8]) -> Result<()> {
    Ok(wit::import_key(database, key)?)
}

/// Verifies the signature and digests of one package file; an unsigned package fails.
pub fn verify(database: &Database, package: &str) -> Result<()> {
    Ok(wit::verify(database, package)?)
}

/// Installs packages in one transaction.
pub fn install(database: &Database, transaction: &Transaction) -> Result<()> {
    Ok(wit::install(database, transaction)?)
}

/// All installed packages in the order of the database.
pub fn query(database: &Database) -> Result<Vec<InstalledPackage>> {
    Ok(wit::query(database)?)
}
