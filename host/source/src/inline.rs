//! `org.osbuild.inline`: small files that are in the manifest itself.

use crate::checksum::{Checksum, FILES};
use crate::items::{Progress, entries};
use crate::stored::has_file;
use crate::{FetchContext, Item};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use lzma_rust2::{LzmaReader, XzReader};
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use std::fs::File;
use std::io::{Cursor, Read, Write};

/// The most that one item unpacks to, in bytes: such files are small, their manifest is in memory as a whole.
const LARGEST: u64 = 1 << 30;

/// How an `.xz` file begins (tukaani.org/xz/xz-file-format.txt, 2.1.1.1); the older `.lzma` format has no such mark.
const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";

/// Memory a decoder may take: more than the largest preset of xz needs (65 MiB), in KiB.
const DECODER_MEMORY: u32 = 256 * 1024;

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    let entries: Vec<_> = entries(source).collect();
    let progress = Progress::new(context, &source.module, entries.len());
    let mut items = Vec::new();
    let mut left = context.allowance.bytes;
    for (key, value) in entries {
        let result = item(&key, value, context, &mut left);
        progress.add(1, 0);
        items.push(Item { key, result });
    }
    items
}

fn item(
    key: &str,
    value: &Value,
    context: &FetchContext<'_>,
    left: &mut u64,
) -> Result<bool, String> {
    let checksum = Checksum::parse(key)?;
    let failed = |error: &dyn std::error::Error| {
        format!("cannot store the inline item {key}: {}", with_causes(error))
    };
    if has_file(context.store, &checksum)? {
        return Ok(true);
    }
    let mut content = decode(value)
        .map_err(|problem| format!("cannot decode the inline item {key}: {problem}"))?;
    let scratch = context
        .store
        .scratch("inline")
        .map_err(|error| failed(&error))?;
    let path = scratch.path().join("file");
    let mut file = File::create_new(&path).map_err(|error| failed(&error))?;
    let mut hasher = checksum.hasher();
    let mut buffer = vec![0; 64 * 1024];
    let largest = LARGEST.min(*left);
    let mut written = 0;
    loop {
        let count = content.read(&mut buffer);
        let count =
            count.map_err(|error| format!("cannot decompress the inline item {key}: {error}"))?;
        if count == 0 {
            break;
        }
        if context.is_cancelled() {
            return Err(format!("storing the inline item {key} was interrupted"));
        }
        written += count as u64;
        *left = left.saturating_sub(count as u64);
        if written > largest {
            return Err(format!(
                "the inline item {key} has more than {largest} bytes, the most that one may have here"
            ));
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count])
            .map_err(|error| failed(&error))?;
    }
    if hasher.take() != checksum {
        return Err(format!("Checksum mismatch for {key}"));
    }
    context
        .store
        .put_source(FILES, key, &path)
        .map_err(|error| failed(&error))?;
    Ok(false)
}

/// The content of an item, decompressed while it is read.
fn decode(value: &Value) -> Result<Box<dyn Read>, String> {
    let text = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("it has no {name:?}"))
    };
    let encoding = text("encoding")?;
    let data = decode_base64(text("data")?)?;
    match encoding {
        "base64" => Ok(Box::new(Cursor::new(data))),
        "lzma+base64" if data.starts_with(XZ_MAGIC) => Ok(Box::new(XzReader::new_mem_limit(
            Cursor::new(data),
            true,
            DECODER_MEMORY,
        ))),
        "lzma+base64" => {
            let reader = LzmaReader::new_mem_limit(Cursor::new(data), DECODER_MEMORY, None);
            Ok(Box::new(reader.map_err(|error| {
                format!("it is neither xz nor lzma: {error}")
            })?))
        }
        other => Err(format!(
            "the encoding {other:?} is not known; known are base64, lzma+base64"
        )),
    }
}

/// Decodes as Python does by default: what is not in the alphabet is skipped, complete padding ends the data, bits
/// that are left over are dropped.
fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    let mut digits = Vec::with_capacity(text.len());
    let mut padding = 0;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                digits.push(byte);
                padding = 0;
            }
            b'=' if digits.len() % 4 >= 2 => {
                padding += 1;
                if digits.len() % 4 + padding == 4 {
                    break;
                }
            }
            _ => {}
        }
    }
    if !(digits.len() + padding).is_multiple_of(4) {
        return Err("its base64 text is incomplete: the length or the padding is wrong".to_owned());
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&STANDARD, config)
        .decode(digits)
        .map_err(|error| format!("its base64 text is wrong: {error}"))
}
