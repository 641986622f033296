//! Write keyed checksums beside files, as integrity checks of FIPS mode expect.
#![forbid(unsafe_code)]
use hmac::digest::KeyInit;
use hmac::{EagerHash, Hmac, Mac};
use osbuild_stage::{Arguments, Context, Error, File, Result, path};
use serde::Deserialize;
use std::io::Read;
use std::process::ExitCode;

/// The key that fipscheck and libkcapi use: it protects against accidents, not against attackers.
const KEY: &[u8] = b"orboDeJITITejsirpADONivirpUkvarP";

#[derive(Deserialize)]
struct Options {
    paths: Vec<String>,
    algorithm: Algorithm,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments.options.paths.iter().try_for_each(|file| {
            let (directory, name) = (path::parent(file), path::name(file));
            let code = arguments
                .options
                .algorithm
                .code(arguments.tree.open(file)?)
                .with_context(|| format!("cannot read {file}"))?;
            arguments.tree.write(
                &path::join(directory, &format!(".{name}.hmac")),
                format!("{code}  {name}\n"),
            )
        })
    })
}

impl Algorithm {
    fn code(self, file: File) -> Result<String> {
        match self {
            Self::Sha1 => code::<sha1::Sha1>(file),
            Self::Sha224 => code::<sha2::Sha224>(file),
            Self::Sha256 => code::<sha2::Sha256>(file),
            Self::Sha384 => code::<sha2::Sha384>(file),
            Self::Sha512 => code::<sha2::Sha512>(file),
        }
    }
}

/// Hexadecimal code of all that can be read.
fn code<D: EagerHash>(mut from: impl Read) -> Result<String> {
    let mut mac = Hmac::<D>::new_from_slice(KEY).map_err(|error| Error::new(error.to_string()))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        mac.update(&buffer[..length]);
    }
    let bytes = mac.finalize().into_bytes();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf x | openssl dgst -sha256 -hmac KEY`
    #[test]
    fn codes_use_the_key_of_fipscheck() {
        assert_eq!(
            code::<sha2::Sha256>(b"x".as_slice()).unwrap(),
            "15d752fac471af2d709eb1b834823643e56c1e3b88fda8c9ec821307b829fa8d"
        );
        assert_eq!(
            code::<sha1::Sha1>(b"x".as_slice()).unwrap(),
            "5f410c49967fece4274e60c45c12db79512d0c51"
        );
    }
}
