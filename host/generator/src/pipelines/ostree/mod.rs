//! Pipelines of OSTree: from a tree to a commit and what carries it, and from a commit to a system.
pub mod commit;
pub mod container_tree;
pub mod deployment;
pub mod encapsulate;
mod mountpoints;
pub mod references;

pub use commit::OstreeCommit;
pub use container_tree::ContainerTree;
pub use deployment::Deployment;
pub use encapsulate::OstreeEncapsulate;
