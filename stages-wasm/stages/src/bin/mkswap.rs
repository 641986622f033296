//! Create a swap area.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, OpenMode, Result, Tree, bail};
use serde::Deserialize;
use std::process::ExitCode;

/// The unit of a swap area: the page size of the machines that images are built for.
const PAGE: u64 = 4096;
/// What mkswap(8) takes at least.
const FEWEST_PAGES: u64 = 10;
/// Where other file systems and partition tables keep their signatures.
const SIGNATURES: usize = 68 << 10;
/// Where the header is: in front of it is room for a boot sector.
const HEADER: usize = 1024;
const LABEL: usize = 16;

#[derive(Deserialize)]
struct Options {
    uuid: String,
    label: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let device = Tree::contract().open_as(arguments.device("device")?, OpenMode::Update)?;
        let size = device.stat()?.size;
        let label = options.label.as_deref().unwrap_or_default();
        let page = first_page(size / PAGE, &options.uuid, label)?;
        let wiped = usize::try_from(size).unwrap_or(usize::MAX).min(SIGNATURES);
        device.write_at(0, &vec![0; wiped])?;
        device.write_at(0, &page)?;
        device.sync()
    })
}

/// `struct swap_header` of the kernel: version 1, little endian.
fn first_page(pages: u64, uuid: &str, label: &str) -> Result<Vec<u8>> {
    if pages < FEWEST_PAGES {
        bail!(
            "the device is too small for a swap area: {} KiB are needed",
            FEWEST_PAGES * PAGE / 1024
        );
    }
    if label.len() > LABEL {
        bail!("label `{label}` is longer than {LABEL} bytes");
    }
    let last = u32::try_from(pages - 1).unwrap_or(u32::MAX);
    let mut page = vec![0; PAGE as usize];
    page[HEADER..HEADER + 4].copy_from_slice(&1_u32.to_le_bytes());
    page[HEADER + 4..HEADER + 8].copy_from_slice(&last.to_le_bytes());
    page[HEADER + 12..HEADER + 28].copy_from_slice(&uuid_bytes(uuid)?);
    page[HEADER + 28..HEADER + 28 + label.len()].copy_from_slice(label.as_bytes());
    page[PAGE as usize - 10..].copy_from_slice(b"SWAPSPACE2");
    Ok(page)
}

/// The 16 bytes of `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
fn uuid_bytes(text: &str) -> Result<[u8; 16]> {
    let invalid = || Error::new(format!("`{text}` is no UUID"));
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    if parts != [8, 4, 4, 4, 12] {
        return Err(invalid());
    }
    let digits = text.replace('-', "");
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_as_mkswap_writes_it() {
        let page = first_page(256, "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8", "swap").unwrap();
        assert_eq!(page[1024..1032], [1, 0, 0, 0, 255, 0, 0, 0]);
        assert_eq!(page[1036..1040], [0x01, 0x94, 0xfd, 0xc2]);
        assert_eq!(&page[1052..1057], b"swap\0");
        assert_eq!(&page[4086..], b"SWAPSPACE2");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let uuid = "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8";
        assert!(first_page(9, uuid, "").is_err());
        assert!(first_page(10, uuid, "12345678901234567").is_err());
        for uuid in [
            "",
            "0194fdc2",
            "0194fdc2-fa2f-4cc0-81d3-ff12045b73cg",
            "0194fdc2fa2f4cc081d3ff12045b73c8",
        ] {
            assert!(first_page(10, uuid, "").is_err(), "{uuid}");
        }
    }
}
