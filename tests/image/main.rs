//! Builds images from RPM packages and boots them under emulation.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "how long a boot took is worth a line")]

mod blueprint;
mod boot;
mod composer;
mod console;
mod customizations;
mod earliest;
mod media;
mod ostree;
mod repository;
mod virtual_machine;
