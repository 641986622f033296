//! Certificate authorities that a system trusts.
use super::nodes::text_file_stages;
use crate::GeneratorError;
use crate::manifest::Stage;
use crate::sources::Sources;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Stages that put certificates among those that the system trusts, one file each, and make the lists that programs
/// read. `texts` are PEM texts, each of one or more certificates.
///
/// # Errors
/// A text has no certificate, or what stands in its place is none.
pub fn certificate_stages(
    texts: &[String],
    sources: &mut Sources,
) -> Result<Vec<Stage>, GeneratorError> {
    let mut stages = Vec::new();
    for text in texts {
        for certificate in certificates(text)? {
            let path = format!(
                "/etc/pki/ca-trust/source/anchors/{}.pem",
                certificate.serial
            );
            stages.extend(text_file_stages(&path, &certificate.pem(), None, sources));
        }
    }
    if !stages.is_empty() {
        stages.push(Stage::bare("pki.update-ca-trust"));
    }
    Ok(stages)
}

/// A certificate and what its file is called by.
#[derive(Debug)]
struct Certificate {
    der: Vec<u8>,
    /// Serial number in hexadecimal.
    serial: String,
}

impl Certificate {
    /// In PEM form, which has 64 letters in a line.
    fn pem(&self) -> String {
        let text = BASE64.encode(&self.der);
        let mut pem = format!("{BEGIN}\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + END + "\n"
    }
}

fn certificates(text: &str) -> Result<Vec<Certificate>, GeneratorError> {
    let blocks: Vec<&str> = text
        .split(BEGIN)
        .skip(1)
        .filter_map(|rest| rest.split_once(END))
        .map(|(block, _)| block)
        .collect();
    if blocks.is_empty() {
        return Err(GeneratorError::Request(format!(
            "no valid PEM certificates found in: {text}"
        )));
    }
    blocks
        .into_iter()
        .map(|block| {
            certificate(block).ok_or_else(|| {
                GeneratorError::Request(format!(
                    "failed to parse certificate: {}",
                    block.trim().lines().next().unwrap_or_default()
                ))
            })
        })
        .collect()
}

fn certificate(block: &str) -> Option<Certificate> {
    let letters: String = block.split_ascii_whitespace().collect();
    let der = BASE64.decode(letters).ok()?;
    let serial = serial(&der)?;
    Some(Certificate { der, serial })
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// The version of a certificate, which may be left out.
const VERSION: u8 = 0xa0;

/// The serial number (RFC 5280, 4.1): a certificate is a sequence of a sequence that begins with version and serial.
fn serial(der: &[u8]) -> Option<String> {
    let (tag, certificate, rest) = element(der)?;
    if tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let (tag, signed, _) = element(certificate)?;
    if tag != SEQUENCE {
        return None;
    }
    let mut found = element(signed)?;
    if found.0 == VERSION {
        found = element(found.2)?;
    }
    let (INTEGER, number, _) = found else {
        return None;
    };
    // A first bit that is set is the sign of a negative number, which no serial number is.
    if number.first()? & 0x80 != 0 {
        return None;
    }
    let digits = hex::encode(number);
    Some(match digits.trim_start_matches('0') {
        "" => "0".into(),
        digits => digits.into(),
    })
}

/// Tag, content and what follows of the first element of DER.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // More than four bytes of length is more than there can be.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = length
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as far as it is read: a sequence of a sequence of version and serial.
    fn pem(serial: &[u8]) -> String {
        let wrap = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).expect("a short content");
            [&[tag, length][..], content].concat()
        };
        let version = wrap(VERSION, &wrap(INTEGER, &[2]));
        let signed = [version, wrap(INTEGER, serial)].concat();
        let der = wrap(SEQUENCE, &wrap(SEQUENCE, &signed));
        format!("{BEGIN}\n{}\n{END}\n", BASE64.encode(der))
    }

    #[test]
    fn every_certificate_of_a_text_becomes_a_file_named_by_its_serial_number() {
        let text = format!("a comment\n{}{}", pem(&[0x00, 0x8f, 0x01]), pem(&[0x0a]));
        let stages = certificate_stages(&[text], &mut Sources::default()).expect("stages");
        let kinds: Vec<&str> = stages.iter().map(Stage::kind).collect();
        let each = ["org.osbuild.copy", "org.osbuild.chown"];
        let expected = [&each[..], &each, &["org.osbuild.pki.update-ca-trust"]].concat();
        assert_eq!(kinds, expected);
        let anchors = "/etc/pki/ca-trust/source/anchors";
        for (stage, serial) in [(1, "8f01"), (3, "a")] {
            let items = &stages[stage].options().expect("options")["items"];
            assert!(
                items.get(format!("{anchors}/{serial}.pem")).is_some(),
                "{items}"
            );
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let lengths = format!(
            "{BEGIN}\n{}\n{END}",
            BASE64.encode([SEQUENCE, 0x84, 0xff, 0xff])
        );
        for text in ["", "nonsense", &pem(&[0x80]), &pem(&[]), &lengths, BEGIN] {
            assert!(certificates(text).is_err(), "{text}");
        }
    }
}
