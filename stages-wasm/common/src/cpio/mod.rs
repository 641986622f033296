//! Archives as GNU cpio writes them.

mod archive;
mod header;

pub use archive::{Options, Owner, create};
pub use header::Format;
