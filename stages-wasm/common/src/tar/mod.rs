//! Archives as GNU tar writes them.

mod archive;
mod header;
mod output;
mod pax;
mod sparse;
mod transform;

pub use archive::{Options, create};
pub use header::Format;
pub use transform::Transform;
