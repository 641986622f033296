//! What the superblock of an ext4 file system has the kernel do beyond mounting it, see ext4's documentation of disk layout.
//!
//! Images are made by packages, archives and programs of build roots, and a superblock can name another device as journal, or options
//! of mounting. The mount must not follow.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Failure};

use crate::failure::About;

/// Where the superblock is, and its size.
const OFFSET: u64 = 1024;
const SIZE: usize = 1024;

/// Offsets in it, and what they hold there.
const MAGIC: (usize, u16) = (0x38, 0xef53);
const ERRORS: usize = 0x3c;
const PANIC: u16 = 3;
const COMPATIBLE_FEATURES: usize = 0x5c;
const HAS_JOURNAL: u32 = 0x4;
const INCOMPATIBLE_FEATURES: usize = 0x60;
const IS_JOURNAL: u32 = 0x8;
const JOURNAL_INODE: usize = 0xe0;
const JOURNAL_DEVICE: usize = 0xe4;
const MOUNT_OPTIONS: std::ops::Range<usize> = 0x200..0x240;

/// Refuses an ext4 file system that would lead the kernel to another device or has options of its own. What is none is left to the
/// kernel, which says so better.
pub fn check_ext4(device: &Path, name: &str) -> Result<(), Failure> {
    check(device, name, flaw)
}

/// The same where the mount does not say what is to happen on errors: the superblock may ask for a panic.
pub fn check_ext4_for_others(device: &Path, name: &str) -> Result<(), Failure> {
    check(device, name, |superblock| {
        flaw(superblock).or_else(|| panic(superblock))
    })
}

fn check(
    device: &Path,
    name: &str,
    flaw: impl FnOnce(&[u8; SIZE]) -> Option<&'static str>,
) -> Result<(), Failure> {
    let file = File::open(device).about(name, "open this device")?;
    let mut superblock = [0; SIZE];
    if file.read_exact_at(&mut superblock, OFFSET).is_err() {
        return Ok(());
    }
    match flaw(&superblock) {
        None => Ok(()),
        Some(flaw) => Err(Failure::new(ErrorCode::Denied, name, flaw)),
    }
}

fn is_ext4(superblock: &[u8; SIZE]) -> bool {
    let magic = [superblock[MAGIC.0], superblock[MAGIC.0 + 1]];
    u16::from_le_bytes(magic) == MAGIC.1
}

fn panic(superblock: &[u8; SIZE]) -> Option<&'static str> {
    let errors = u16::from_le_bytes([superblock[ERRORS], superblock[ERRORS + 1]]);
    (is_ext4(superblock) && errors == PANIC).then_some(
        "the superblock of this file system asks for a panic of the machine on errors: clear it with tune2fs -e remount-ro",
    )
}

fn flaw(superblock: &[u8; SIZE]) -> Option<&'static str> {
    let word = |at: usize| {
        let bytes = superblock[at..at + 4].try_into();
        bytes.map_or(0, u32::from_le_bytes)
    };
    if !is_ext4(superblock) {
        return None;
    }
    let has_journal = word(COMPATIBLE_FEATURES) & HAS_JOURNAL != 0;
    let is_elsewhere = word(JOURNAL_INODE) == 0 || word(JOURNAL_DEVICE) != 0;
    if has_journal && is_elsewhere || word(INCOMPATIBLE_FEATURES) & IS_JOURNAL != 0 {
        return Some(
            "the journal of this file system is on another device, which is not mounted here",
        );
    }
    let options = superblock[MOUNT_OPTIONS].iter().any(|byte| *byte != 0);
    options.then_some("the superblock of this file system has mount options of its own: clear them with tune2fs -E mount_opts=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock(change: impl Fn(&mut [u8; SIZE])) -> [u8; SIZE] {
        let mut block = [0; SIZE];
        block[MAGIC.0..MAGIC.0 + 2].copy_from_slice(&MAGIC.1.to_le_bytes());
        block[COMPATIBLE_FEATURES] = HAS_JOURNAL as u8;
        block[JOURNAL_INODE] = 8;
        change(&mut block);
        block
    }

    #[test]
    fn what_others_mount_asks_for_no_panic() {
        assert_eq!(panic(&superblock(|block| block[ERRORS] = 2)), None);
        let asks = superblock(|block| block[ERRORS] = 3);
        assert!(panic(&asks).is_some() && flaw(&asks).is_none());
    }

    #[test]
    fn a_file_system_that_leads_elsewhere_is_refused() {
        assert_eq!(flaw(&superblock(|_| {})), None);
        assert_eq!(flaw(&[0; SIZE]), None);
        for change in [
            |block: &mut [u8; SIZE]| block[JOURNAL_INODE] = 0,
            |block: &mut [u8; SIZE]| block[JOURNAL_DEVICE] = 7,
            |block: &mut [u8; SIZE]| block[INCOMPATIBLE_FEATURES] = IS_JOURNAL as u8,
            |block: &mut [u8; SIZE]| block[MOUNT_OPTIONS.start] = b'e',
        ] {
            assert!(flaw(&superblock(change)).is_some());
        }
    }
}
