//! What the service tells of itself: its log, its metrics, and whether it can work.
//!
//! No label and no answer has a tenant's name, a path or a secret in it: requests are counted by the templates of their routes.
mod health;
pub mod log;
mod metrics;
mod requests;

pub use health::router;
pub use metrics::{Metrics, Outcome};
pub use requests::observed;
