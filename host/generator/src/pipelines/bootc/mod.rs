//! Images made from a bootable container.
pub mod info;
