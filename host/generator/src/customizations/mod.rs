//! Stages that a blueprint's customizations become in any tree that is a system: that of packages, a deployment, a disk
//! made of a container. Which of them, and in which order, is the pipelines' business.
pub mod certificates;
pub mod containers;
pub mod fips;
pub mod first_boot;
pub mod nodes;
pub mod package_manager;
pub mod subscription;
pub mod users;
