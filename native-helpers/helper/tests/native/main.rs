//! The helper as the runtime uses it. These tests need root and real tools; without them they are skipped, but not where `CI` is set.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests; clippy knows only functions marked #[test] as such"
)]

mod bind;
mod command;
mod command_surroundings;
mod ddi;
mod descriptors;
mod fat;
mod grub_and_images;
mod isolation;
mod lifetime;
mod limits;
mod loopback;
mod mapped;
mod mount;
mod network;
mod protocol;
mod rpm;
mod support;
mod talk;
mod tree;
