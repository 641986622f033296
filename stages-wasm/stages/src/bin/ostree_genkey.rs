//! Generate an ed25519 key pair in ostree's format.
#![forbid(unsafe_code)]
use base64::{Engine, engine::general_purpose::STANDARD};
use osbuild_stage::{Arguments, Command, Error, Result};
use serde::Deserialize;
use std::process::ExitCode;

/// Bytes of a public key, and of the seed that is the secret one.
const KEY: usize = 32;

#[derive(Deserialize)]
struct Options {
    publickey: String,
    secretkey: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let secret = Command::new("openssl")
            .args(["genpkey", "-algorithm", "ed25519", "-outform", "DER"])
            .capture()?;
        let public = Command::new("openssl")
            .args(["pkey", "-inform", "DER", "-outform", "DER", "-pubout"])
            .stdin(secret.clone())
            .capture()?;
        let (seed, public) = (key(&secret)?, key(&public)?);
        tree.write(&options.publickey, STANDARD.encode(public))?;
        tree.write(&options.secretkey, STANDARD.encode([seed, public].concat()))
    })
}

/// The key ends the DER structures of both kinds.
fn key(der: &[u8]) -> Result<&[u8]> {
    let start = der.len().checked_sub(KEY);
    let start = start.ok_or_else(|| Error::new("openssl wrote no key"))?;
    Ok(&der[start..])
}
