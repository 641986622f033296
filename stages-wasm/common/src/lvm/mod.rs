//! The metadata of LVM2 on a physical volume: where it is, its text, its checksums.
mod disk;
mod text;

pub use disk::{MetadataArea, areas, read_text, write_text};
pub use text::{Entry, Section, Value, parse, render};
