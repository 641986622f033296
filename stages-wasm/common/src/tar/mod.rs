//! Archives as GNU tar writes and unpacks them.

mod archive;
mod extract;
pub(crate) mod header;
pub(crate) mod output;
pub(crate) mod pax;
mod sparse;
mod transform;

pub use archive::{Options, create, create_through};
pub use extract::{extract, extract_layer};
pub use header::Format;
pub use transform::Transform;

/// Every name of an extended attribute begins with this.
pub const ALL_XATTRS: &[&str] = &[""];
