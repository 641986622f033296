//! Code that several of our stages share.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod bls;
pub mod chroot;
pub mod compress;
pub mod grub;
pub mod image;
pub mod mkfs;
pub mod mode;
pub mod ostree;
pub mod partitions;
pub mod replacement;
pub mod size;
pub mod systemd;
pub mod tar;
pub mod units;
pub mod zipl;
