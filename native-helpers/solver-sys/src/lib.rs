//! libsolv, the solver that dnf itself stands on: its core, as far as packages are read into it, written as .solv and solved.
//!
//! Every function is safe to call with any arguments; what was given out by another [`Pool`] is another package or text, or an error, but
//! never memory that is not there. libsolv ends the process when there is no memory left, so this belongs into a process of its own.
//! Only its core is linked, which needs nothing but the C library: metadata is read in Rust.

mod fill;
mod keys;
mod lookup;
mod pool;
mod queue;
mod raw;
mod solve;

pub use fill::Filler;
pub use keys::{Number, Operator, Relation, Text};
pub use pool::{Dependency, Id, Package, Pool, Repository, SolvError};
pub use solve::{Job, Problem, Reason, Rule, RuleKind, Solution};

#[cfg(test)]
mod tests;
