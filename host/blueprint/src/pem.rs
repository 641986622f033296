//! Certificates as texts.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a text in PEM form (RFC 7468), each in DER form. Text around them is skipped.
///
/// # Errors
/// There is none, or one is broken.
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after
            .split_once(END)
            .ok_or_else(|| format!("{END} is missing"))?;
        let body: String = body.split_whitespace().collect();
        let der = BASE64_STANDARD
            .decode(body)
            .map_err(|error| format!("its base64 is broken: {error}"))?;
        if !is_one_sequence(&der) {
            return Err("it is broken or incomplete".to_owned());
        }
        found.push(der);
        rest = after;
    }
    match found.is_empty() {
        true => Err(format!("there is no {BEGIN}")),
        false => Ok(found),
    }
}

/// Whether the bytes are one sequence of DER, of the length that it says.
fn is_one_sequence(der: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    let [SEQUENCE, length, rest @ ..] = der else {
        return false;
    };
    match length {
        0..=0x7f => rest.len() == usize::from(*length),
        0x81..=0x84 => {
            let Some((bytes, content)) = rest.split_at_checked(usize::from(length - 0x80)) else {
                return false;
            };
            let length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            content.len() == length
        }
        _ => false,
    }
}
