//! Archives as GNU tar writes and unpacks them.

mod archive;
mod extract;
pub(crate) mod header;
pub(crate) mod output;
pub(crate) mod pax;
mod sparse;
mod transform;

pub use archive::{Options, create};
pub use extract::extract;
pub use header::Format;
pub use transform::Transform;
