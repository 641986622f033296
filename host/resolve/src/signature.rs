//! Signatures of indexes, verified by gpgv.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use osbuild_wasm_files::WorkDirectory;
use std::env::temp_dir;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// First bytes of a packet with a public key, in the old form and the new one (RFC 4880, 4.2 and 5.5.1.1).
const PUBLIC_KEY: [u8; 3] = [0x98, 0x99, 0xc6];
/// Bytes of a line of armour.
const LINE: usize = 48;

/// A key as a text, which is what manifests and solvers take: in armour (RFC 4880, 6.2).
///
/// # Errors
/// One line: it is no key.
pub(crate) fn armored(key: &[u8]) -> Result<String, String> {
    let plain = binary(key)?;
    if let Some(text) = std::str::from_utf8(key).ok().filter(|_| plain != key) {
        return Ok(text.to_owned());
    }
    let lines: Vec<_> = plain
        .chunks(LINE)
        .map(|line| STANDARD.encode(line))
        .collect();
    let check = STANDARD.encode(&check(&plain).to_be_bytes()[1..]);
    let (begin, end) = (
        "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        "-----END PGP PUBLIC KEY BLOCK-----",
    );
    Ok(format!(
        "{begin}\n\n{}\n={check}\n{end}\n",
        lines.join("\n")
    ))
}

/// The checksum of armour (RFC 4880, 6.1).
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |check, byte| {
        let check = check ^ u32::from(*byte) << 16;
        (0..8).fold(check, |check, _| match check << 1 {
            carried if carried & 0x0100_0000 != 0 => (carried ^ 0x0186_4cfb) & 0x00ff_ffff,
            shifted => shifted,
        })
    })
}

/// Checks that one of some keys has signed a document.
///
/// # Errors
/// One line: none of them has, one of them is no key, or there is no gpgv.
pub(crate) fn verify(document: &[u8], signature: &[u8], keys: &[String]) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("cannot verify the signature: {error}");
    let directory = WorkDirectory::new(&temp_dir(), "osbuild-wasm-gpgv").map_err(broken)?;
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).map(|()| path)
    };
    let (document, signature) = (
        file("repomd.xml", document).map_err(broken)?,
        file("repomd.xml.asc", signature).map_err(broken)?,
    );
    if keys.is_empty() {
        return Err(
            "verifying its signature (`repo_gpgcheck`) takes a key: there is no `gpgkey`"
                .to_owned(),
        );
    }
    let mut ring = Vec::new();
    for key in keys {
        ring.extend(binary(key.as_bytes())?);
    }
    let ring = file("keys.gpg", &ring).map_err(broken)?;
    let mut gpgv = Command::new("gpgv");
    gpgv.env("GNUPGHOME", directory.path())
        .arg("--keyring")
        .arg(&ring)
        .arg(&signature)
        .arg(&document);
    match run(gpgv, directory.path()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(said)) => Err(format!("the signature of repodata/repomd.xml is not by a key of `gpgkey`: {said}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("verifying signatures (`repo_gpgcheck`) takes the program gpgv: install the package gpgv".to_owned())
        }
        Err(error) => Err(broken(error)),
    }
}

/// Runs it; what it said when it did not succeed.
fn run(mut program: Command, directory: &Path) -> std::io::Result<Result<(), String>> {
    let output = program
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it did not say why");
    Ok(Err(last.trim_start_matches("gpgv: ").to_owned()))
}

/// A key without its armour (RFC 4880, 6.2), if it has one.
fn binary(key: &[u8]) -> Result<Vec<u8>, String> {
    let Some(text) = std::str::from_utf8(key)
        .ok()
        .filter(|text| text.contains("-----BEGIN PGP"))
    else {
        return match key.first().is_some_and(|first| PUBLIC_KEY.contains(first)) {
            true => Ok(key.to_vec()),
            false => Err("it is no public key of OpenPGP".to_owned()),
        };
    };
    let mut all = Vec::new();
    for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
        let block = block
            .split("-----END")
            .next()
            .unwrap_or_default()
            .replace('\r', "");
        // Headers end with an empty line; the checksum begins with an equals sign.
        let body = block
            .split_once("\n\n")
            .map_or(block.as_str(), |(_, body)| body);
        let lines = body
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('='));
        let decoded = STANDARD.decode(lines.collect::<String>());
        all.extend(decoded.map_err(|error| format!("it is broken: {error}"))?);
    }
    match all.is_empty() {
        true => Err("it is no public key of OpenPGP".to_owned()),
        false => Ok(all),
    }
}
